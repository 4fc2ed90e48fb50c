package sops_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3/keyservice"
	"google.golang.org/grpc"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
)

// Everything here is done with the real sops command, a tool of the module.
var sopsCommand = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "tool", "-n", "sops").Output()
	return strings.TrimSpace(string(out)), err
})

// TestMain gives the process one age key, because SOPS reads the environment
// itself: tests that want another one say so in a process of their own.
func TestMain(m *testing.M) {
	if os.Getenv(silentText) != "" {
		os.Exit(m.Run()) // a process of TestSilent: all is set up
	}
	// Found before HOME changes: the go command keeps its cache there.
	if _, err := sopsCommand(); err != nil {
		panic(fmt.Sprintf("find the sops command: %v", err))
	}
	dir, err := os.MkdirTemp("", "sops-test-")
	if err != nil {
		panic(err)
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "key.txt")
	if err := os.WriteFile(file, []byte(key.String()+"\n"), 0o600); err != nil {
		panic(err)
	}
	recipient = key.Recipient().String()
	for name, value := range map[string]string{"SOPS_AGE_KEY_FILE": file, "SOPS_AGE_KEY": "", "HOME": dir, "XDG_CONFIG_HOME": dir} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// silentText holds the document for a process of TestSilent.
const silentText = "SOPS_TEST_SILENT"

// recipient is the public part of the process's age key.
var recipient string

// runSops runs the real command on a file and returns its content after.
func runSops(t *testing.T, env []string, file string, args ...string) string {
	t.Helper()
	command, err := sopsCommand()
	if err != nil {
		t.Fatalf("find the sops command: %v", err)
	}
	cmd := exec.Command(command, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = filepath.Dir(file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sops %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// the usual way to encrypt a rule file.
var usual = []string{"--encrypted-regex", "^authentication$", "--mac-only-encrypted"}

// seal encrypts a document and returns what sops wrote.
func seal(t *testing.T, text string, flags ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rule.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--encrypt", "--in-place"}, flags...)
	if !strings.Contains(strings.Join(flags, " "), "--pgp") {
		args = append(args, "--age", recipient)
	}
	return runSops(t, nil, file, append(args, file)...)
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

func open(t *testing.T, text string, o sops.Options) (secrets.Auth, error) {
	t.Helper()
	return sops.New(o).Auth(context.Background(), secrets.Sealed{File: "rule.yaml", Document: []byte(text)})
}

// wantValues compares decrypted values; it is the one place that needs them.
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

// TestRealFiles opens what the real command encrypts, in the ways in which
// people set it up, and after hand edits that its MAC does not cover.
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
			auth, err := open(t, seal(t, document, flags...), sops.Options{})
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, auth, documentValues)
		})
	}
	t.Run("hand edit of a clear field", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(seal(t, document, usual...), "hooks.example.com", "hooks.example.org", 1)
		auth, err := open(t, text, sops.Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, auth, documentValues)
	})
	t.Run("set and rotate", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "rule.yaml")
		if err := os.WriteFile(file, []byte(seal(t, document, usual...)), 0o600); err != nil {
			t.Fatal(err)
		}
		runSops(t, nil, file, "set", file, `["spec"]["authentication"]["headers"]["X-One"]`, `"s3cr3t-new"`)
		text := runSops(t, nil, file, "rotate", "--in-place", file)
		auth, err := open(t, text, sops.Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, auth, map[string]string{"headers/X-One": "s3cr3t-new", "headers/X-Two": "s3cr3t: two", "queryParams/code": "0123"})
	})
	t.Run("odd values", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(document, "s3cr3t-one", `"Ünïcode ✓ \"quoted\" \\ back, comma: colon # hash"`, 1)
		auth, err := open(t, seal(t, text, usual...), sops.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := auth.Headers["X-One"].Reveal(); got != `Ünïcode ✓ "quoted" \ back, comma: colon # hash` {
			t.Errorf("value %q", got)
		}
	})
}

// replaceNth replaces the n-th match of old.
func replaceNth(s, old, new string, n int) string {
	at := 0
	for range n {
		i := strings.Index(s[at:], old)
		if i < 0 {
			return s
		}
		at += i + len(old)
	}
	at -= len(old)
	return s[:at] + new + s[at+len(old):]
}

// valueOf is the ciphertext behind a name.
func valueOf(text, name string) string {
	_, after, _ := strings.Cut(text, name+": ")
	value, _, _ := strings.Cut(after, "\n")
	if i := strings.Index(value, " #"); i >= 0 {
		value = value[:i]
	}
	return value
}

// TestTampered: every way to change an encrypted file by hand is told by kind,
// and no text of it holds a secret, ciphertext or SOPS's hash.
func TestTampered(t *testing.T) {
	t.Parallel()
	good := seal(t, document, usual...)
	full := seal(t, document, "--encrypted-regex", "^authentication$")
	one, two := valueOf(good, "X-One"), valueOf(good, "X-Two")
	cut := func(text, from, to string) string {
		_, after, _ := strings.Cut(text, from)
		gone, _, _ := strings.Cut(after, to)
		return strings.Replace(text, from+gone, "", 1)
	}
	for name, test := range map[string]struct {
		text string
		kind sops.Kind
		says string
	}{
		"clear field, full MAC":    {strings.Replace(full, "hooks.example.com", "evil.example", 1), sops.WrongMAC, "no mac_only_encrypted"},
		"value deleted":            {cut(good, "            X-One: ", "            X-Two"), sops.WrongMAC, "deleted, added or swapped"},
		"values swapped":           {strings.NewReplacer(one, two, two, one).Replace(good), sops.Damaged, "does not open"},
		"pasted to another name":   {strings.Replace(good, "X-One:", "X-Other:", 1), sops.Damaged, "pasted from another place"},
		"tag cut short":            {strings.Replace(good, one, one[:strings.Index(one, ",tag:")+9]+",type:str]", 1), sops.Malformed, "damaged"},
		"tag changed":              {strings.Replace(good, one, swapTag(one), 1), sops.Damaged, "does not open"},
		"text behind":              {strings.Replace(good, one, one+" more", 1), sops.Malformed, "has text behind"},
		"type int":                 {strings.Replace(good, one, strings.Replace(one, "type:str", "type:int", 1), 1), sops.Malformed, "another type"},
		"type bytes":               {strings.Replace(good, one, strings.Replace(one, "type:str", "type:bytes", 1), 1), sops.Malformed, "another type"},
		"clear text in its place":  {strings.Replace(good, one, "s3cr3t-clear", 1), sops.Malformed, "is not encrypted"},
		"number in its place":      {strings.Replace(good, one, "12", 1), sops.Malformed, "is no text"},
		"metadata without a date":  {strings.Replace(good, "lastmodified:", "lastmodifie:", 1), sops.Malformed, "metadata that can't be read"},
		"no MAC":                   {replaceNth(good, "mac: ", "ma: ", 1), sops.WrongMAC, "MAC"},
		"metadata is a list":       {good[:strings.Index(good, "sops:")] + "sops: []\n", sops.Malformed, "metadata"},
		"no key":                   {withKey(good, "age: []\n"), sops.Malformed, "metadata that can't be read"},
		"no YAML":                  {"a: [", sops.Malformed, "not a file that SOPS wrote"},
		"a list":                   {"- a\n", sops.Malformed, "not a file that SOPS wrote"},
		"regex that leaves a hole": {strings.Replace(good, "^authentication$", "^queryParams$", 1), sops.WrongMAC, "MAC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth, err := open(t, test.text, sops.Options{})
			var e *sops.Error
			if !errors.As(err, &e) || e.Kind != test.kind || !strings.Contains(e.Error(), test.says) || !strings.HasPrefix(e.Error(), "rule.yaml: ") {
				t.Fatalf("auth %v, error %v, want kind %q that says %q", auth, err, test.kind, test.says)
			}
			for _, never := range []string{"s3cr3t", "ENC[", one[25:45], "Expected", "mac mismatch"} {
				if strings.Contains(e.Error()+e.Hint(), never) {
					t.Errorf("the message holds %q: %s", never, e.Error()+e.Hint())
				}
			}
		})
	}
}

// swapTag changes a ciphertext's tag and keeps it well-formed.
func swapTag(v string) string {
	i := strings.Index(v, ",tag:") + 5
	c := "A"
	if v[i] == 'A' {
		c = "B"
	}
	return v[:i] + c + v[i+1:]
}

// TestBadValues: a value that was encrypted as it should not be is named by
// its path.
func TestBadValues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ value, says string }{
		"mask":        {`"*****"`, "is a mask"},
		"placeholder": {"REPLACE_ME", "is a placeholder"},
		"space":       {`" s3cr3t"`, "white space"},
		"newline":     {`"s3cr3t\nmore"`, "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, seal(t, strings.Replace(document, "s3cr3t-one", test.value, 1), usual...), sops.Options{})
			if err == nil || !strings.Contains(err.Error(), "spec.authentication.headers.X-One "+test.says) && !strings.Contains(err.Error(), "X-One") || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

// TestAnotherKey: a file for somebody else says for whom it is, and where keys
// are looked for.
func TestAnotherKey(t *testing.T) {
	t.Parallel()
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	text := seal(t, document, append([]string{"--age", other.Recipient().String()}, usual...)...)
	// seal adds this process's key, too: a file for both opens ...
	if _, err := open(t, text, sops.Options{}); err == nil {
		file := filepath.Join(t.TempDir(), "rule.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		text = runSops(t, nil, file, "rotate", "--in-place", "--add-age", other.Recipient().String(), "--rm-age", recipient, file)
	}
	_, err = open(t, text, sops.Options{})
	var e *sops.Error
	if !errors.As(err, &e) || e.Kind != sops.NoKey || !strings.Contains(e.Error(), other.Recipient().String()) || !strings.Contains(e.Hint(), "SOPS_AGE_KEY_FILE") {
		t.Errorf("error %v", err)
	}
}

// TestPGP opens a file that is encrypted for a real GnuPG key.
func TestPGP(t *testing.T) {
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Skip("gpg is not installed: install GnuPG to test PGP keys")
	}
	home, err := os.MkdirTemp("", "gpg") // a socket's path must be short
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
	auth, err := open(t, seal(t, document, append([]string{"--pgp", fingerprint}, usual...)...), sops.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, auth, documentValues)
}

// stub is a key service that answers as one of the clouds would.
type stub struct {
	keyservice.KeyServiceClient
	mu     sync.Mutex
	calls  []string
	answer func(*keyservice.Key) ([]byte, error)
}

func (s *stub) Decrypt(ctx context.Context, req *keyservice.DecryptRequest, _ ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	s.mu.Lock()
	s.calls = append(s.calls, fmt.Sprintf("%T", req.GetKey().GetKeyType()))
	s.mu.Unlock()
	plain, err := s.answer(req.GetKey())
	return &keyservice.DecryptResponse{Plaintext: plain}, err
}

// clouds are metadata of a key of each service, and how the request for it looks.
var clouds = map[string]struct{ metadata, call string }{
	"awskms":  {"kms:\n        - arn: arn:aws:kms:eu-north-1:1:key/x\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_KmsKey"},
	"gcpkms":  {"gcp_kms:\n        - resource_id: projects/p/locations/l/keyRings/r/cryptoKeys/k\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_GcpKmsKey"},
	"azkv":    {"azure_kv:\n        - vault_url: https://v.vault.azure.net\n          name: k\n          version: v\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_AzureKeyvaultKey"},
	"hcvault": {"hc_vault:\n        - vault_address: https://vault.example.com\n          engine_path: transit\n          key_name: k\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_VaultKey"},
}

// withKey replaces the keys of a file by those of the metadata given.
func withKey(text, metadata string) string {
	i, j := strings.Index(text, "    age:\n"), strings.Index(text, "    encrypted_regex")
	if metadata != "" {
		metadata = "    " + metadata
	}
	return text[:i] + metadata + text[j:]
}

// TestClouds: each cloud's key service is called where it is allowed, and
// nobody is where it is not.
func TestClouds(t *testing.T) {
	t.Parallel()
	good := seal(t, document, usual...)
	var dataKey []byte // the real one, by way of the process's age key
	if _, err := open(t, good, sops.Options{KeyService: recorder{keyservice.NewLocalClient(), &dataKey}}); err != nil || len(dataKey) == 0 {
		t.Fatalf("the data key could not be had: %v", err)
	}
	for service, cloud := range clouds {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			text := withKey(good, cloud.metadata)
			s := &stub{answer: func(*keyservice.Key) ([]byte, error) { return dataKey, nil }}
			_, err := open(t, text, sops.Options{KeyService: s, VaultAddr: "https://vault.example.com"})
			var e *sops.Error
			if !errors.As(err, &e) || e.Kind != sops.NotAllowed || !strings.Contains(e.Error(), service) || !strings.Contains(e.Hint(), "--key-service "+service) || len(s.calls) > 0 {
				t.Errorf("not allowed: error %v, calls %v", err, s.calls)
			}
			auth, err := open(t, text, sops.Options{KeyService: s, KeyServices: []string{service}, VaultAddr: "https://vault.example.com"})
			if err != nil || len(s.calls) != 1 || s.calls[0] != cloud.call {
				t.Fatalf("allowed: error %v, calls %v, want one of %s", err, s.calls, cloud.call)
			}
			wantValues(t, auth, documentValues)
		})
	}
	t.Run("another vault", func(t *testing.T) {
		t.Parallel()
		s := &stub{answer: func(*keyservice.Key) ([]byte, error) { return dataKey, nil }}
		_, err := open(t, withKey(good, clouds["hcvault"].metadata), sops.Options{KeyService: s, KeyServices: []string{"hcvault"}, VaultAddr: "https://vault.example.org"})
		var e *sops.Error
		if !errors.As(err, &e) || e.Kind != sops.NotAllowed || !strings.Contains(e.Error(), "VAULT_ADDR") || len(s.calls) > 0 {
			t.Errorf("error %v, calls %v", err, s.calls)
		}
	})
	t.Run("age beside a cloud that is not allowed", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(good, "    age:\n", "    "+clouds["awskms"].metadata+"    age:\n", 1)
		auth, err := open(t, text, sops.Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, auth, documentValues)
	})
}

// recorder keeps the data key that a key service gave.
type recorder struct {
	keyservice.KeyServiceClient
	key *[]byte
}

func (r recorder) Decrypt(ctx context.Context, req *keyservice.DecryptRequest, o ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	rsp, err := r.KeyServiceClient.Decrypt(ctx, req, o...)
	if err == nil {
		*r.key = bytes.Clone(rsp.Plaintext)
	}
	return rsp, err
}

// TestKeyServiceTroubles: a service that hangs, fails with a secret in its
// text, or panics.
func TestKeyServiceTroubles(t *testing.T) {
	t.Parallel()
	text := withKey(seal(t, document, usual...), clouds["awskms"].metadata)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	for name, test := range map[string]struct {
		answer func(*keyservice.Key) ([]byte, error)
		kind   sops.Kind
	}{
		"hangs":  {func(*keyservice.Key) ([]byte, error) { <-never; return nil, nil }, sops.Timeout},
		"fails":  {func(*keyservice.Key) ([]byte, error) { return nil, errors.New("s3cr3t in a text") }, sops.NoKey},
		"panics": {func(*keyservice.Key) ([]byte, error) { panic("s3cr3t in a panic") }, sops.NoKey},
		"empty":  {func(*keyservice.Key) ([]byte, error) { return nil, nil }, sops.NoKey},
		"wrong":  {func(*keyservice.Key) ([]byte, error) { return make([]byte, 32), nil }, sops.Damaged},
		"short":  {func(*keyservice.Key) ([]byte, error) { return []byte("s3cr3t"), nil }, sops.Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, text, sops.Options{KeyService: &stub{answer: test.answer}, KeyServices: []string{"awskms"}, Timeout: 50 * time.Millisecond})
			var e *sops.Error
			if !errors.As(err, &e) || e.Kind != test.kind || strings.Contains(e.Error()+e.Hint(), "s3cr3t") {
				t.Errorf("error %v, want kind %q", err, test.kind)
			}
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(context.Background())
		s := &stub{answer: func(*keyservice.Key) ([]byte, error) { cancel(); <-never; return nil, nil }}
		_, err := sops.New(sops.Options{KeyService: s, KeyServices: []string{"awskms"}}).Auth(ctx, secrets.Sealed{File: "rule.yaml", Document: []byte(text)})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// TestSilent: SOPS logs names and values on stderr; nothing of it gets there.
func TestSilent(t *testing.T) {
	if text := os.Getenv(silentText); text != "" {
		_, _ = open(t, text, sops.Options{}) // only what is written counts
		return
	}
	t.Parallel()
	// A clear comment in the encrypted part is what SOPS warns of, with its text.
	text := strings.Replace(seal(t, document, usual...), "        headers:", "        # s3cr3t comment in clear\n        headers:", 1)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestSilent$")
	cmd.Env = append(os.Environ(), silentText+"="+text)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "s3cr3t") || strings.Contains(string(out), "unencrypted comment") {
		t.Errorf("%v, wrote:\n%s", err, out)
	}
}

func BenchmarkOpen(b *testing.B) {
	text := benchDocument(b)
	d := sops.New(sops.Options{})
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := d.Auth(context.Background(), secrets.Sealed{File: "rule.yaml", Document: []byte(text)}); err != nil {
				b.Error(err)
			}
		}
	})
}

func benchDocument(b *testing.B) string {
	b.Helper()
	command, err := sopsCommand()
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "rule.yaml")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := exec.Command(command, append([]string{"--encrypt", "--in-place", "--age", recipient}, append(usual, file)...)...).Run(); err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return string(data)
}
