package metrics

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/mkhooks/mkhooks/sync/plan"
)

var update = flag.Bool("update", false, "rewrite testdata/*.prom")

// noon is the end of the runs in these tests.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// parsed parses a file as Prometheus does. It returns the value of each sample
// by name and labels.
func parsed(t *testing.T, text []byte) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("Prometheus can't read the file: %v\n%s", err, text)
	}
	out := map[string]float64{}
	for name, f := range families {
		if f.GetHelp() == "" || f.GetType().String() != "GAUGE" {
			t.Errorf("%s is a %s with the help %q", name, f.GetType(), f.GetHelp())
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			slices.Sort(labels)
			if m.TimestampMs != nil {
				t.Errorf("%s has a time, which the textfile collector refuses", name)
			}
			key := name
			if len(labels) > 0 {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			out[key] = m.GetGauge().GetValue()
		}
	}
	return out
}

// has compares some of the samples; a nil value means that the sample is
// absent.
func has(t *testing.T, text []byte, want map[string]any) {
	t.Helper()
	got := parsed(t, text)
	for key, w := range want {
		v, there := got[key]
		if (w != nil) != there || there && fmt.Sprint(v) != fmt.Sprint(w) {
			t.Errorf("%s is %v (there: %v), want %v", key, v, there, w)
		}
	}
}

func planned() *plan.Project {
	p := &plan.Project{InSync: 5}
	for _, d := range []plan.Direction{plan.DirDrift, plan.DirDrift, plan.DirDrift, plan.DirPending, plan.DirBoth, plan.DirAdopt, plan.DirUnknown} {
		p.Changes = append(p.Changes, plan.Change{Action: plan.Update, Direction: d})
	}
	p.Changes = append(p.Changes,
		plan.Change{Action: plan.Create, Direction: plan.DirNew},
		plan.Change{Action: plan.Delete, Direction: plan.DirGone, Blocked: &plan.Blocked{}},
		plan.Change{Action: plan.Delete, Direction: plan.DirGone})
	for _, r := range []plan.UnmanagedReason{plan.ReasonUnmanaged, plan.ReasonForeign, plan.ReasonCopied, plan.ReasonKept} {
		p.Unmanaged = append(p.Unmanaged, plan.Unmanaged{Reason: r})
	}
	p.Uncertain = []plan.Uncertain{{}, {}}
	p.Failing = []plan.Failing{{}}
	p.DeliveriesUnknown = []string{"jobs", "alerts"}
	return p
}

// run returns a run with a fully known project, an empty project and an
// unreadable project.
func run() Run {
	sent := &Requests{}
	for i, status := range []int{200, 200, 429, 503, 0} {
		sent.Add("GET", status, i)
	}
	return Run{
		Version: "v1.2.3", Began: noon.Add(-1500 * time.Millisecond), Finished: noon, ExitCode: 1,
		Projects: []Project{
			{Name: "prod", Plan: planned(), Deliveries: true, Duration: 1234 * time.Millisecond, Requests: sent, TokenExpiry: noon.Add(240 * time.Hour)},
			{Name: "empty", Plan: &plan.Project{}},
			{Name: "gone", Requests: &Requests{}},
		},
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	got := FormatRun(run(), Successes{run: noon.Add(-time.Hour), projects: map[string]time.Time{"gone": noon.Add(-48 * time.Hour), "other": noon}})
	file := filepath.Join("testdata", "run.prom")
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got; -update writes it):\n%s", diff)
	}
	if n := len(parsed(t, got)); n != bytes.Count(got, []byte("\nmkhooks_")) {
		t.Errorf("Prometheus reads %d samples, the file has %d", n, bytes.Count(got, []byte("\nmkhooks_")))
	}
	has(t, got, map[string]any{
		`mkhooks_rules{project="prod",state="drift"}`:                     3,
		`mkhooks_rules{project="empty",state="drift"}`:                    0,
		`mkhooks_rules{project="gone",state="drift"}`:                     nil,
		`mkhooks_changes{action="delete",project="prod"}`:                 2,
		`mkhooks_changes_blocked{project="prod"}`:                         1,
		`mkhooks_rules_failing_deliveries{project="empty"}`:               nil,
		`mkhooks_rules_unknown_deliveries{project="prod"}`:                2,
		`mkhooks_rules_unknown_deliveries{project="empty"}`:               nil,
		`mkhooks_requests{method="GET",project="prod",status="none"}`:     1,
		`mkhooks_retries{project="prod"}`:                                 3,
		`mkhooks_project_readable{project="gone"}`:                        0,
		`mkhooks_project_last_success_timestamp_seconds{project="gone"}`:  float64(noon.Add(-48 * time.Hour).Unix()),
		`mkhooks_project_last_success_timestamp_seconds{project="other"}`: nil,
		`mkhooks_last_success_timestamp_seconds`:                          float64(noon.Add(-time.Hour).Unix()),
	})
}

// TestStates: each rule is counted once, in a state that States contains.
func TestStates(t *testing.T) {
	t.Parallel()
	p := planned()
	rules := p.InSync + len(p.Changes) + len(p.Unmanaged) + len(p.Uncertain)
	sum := 0
	states := countByState(p)
	for _, s := range States {
		if states[s] == 0 {
			t.Errorf("no rule of the test is %s", s)
		}
		sum += states[s]
	}
	if sum != rules || len(states) != len(States) {
		t.Errorf("%d rules in %d states, want %d in %d", sum, len(states), rules, len(States))
	}
}

// TestNames: Prometheus and mkhooks read back any project name.
func TestNames(t *testing.T) {
	t.Parallel()
	names := []string{`a"b`, `a\b`, `a\nb`, "a\nb", "a} 1\n# HELP x", "Ünïcode 项目", "", "with space", `\`, `"} 5`, "a\tb\rc"}
	var r Run
	r.Finished = noon
	for _, n := range names {
		r.Projects = append(r.Projects, Project{Name: n, Plan: &plan.Project{}})
	}
	text := FormatRun(r, Successes{})
	got := parsed(t, text)
	back := parseSuccesses(text)
	for _, n := range names {
		if _, ok := got[fmt.Sprintf("mkhooks_project_readable{project=%q}", n)]; !ok {
			t.Errorf("Prometheus does not know the project %q", n)
		}
		if !back.projects[n].Equal(noon) {
			t.Errorf("the last success of %q is read back as %v", n, back.projects[n])
		}
	}
	if len(back.projects) != len(names) {
		t.Errorf("%d projects are read back, want %d", len(back.projects), len(names))
	}
	parsed(t, FormatRun(Run{Projects: []Project{{Name: "\xff\xfe"}}}, Successes{}))
}

// TestKept: a failed run keeps the time of the last success, whatever the
// failure.
func TestKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mkhooks.prom")
	write := func(at time.Time, code int, projects ...Project) []byte {
		t.Helper()
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Write(Run{Finished: at, ExitCode: code, Projects: projects}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	const run, a, b = "mkhooks_last_success_timestamp_seconds", `mkhooks_project_last_success_timestamp_seconds{project="a"}`, `mkhooks_project_last_success_timestamp_seconds{project="b"}`
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	at := func(n int) float64 { return float64(hour(n).Unix()) }
	good, bad := &plan.Project{}, (*plan.Project)(nil)

	has(t, write(hour(0), 3), map[string]any{run: 0, a: nil, "mkhooks_run_exit_code": 3})
	has(t, write(hour(1), 1, Project{Name: "a", Plan: bad}), map[string]any{run: 0, a: 0})
	has(t, write(hour(2), 2, Project{Name: "a", Plan: good}, Project{Name: "b", Plan: good}), map[string]any{run: at(2), a: at(2), b: at(2)})
	has(t, write(hour(3), 1, Project{Name: "a", Plan: good}, Project{Name: "b", Plan: bad}), map[string]any{run: at(2), a: at(3), b: at(2)})
	has(t, write(hour(4), 3), map[string]any{run: at(2), a: at(3), b: at(2), `mkhooks_project_readable{project="a"}`: nil})
	has(t, write(hour(5), 130, Project{Name: "a"}, Project{Name: "b"}), map[string]any{run: at(2), a: at(3), b: at(2), "mkhooks_run_exit_code": 130})
	has(t, write(hour(6), 0, Project{Name: "a", Plan: good}), map[string]any{run: at(6), a: at(6), b: nil})
	// The clock was ahead until now, so the kept times are invalid.
	has(t, write(hour(-3), 1, Project{Name: "a", Plan: bad}), map[string]any{run: 0, a: 0})
}

// TestFile: everybody may read the file, and the directory contains no other
// file.
func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "mkhooks.prom")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("to open is to leave %v", entries)
	}
	if err := f.Write(run()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the folder holds %v", entries)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.prom"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file("rule.yaml", "metadata: {}"):                       "ends in .prom",
		filepath.Join(dir, "new.txt"):                           "ends in .prom",
		file("other.prom", "# HELP node_load1 x\nnode_load1 1"): "holds something else",
		filepath.Join(dir, "folder.prom"):                       "is a link or no file",
		filepath.Join(dir, "none", "x.prom"):                    "no such file",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
	for _, text := range []string{"", "# HELP mkhooks_x x\nbroken{ 5\n\nmkhooks_last_success_timestamp_seconds x\n" + projectLastSuccess + " 5"} {
		f, err := Open(file("fine.prom", text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if !f.before.run.IsZero() || len(f.before.projects) > 0 {
			t.Errorf("%q says %v", text, f.before)
		}
	}
	link := filepath.Join(dir, "link.prom")
	if err := os.Symlink(file("target.prom", ""), link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if _, err := Open(link); err == nil {
		t.Error("a link is taken")
	}
}

// TestRequestsSideBySide is for the race detector.
func TestRequestsSideBySide(t *testing.T) {
	t.Parallel()
	var r Requests
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				r.Add("GET", 200, 2)
			}
		})
	}
	group.Wait()
	kinds, sent, retries := r.snapshot()
	if want := (request{"GET", "2xx"}); len(kinds) != 1 || sent[want] != 800 || retries != 800 {
		t.Errorf("%v, %d sent again, want 800 of %v", sent, retries, want)
	}
}

// TestPromtool: the linter of Prometheus reports no problem.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("NOT TESTED: promtool, of Debian's package prometheus, is not on the PATH")
	}
	for _, r := range []Run{run(), {}} {
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = bytes.NewReader(FormatRun(r, Successes{}))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool check metrics: %v\n%s", err, out)
		}
	}
}
