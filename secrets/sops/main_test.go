package sops_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// TestMain gives the process two age keys, because SOPS reads the environment
// itself. Tests that need another key run in a separate process.
func TestMain(m *testing.M) {
	if os.Getenv(silentText) != "" {
		os.Exit(m.Run()) // a child process of TestSilent: everything is set up
	}
	// Find the command before HOME changes: the go command keeps its cache
	// there.
	if _, err := sopstest.Command(); err != nil {
		panic(fmt.Sprintf("find the sops command: %v", err))
	}
	dir, err := os.MkdirTemp("", "sops-test-")
	if err != nil {
		panic(err)
	}
	var identities string
	for _, r := range []*string{&recipient, &second} {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			panic(err)
		}
		*r = key.Recipient().String()
		identities += key.String() + "\n"
	}
	file := filepath.Join(dir, "key.txt")
	if err := os.WriteFile(file, []byte(identities), 0o600); err != nil {
		panic(err)
	}
	for name, value := range map[string]string{"SOPS_AGE_KEY_FILE": file, "SOPS_AGE_KEY": "", "HOME": dir, "XDG_CONFIG_HOME": dir} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// silentText names the variable that passes the document to a child process of
// TestSilent.
const silentText = "SOPS_TEST_SILENT"

// recipient and second are the public parts of the process's age keys.
var recipient, second string

// usual are the recommended flags for a rule file.
var usual = sopstest.Usual

// seal encrypts a document with the real command and returns the result.
func seal(t testing.TB, text string, flags ...string) string {
	t.Helper()
	if !strings.Contains(strings.Join(flags, " "), "--pgp") {
		flags = append([]string{"--age", recipient}, flags...)
	}
	return parseTree(t, sopstest.EncryptRule(t, text, flags...))
}

func parseTree(t testing.TB, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const document = `# what this rule is for
metadata:
  name: example # a name
spec:
  url: https://hooks.example.com/mkio
  enabled: true
  events: [MediaKind.JobFinished, MediaKind.JobStarted] # two
  authentication:
    # encrypted, too
    headers: # and this
      X-One: s3cr3t-one
      X-Two: "s3cr3t: two" # inline
    queryParams:
      code: '0123'
  # the end
`

// sealed returns a rule with a single source file.
func sealed(text string) secrets.Sealed {
	return secrets.Sealed{File: "rule.yaml", Sources: []secrets.Source{{File: "rule.yaml", Document: []byte(text)}}}
}

func decryptTree(t testing.TB, text string, o sops.Options) (secrets.Auth, error) {
	t.Helper()
	auth, err := sops.New(o).Auth(context.Background(), sealed(text))
	noLeak(t, err)
	return auth, err
}

// shown matches parts of SOPS's messages: a hash of secrets, a ciphertext.
var shown = regexp.MustCompile(`[0-9A-F]{64}|ENC\[AES256_GCM,data:[A-Za-z0-9+/]`)

// noLeak fails if an error contains a secret or a text of SOPS. Every secret of
// these tests begins the same way, and SOPS's texts and ciphertexts have
// typical marks.
func noLeak(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error() + fmt.Sprintf("%+v %#v", err, err)
	var e *sops.Error
	if errors.As(err, &e) {
		text += e.Hint()
	}
	for _, never := range []string{"s3cr3t", "mac mismatch", "MAC mismatch"} {
		if strings.Contains(text, never) {
			t.Errorf("an error holds %q: %s", never, text)
		}
	}
	if shown.MatchString(text) {
		t.Errorf("an error holds a hash or a ciphertext: %s", text)
	}
}

// wantError checks the kind of an error and parts of its text.
func wantError(t testing.TB, err error, kind sops.Kind, says ...string) {
	t.Helper()
	var e *sops.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.HasPrefix(e.Error(), "rule.yaml: ") {
		t.Fatalf("error %v, want kind %q", err, kind)
	}
	for _, s := range says {
		if !strings.Contains(e.Error()+" | "+e.Hint(), s) {
			t.Errorf("error %q, hint %q, want %q in it", e.Error(), e.Hint(), s)
		}
	}
}

// wantValues compares decrypted values. No other function needs their
// plaintext.
func wantValues(t *testing.T, auth secrets.Auth, want map[string]string) {
	t.Helper()
	paths, values := auth.Values()
	got := map[string]string{}
	for _, p := range paths {
		got[p] = values[p].Reveal()
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("values %q, want %q", got, want)
	}
}

var documentValues = map[string]string{"headers/X-One": "s3cr3t-one", "headers/X-Two": "s3cr3t: two", "queryParams/code": "0123"}

// TestSilent: SOPS logs names and values to stderr; none of them appears there.
func TestSilent(t *testing.T) {
	if text := os.Getenv(silentText); text != "" {
		_, _ = decryptTree(t, text, sops.Options{}) // only the output matters
		return
	}
	t.Parallel()
	// SOPS warns of a plaintext comment in the encrypted part, and prints its
	// text.
	text := strings.Replace(seal(t, document, usual...), "        headers:", "        # s3cr3t comment in clear\n        headers:", 1)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestSilent$")
	cmd.Env = append(os.Environ(), silentText+"="+text)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "s3cr3t") || strings.Contains(string(out), "unencrypted comment") {
		t.Errorf("%v, wrote:\n%s", err, out)
	}
}
