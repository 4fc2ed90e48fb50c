package sops_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// TestRealFiles decrypts files of the real command, with the usual setups and
// after hand edits that the MAC does not cover.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{
		"usual":      usual,
		"full MAC":   {"--encrypted-regex", "^authentication$"},
		"wide regex": {"--encrypted-regex", "auth", "--mac-only-encrypted"},
		"suffix":     {"--encrypted-suffix", "authentication", "--mac-only-encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth, err := decryptTree(t, seal(t, document, flags...), sops.Options{})
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, auth, documentValues)
		})
	}
	t.Run("hand edit of a clear field", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(seal(t, document, usual...), "hooks.example.com", "hooks.example.org", 1)
		auth, err := decryptTree(t, text, sops.Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, auth, documentValues)
	})
	t.Run("set, updatekeys and rotate", func(t *testing.T) {
		t.Parallel()
		file := sopstest.EncryptRule(t, document, append([]string{"--age", recipient}, usual...)...)
		dir := filepath.Dir(file)
		sopstest.Sops(t, nil, dir, "set", file, `["spec"]["authentication"]["headers"]["X-One"]`, `"s3cr3t-new"`)
		if err := os.WriteFile(filepath.Join(dir, ".sops.yaml"), []byte("creation_rules:\n  - age: "+second+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		sopstest.Sops(t, nil, dir, "updatekeys", "--yes", file)
		updated := parseTree(t, file)
		if strings.Contains(updated, recipient) || !strings.Contains(updated, second) {
			t.Fatalf("updatekeys kept the old key:\n%s", updated)
		}
		sopstest.Sops(t, nil, dir, "rotate", "--in-place", file)
		for _, text := range []string{updated, parseTree(t, file)} {
			auth, err := decryptTree(t, text, sops.Options{})
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, auth, map[string]string{"headers/X-One": "s3cr3t-new", "headers/X-Two": "s3cr3t: two", "queryParams/code": "0123"})
		}
	})
	t.Run("by a comment", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(document, "  authentication:", "  # sops:enc\n  authentication:", 1)
		auth, err := decryptTree(t, seal(t, text, "--encrypted-comment-regex", "sops:enc", "--mac-only-encrypted"), sops.Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, auth, documentValues)
	})
	t.Run("a null beside values", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(document, "      X-One:", "      X-None: null\n      X-One:", 1)
		auth, err := decryptTree(t, seal(t, text, usual...), sops.Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, auth, documentValues)
	})
}

// randomRule returns a document with random names, values, styles and comments,
// and its values.
func randomRule(r *rand.Rand) (string, map[string]string) {
	runes := []rune("aZ09 -_.:,;#'\"\\{}[]&*!|>%@`~=+?/$üß✓漢🦀")
	word := func(prefix string, most int) string {
		out := []rune(prefix)
		for range 1 + r.IntN(most) {
			out = append(out, runes[r.IntN(len(runes))])
		}
		return strings.TrimSpace(string(out)) + "x"
	}
	comment := func() string {
		if r.IntN(3) > 0 {
			return ""
		}
		return "# " + word("s3cr3t", 20)
	}
	scalar := func(v string) *yaml.Node {
		styles := []yaml.Style{0, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v, Style: styles[r.IntN(3)], LineComment: comment(), HeadComment: comment()}
	}
	want := map[string]string{}
	mapping := func(part string) *yaml.Node {
		m := &yaml.Node{Kind: yaml.MappingNode}
		for i := range r.IntN(5) {
			name, value := word(fmt.Sprintf("n%d", i), 6), word("s3cr3t", 1+r.IntN(200))
			if r.IntN(4) == 0 {
				value = []string{"0123", "true", "null", "1e10", "~", "2026-01-01", "0x1F", "yes"}[r.IntN(8)]
			}
			key := scalar(name)
			key.LineComment = ""
			m.Content = append(m.Content, key, scalar(value))
			want[part+"/"+name] = value
		}
		return m
	}
	key := func(name string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: name, HeadComment: comment(), FootComment: comment()}
	}
	auth := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key("headers"), mapping("headers"), key("queryParams"), mapping("queryParams")}}
	spec := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key("url"), scalar("https://hooks.example.com/"), key("authentication"), auth, key("enabled"), {Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}}}
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key("spec"), spec}})
	if err != nil {
		panic(err)
	}
	return string(out), want
}

// TestAnyRule: every document that SOPS encrypts decrypts to the same values.
// Every 20th document is also encrypted with the real command. The command then
// decrypts the file of [sopstest.Seal].
func TestAnyRule(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for i := range 300 {
		text, want := randomRule(rand.New(rand.NewPCG(seed, uint64(i))))
		sealed := string(sopstest.Seal(t, text, recipient))
		if i%20 == 0 {
			file := sopstest.EncryptRule(t, text, append([]string{"--age", recipient}, usual[:2+i/20%2]...)...) // with and without --mac-only-encrypted
			auth, err := decryptTree(t, parseTree(t, file), sops.Options{AllowOddSecrets: true})
			if err != nil {
				t.Fatalf("seed %d, rule %d by the command: %v\n%s", seed, i, err, text)
			}
			wantValues(t, auth, want)
			if err := os.WriteFile(file, []byte(sealed), 0o600); err != nil {
				t.Fatal(err)
			}
			wantClear(t, sopstest.Sops(t, nil, filepath.Dir(file), "decrypt", file), want)
		}
		auth, err := decryptTree(t, sealed, sops.Options{AllowOddSecrets: true})
		if err != nil {
			t.Fatalf("seed %d, rule %d: %v\n%s", seed, i, err, text)
		}
		if wantValues(t, auth, want); t.Failed() {
			t.Fatalf("seed %d, rule %d:\n%s", seed, i, text)
		}
	}
}

// wantClear compares a plaintext document with values by path.
func wantClear(t *testing.T, text string, want map[string]string) {
	t.Helper()
	var doc struct {
		Spec struct {
			Authentication map[string]map[string]string
		}
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for part, values := range doc.Spec.Authentication {
		for name, v := range values {
			got[part+"/"+name] = v
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the command reads %q, want %q", got, want)
	}
}

// TestMending: the hint of a broken MAC ignores no MAC. It leads to the same
// change by the real command, which repairs the file.
func TestMending(t *testing.T) {
	t.Parallel()
	file := sopstest.EncryptRule(t, document, "--age", recipient, "--encrypted-regex", "^authentication$")
	text := strings.Replace(parseTree(t, file), "hooks.example.com", "hooks.example.org", 1)
	_, err := decryptTree(t, text, sops.Options{})
	wantError(t, err, sops.WrongMAC, "git log -p -- rule.yaml", "make the change with sops edit", "no mac_only_encrypted")
	var e *sops.Error
	if errors.As(err, &e); strings.Contains(e.Hint(), "ignore-mac") || strings.Contains(e.Hint(), "rotate") {
		t.Errorf("hint %q", e.Hint())
	}
	editor := []string{"SOPS_EDITOR=sed -i s/hooks.example.com/hooks.example.org/"}
	sopstest.Sops(t, editor, filepath.Dir(file), "edit", "rule.yaml")
	auth, err := decryptTree(t, parseTree(t, file), sops.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, auth, documentValues)
}

// TestAnotherKey: the error for a file of another recipient names its
// recipients and the locations of keys.
func TestAnotherKey(t *testing.T) {
	t.Parallel()
	var others []string
	for range 7 {
		other, _ := sopstest.AgeKey(t)
		others = append(others, other)
	}
	_, err := decryptTree(t, string(sopstest.Seal(t, document, others[0])), sops.Options{})
	wantError(t, err, sops.NoKey, "encrypted for age "+others[0], "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY,", "age/keys.txt", "GnuPG")
	_, err = decryptTree(t, string(sopstest.Seal(t, document, others...)), sops.Options{})
	wantError(t, err, sops.NoKey, others[4]+", 2 more")
	_, err = decryptTree(t, string(sopstest.Seal(t, document, others[:5]...)), sops.Options{})
	wantError(t, err, sops.NoKey, others[4]+" | ") // all recipients are named, and the hint follows
	if _, err := decryptTree(t, string(sopstest.Seal(t, document, others[0], recipient)), sops.Options{}); err != nil {
		t.Errorf("one key of two: %v", err)
	}
}

// gpgKey makes a real GnuPG key in a new keyring and returns its fingerprint.
func gpgKey(t *testing.T) string {
	t.Helper()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Skip("gpg is not installed: install GnuPG to test PGP keys")
	}
	home, err := os.MkdirTemp("", "gpg") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	t.Setenv("GNUPGHOME", home)
	if out, err := exec.Command(gpg, "--batch", "--passphrase", "", "--quick-generate-key", "test@example.com", "future-default", "default", "never").CombinedOutput(); err != nil {
		t.Fatalf("gpg: %v\n%s", err, out)
	}
	out, err := exec.Command(gpg, "--batch", "--with-colons", "--list-keys").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(out), "fpr:::::::::")
	fingerprint, _, _ := strings.Cut(after, ":")
	return fingerprint
}

// TestPGP decrypts a file that is encrypted for a real GnuPG key.
func TestPGP(t *testing.T) {
	fingerprint := gpgKey(t)
	text := seal(t, document, append([]string{"--pgp", fingerprint}, usual...)...)
	auth, err := decryptTree(t, text, sops.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, auth, documentValues)
	t.Setenv("GNUPGHOME", t.TempDir()) // a keyring without the key
	_, err = decryptTree(t, text, sops.Options{})
	wantError(t, err, sops.NoKey, "encrypted for pgp "+fingerprint)
}
