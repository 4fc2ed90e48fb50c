package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/schema"
)

// ruleNamed returns a valid rule file.
func ruleNamed(name string) string {
	return fmt.Sprintf("metadata:\n  name: %s\nspec:\n  url: https://hooks.example.com/\n  enabled: true\n  events: [MediaKind.JobFinished]\n", name)
}

// tree writes files below a temporary directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(r *Rules) []string {
	var out []string
	for _, rule := range r.Rules {
		out = append(out, rule.Name)
	}
	return out
}

func load(t *testing.T, paths ...string) (*Rules, []schema.Problem) {
	t.Helper()
	rules, problems, err := LoadRules(t.Context(), paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rules, problems
}

// wantProblem expects a problem whose position and message contain a text.
func wantProblem(t *testing.T, problems []schema.Problem, text string) {
	t.Helper()
	for _, p := range problems {
		if strings.Contains(p.Position.String()+": "+p.Message, text) {
			return
		}
	}
	t.Errorf("no problem says %q: %v", text, problems)
}

func TestLoadFolders(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"b.yaml": ruleNamed("b"), "sub/a.yml": ruleNamed("a"), "sub/C.YAML": ruleNamed("c"),
		"README.md": "no rule", ".hidden.yaml": "no rule", ".git/x.yaml": "no rule", "mkhooks.yaml": "no rule", ".sops.yaml": "creation_rules: []",
	})
	if err := os.Symlink("README.md", filepath.Join(dir, "sub", "mkhooks.yaml")); err != nil {
		t.Fatal(err)
	}
	rules, problems := load(t, dir, filepath.Join(dir, "b.yaml"), dir+"/sub/../b.yaml")
	if got := names(rules); !slices.Equal(got, []string{"a", "b", "c"}) || rules.Files != 3 || len(problems) > 0 {
		t.Errorf("rules %v, %d files, problems %v", got, rules.Files, problems)
	}
}

func TestLoadTroubles(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"one/a.yaml": ruleNamed("same"), "two/b.yaml": "# first line\n" + ruleNamed("same"), "good.yaml": ruleNamed("good"), "note.txt": "", "out/x.yaml": ruleNamed("x"),
	})
	for link, to := range map[string]string{"one/up": "..", "one/self": "self", "two/gone": "nowhere", "two/out": "../out", "two/sub": "."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("names", func(t *testing.T) {
		_, problems := load(t, dir+"/one/a.yaml", dir+"/two/b.yaml")
		wantProblem(t, problems, "two/b.yaml:3:9: rule \"same\" is also defined at "+dir+"/one/a.yaml:2:9")
	})
	t.Run("names in a file with another problem", func(t *testing.T) {
		bad := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(bad, []byte(strings.Replace(ruleNamed("same"), "enabled: true", "enabled: 'yes'", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, problems := load(t, dir+"/one/a.yaml", bad)
		wantProblem(t, problems, "rule \"same\" is also defined at")
		wantProblem(t, problems, "bad.yaml:5:12: spec.enabled is text")
	})
	t.Run("links", func(t *testing.T) {
		_, problems := load(t, dir+"/one", dir+"/two")
		for _, want := range []string{"one/up: is a link that leads out of the folder given", "one/self: is a link that can't be followed: its links lead round in a circle",
			"two/gone: is a link that can't be followed: no such file", "two/out: is a link that leads out", "two/sub: is a link to a folder above it"} {
			wantProblem(t, problems, want)
		}
		_, problems = load(t, dir)
		wantProblem(t, problems, "one/up: is a link to a folder above it")
	})
	t.Run("paths", func(t *testing.T) {
		_, problems := load(t, dir+"/nowhere", dir+"/note.txt", dir+"/good.yaml", "/dev/null")
		wantProblem(t, problems, "/nowhere: no such file or folder")
		wantProblem(t, problems, "/note.txt: is no rule file by its name")
		wantProblem(t, problems, "/dev/null: is neither a file nor a folder")
	})
	t.Run("empty beside another", func(t *testing.T) {
		empty := t.TempDir()
		rules, problems := load(t, dir+"/good.yaml", empty, "")
		wantProblem(t, problems, empty+": holds no rule file (.yaml or .yml)")
		wantProblem(t, problems, ": an empty path")
		if rules.Files != 1 {
			t.Errorf("%d files", rules.Files)
		}
	})
	t.Run("unreadable file", func(t *testing.T) {
		const unreadable = "/proc/self/mem" // unreadable even for root: its first page is not mapped
		if _, err := os.Stat(unreadable); err != nil {
			t.Skipf("no file here that root can't read: %v", err)
		}
		link := t.TempDir() + "/mem.yaml"
		if err := os.Symlink(unreadable, link); err != nil {
			t.Fatal(err)
		}
		rules, problems := load(t, link, dir+"/good.yaml")
		wantProblem(t, problems, "mem.yaml: can't be read: input/output error")
		if got := names(rules); !slices.Equal(got, []string{"good"}) {
			t.Errorf("rules %v", got)
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root reads everything: run as another user to see this")
		}
		locked := filepath.Join(t.TempDir(), "locked")
		if err := os.Mkdir(locked, 0); err != nil {
			t.Fatal(err)
		}
		_, problems := load(t, locked)
		wantProblem(t, problems, "locked: can't be read: permission denied")
	})
}

// TestLoadHuge checks that 5 MB of commas are rejected unparsed: they take the YAML
// library a minute and gigabytes. The time limit here is far above the expected
// time.
func TestLoadHuge(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"huge.yaml": "a: [" + strings.Repeat(",", 5_000_000)})
	done := make(chan []schema.Problem, 1)
	go func() {
		_, problems, _ := LoadRules(t.Context(), []string{dir}, Options{})
		done <- problems
	}()
	select {
	case problems := <-done:
		wantProblem(t, problems, "huge.yaml:1:1: is larger than 1 MiB")
	case <-time.After(20 * time.Second):
		t.Fatal("the file was parsed")
	}
}

// TestRecipients checks the warning about a file whose recipients differ from the
// nearest .sops.yaml.
func TestRecipients(t *testing.T) {
	t.Parallel()
	sealed, err := os.ReadFile("testdata/ok/sealed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	for name, test := range map[string]struct {
		config string
		warns  bool
	}{
		"same":             {"creation_rules:\n  - age: " + key, false},
		"another":          {"creation_rules:\n  - age: age1other", true},
		"one more":         {"creation_rules:\n  - age: [" + key + ", age1other]", true},
		"another's rule":   {"creation_rules:\n  - path_regex: ^secrets/\n    age: age1other", false},
		"first that fits":  {"creation_rules:\n  - path_regex: ^secrets/\n    age: age1other\n  - path_regex: rules/.*\\.yaml$\n    age: >-\n      " + key, false},
		"key groups":       {"creation_rules:\n  - age: " + key + "\n    key_groups: [{age: [age1other]}]", true},
		"same key groups":  {"creation_rules:\n  - age: age1other\n    key_groups: [{age: [" + key + "]}]", false},
		"merged groups":    {"creation_rules:\n  - key_groups: [{merge: [{age: [age1other]}]}]", false},
		"a cloud key more": {"creation_rules:\n  - age: " + key + "\n    kms: arn:aws:kms:eu-north-1:1:key/a", true},
		"a secret key":     {"creation_rules:\n  - age: AGE-SECRET-KEY-1QQQ", true},
		"by an anchor":     {"x: &a age1other\ncreation_rules:\n  - age: [" + key + ", *a]", true},
		"the same by one":  {"x: &a " + key + "\ncreation_rules:\n  - age: [*a]", false},
		"bad expression":   {"creation_rules:\n  - path_regex: '('\n    age: age1other", false},
		"none":             {"{}", false},
		"no YAML":          {"a: [", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{".sops.yaml": test.config, "rules/sub/sealed.yaml": string(sealed)})
			rules, problems := load(t, dir+"/rules")
			warned := strings.Contains(lines(problems), "encrypted for other keys")
			if warned != test.warns || len(rules.Rules) != 1 {
				t.Errorf("warned %t, want %t; problems %v", warned, test.warns, problems)
			}
			// Each of these adds a key that may be an attacker's.
			for _, p := range problems {
				added := strings.Contains(p.Message, `"age1other"`) || strings.Contains(p.Message, `"arn:aws:kms:`) || strings.Contains(p.Message, "a key that is not shown")
				added = added || strings.Contains(p.Message, "can be read by \""+key+"\"")
				if warned && (!added || strings.Contains(p.Hint, "sops") && !strings.Contains(p.Hint, "git log -p -- ")) {
					t.Errorf("the key is not named, or the hint gives it the secrets: %s (%s)", p.Message, p.Hint)
				}
			}
			if strings.Contains(lines(problems), "1QQQ") || strings.Contains(strings.ToUpper(lines(problems)), "SECRET-KEY") {
				t.Errorf("a secret key is shown: %s", lines(problems))
			}
		})
	}
}
