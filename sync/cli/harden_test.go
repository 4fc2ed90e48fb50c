package cli

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// Tests of defences of the whole program. .github/SECURITY.md lists all
// defences with their tests.

// witness is a server that must never receive a request.
type witness struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen = append(w.seen, fmt.Sprintf("%s %s %v", r.Method, r.URL, r.Header))
	}))
	t.Cleanup(w.Close)
	return w
}

// TestTokenStaysHome checks that token and bodies go only to the host of the
// base URL, for any response.
func TestTokenStaysHome(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	elsewhere := newWitness(t)
	for name, fault := range map[string]emulator.Fault{
		"moved":          {Status: 301, Header: map[string]string{"Location": elsewhere.URL + "/api"}},
		"found":          {Status: 302, Header: map[string]string{"Location": elsewhere.URL + "/api"}},
		"other method":   {Status: 307, Header: map[string]string{"Location": elsewhere.URL + "/api"}},
		"permanent":      {Status: 308, Header: map[string]string{"Location": elsewhere.URL + "/api"}},
		"put sent on":    {Kind: emulator.Put, Status: 307, Header: map[string]string{"Location": elsewhere.URL + "/api"}},
		"delete sent on": {Kind: emulator.Delete, Status: 308, Header: map[string]string{"Location": elsewhere.URL + "/api"}},
		"refresh":        {Header: map[string]string{"Refresh": "0; url=" + elsewhere.URL}},
		"next page":      {Kind: emulator.List, Edit: func(b map[string]any) { b["@odata.nextLink"] = elsewhere.URL + "/api/v1/projects/demo/webhook/rules?x" }},
		"next of events": {Kind: emulator.Events, Edit: func(b map[string]any) { b["@odata.nextLink"] = elsewhere.URL + "/x" }},
		"another scheme": {Kind: emulator.List, Edit: func(b map[string]any) { b["@odata.nextLink"] = "ftp://" + strings.TrimPrefix(elsewhere.URL, "http://") }},
		"user information": {Kind: emulator.List, Edit: func(b map[string]any) {
			b["@odata.nextLink"] = strings.Replace(elsewhere.URL, "http://", "http://127.0.0.1@", 1)
		}},
	} {
		s := m.serveMixed()
		s.Fault(fault)
		stdout, stderr, code := m.runMkhooks(s, append(m.apply, "--archive", "archive-"+strings.ReplaceAll(name, " ", "-"))...)
		if code == 0 && name != "refresh" {
			t.Errorf("%s: exit code 0\n%s%s", name, stdout, stderr)
		}
	}
	if len(elsewhere.seen) > 0 {
		t.Errorf("requests went elsewhere: %q", elsewhere.seen)
	}
}

// TestProxy checks that requests use the proxy of the environment like Go's
// standard library. -v names the proxy without its password, and the proxy
// never sees the token.
func TestProxy(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	var got []string
	var mu sync.Mutex
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %v", r.Method, r.Host, r.Header))
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	cmd := m.newProcess(nil, "plan", "-v", "--owner", "team", "--retry-for", "1ms", "--base-url", "https://mkio.example", "rules")
	cmd.Env = append(cmd.Env, "HTTPS_PROXY="+strings.Replace(proxy.URL, "http://", "http://user:hidden-password@", 1))
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("a proxy that refuses, and no error:\n%s", out)
	}
	if !strings.Contains(string(out), "mkhooks: proxy "+proxy.URL+"\n") || strings.Contains(string(out), "hidden-password") {
		t.Errorf("-v says:\n%s", out)
	}
	if len(got) == 0 || !strings.HasPrefix(got[0], "CONNECT mkio.example:443") || strings.Contains(fmt.Sprint(got), scriptToken) {
		t.Errorf("the proxy saw %q", got)
	}
	cmd = m.newProcess(nil, "plan", "-v", "--owner", "team", "--retry-for", "1ms", "--base-url", "https://mkio.example", "rules")
	cmd.Env = append(cmd.Env, "HTTPS_PROXY="+proxy.URL, "NO_PROXY=mkio.example")
	if out, _ := cmd.CombinedOutput(); strings.Contains(string(out), "proxy http") {
		t.Errorf("a host of NO_PROXY goes through the proxy:\n%s", out)
	}
}

// TestModes checks that files with rules, histories or audit logs are private
// under any umask. Files for Git have the modes of Git.
func TestModes(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	s := m.serveMixed()
	if err := os.Mkdir(filepath.Join(m.dir, "out"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		append(m.apply, "--archive", "out/archive", "--audit", "out/record/audit.jsonl", "--report", "json=out/result.json", "--report", "markdown=out/result.md"),
		{"plan", "--owner", "team", "--out", "out/plan.json", "rules"},
		{"import", "--out", "out/imported"},
	} {
		wide := m.newProcess(s, args...)
		sh := exec.Command("sh", append([]string{"-c", `umask 0; exec "$@"`, "sh", wide.Path}, args...)...)
		sh.Dir, sh.Env = wide.Dir, wide.Env
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	n := 0
	err := filepath.WalkDir(filepath.Join(m.dir, "out"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == filepath.Join(m.dir, "out") {
			return err
		}
		n++
		info, err := e.Info()
		rel, _ := filepath.Rel(filepath.Join(m.dir, "out"), path)
		most := fs.FileMode(0o600)
		if e.IsDir() {
			most = 0o700
		}
		if strings.HasPrefix(rel, "imported") {
			most |= 0o055
		}
		if info.Mode().Perm()&^most != 0 {
			t.Errorf("%s has the mode %v, want at most %v", rel, info.Mode(), most)
		}
		return err
	})
	if err != nil || n < 10 {
		t.Fatalf("%d files: %v", n, err)
	}
}

// TestLinks checks that nothing is written through a planted link.
func TestLinks(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	s := m.serveMixed()
	target := filepath.Join(t.TempDir(), "target")
	before := []byte("precious")
	if err := os.WriteFile(target, before, 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(name, to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(m.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("report.md", target)
	link("plan.json", target)
	link("audit.jsonl", target)
	link("rules/imported.yaml", target)
	s.Put("imported", map[string]any{"url": "https://hooks.example.com/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	m.mustRun(s, 0, "plan", "--owner", "team", "--out", "plan.json", "--report", "markdown=report.md", "rules/update.yaml")
	m.mustRun(s, 3, append(m.apply, "--audit", "audit.jsonl")...)
	m.runMkhooks(s, "import", "--out", "rules", "imported")
	if after, err := os.ReadFile(target); err != nil || string(after) != string(before) {
		t.Errorf("a link was written through: %q %v", after, err)
	}
	for _, name := range []string{"plan.json", "report.md"} {
		if info, err := os.Lstat(filepath.Join(m.dir, name)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is %v %v, want a file in the place of the link", name, info, err)
		}
	}
}

// TestBounded checks that patterns that slow down some matchers for hours end
// at once.
func TestBounded(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	s := m.serveMixed()
	stars := strings.Repeat("*a", 2000)
	m.mustRun(s, 3, "plan", "--owner", "team", "--only", stars, "rules")
	long := m.serveMixed()
	long.Put(strings.Repeat("a", 255), map[string]any{"url": "https://hooks.example.com/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	m.mustRun(long, 0, "plan", "--owner", "team", "--prune", "all", "--protect", stars, "--protect", strings.Repeat("*a*", 80)+"b", "rules")
	for _, expression := range []string{strings.Repeat("(a*)*", 500), "((a{1000}){1000}){1000}", strings.Repeat("(", 50_000)} {
		m.writeFile("bad/rule.yaml", "metadata: {name: a}\nspec:\n  url: https://hooks.example.com/\n  enabled: true\n  events: [MediaKind.JobFinished]\n"+
			"  authentication: {headers: {X-A: 'ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]'}}\nsops: {encrypted_regex: '"+expression+"', mac: x, version: 3.13.3}\n")
		m.mustRun(nil, 3, "validate", "bad")
	}
}

// TestSecurityNamesItsTests checks that each defence in SECURITY.md names an
// existing test.
func TestSecurityNamesItsTests(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	data, err := os.ReadFile(filepath.Join(root, ".github", "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)`).FindAllStringSubmatch(string(text), -1) {
				tests[m[1]] = true
			}
			return err
		case strings.HasSuffix(path, ".txtar"):
			tests[filepath.Base(path)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+|\\w+\\.txtar)`").FindAllStringSubmatch(string(data), -1)
	if len(named) < 30 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !tests[m[1]] {
			t.Errorf("there is no test %s", m[1])
		}
	}
	for _, line := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| ---") && !strings.HasPrefix(line, "| who") && !strings.Contains(line, "`Test") && !strings.Contains(line, "`Fuzz") && !strings.Contains(line, ".txtar`") {
			t.Errorf("a defence without a test: %s", line)
		}
	}
}
