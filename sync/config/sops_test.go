package config

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
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
	tests := map[string]struct {
		encrypt string // flags of sops
		config  string // .sops.yaml
		says    string
		edit    func(text string) string
		command bool // the hint is a command
	}{
		"all of it":            {"--age KEY", "", "is encrypted outside", nil, true},
		"another selector":     {"", "creation_rules: [{age: KEY, unencrypted_suffix: _clear}]\n", "is encrypted outside", nil, true},
		"no mac_only":          {"--age KEY --encrypted-regex ^authentication$", "", "mac_only_encrypted is not set", nil, true},
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
			_, problems := w.parse(t)
			if h := hint(t, problems, test.says); test.command {
				w.sh(t, h)
			} else if h == "under sops, write encrypted_regex: ^authentication$ instead" {
				w.sh(t, `sed -i 's/^    encrypted_regex: .*/    encrypted_regex: ^authentication$/' 'rule one.yaml'`)
			} else {
				t.Fatalf("hint %q", h)
			}
			if rule, problems := w.parse(t); rule == nil || problems != "" {
				t.Errorf("after the hint:\n%s", problems)
			}
			if got := w.sh(t, `sops decrypt --extract '["spec"]["authentication"]["headers"]["X-Secret"]' 'rule one.yaml'`); strings.TrimSpace(got) != "hunter2-value" {
				t.Error("after the hint, the secret is another")
			}
		})
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
		if rule, problems := w.parse(t); rule != nil || !strings.Contains(problems, "X-Secret was encrypted as another type than text\n    quote the value and encrypt it again") {
			t.Errorf("%s: rule %t, problems:\n%s", value, rule != nil, problems)
		}
	}
}
