package cli

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// oneDocument checks that text is one JSON document that matches its schema,
// and returns its kind.
func oneDocument(t *testing.T, text string) string {
	t.Helper()
	kind := schema.DocumentKind([]byte(text))
	if kind == "" {
		t.Errorf("is no document: %q", text)
		return ""
	}
	for _, v := range schema.CheckDocument(kind, []byte(text)) {
		t.Errorf("%s: %s\n%s", kind, v.Message(), text)
	}
	return kind
}

// theProblem returns the only problem of a document of problems.
func theProblem(t *testing.T, text string) schema.Problem {
	t.Helper()
	var doc struct{ Problems []schema.Problem }
	if kind := oneDocument(t, text); kind != schema.ProblemsDocument {
		t.Errorf("is a document of kind %q, want problems", kind)
		return schema.Problem{}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.Problems) != 1 {
		t.Errorf("%v: %s", err, text)
		return schema.Problem{}
	}
	return doc.Problems[0]
}

// TestWrongCallsHaveADocument calls every command in every wrong way. stdout
// and the files of --report must contain a document of the error, at any
// position of their flags.
func TestWrongCallsHaveADocument(t *testing.T) {
	t.Parallel()
	commands := [][]string{
		{"validate"}, {"plan"}, {"apply"}, {"drift"}, {"import"}, {"show"}, {"show-rule"}, {"history"}, {"audit", "verify"}, {"audit", "show"},
		{"config"}, {"init"}, {"secret", "set"}, {"release"}, {"restore"}, {"emulate"}, {"schema"}, {"version"}, {"man"}, {"completion", "bash"},
		// Not commands.
		{"audit"}, {"secret"}, {"completion"}, {"help", "nonsense"}, {"plna"}, {},
	}
	calls := map[string]func(command, output []string) []string{
		"an unknown flag before":      func(c, o []string) []string { return slices.Concat(c, []string{"--nosuch"}, o) },
		"an unknown flag behind":      func(c, o []string) []string { return slices.Concat(c, o, []string{"--nosuch"}) },
		"an unknown short flag":       func(c, o []string) []string { return slices.Concat(c, []string{"-Z"}, o) },
		"an unknown flag with value":  func(c, o []string) []string { return slices.Concat(c, []string{"--nosuch=7"}, o) },
		"no flag":                     func(c, o []string) []string { return slices.Concat(c, []string{"--=7"}, o) },
		"a flag without its value":    func(c, o []string) []string { return slices.Concat(c, o, []string{"--color"}) },
		"a wrong bool":                func(c, o []string) []string { return slices.Concat(c, []string{"--quiet=maybe"}, o) },
		"a wrong value":               func(c, o []string) []string { return slices.Concat(c, o, []string{"--color", "blue"}) },
		"the format before all":       func(c, o []string) []string { return slices.Concat(o, c, []string{"--nosuch"}) },
		"a format that does not win":  func(c, o []string) []string { return slices.Concat(c, []string{"--format=text", "--nosuch"}, o) },
		"a value that is no format":   func(c, o []string) []string { return slices.Concat(c, o, []string{"--color", "--format", "text"}) },
		"a report that can't be made": func(c, o []string) []string { return slices.Concat(c, []string{"--report", "json=nowhere/x.json"}, o) },
		"a report of no format":       func(c, o []string) []string { return slices.Concat(c, []string{"--report", "pdf=x.pdf"}, o) },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			for _, c := range commands {
				output := []string{"--format", "json", "--report", "json=out.json", "--report=markdown=out.md"}
				args := call(c, output)
				stdout, stderr, code := r.runMkhooks(nil, args...)
				if code != exitInvalid || !strings.Contains(stderr, "mkhooks: error: ") {
					t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
				}
				p := theProblem(t, stdout)
				if p.Message == "" || p.Severity != schema.Error || !strings.Contains(strings.ReplaceAll(stderr, "mkhooks: | ", ""), strings.SplitN(p.Message, "\n", 2)[0]) {
					t.Errorf("%q: the document says %q\n%s", args, p.Message, stderr)
				}
				file, err := os.ReadFile(filepath.Join(r.dir, "out.json"))
				if err != nil || string(file) != stdout {
					t.Errorf("%q: --report: %v\n%s", args, err, file)
				}
				if md, err := os.ReadFile(filepath.Join(r.dir, "out.md")); err != nil || !strings.Contains(string(md), "| error |") {
					t.Errorf("%q: --report markdown: %v\n%s", args, err, md)
				}
				_ = os.Remove(filepath.Join(r.dir, "out.json"))
				_ = os.Remove(filepath.Join(r.dir, "out.md"))
			}
			left, err := filepath.Glob(filepath.Join(r.dir, ".mkhooks-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// TestFailuresHaveADocument makes every command that calls the service or reads
// files fail in every way. stdout and the files of --report must contain one
// document, for every exit code. In GitHub Actions the summary page must
// contain it also.
func TestFailuresHaveADocument(t *testing.T) {
	t.Parallel()
	common := []string{"--retry-for", "1ms", "--owner", "team"}
	readers := map[string][]string{
		"plan":              slices.Concat([]string{"plan"}, common, []string{"rules"}),
		"plan --out":        slices.Concat([]string{"plan", "--out", "plan.json"}, common, []string{"rules"}),
		"drift":             slices.Concat([]string{"drift"}, common, []string{"rules"}),
		"drift --metrics":   slices.Concat([]string{"drift", "--metrics", "m.prom"}, common, []string{"rules"}),
		"apply":             slices.Concat([]string{"apply", "--yes"}, common, []string{"rules"}),
		"release":           slices.Concat([]string{"release", "--yes", "--rules", "rules"}, common, []string{"keep"}),
		"history":           {"history", "--retry-for", "1ms"},
		"history --records": {"history", "--retry-for", "1ms", "--records", "keep"},
		"history --export":  {"history", "--retry-for", "1ms", "--export", "histories"},
	}
	failures := map[string]struct {
		fault *emulator.Fault
		env   []string
		code  int
		says  string
	}{
		"400":              {&emulator.Fault{Status: 400}, nil, 1, "400 Bad Request"},
		"401":              {nil, []string{"MKIO_TOKEN=another"}, 1, "401 Unauthorized"},
		"403":              {&emulator.Fault{Status: 403}, nil, 1, "403 Forbidden"},
		"404 of a proxy":   {&emulator.Fault{Status: 404, Body: "<html>"}, nil, 1, "404 Not Found"},
		"429":              {&emulator.Fault{Status: 429}, nil, 1, "429 Too Many Requests"},
		"500":              {&emulator.Fault{Status: 500}, nil, 1, "500 Internal Server Error"},
		"503 of a proxy":   {&emulator.Fault{Status: 503, Body: "<html>"}, nil, 1, "503 Service Unavailable"},
		"network down":     {nil, []string{"MKIO_BASE_URL=http://127.0.0.1:1"}, 1, "connection refused"},
		"closed":           {&emulator.Fault{Drop: emulator.DropBefore}, nil, 1, "closed"},
		"cut":              {&emulator.Fault{Cut: 5}, nil, 1, "cut short"},
		"a page":           {&emulator.Fault{Status: 200, Body: "<html>"}, nil, 1, "not JSON"},
		"unreadable list":  {&emulator.Fault{Body: `{"value":[{"metadata":7}]}`}, nil, 1, "can't be read"},
		"no token":         {nil, []string{"MKIO_TOKEN="}, 3, "MKIO_TOKEN is not set"},
		"no project":       {nil, []string{"MKIO_PROJECT="}, 3, "no project"},
		"base URL":         {nil, []string{"MKIO_BASE_URL=http://app.mk.io"}, 3, "not https"},
		"unreadable token": {nil, []string{"MKIO_TOKEN=two words"}, 3, "token"},
	}
	r := newRepo(t)
	r.writeRule("rules", "keep", "keep", "")
	s := serveEmulator(t, emulator.Options{})
	r.mustRun(s, 0, "apply", "--owner", "team", "--yes", "rules")
	for name, f := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveEmulator(t, emulator.Options{})
			if f.fault != nil {
				s.Fault(*f.fault)
			}
			for command, args := range readers {
				reports := t.TempDir()
				args := slices.Concat(args, []string{"--format", "json", "--report", "json=" + reports + "/r.json", "--report", "markdown=" + reports + "/r.md"})
				if command == "history --records" {
					args = args[:len(args)-4]
				}
				cmd := r.newProcess(s, args...)
				cmd.Env = append(cmd.Env, f.env...)
				cmd.Env = append(cmd.Env, "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+reports+"/summary.md")
				var stdout, stderr strings.Builder
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				_ = cmd.Run() // only the exit code matters
				if code := cmd.ProcessState.ExitCode(); code != f.code {
					t.Errorf("%s: exit code %d, want %d\n%s%s", command, code, f.code, stdout.String(), stderr.String())
				}
				if p := theProblem(t, stdout.String()); !strings.Contains(p.Message, f.says) || p.File != "" {
					t.Errorf("%s: %q, want %q", command, p.Message, f.says)
				}
				if !strings.Contains(stderr.String(), "\n::error title=mkhooks::") {
					t.Errorf("%s: no annotation:\n%s", command, stderr.String())
				}
				wanted := []string{"r.json", "r.md", "summary.md"}
				if command == "history --records" {
					wanted = wanted[2:]
				}
				for _, file := range wanted {
					if text, err := os.ReadFile(filepath.Join(reports, file)); err != nil || len(text) == 0 {
						t.Errorf("%s: %s: %v", command, file, err)
					}
				}
				if _, err := os.Lstat(filepath.Join(r.dir, "plan.json")); err == nil {
					t.Errorf("%s: a plan was saved", command)
				}
			}
		})
	}
}

// TestLateFailuresHaveADocument checks the failures of each command that don't
// come from the service.
func TestLateFailuresHaveADocument(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "keep", "keep", secretOne)
	r.writeRule("doomed", "doomed", "doomed", "")
	r.writeFile("broken/a.yaml", "metadata: {name: a}\nspec: {url: ftp://x, enabled: maybe}\n")
	r.writeFile("bad.yaml", "owner: 7\nprojects: []\n")
	r.writeFile("blocker", "a file where a folder is wanted\n")
	r.writeFile("torn.jsonl", "{\n{\n")
	r.writeFile("locked/audit.jsonl/x", "a folder where a file is wanted\n")
	s := serveEmulator(t, emulator.Options{})
	r.mustRun(s, 0, "apply", "--owner", "team", "--yes", "rules", "doomed")
	apply := []string{"apply", "--yes", "--owner", "team", "--prune", "owned", "--retry-for", "1ms"}
	for name, c := range map[string]struct {
		args []string
		env  []string
		code int
		kind string
	}{
		"rule files":              {append(slices.Clone(apply), "broken"), nil, 3, schema.ProblemsDocument},
		"rule files, validate":    {[]string{"validate", "broken"}, nil, 3, schema.ProblemsDocument},
		"no rule files":           {[]string{"plan", "nowhere"}, nil, 3, schema.ProblemsDocument},
		"config file":             {[]string{"plan", "--config", "bad.yaml"}, nil, 3, schema.ProblemsDocument},
		"no config file":          {[]string{"config", "--config", "nowhere.yaml"}, nil, 3, schema.ProblemsDocument},
		"no key":                  {append(slices.Clone(apply), "--resend-auth", "rules"), []string{"SOPS_AGE_KEY_FILE=nowhere"}, 3, schema.ProblemsDocument},
		"no key, validate":        {[]string{"validate", "--decrypt", "rules"}, []string{"SOPS_AGE_KEY_FILE=nowhere"}, 3, schema.ProblemsDocument},
		"the audit log":           {append(slices.Clone(apply), "--resend-auth", "--audit", "locked/audit.jsonl", "rules"), nil, 3, schema.ProblemsDocument},
		"no archive of that kind": {append(slices.Clone(apply), "--archive", "ftp://x", "rules"), nil, 3, schema.ProblemsDocument},
		"archive can't be opened": {append(slices.Clone(apply), "--archive", "blocker/archive", "rules"), nil, 3, schema.ProblemsDocument},
		"archive is unreachable":  {append(slices.Clone(apply), "--archive", "s3://nobody?endpoint=http://127.0.0.1:1&region=x", "rules"), []string{"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y"}, 1, schema.ResultDocument},
		"a plan that is none":     {append(slices.Clone(apply), "--plan", "bad.yaml", "rules"), nil, 3, schema.ProblemsDocument},
		"show":                    {[]string{"show", "torn.jsonl"}, nil, 3, schema.ProblemsDocument},
		"audit show":              {[]string{"audit", "show", "torn.jsonl"}, nil, 3, schema.ProblemsDocument},
		"audit verify":            {[]string{"audit", "verify", "nowhere.jsonl"}, nil, 3, schema.ProblemsDocument},
		"audit verify, head":      {[]string{"audit", "verify", "--head", "7", "torn.jsonl"}, nil, 3, schema.ProblemsDocument},
		"show-rule":               {[]string{"show-rule", "--rules", "rules", "another"}, nil, 3, schema.ProblemsDocument},
		"history":                 {[]string{"history", "another"}, nil, 3, schema.ProblemsDocument},
		"history, since":          {[]string{"history", "--since", "soon"}, nil, 3, schema.ProblemsDocument},
		"history, export":         {[]string{"history", "--export", "blocker/x"}, nil, 3, schema.ProblemsDocument},
		"metrics":                 {[]string{"drift", "--metrics", "nowhere/m.prom", "rules"}, nil, 3, schema.ProblemsDocument},
		"nobody answers":          {[]string{"release", "--owner", "team", "--rules", "rules", "keep"}, nil, 3, schema.ProblemsDocument},
		"nobody answers, apply":   {[]string{"apply", "--owner", "team", "rules"}, nil, 3, schema.ProblemsDocument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := r.newProcess(s, append(slices.Clone(c.args), "--format", "json")...)
			cmd.Env = append(cmd.Env, c.env...)
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // only the exit code matters
			if code := cmd.ProcessState.ExitCode(); code != c.code {
				t.Errorf("exit code %d, want %d\n%s", code, c.code, stderr.String())
			}
			if kind := oneDocument(t, stdout.String()); kind != c.kind {
				t.Errorf("a document of kind %q, want %q\n%s", kind, c.kind, stderr.String())
			}
		})
	}
}

// TestInterruptedHasADocument sends a signal during a request.
func TestInterruptedHasADocument(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "keep", "keep", "")
	r.writeFile("seed", "")
	for name, c := range map[string]struct {
		args  []string
		kind  emulator.Kind
		nth   int
		wants string
	}{
		"plan":                         {[]string{"plan", "rules"}, emulator.List, 1, schema.ProblemsDocument},
		"drift":                        {[]string{"drift", "rules"}, emulator.List, 1, schema.ProblemsDocument},
		"apply":                        {[]string{"apply", "--yes", "rules"}, emulator.List, 1, schema.ProblemsDocument},
		"history":                      {[]string{"history"}, emulator.Events, 1, schema.ProblemsDocument},
		"history, first page":          {[]string{"history", "--records", "keep"}, emulator.Events, 1, schema.HistoryDocument},
		"history, second page":         {[]string{"history", "--records", "keep"}, emulator.Events, 2, schema.HistoryDocument},
		"history, before the records":  {[]string{"history", "--records", "keep"}, emulator.List, 1, schema.ProblemsDocument},
		"drift, before its deliveries": {[]string{"drift", "--deliveries", "rules"}, emulator.Events, 1, schema.ProblemsDocument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveEmulator(t, emulator.Options{MaxTop: 2})
			s.Put("keep", map[string]any{"url": "https://hooks.example.com/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
			s.AddEvents("keep", makeRecords(5)...)
			cmd := r.newProcess(s, append(slices.Clone(c.args), "--format", "json")...)
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			start, signal := process(t, cmd)
			s.Fault(emulator.Fault{Kind: c.kind, Nth: c.nth, Before: func() { signal(os.Interrupt) }, Stall: true})
			start()
			_ = cmd.Wait() // only the exit code matters
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
				t.Errorf("exit code %d, want 130\n%s", code, stderr.String())
			}
			if kind := oneDocument(t, stdout.String()); kind != c.wants {
				t.Errorf("a document of kind %q, want %q", kind, c.wants)
			}
			if !strings.Contains(stdout.String(), "interrupted") {
				t.Errorf("does not say why:\n%s", stdout.String())
			}
		})
	}
}

// TestReportWithoutAReader checks that the files of --report are written even
// if stdout has no reader.
func TestReportWithoutAReader(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "keep", "keep", "")
	s := serveEmulator(t, emulator.Options{})
	for _, args := range [][]string{
		{"plan", "rules", "--format", "json"}, {"plan", "rules", "--nosuch", "--format", "json"}, {"apply", "--yes", "rules"},
		{"plan", "--base-url", "http://127.0.0.1:1", "--retry-for", "1ms", "rules", "--format", "json"},
	} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = reader.Close()
		cmd := r.newProcess(s, append(args, "--report", "json=out.json")...)
		cmd.Stdout = writer
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() < 1 {
			t.Errorf("%q: %v", args, err)
		}
		_ = writer.Close()
		text, err := os.ReadFile(filepath.Join(r.dir, "out.json"))
		if err != nil {
			t.Errorf("%q: %v", args, err)
		}
		oneDocument(t, string(text))
		_ = os.Remove(filepath.Join(r.dir, "out.json"))
	}
}

// TestPanicHasADocument checks that a panic in any goroutine leaves one
// document and exit code 1. Go's default code, 2, would mean a difference. No
// output may contain the panic's value.
func TestPanicHasADocument(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "jobs", "jobs", "")
	rules := filepath.Join(r.dir, "rules")
	export := filepath.Join(t.TempDir(), "histories")
	for name, c := range map[string]struct {
		args  []string
		after int // number of good requests before the fault
	}{
		"plan":                 {[]string{"plan", rules}, 0},
		"drift":                {[]string{"drift", rules}, 0},
		"drift, deliveries":    {[]string{"drift", "--owner", "team", "--deliveries", rules}, 1},
		"apply, the list":      {[]string{"apply", "--yes", rules}, 0},
		"history, the list":    {[]string{"history"}, 0},
		"history, first page":  {[]string{"history"}, 1},
		"history, second page": {[]string{"history"}, 2},
		"history, third page":  {[]string{"history"}, 3},
		"history, export":      {[]string{"history", "--export", export}, 3},
		"release":              {[]string{"release", "--yes", "--owner", "team", "--rules", rules, "jobs"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveEmulator(t, emulator.Options{MaxTop: 2})
			s.Put("jobs", map[string]any{"url": "https://hooks.example.com/jobs", "enabled": true, "events": []any{"MediaKind.JobFinished"}, "headers": map[string]any{"X-Source": "mkio"}})
			s.AddEvents("jobs", makeRecords(9)...)
			var stdout, stderr strings.Builder
			env := map[string]string{"MKIO_TOKEN": scriptToken, "MKIO_PROJECT": "demo", "MKIO_BASE_URL": s.url}
			file := filepath.Join(t.TempDir(), "out.json")
			code := Main(t.Context(), Env{
				Args: append(slices.Clone(c.args), "--config", "", "--format", "json", "--report", "json="+file), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
				Getenv: func(k string) string { return env[k] }, Now: time.Now, Transport: &panicking{after: int64(c.after)},
			})
			p := theProblem(t, stdout.String())
			if code != 1 || !strings.Contains(p.Message, "a fault in mkhooks itself") || strings.Contains(stdout.String()+stderr.String(), secretOne) {
				t.Errorf("exit code %d, %q\n%s", code, p.Message, stderr.String())
			}
			if !strings.Contains(stderr.String(), "panicking).RoundTrip") {
				t.Errorf("the trace is another one:\n%s", stderr.String())
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != stdout.String() {
				t.Errorf("--report: %v\n%s", err, text)
			}
		})
	}
}

// panicking is a transport that panics after some requests.
type panicking struct {
	after int64
	sent  atomic.Int64
}

func (p *panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.sent.Add(1) > p.after {
		panic(secretOne)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestUnwrittenDocumentKeepsTheCode checks that an unwritten document is a
// failure, but does not replace an exit code with precedence.
func TestUnwrittenDocumentKeepsTheCode(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("there is no device that is full: %v", err)
	}
	defer full.Close()
	r := newRepo(t)
	r.writeRule("rules", "keep", "keep", "")
	r.writeFile("broken/a.yaml", "metadata: {name: a}\nspec: {url: ftp://x, enabled: maybe}\n")
	s := serveEmulator(t, emulator.Options{})
	for _, c := range []struct {
		code int
		args []string
	}{
		{1, []string{"validate", "rules"}}, {3, []string{"validate", "broken"}}, {3, []string{"plan", "broken"}},
		{1, []string{"plan", "--detailed-exitcode", "rules"}}, {1, []string{"drift", "rules"}}, {1, []string{"history"}}, {1, []string{"version"}},
		{3, []string{"audit", "verify", "nowhere.jsonl"}}, {3, []string{"plan", "--nosuch"}}, {1, []string{"plan", "--base-url", "http://127.0.0.1:1", "--retry-for", "1ms", "rules"}},
	} {
		reports := []string{"--format", "json", "--report", "json=out.json"}
		if c.args[0] == "version" {
			reports = reports[:2]
		}
		cmd := r.newProcess(s, append(slices.Clone(c.args), reports...)...)
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = full, &stderr
		_ = cmd.Run() // only the exit code matters
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(stderr.String(), "write standard output: ") {
			t.Errorf("%q: exit code %d, want %d\n%s", c.args, code, c.code, stderr.String())
		}
		if c.args[0] == "version" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(r.dir, "out.json"))
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
		oneDocument(t, string(text))
		_ = os.Remove(filepath.Join(r.dir, "out.json"))
		// The reverse: stdout gets the document, the file does not.
		if len(reports) > 2 {
			reports[3] = "json=/dev/full"
		}
		stdout, _ := r.mustRun(s, c.code, append(slices.Clone(c.args), reports...)...)
		oneDocument(t, stdout)
	}
}

// TestFailureAsCSV checks that CSV output reports a failure instead of records.
func TestFailureAsCSV(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	for _, args := range [][]string{{"--format", "csv", "--nosuch"}, {"--nosuch", "--format=csv"}, {"--format", "csv", "--since", "=1"}} {
		stdout, _ := r.mustRun(nil, 3, append([]string{"history"}, args...)...)
		rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
		if err != nil || len(rows) != 2 || rows[1][0] != "error" || rows[1][4] == "" {
			t.Errorf("%q: %v %q", args, err, rows)
		}
	}
}
