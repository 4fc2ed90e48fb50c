package config

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// world is a directory with a rule file. Its shell can run sops and has an age key.
type world struct {
	dir, recipient string
	env            []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	command, err := sopstest.Command()
	if err != nil {
		t.Fatal(err)
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{dir: t.TempDir(), recipient: key.Recipient().String()}
	w.env = []string{"PATH=" + filepath.Dir(command) + ":" + os.Getenv("PATH"), "SOPS_AGE_KEY=" + key.String(), "HOME=" + w.dir}
	return w
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sh runs a command line in the directory and returns its output.
func (w *world) sh(t *testing.T, line string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", line)
	c.Dir, c.Env = w.dir, w.env
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, stderr.String())
	}
	return string(out)
}

// parse reads the rule file as the commands would, by its name in the directory.
func (w *world) parse(t *testing.T) (*Rule, string) {
	t.Helper()
	rule, problems := ParseRule("rule one.yaml", []byte(read(t, filepath.Join(w.dir, "rule one.yaml"))), Options{})
	return rule, lines(problems)
}

// load reads the rule file with its nearest .sops.yaml.
func (w *world) load(t *testing.T) (*Rule, string) {
	t.Helper()
	rules, problems := load(t, filepath.Join(w.dir, "rule one.yaml"))
	if len(rules.Rules) != 1 {
		return nil, lines(problems)
	}
	return &rules.Rules[0], lines(problems)
}

// hint returns the hint of the first problem that contains text.
func hint(t *testing.T, problems, text string) string {
	t.Helper()
	_, rest, ok := strings.Cut(problems, text)
	_, rest, _ = strings.Cut(rest, "\n    ")
	line, _, _ := strings.Cut(rest, "\n")
	if !ok || line == "" {
		t.Fatalf("no hint for %q in:\n%s", text, problems)
	}
	return line
}

// TestHints pastes the commands of hints into a shell with the real sops. Afterwards
// the file must be valid and the secret unchanged.
func TestHints(t *testing.T) {
	t.Parallel()
	clear := ruleNamed("x") + "  authentication:\n    headers:\n      X-Secret: hunter2-value\n"
	const named = "creation_rules: [{age: KEY}]\n"
	tests := map[string]struct {
		encrypt string // flags of sops
		config  string // .sops.yaml
		says    string
		edit    func(text string) string
		command bool // the hint is a command
	}{
		"all of it":            {"--age KEY", named, "is encrypted outside", nil, true},
		"another selector":     {"", "creation_rules: [{age: KEY, unencrypted_suffix: _clear}]\n", "is encrypted outside", nil, true},
		"no mac_only":          {"--age KEY --encrypted-regex ^authentication$", named, "mac_only_encrypted is not set", nil, true},
		"metadata covers more": {"--age KEY --encrypted-regex ^authentication$ --mac-only-encrypted", "", "covers more than", func(s string) string { return strings.Replace(s, "^authentication$", "^(authentication|url)$", 1) }, false},
		"no expression":        {"--age KEY --encrypted-regex ^authentication$ --mac-only-encrypted", "", "does not compile", func(s string) string { return strings.Replace(s, "^authentication$", "(", 1) }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := func(s string) string { return strings.ReplaceAll(s, "KEY", w.recipient) }
			w.write(t, "rule one.yaml", clear)
			if test.config != "" {
				w.write(t, ".sops.yaml", key(test.config))
			}
			w.sh(t, "sops --encrypt --in-place "+strings.ReplaceAll(key(test.encrypt), "^authentication$", "'^authentication$'")+" 'rule one.yaml'")
			if test.edit != nil {
				w.write(t, "rule one.yaml", test.edit(read(t, filepath.Join(w.dir, "rule one.yaml"))))
			}
			_, problems := w.load(t)
			if h := hint(t, problems, test.says); test.command {
				w.sh(t, h)
			} else if h == "under sops, write encrypted_regex: ^authentication$ instead" {
				w.sh(t, `sed -i 's/^    encrypted_regex: .*/    encrypted_regex: ^authentication$/' 'rule one.yaml'`)
			} else {
				t.Fatalf("hint %q", h)
			}
			if rule, problems := w.load(t); rule == nil || problems != "" {
				t.Errorf("after the hint:\n%s", problems)
			}
			if got := w.sh(t, `sops decrypt --extract '["spec"]["authentication"]["headers"]["X-Secret"]' 'rule one.yaml'`); strings.TrimSpace(got) != "hunter2-value" {
				t.Error("after the hint, the secret is another")
			}
		})
	}
}

// TestHintsGiveNothing: no hint encrypts a secret for a key, or ignores a MAC, unless
// the nearest .sops.yaml names exactly the keys of the file.
func TestHintsGiveNothing(t *testing.T) {
	t.Parallel()
	clear := ruleNamed("x") + "  authentication:\n    headers:\n      X-Secret: hunter2-value\n"
	encrypts := regexp.MustCompile(`sops (--|decrypt|encrypt|edit|set|rotate|updatekeys)|ignore-mac`)
	ours := newWorld(t).recipient
	evil := newWorld(t).recipient
	for name, flags := range map[string]string{"all of it": "", "no mac_only": "--encrypted-regex '^authentication$'", "usual": "--encrypted-regex '^authentication$' --mac-only-encrypted"} {
		for who, test := range map[string]struct {
			keys, config string
			says         []string
			edit         func(string) string
		}{
			"unnamed":       {ours + "," + evil, "creation_rules: [{age: " + ours + "}]\n", []string{"can be read by \"" + evil + "\", which .sops.yaml does not name"}, nil},
			"lacking":       {ours, "creation_rules: [{age: [" + ours + ", " + evil + "]}]\n", []string{"also names \"" + evil + "\""}, nil},
			"another":       {evil, "creation_rules: [{age: " + ours + "}]\n", []string{"can be read by \"" + evil + "\"", "also names \"" + ours + "\""}, nil},
			"no .sops.yaml": {ours + "," + evil, "", nil, nil},
			"another path":  {ours + "," + evil, "creation_rules: [{path_regex: ^x/, age: " + ours + "}]\n", nil, nil},
			"a group beside it": {ours + "," + evil, "creation_rules: [{age: " + ours + "}]\n", []string{"can be read by \"" + evil + "\""}, func(s string) string {
				return strings.Replace(s, "\nsops:\n", "\nsops:\n    key_groups:\n        - age:\n            - recipient: "+ours+"\n              enc: x\n", 1)
			}},
			"damaged value": {ours + "," + evil, "creation_rules: [{age: " + ours + "}]\n", nil, func(s string) string { return strings.Replace(s, "X-Secret: ENC", "X-Secret: x ENC", 1) }},
			"number": {ours + "," + evil, "creation_rules: [{age: " + ours + "}]\n", nil, func(s string) string {
				return regexp.MustCompile(`(X-Secret: .*)type:str`).ReplaceAllString(s, "${1}type:int")
			}},
			"clear value": {ours + "," + evil, "creation_rules: [{age: " + ours + "}]\n", nil, func(s string) string {
				return strings.Replace(s, "X-Secret:", "X-Clear: hunter3-value\n            X-Secret:", 1)
			}},
		} {
			t.Run(name+", "+who, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.write(t, "rule one.yaml", clear)
				w.sh(t, "sops --config /dev/null --encrypt --in-place --age "+test.keys+" "+flags+" 'rule one.yaml'")
				if test.edit != nil {
					w.write(t, "rule one.yaml", test.edit(read(t, filepath.Join(w.dir, "rule one.yaml"))))
				}
				if test.config != "" {
					w.write(t, ".sops.yaml", test.config)
				}
				_, problems := load(t, filepath.Join(w.dir, "rule one.yaml"))
				for _, p := range problems {
					if encrypts.MatchString(p.Hint) {
						t.Errorf("%s\n    %s", p.Message, p.Hint)
					}
				}
				for _, says := range test.says {
					if !strings.Contains(lines(problems), says) {
						t.Errorf("want %q in\n%s", says, lines(problems))
					}
				}
			})
		}
	}
}

// TestTypes checks values without quotes: SOPS encrypts them as numbers or booleans,
// which can't be sent as text.
func TestTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, value := range []string{"0123", "1e10", "true", "2026-01-01"} {
		w.write(t, "rule one.yaml", ruleNamed("x")+"  authentication:\n    headers:\n      X-Secret: "+value+"\n")
		w.sh(t, "sops --encrypt --in-place --encrypted-regex '^authentication$' --mac-only-encrypted --age "+w.recipient+" 'rule one.yaml'")
		if rule, problems := w.parse(t); rule != nil || !strings.Contains(problems, "X-Secret was encrypted as another type than text\n    set it anew, as text: mkhooks secret set 'rule one.yaml' headers.X-Secret") {
			t.Errorf("%s: rule %t, problems:\n%s", value, rule != nil, problems)
		}
	}
}
