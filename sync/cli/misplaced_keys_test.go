package cli

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// misplaced is a token in the form of the service's opaque tokens.
const misplaced = "tok-9fK2xQ7mZ4pL8vR3nT6yB1cW5dH0aJs"

// showsMisplaced reports whether a text shows a telling part of the token.
func showsMisplaced(text string) bool {
	for at := 4; at+8 <= len(misplaced); at++ {
		if strings.Contains(strings.ToLower(text), strings.ToLower(misplaced[at:at+8])) {
			return true
		}
	}
	return false
}

// TestMisplacedToken puts the token at every flag and argument of every command.
// It is never printed, names no file and is not sent in a path.
func TestMisplacedToken(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "keep", "keep", "")
	s := serveEmulator(t, emulator.Options{Tokens: map[string][]emulator.Capability{misplaced: emulator.AllCapabilities()}})
	var lines [][]string
	var visit func(c *cobra.Command)
	root := (&app{Env: Env{Getenv: func(string) string { return "" }}}).newRootCommand()
	visit = func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		with := func(more ...string) { lines = append(lines, append(append([]string{}, path...), more...)) }
		with(misplaced)
		with("rules", misplaced)
		with("-" + misplaced)
		with("--" + misplaced)
		with("--", misplaced)
		c.InheritedFlags()
		c.Flags().VisitAll(func(f *pflag.Flag) {
			with("--"+f.Name+"="+misplaced, "rules")
			with("--"+f.Name, misplaced, "rules")
			if f.Shorthand != "" {
				with("-" + f.Shorthand + misplaced)
			}
		})
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
	for _, more := range []string{"https://" + misplaced, "https://app.mk.io/" + misplaced, "https://app.mk.io?token=" + misplaced, "rules/" + misplaced + ".yaml", "Bearer " + misplaced, misplaced[:24], misplaced[16:]} {
		lines = append(lines, []string{"plan", more}, []string{"plan", "--base-url", more}, []string{"plan", "-p", more}, []string{"apply", "--yes", "--report", "json=" + more},
			[]string{"plan", "--token-file", more}, []string{"__complete", "plan", more}, []string{more})
	}
	lines = append(lines, []string{"plan", base64.StdEncoding.EncodeToString([]byte(misplaced))}, []string{"plan", "--report", "json=" + misplaced, "--format", "json"})
	if len(lines) < 400 {
		t.Fatalf("only %d command lines were found", len(lines))
	}
	for _, name := range []string{"MKIO_TOKEN", "MKIO_TOKEN_STAGING"} {
		if name != "MKIO_TOKEN" {
			lines = lines[len(lines)-20:]
		}
		for _, args := range lines {
			runMisplaced(t, r, s, []string{name + "=" + misplaced}, exitInvalid, args...)
		}
	}
}

// runMisplaced runs a command line, and searches all that it leaves.
func runMisplaced(t *testing.T, r *repo, s *served, env []string, want int, args ...string) {
	t.Helper()
	before := len(s.Requests())
	cmd := r.newProcess(s, args...)
	cmd.Env = append(append(cmd.Env, "MKIO_TOKEN="), env...)
	out, _ := cmd.CombinedOutput()
	what := strings.ReplaceAll(strings.Join(append(env, args...), " "), misplaced, "TOKEN")
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Errorf("%s: exit code %d, want %d\n%s", what, code, want, out)
	}
	if showsMisplaced(string(out)) {
		t.Errorf("%s: it is printed\n%s", what, out)
	}
	for _, q := range s.Requests()[before:] {
		t.Errorf("%s: sent %s %s", what, q.Method, q.Path)
	}
	if found, _ := filepath.Glob(filepath.Join(r.dir, "*"+misplaced[4:20]+"*")); len(found) > 0 {
		t.Errorf("%s: a file has the name of the token", what)
	}
}

// TestMisplacedInEnvironment puts the token and an age key in variables that go
// into requests or messages.
func TestMisplacedInEnvironment(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "keep", "keep", "")
	s := serveEmulator(t, emulator.Options{Tokens: map[string][]emulator.Capability{misplaced: emulator.AllCapabilities()}})
	for _, name := range sentOn {
		for _, value := range []string{misplaced, "https://" + misplaced, "https://app.mk.io?token=" + misplaced, "https://app.mk.io/" + misplaced, "http://u:" + misplaced + "@127.0.0.1:1", misplaced[:24]} {
			runMisplaced(t, r, s, []string{"MKIO_TOKEN=" + misplaced, name + "=" + value}, exitInvalid, "plan", "--owner", "team", "rules")
		}
	}
	// Without MKIO_TOKEN, the text still looks like a secret.
	for _, value := range []string{misplaced, "https://app.mk.io?token=" + misplaced, "https://app.mk.io/" + misplaced} {
		runMisplaced(t, r, s, []string{"MKIO_BASE_URL=" + value}, exitInvalid, "plan", "--owner", "team", "rules")
	}
	key, err := os.ReadFile(r.key)
	if err != nil {
		t.Fatal(err)
	}
	age := strings.TrimSpace(string(key))
	cmd := r.newProcess(s, "plan", age)
	cmd.Env = append(cmd.Env, "SOPS_AGE_KEY=# a comment\n"+age)
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitInvalid || strings.Contains(string(out), age[20:40]) || !strings.Contains(string(out), "SOPS_AGE_KEY") {
		t.Errorf("an age key as an argument: %s", out)
	}
	// Files of the config may also hold the token.
	r.writeFile("mkhooks.yaml", "owner: team\nprojects:\n  "+misplaced+":\n    rules: [rules]\n")
	runMisplaced(t, r, s, []string{"MKIO_TOKEN=" + misplaced, "MKIO_PROJECT="}, exitInvalid, "plan")
	r.writeFile("mkhooks.yaml", "owner: team\nprojects:\n  demo:\n    rules: [rules]\n")
	r.writeFile("rules/"+strings.ToLower(misplaced)+".yaml", "metadata: {name: "+misplaced+"}\nspec:\n  url: https://hooks.example.com/\n  enabled: true\n  events: [MediaKind.JobFinished]\n")
	cmd = r.newProcess(s, "apply", "--yes", "-v")
	cmd.Env = append(cmd.Env, "MKIO_TOKEN="+misplaced)
	out, _ := cmd.CombinedOutput()
	if showsMisplaced(string(out)) {
		t.Errorf("a rule's name with the token is printed\n%s", out)
	}
	for _, q := range s.Requests() {
		if strings.Contains(q.Path, misplaced) {
			t.Errorf("sent %s %s", q.Method, q.Path)
		}
	}
}

// TestShortTokenIsNoMistake: the token of a test bed may be the word of a project.
func TestShortTokenIsNoMistake(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "keep", "keep", "")
	s := serveEmulator(t, emulator.Options{Tokens: map[string][]emulator.Capability{"demo": emulator.AllCapabilities()}})
	cmd := r.newProcess(s, "plan", "-p", "demo", "--owner", "demo", "rules")
	cmd.Env = append(cmd.Env, "MKIO_TOKEN=demo")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTokenIsNoAuthValue: the token is never sealed or sent as an auth value.
func TestTokenIsNoAuthValue(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	s := serveEmulator(t, emulator.Options{Tokens: map[string][]emulator.Capability{misplaced: emulator.AllCapabilities()}})
	text := "metadata: {name: sealed-here}\nspec:\n  url: https://hooks.example.com/\n  enabled: true\n  events: [MediaKind.JobFinished]\n  authentication: {headers: {X-Key-1: VALUE}}\n"
	for _, name := range []string{"MKIO_TOKEN", "MKIO_TOKEN_PROD"} {
		for _, value := range []string{misplaced, misplaced + "\n", "Bearer " + misplaced} {
			for _, flag := range []string{"--add", "--allow-odd-secrets"} {
				r.writeFile("set/rule.yaml", strings.ReplaceAll(text, "VALUE", "REPLACE_ME"))
				cmd := r.newProcess(s, "secret", "set", flag, "set/rule.yaml", "headers.X-Key-1")
				cmd.Env = append(cmd.Env, "MKIO_TOKEN=", name+"="+misplaced)
				cmd.Stdin = strings.NewReader(value)
				out, _ := cmd.CombinedOutput()
				if cmd.ProcessState.ExitCode() != exitInvalid || !strings.Contains(string(out), "is the token of MK.IO") || showsMisplaced(string(out)) {
					t.Errorf("secret set of %s: %s", name, out)
				}
			}
		}
	}
	// Others may have sealed it, and the token may come from a file.
	r.writeRule("sealed", "sealed", "a", misplaced)
	r.writeFile("plain/rule.yaml", strings.ReplaceAll(text, "VALUE", misplaced))
	r.writeFile("token.txt", misplaced+"\n")
	for _, args := range [][]string{
		{"apply", "--yes", "--owner", "team", "sealed"}, {"apply", "--yes", "--owner", "team", "--allow-plaintext-auth", "plain"},
		{"apply", "--yes", "--owner", "team", "--allow-odd-secrets", "sealed"}, {"plan", "--decrypt", "--owner", "team", "sealed"},
	} {
		for _, file := range []bool{false, true} {
			cmd := r.newProcess(s, args...)
			if cmd.Env = append(cmd.Env, "MKIO_TOKEN="+misplaced); file {
				cmd.Args = append(cmd.Args, "--token-file", "token.txt")
				cmd.Env = append(cmd.Env, "MKIO_TOKEN=")
			}
			out, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != exitInvalid || !strings.Contains(string(out), "token of MK.IO") || showsMisplaced(string(out)) {
				t.Errorf("%q, from a file %t: exit code %d\n%s", args, file, cmd.ProcessState.ExitCode(), out)
			}
		}
	}
	for _, q := range s.Requests() {
		if q.Method != "GET" {
			t.Errorf("sent %s %s", q.Method, q.Path)
		}
	}
}

// TestNameIsNoAuthValue: the name of a value is not taken for the value.
func TestNameIsNoAuthValue(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeFile("rule.yaml", "metadata: {name: sealed-here}\nspec:\n  url: https://hooks.example.com/\n  enabled: true\n  events: [MediaKind.JobFinished]\n  authentication: {headers: {X-Key-1: REPLACE_ME}}\n")
	for _, value := range []string{"X-Key-1", "x-key-1", "X-KEY-1\n"} {
		_, stderr, code := r.runWith(nil, value, "secret", "set", "rule.yaml", "headers.X-Key-1")
		if code != exitInvalid || !strings.Contains(stderr, "name of the value") || !strings.Contains(stderr, "--allow-odd-secrets") {
			t.Errorf("%q: %d, %s", value, code, stderr)
		}
	}
	if _, stderr, code := r.runWith(nil, "X-Key-1", "secret", "set", "--allow-odd-secrets", "rule.yaml", "headers.X-Key-1"); code != exitOK {
		t.Errorf("with the flag: %d, %s", code, stderr)
	}
}

// TestPartsAreMasked: a document, a line or a record does not show a part of the
// token, wherever the service repeats it.
func TestPartsAreMasked(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	parts := map[string]string{
		"first 24": misplaced[:24], "last 19": misplaced[len(misplaced)-19:], "all but 3": misplaced[:len(misplaced)-3], "without 3": misplaced[3:],
		"spaced": spaced(misplaced, 4), "base64 in fours": spaced(base64.StdEncoding.EncodeToString([]byte(misplaced)), 4),
	}
	for _, place := range []string{"rule's name", "rule's id", "header's value", "header's name", "parameter's value", "URL", "unknown value", "record's source", "record's type"} {
		for name, part := range parts {
			for _, args := range [][]string{
				{"plan", "--owner", "team", "--prune", "owned", "rules"}, {"plan", "--owner", "team", "--prune", "owned", "--format", "json", "rules"}, {"drift", "--owner", "team", "rules"},
				{"import", "--out", "imported"}, {"history", "--all"}, {"history", "--records", "*"}, {"history", "--records", "--format", "json", "*"},
			} {
				if isRecord := strings.HasPrefix(place, "record"); isRecord != (args[0] == "history") {
					continue
				}
				s := m.serveWith(emulator.Options{Tokens: map[string][]emulator.Capability{misplaced: emulator.AllCapabilities()}})
				f := foreignPlaces[place](part)
				f.Kind = emulator.List
				if args[0] == "history" {
					f.Kind = emulator.Events
				}
				fault := s.Fault(f)
				cmd := m.newProcess(s, append(args, "-v", "--retry-for", "10ms")...)
				cmd.Env = append(cmd.Env, "MKIO_TOKEN="+misplaced)
				out, _ := cmd.CombinedOutput()
				plain := strings.Map(func(r rune) rune {
					if r == ' ' {
						return -1
					}
					return r
				}, string(out))
				coded := base64.StdEncoding.EncodeToString([]byte(misplaced))
				if showsMisplaced(plain) || strings.Contains(plain, coded[8:24]) {
					t.Errorf("%s in %s of %q\n%s", name, place, args, out)
				}
				if fault.Hits() == 0 {
					t.Errorf("%q: nothing was changed, so nothing was tested\n%s", args, out)
				}
			}
		}
	}
	found, _ := filepath.Glob(filepath.Join(m.dir, "imported", "*"))
	for _, file := range found {
		data, err := os.ReadFile(file)
		if err != nil || showsMisplaced(file+string(data)) {
			t.Errorf("%s: %v\n%s", file, err, data)
		}
	}
}

func spaced(s string, n int) string {
	var b strings.Builder
	for i, c := range s {
		if i > 0 && i%n == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}
