package sops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getsops/sops/v3/keyservice"
	"google.golang.org/grpc"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// rules returns a .sops.yaml for the key of the process.
func rules() []byte { return []byte("creation_rules:\n  - age: " + recipient + "\n") }

// sealNow is later than the times in files of the real command.
var sealNow = time.Now().Add(time.Hour)

func request(text string, pairs ...string) sops.Request {
	values := map[string]secrets.String{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = secrets.NewString(pairs[i+1])
	}
	return sops.Request{File: "rule.yaml", Document: []byte(text), Values: values, Config: rules(), ConfigPath: "rules/rule.yaml", Now: sealNow}
}

func sealNew(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	out, err := sops.New(sops.Options{}).Seal(context.Background(), request(text, pairs...))
	if err != nil {
		noLeak(t, err)
		t.Fatalf("%v\n%s", err, text)
	}
	return string(out.Document)
}

// wantBoth decrypts a file with this package and with the real command.
func wantBoth(t *testing.T, text string, want map[string]string) {
	t.Helper()
	auth, err := decryptTree(t, text, sops.Options{AllowOddSecrets: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	wantValues(t, auth, want)
	file := filepath.Join(t.TempDir(), "rule.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	wantClear(t, sopstest.Sops(t, nil, filepath.Dir(file), "decrypt", file), want)
}

// TestSealNew seals unencrypted files in the forms that people write. All text
// that is not secret stays the same.
func TestSealNew(t *testing.T) {
	t.Parallel()
	const head = "metadata:\n  name: x # a name\nspec:\n  url: https://hooks.example.com/mkio   # odd   spaces\n  enabled: true\n  events:\n  - MediaKind.JobFinished\n"
	one := map[string]string{"headers/X-One": "s3cr3t-one"}
	for name, test := range map[string]struct {
		text string
		set  []string
		want map[string]string
		keep string // expected part of the result, byte for byte
	}{
		"placeholder":             {head + "  authentication:\n    headers:\n      X-One: REPLACE_ME # to do\n# the end\n", []string{"headers/X-One", "s3cr3t-one"}, one, head + "  authentication:\n    headers:\n      X-One: ENC["},
		"in quotes":               {head + "  authentication:\n    headers:\n      X-One: \"REPLACE_ME\" # to do\n", []string{"headers/X-One", "s3cr3t-one"}, one, head},
		"nothing there":           {head, []string{"headers/X-One", "s3cr3t-one"}, one, head + "  authentication:\n    headers:\n      X-One: ENC["},
		"no line end":             {strings.TrimSuffix(head, "\n"), []string{"headers/X-One", "s3cr3t-one"}, one, head},
		"empty authentication":    {head + "  authentication: # none yet\n  # end\n", []string{"headers/X-One", "s3cr3t-one"}, one, head + "  authentication: # none yet\n    headers:\n      X-One: ENC["},
		"null":                    {head + "  authentication: null # none yet\n", []string{"headers/X-One", "s3cr3t-one"}, one, head + "  authentication: # none yet\n"},
		"empty mapping":           {head + "  authentication: {}\n", []string{"headers/X-One", "s3cr3t-one"}, one, head + "  authentication:\n    headers:\n"},
		"null value":              {head + "  authentication:\n    headers:\n      X-One:\n    queryParams: ~\n", []string{"headers/X-One", "s3cr3t-one"}, one, head},
		"number in its place":     {head + "  authentication:\n    headers:\n      X-One: 0123\n", []string{"headers/X-One", "s3cr3t-one"}, one, head},
		"text over lines":         {head + "  authentication:\n    headers:\n      X-One: |\n        REPLACE_ME\n        # no comment\n      # a comment\n  headers: {X-Plain: p}\n", []string{"headers/X-One", "s3cr3t-one"}, one, "  headers: {X-Plain: p}\n"},
		"in brackets":             {head + "  authentication: {headers: {X-One: REPLACE_ME, X-Two: 's3cr3t, two'}, queryParams: {}}\n", []string{"headers/X-One", "s3cr3t-one", "queryParams/k", "s3cr3t-k"}, map[string]string{"headers/X-One": "s3cr3t-one", "headers/X-Two": "s3cr3t, two", "queryParams/k": "s3cr3t-k"}, head},
		"another name":            {head + "  authentication:\n      headers:\n          X-Two: s3cr3t-two # clear\n          # a note\n\n  headers:\n    X-Plain: p\n", []string{"headers/X-One", "s3cr3t-one", "queryParams/a: b", "s3cr3t-q"}, map[string]string{"headers/X-One": "s3cr3t-one", "headers/X-Two": "s3cr3t-two", "queryParams/a: b": "s3cr3t-q"}, "\n  headers:\n    X-Plain: p\n"},
		"authentication in mid":   {"metadata: {name: x}\nspec:\n  authentication:\n    headers: {X-One: REPLACE_ME} # flow\n  url: https://h.example.com\n", []string{"headers/X-One", "s3cr3t-one"}, one, "  url: https://h.example.com\n"},
		"JSON":                    {`{"metadata":{"name":"x"},"spec":{"url":"https://h.example.com","authentication":{"headers":{"X-One":"REPLACE_ME"}}}}` + "\n", []string{"headers/X-One", "s3cr3t-one"}, one, `{"metadata":{"name":"x"},"spec":{"url":"https://h.example.com",`},
		"JSON with nothing":       {"{\n  \"metadata\": {\"name\": \"x\"},\n  \"spec\": {\n    \"url\": \"https://h.example.com\"\n  }\n}\n", []string{"headers/X-One", "s3cr3t-one"}, one, `"url": "https://h.example.com"`},
		"lines of Windows":        {strings.ReplaceAll(head+"  authentication:\n    headers:\n      X-One: REPLACE_ME # to do\n", "\n", "\r\n"), []string{"headers/X-One", "s3cr3t-one", "headers/X-Two", "s3cr3t-2"}, map[string]string{"headers/X-One": "s3cr3t-one", "headers/X-Two": "s3cr3t-2"}, strings.ReplaceAll(head, "\n", "\r\n")},
		"a mark at its beginning": {"\ufeff" + head + "  authentication: {headers: {X-One: REPLACE_ME}}\n", []string{"headers/X-One", "s3cr3t-one"}, one, head},
		"letters before it":       {"metadata: {name: x}\nspec: {url: \"https://ü漢.example.com\", authentication: {headers: {X-One: REPLACE_ME}}}\n", []string{"headers/X-One", "s3cr3t-one"}, one, "https://ü漢.example.com"},
		"comments of nothing":     {head + "  authentication: #\n    # \n    headers: # s3cr3t\n      #\n      X-One: REPLACE_ME #\n    #\n", []string{"headers/X-One", "s3cr3t-one"}, one, head + "  authentication: #\n    #ENC["},
		"odd values":              {head, []string{"headers/X-One", `Ünï ✓ "q" \ , : # 'x' {}`, "queryParams/k", "0123"}, map[string]string{"headers/X-One": `Ünï ✓ "q" \ , : # 'x' {}`, "queryParams/k": "0123"}, head},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sealed := sealNew(t, test.text, test.set...)
			if !strings.Contains(sealed, test.keep) || strings.Contains(sealed, "s3cr3t") || strings.Contains(sealed, "REPLACE_ME") {
				t.Errorf("want %q to be kept, and no secret:\n%s", test.keep, sealed)
			}
			if json.Valid([]byte(test.text)) && !json.Valid([]byte(sealed)) {
				t.Errorf("JSON before, and now none:\n%s", sealed)
			}
			if !strings.Contains(sealed, "mac_only_encrypted") || !strings.Contains(sealed, "^authentication$") {
				t.Errorf("not the usual settings:\n%s", sealed)
			}
			wantBoth(t, sealed, test.want)
		})
	}
}

// ciphertext matches an encrypted value or comment.
var ciphertext = regexp.MustCompile(`ENC\[AES256_GCM[^\]]*\]`)

// plainPart returns a file without its metadata and without ciphertext.
func plainPart(text string) string {
	before, _, _ := strings.Cut(text, "\nsops:")
	return ciphertext.ReplaceAllString(before, "ENC") + "\n"
}

// TestSealAgain sets values in files of the real command. All plaintext stays
// byte for byte, and the command accepts the result.
func TestSealAgain(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{
		"usual": usual, "full MAC": {"--encrypted-regex", "^authentication$"}, "suffix": {"--encrypted-suffix", "authentication", "--mac-only-encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := seal(t, document, flags...)
			changed := sealNew(t, old, "headers/X-One", "s3cr3t-new", "queryParams/more", "s3cr3t-more")
			want := map[string]string{"headers/X-One": "s3cr3t-new", "headers/X-Two": "s3cr3t: two", "queryParams/code": "0123", "queryParams/more": "s3cr3t-more"}
			wantBoth(t, changed, want)
			gone, come := diffLines(plainPart(old), plainPart(changed))
			if len(gone) != 0 || len(come) != 1 { // the line of the new value
				t.Errorf("lines gone %q, come %q", gone, come)
			}
			// The command can edit the sealed file.
			file := filepath.Join(t.TempDir(), "rule.yaml")
			if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			sopstest.Sops(t, nil, filepath.Dir(file), "set", file, `["spec"]["authentication"]["headers"]["X-Two"]`, `"s3cr3t-2"`)
			want["headers/X-Two"] = "s3cr3t-2"
			wantBoth(t, parseTree(t, file), want)
		})
	}
	t.Run("the value it has", func(t *testing.T) {
		t.Parallel()
		old := seal(t, document, usual...)
		out, err := sops.New(sops.Options{}).Seal(context.Background(), request(old, "headers/X-One", "s3cr3t-one"))
		if err != nil || string(out.Document) != old || len(out.Unchanged) != 1 {
			t.Errorf("%v, %+v", err, out)
		}
	})
	t.Run("a placeholder that was added", func(t *testing.T) {
		t.Parallel()
		for _, flags := range [][]string{usual, {"--encrypted-regex", "^authentication$"}} {
			old := strings.Replace(seal(t, document, flags...), "            X-Two:", "            X-Three: REPLACE_ME\n            X-Two:", 1)
			wantBoth(t, sealNew(t, old, "headers/X-Three", "s3cr3t-3"), map[string]string{
				"headers/X-One": "s3cr3t-one", "headers/X-Two": "s3cr3t: two", "headers/X-Three": "s3cr3t-3", "queryParams/code": "0123"})
			_, err := sops.New(sops.Options{}).Seal(context.Background(), request(old, "headers/X-One", "s3cr3t-new"))
			wantError(t, err, sops.Unset, "spec.authentication.headers.X-Three is still to be set")
		}
	})
	t.Run("two of three groups", func(t *testing.T) {
		t.Parallel()
		other, _ := sopstest.AgeKey(t)
		r := request(sealShared(t, recipient, second, other), "headers/X-One", "s3cr3t-new")
		r.Config = groupRules("2", recipient, second, other)
		out, err := sops.New(sops.Options{}).Seal(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		wantBoth(t, string(out.Document), map[string]string{"headers/X-One": "s3cr3t-new", "headers/X-Two": "s3cr3t: two", "queryParams/code": "0123"})
	})
}

func diffLines(a, b string) (gone, come []string) {
	in := func(text, line string) bool { return strings.Contains("\n"+text, "\n"+line+"\n") }
	for line := range strings.Lines(a) {
		if !in(b, strings.TrimSuffix(line, "\n")) {
			gone = append(gone, line)
		}
	}
	for line := range strings.Lines(b) {
		if !in(a, strings.TrimSuffix(line, "\n")) {
			come = append(come, line)
		}
	}
	return gone, come
}

// TestSealAnyRule: any rule either decrypts to the same values after sealing,
// or is refused. For some rules the real command decrypts.
func TestSealAnyRule(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	refused := 0
	for i := range 300 {
		text, want := randomRule(rand.New(rand.NewPCG(seed, uint64(i))))
		out, err := sops.New(sops.Options{AllowOddSecrets: true}).Seal(context.Background(), request(text, "headers/X-New", "s3cr3t-new"))
		if err != nil {
			if noLeak(t, err); !strings.Contains(err.Error(), "can't be edited in place") {
				t.Fatalf("seed %d, rule %d: %v\n%s", seed, i, err, text)
			}
			refused++
			continue
		}
		want["headers/X-New"] = "s3cr3t-new"
		auth, err := decryptTree(t, string(out.Document), sops.Options{AllowOddSecrets: true})
		if err != nil {
			t.Fatalf("seed %d, rule %d: %v\n%s", seed, i, err, text)
		}
		if wantValues(t, auth, want); i%20 == 0 {
			wantBoth(t, string(out.Document), want)
		}
		_, inside, _ := bytes.Cut(out.Document, []byte("  authentication:"))
		inside, _, _ = bytes.Cut(inside, []byte("\n    enabled:"))
		if i := bytes.LastIndex(inside, []byte("]\n")); t.Failed() || i >= 0 && bytes.Contains(inside[:i], []byte("s3cr3t")) {
			t.Fatalf("seed %d, rule %d:\n%s\n%s", seed, i, text, out.Document)
		}
	}
	if refused > 30 {
		t.Errorf("seed %d: %d of 300 rules were refused", seed, refused)
	}
}

// TestSealPGP seals for a real GnuPG key, a new file and an encrypted file.
func TestSealPGP(t *testing.T) {
	fingerprint := gpgKey(t)
	r := request("spec:\n  authentication:\n    headers: {X-One: REPLACE_ME}\n", "headers/X-One", "s3cr3t-one")
	r.Config = []byte("creation_rules:\n  - pgp: " + fingerprint + "\n")
	out, err := sops.New(sops.Options{}).Seal(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	wantBoth(t, string(out.Document), map[string]string{"headers/X-One": "s3cr3t-one"})
	again := request(string(out.Document), "headers/X-One", "s3cr3t-2")
	again.Config = []byte("creation_rules:\n  - pgp: " + strings.ToLower(fingerprint) + "\n") // the same key
	if out, err = sops.New(sops.Options{}).Seal(context.Background(), again); err != nil {
		t.Fatal(err)
	}
	wantBoth(t, string(out.Document), map[string]string{"headers/X-One": "s3cr3t-2"})
	t.Setenv("GNUPGHOME", t.TempDir()) // a keyring without the key
	_, err = sops.New(sops.Options{}).Seal(context.Background(), r)
	wantError(t, err, sops.NoRecipient, "can't be encrypted for pgp "+fingerprint, "gpg --import")
}

// TestSealGroups: the keys of a .sops.yaml are read as the real command reads
// them, also key groups. An allowed key service is called.
func TestSealGroups(t *testing.T) {
	t.Parallel()
	other, _ := sopstest.AgeKey(t)
	const text = "spec:\n  authentication:\n    headers: {X-One: REPLACE_ME}\n"
	for name, test := range map[string]struct {
		config     string
		recipients []string
	}{
		"list":         {"creation_rules: [{path_regex: ^other/, age: x}, {path_regex: 'rules/.*', age: [" + recipient + ", " + other + "]}]", []string{"age " + recipient, "age " + other}},
		"commas":       {"creation_rules:\n  - age: >-\n      " + recipient + ",\n      " + other + ",\n", []string{"age " + recipient, "age " + other}},
		"one twice":    {"creation_rules: [{age: [" + recipient + ", " + other + ", " + recipient + "]}]", []string{"age " + recipient, "age " + other}},
		"groups":       {"creation_rules: [{shamir_threshold: 2, key_groups: [{age: [" + recipient + "]}, {merge: [{age: [" + second + "]}]}, {age: [" + other + "]}]}]", []string{"age " + recipient, "age " + second, "age " + other}},
		"beside a KMS": {"creation_rules: [{age: " + recipient + ", kms: 'arn:aws:kms:eu-north-1:1:key/x', gcp_kms: projects/p, azure_keyvault: 'https://v.example/keys/k/1', hc_vault_transit_uri: '" + vault + "/v1/transit/keys/k', hckms: ['tr-west-1:0123abcd-01ab-01ab-01ab-0123456789ab']}]", []string{"age " + recipient, "hcvault " + vault + "/v1/transit/keys/k", "awskms arn:aws:kms:eu-north-1:1:key/x", "gcpkms projects/p", "azkv https://v.example/keys/k/1", "hckms tr-west-1:0123abcd-01ab-01ab-01ab-0123456789ab"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(text, "headers/X-One", "s3cr3t-one")
			r.Config = []byte(test.config)
			s := &encrypter{KeyServiceClient: keyservice.NewLocalClient()}
			out, err := sops.New(sops.Options{KeyService: s, KeyServices: []string{"awskms", "gcpkms", "azkv", "hcvault", "hckms"}, VaultAddr: vault}).Seal(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[string]int64{"beside a KMS": 5}[name]; s.calls.Load() != want {
				t.Errorf("%d calls of key services, want %d", s.calls.Load(), want)
			}
			if !slices.Equal(out.Recipients, test.recipients) {
				t.Errorf("sealed for %q, want %q", out.Recipients, test.recipients)
			}
			wantBoth(t, string(out.Document), map[string]string{"headers/X-One": "s3cr3t-one"})
		})
	}
}

// encrypter encrypts in place of every cloud.
type encrypter struct {
	keyservice.KeyServiceClient
	calls atomic.Int64
}

func (e *encrypter) Encrypt(ctx context.Context, req *keyservice.EncryptRequest, o ...grpc.CallOption) (*keyservice.EncryptResponse, error) {
	if req.GetKey().GetAgeKey() == nil {
		e.calls.Add(1)
		return &keyservice.EncryptResponse{Ciphertext: []byte("abc")}, nil
	}
	return e.KeyServiceClient.Encrypt(ctx, req, o...)
}

// TestSealRefuses: every refusal has an error, and no error contains a secret.
func TestSealRefuses(t *testing.T) {
	t.Parallel()
	other, _ := sopstest.AgeKey(t)
	old := seal(t, document, usual...)
	for name, test := range map[string]struct {
		change func(*sops.Request)
		kind   sops.Kind
		says   []string
	}{
		"empty":             {func(r *sops.Request) { r.Values["headers/X-One"] = secrets.NewString("") }, sops.BadValue, []string{"headers.X-One was given a value that is empty"}},
		"placeholder":       {func(r *sops.Request) { r.Values["headers/X-One"] = secrets.NewString("changeme") }, sops.BadValue, []string{"is a placeholder"}},
		"mask":              {func(r *sops.Request) { r.Values["headers/X-One"] = secrets.NewString("****") }, sops.BadValue, []string{"is a mask"}},
		"space":             {func(r *sops.Request) { r.Values["headers/X-One"] = secrets.NewString("s3cr3t ") }, sops.BadValue, []string{"white space"}},
		"newline":           {func(r *sops.Request) { r.Values["headers/X-One"] = secrets.NewString("s3cr3t\nx") }, sops.BadValue, []string{"control characters"}},
		"no config":         {func(r *sops.Request) { r.Config = nil }, sops.NoRecipient, []string{"no .sops.yaml", "mkhooks init -p PROJECT --age"}},
		"config of nothing": {func(r *sops.Request) { r.Config = []byte("{}") }, sops.NoRecipient, []string{"no creation rule for this file"}},
		"config of others":  {func(r *sops.Request) { r.Config = []byte("creation_rules: [{path_regex: ^x, age: a}]") }, sops.NoRecipient, []string{"no creation rule for this file"}},
		"config, bad regex": {func(r *sops.Request) {
			r.Config = []byte("creation_rules: [{path_regex: ^x}, {path_regex: '(', age: a}]")
		}, sops.NoRecipient, []string{"does not compile (creation rule 2)"}},
		"config, no key":  {func(r *sops.Request) { r.Config = []byte("creation_rules: [{path_regex: ^rules/}]") }, sops.NoRecipient, []string{"names no key"}},
		"config, bad key": {func(r *sops.Request) { r.Config = []byte("creation_rules: [{age: AGE-SECRET-KEY-s3cr3t}]") }, sops.NoRecipient, []string{"a key of age that can't be read"}},
		"config, no version": {func(r *sops.Request) {
			r.Config = []byte("creation_rules: [{azure_keyvault: 'https://v.example/keys/k'}]")
		}, sops.NoRecipient, []string{"without its vault, name or version"}},
		"config, no vault": {func(r *sops.Request) {
			r.Config = []byte("creation_rules: [{key_groups: [{azure_keyvault: [{key: k, version: '1'}]}]}]")
		}, sops.NoRecipient, []string{"without its vault, name or version"}},
		"config, no YAML": {func(r *sops.Request) { r.Config = []byte("a: [") }, sops.NoRecipient, []string{"can't be read"}},
		"a cloud not allowed": {func(r *sops.Request) {
			r.Config = append(rules(), []byte("    kms: arn:aws:kms:eu-north-1:1:key/x\n")...)
		}, sops.NotAllowed, []string{"awskms is not allowed", "--key-service awskms"}},
		"no YAML": {func(r *sops.Request) { r.Document = []byte("a: [") }, sops.Malformed, []string{"mkhooks validate rule.yaml"}},
		"a list": {func(r *sops.Request) {
			r.Document = []byte("metadata: {name: x}\nspec: {authentication: {headers: [a]}}\n")
		}, sops.Malformed, []string{"does not hold names and values"}},
		"an alias": {func(r *sops.Request) { r.Document = []byte("metadata: {name: &a x}\nspec: {url: *a}\n") }, sops.Malformed, []string{"can't be read"}},
		"others to set": {func(r *sops.Request) {
			r.Document = []byte("spec:\n  authentication:\n    headers: {X-One: REPLACE_ME, X-Two: TODO, X-Three: 12}\n    queryParams: {k: s3cr3t}\n")
		}, sops.Unset, []string{"headers.X-Two, spec.authentication.headers.X-Three are still", "encrypted together"}},
		"for somebody else": {func(r *sops.Request) { r.Document, r.Config = sopstest.Seal(t, document, other), groupRules("", other) }, sops.NoKey, []string{other, "its data key has to be opened"}},
		"for a cloud not allowed": {func(r *sops.Request) {
			r.Document, r.Config = []byte(withKey(old, clouds["awskms"].metadata)), []byte("creation_rules: [{kms: 'arn:aws:kms:eu-north-1:1:key/x'}]")
		}, sops.NotAllowed, []string{"awskms is not allowed", "its data key has to be opened"}},
		"a MAC that is off": {func(r *sops.Request) { r.Document = []byte(replaceHeaders(old, " {}\n")) }, sops.WrongMAC, []string{"MAC"}},
		"a value damaged": {func(r *sops.Request) {
			r.Document = []byte(strings.Replace(old, convertNode(old, "X-Two"), swapTag(convertNode(old, "X-Two")), 1))
		}, sops.Damaged, []string{"does not open"}},
		"over lines": {func(r *sops.Request) {
			r.Document = []byte("spec:\n  authentication:\n    headers:\n      X-One: s3cr3t a\n        s3cr3t b\n")
		}, sops.Malformed, []string{"can't be edited in place"}},
		// An old Mac line end hides a comment. The comment must neither stay
		// plaintext nor replace the same text at another location.
		"a comment not found": {func(r *sops.Request) {
			r.Document = []byte("spec:\n  authentication:\n    # s3cr3t\r    # more\n    headers: {X-One: REPLACE_ME} # more yet\n")
		}, sops.Malformed, []string{"can't be edited in place"}},
		"a comment elsewhere": {func(r *sops.Request) {
			r.Document = []byte("spec:\n  authentication:\n    # s3cr3t\r    headers: {X-One: REPLACE_ME}\n  # s3cr3t\n  enabled: true\n")
		}, sops.Malformed, []string{"can't be edited in place"}},
		"a comment in a text": {func(r *sops.Request) {
			r.Document = []byte("spec:\n  authentication:\n    # s3cr3t\r    headers: {X-One: REPLACE_ME}\n  description: |\n    # s3cr3t\n")
		}, sops.Malformed, []string{"can't be edited in place"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request("metadata: {name: x}\nspec: {}\n", "headers/X-One", "s3cr3t-one")
			test.change(&r)
			out, err := sops.New(sops.Options{}).Seal(context.Background(), r)
			if err == nil {
				t.Fatalf("sealed:\n%s", out.Document)
			}
			noLeak(t, err)
			if name == "a MAC that is off" {
				var e *sops.Error
				if errors.As(err, &e) && e.Kind == test.kind {
					return
				}
			}
			wantError(t, err, test.kind, test.says...)
		})
	}
}

// TestWaiting: missing values are listed by path, without a key.
func TestWaiting(t *testing.T) {
	t.Parallel()
	other, _ := sopstest.AgeKey(t)
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"some":               {"spec:\n  authentication:\n    headers: {X-One: REPLACE_ME, X-Two: s3cr3t, X-Three: 12}\n    queryParams: {code: ''}\n", []string{"headers/X-One", "headers/X-Three", "queryParams/code"}},
		"in clear":           {"spec: {authentication: {headers: {X-One: s3cr3t}}}\n", nil},
		"null":               {"spec: {authentication: {headers: {X-One: null}, queryParams: }}\n", nil},
		"a shared file":      {"a: REPLACE_ME\nb: s3cr3t\n", []string{"a"}},
		"one for others":     {string(sopstest.Seal(t, document, other)), nil},
		"one with one added": {strings.Replace(string(sopstest.Seal(t, document, other)), "X-Two:", "X-New: TODO\n            X-Two:", 1), []string{"headers/X-New"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sops.MissingValues("rule.yaml", []byte(test.text))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("waiting %q, error %v, want %q", got, err, test.want)
			}
		})
	}
	_, err := sops.MissingValues("rule.yaml", []byte("a: ["))
	wantError(t, err, sops.Malformed, "can't be read as a rule file")
}
