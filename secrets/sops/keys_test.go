package sops_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getsops/sops/v3/keyservice"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// stub is a key service with the responses of a cloud.
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

func (s *stub) Encrypt(ctx context.Context, req *keyservice.EncryptRequest, _ ...grpc.CallOption) (*keyservice.EncryptResponse, error) {
	sealed, err := s.answer(req.GetKey())
	return &keyservice.EncryptResponse{Ciphertext: sealed}, err
}

// constant returns the same key for every request.
func constant(key []byte) func(*keyservice.Key) ([]byte, error) {
	return func(*keyservice.Key) ([]byte, error) { return key, nil }
}

// decryptDataKey returns the real data key of a file. It uses the age keys of the
// process.
func dataKey(t testing.TB, text string) []byte {
	t.Helper()
	var key []byte
	if _, err := decryptTree(t, text, sops.Options{KeyService: recorder{keyservice.NewLocalClient(), &key}}); err != nil || len(key) == 0 {
		t.Fatalf("the data key could not be had: %v", err)
	}
	return key
}

// clouds are the metadata of a key of each service, and the expected request.
var clouds = map[string]struct{ metadata, call string }{
	"awskms":  {"kms:\n        - arn: arn:aws:kms:eu-north-1:1:key/x\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_KmsKey"},
	"gcpkms":  {"gcp_kms:\n        - resource_id: projects/p/locations/l/keyRings/r/cryptoKeys/k\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_GcpKmsKey"},
	"azkv":    {"azure_kv:\n        - vault_url: https://v.vault.azure.net\n          name: k\n          version: v\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_AzureKeyvaultKey"},
	"hcvault": {"hc_vault:\n        - vault_address: https://vault.example.com\n          engine_path: transit\n          key_name: k\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_VaultKey"},
	"hckms":   {"hckms:\n        - key_id: tr-west-1:0123abcd-01ab-01ab-01ab-0123456789ab\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: abc\n", "*keyservice.Key_HckmsKey"},
}

// vault is the address in the metadata of clouds.
const vault = "https://vault.example.com"

// withKey replaces the keys of a file with the given metadata.
func withKey(text, metadata string) string {
	i, j := strings.Index(text, "    age:\n"), strings.Index(text, "    encrypted_regex")
	if metadata != "" {
		metadata = "    " + metadata
	}
	return text[:i] + metadata + text[j:]
}

// TestClouds: each cloud's key service is called if it is allowed. Otherwise no
// service is called.
func TestClouds(t *testing.T) {
	t.Parallel()
	good := seal(t, document, usual...)
	key := dataKey(t, good)
	for service, cloud := range clouds {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			text := withKey(good, cloud.metadata)
			s := &stub{answer: constant(key)}
			_, err := decryptTree(t, text, sops.Options{KeyService: s, VaultAddr: "https://vault.example.com"})
			wantError(t, err, sops.NotAllowed, "can't be opened without a key service: "+service+" is not allowed", "--key-service "+service)
			if len(s.calls) > 0 {
				t.Errorf("not allowed, but called: %v", s.calls)
			}
			auth, err := decryptTree(t, text, sops.Options{KeyService: s, KeyServices: []string{service}, VaultAddr: "https://vault.example.com"})
			if err != nil || len(s.calls) != 1 || s.calls[0] != cloud.call {
				t.Fatalf("allowed: error %v, calls %v, want one of %s", err, s.calls, cloud.call)
			}
			wantValues(t, auth, documentValues)
		})
	}
	for name, addresses := range map[string][2]string{
		"another vault": {vault, "https://vault.example.org"}, "no VAULT_ADDR": {vault, ""}, "neither": {`""`, ""}, "a path more": {vault + "/x", vault},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stub{answer: constant(key)}
			text := strings.Replace(withKey(good, clouds["hcvault"].metadata), vault, addresses[0], 1)
			_, err := decryptTree(t, text, sops.Options{KeyService: s, KeyServices: []string{"hcvault"}, VaultAddr: addresses[1]})
			wantError(t, err, sops.NotAllowed, "at VAULT_ADDR only")
			if len(s.calls) > 0 {
				t.Errorf("called: %v", s.calls)
			}
		})
	}
	t.Run("age beside a cloud that is not allowed", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(good, "    age:\n", "    "+clouds["awskms"].metadata+"    age:\n", 1)
		auth, err := decryptTree(t, text, sops.Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantValues(t, auth, documentValues)
	})
}

// TestOtherAgeBesideCloud: if no local key matches, the message names the key
// service that was not allowed. The service is not called.
func TestOtherAgeBesideCloud(t *testing.T) {
	t.Parallel()
	other, _ := sopstest.AgeKey(t)
	text := strings.Replace(string(sopstest.Seal(t, document, other)), "    age:\n", "    "+clouds["awskms"].metadata+"    age:\n", 1)
	s := &stub{answer: func(k *keyservice.Key) ([]byte, error) { return nil, errors.New("no") }}
	_, err := decryptTree(t, text, sops.Options{KeyService: s})
	wantError(t, err, sops.NotAllowed, other, "awskms is not allowed", "--key-service awskms", "SOPS_AGE_KEY_FILE")
	if fmt.Sprint(s.calls) != "[*keyservice.Key_AgeKey]" {
		t.Errorf("calls %v", s.calls)
	}
}

// TestOrder: age comes before an allowed key service, and decrypts the file
// without a call.
func TestOrder(t *testing.T) {
	t.Parallel()
	good := string(sopstest.Seal(t, document, recipient))
	text := strings.Replace(good, "    age:\n", "    "+clouds["awskms"].metadata+"    age:\n", 1)
	s := &stub{answer: constant(dataKey(t, good))}
	if _, err := decryptTree(t, text, sops.Options{KeyService: s, KeyServices: []string{"awskms"}}); err != nil || fmt.Sprint(s.calls) != "[*keyservice.Key_AgeKey]" {
		t.Errorf("error %v, calls %v", err, s.calls)
	}
}

// TestShamir: two of three groups are needed. A key that must not be used
// counts as a failure.
func TestShamir(t *testing.T) {
	t.Parallel()
	other, _ := sopstest.AgeKey(t)
	kms := []string{"awskms"}
	for name, test := range map[string]struct {
		text     string
		services []string
		kind     sops.Kind
		says     string
		called   int
	}{
		"two of three":                     {sealShared(t, recipient, second, other), nil, "", "", 0},
		"one of three":                     {sealShared(t, recipient, other, other), nil, sops.NoKey, "can't be decrypted with the keys at hand", 0},
		"one and a service not allowed":    {asKMS(sealShared(t, recipient, second, other), second), nil, sops.NotAllowed, "can't be decrypted with the keys at hand", 0},
		"one and two services not allowed": {asKMS(asKMS(sealShared(t, recipient, second, other), second), other), nil, sops.NotAllowed, "can't be opened without a key service", 0},
		"one and a service":                {asKMS(sealShared(t, recipient, second, other), second), kms, "", "", 1},
		"two and a service not allowed":    {asKMS(sealShared(t, recipient, second, recipient), second), nil, "", "", 0},
		"a service alone, one group short": {asKMS(sealShared(t, other, second, other), second), kms, sops.NoKey, "can't be decrypted with the keys at hand", 1},
		// A single group holds the complete key, whatever threshold the file
		// has.
		"the only group": {sealShared(t, recipient), nil, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &translator{KeyServiceClient: keyservice.NewLocalClient(), recipient: second}
			auth, err := decryptTree(t, test.text, sops.Options{KeyServices: test.services, KeyService: s})
			if called := int(s.calls.Load()); called != test.called {
				t.Errorf("the key service was called %d times, want %d", called, test.called)
			}
			if test.kind != "" {
				wantError(t, err, test.kind, test.says)
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, test.text)
			}
			wantValues(t, auth, documentValues)
		})
	}
}

// sealShared encrypts the document with the real command for groups of one key
// each. Two groups are needed.
func sealShared(t *testing.T, groups ...string) string {
	t.Helper()
	dir := t.TempDir()
	rules := "creation_rules:\n  - encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n    shamir_threshold: 2\n    key_groups:\n"
	for _, g := range groups {
		rules += "      - age: [" + g + "]\n"
	}
	for name, text := range map[string]string{".sops.yaml": rules, "rule.yaml": document} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sopstest.Sops(t, nil, dir, "encrypt", "--in-place", "rule.yaml")
	return parseTree(t, filepath.Join(dir, "rule.yaml"))
}

// asKMS replaces the group of one age key with the group of a cloud key. The
// cloud's response is the data key that the age key decrypts.
func asKMS(text, recipient string) string {
	groups := strings.Split(text, "- age:\n")
	for i, g := range groups {
		before, after, found := strings.Cut(g, "recipient: "+recipient)
		if !found {
			continue
		}
		indent := before[strings.LastIndex(before, "\n"):]
		groups[i] = before + "arn: arn:aws:kms:eu-north-1:1:key/x" + indent + `created_at: "2026-01-01T00:00:00Z"` + after
		return strings.Join(groups[:i], "- age:\n") + "- kms:\n" + strings.Join(groups[i:], "- age:\n")
	}
	panic("no group of " + recipient)
}

// translator decrypts with an age key in place of a cloud key.
type translator struct {
	keyservice.KeyServiceClient
	recipient string
	calls     atomic.Int64
}

func (s *translator) Decrypt(ctx context.Context, req *keyservice.DecryptRequest, o ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	if req.GetKey().GetKmsKey() != nil {
		s.calls.Add(1)
		key := &keyservice.Key{KeyType: &keyservice.Key_AgeKey{AgeKey: &keyservice.AgeKey{Recipient: s.recipient}}}
		req = &keyservice.DecryptRequest{Key: key, Ciphertext: req.GetCiphertext()}
	}
	return s.KeyServiceClient.Decrypt(ctx, req, o...)
}

// recorder keeps the data key that a key service returned.
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

// TestKeyServiceTroubles: a service hangs, fails with a secret in its message,
// or panics.
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
			_, err := decryptTree(t, text, sops.Options{KeyService: &stub{answer: test.answer}, KeyServices: []string{"awskms"}, Timeout: 50 * time.Millisecond})
			wantError(t, err, test.kind)
		})
	}
	// With an empty key for this recipient, nobody could decrypt the file
	// again.
	t.Run("empty, for a new file", func(t *testing.T) {
		t.Parallel()
		r := request("spec: {}\n", "headers/X-One", "s3cr3t-one")
		r.Config = []byte("creation_rules: [{kms: 'arn:aws:kms:eu-north-1:1:key/x'}]")
		_, err := sops.New(sops.Options{KeyService: &stub{answer: constant(nil)}, KeyServices: []string{"awskms"}}).Seal(context.Background(), r)
		wantError(t, err, sops.NoRecipient, "can't be encrypted for awskms arn:aws:kms:eu-north-1:1:key/x")
	})
	for name, do := range map[string]func(context.Context, *sops.Decrypter) error{
		"interrupted": func(ctx context.Context, d *sops.Decrypter) error { _, err := d.Auth(ctx, sealed(text)); return err },
		"interrupted, to set a value": func(ctx context.Context, d *sops.Decrypter) error {
			r := request(text, "headers/X-One", "s3cr3t-new")
			r.Config = []byte("creation_rules: [{kms: 'arn:aws:kms:eu-north-1:1:key/x'}]")
			_, err := d.Seal(ctx, r)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(context.Background())
			s := &stub{answer: func(*keyservice.Key) ([]byte, error) { cancel(); <-never; return nil, nil }}
			if err := do(ctx, sops.New(sops.Options{KeyService: s, KeyServices: []string{"awskms"}})); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that of the context", err)
			}
		})
	}
}

// TestTurns: the number of parallel calls stays within the limit, and each file
// costs one call. Waiting for a slot does not count towards the timeout.
func TestTurns(t *testing.T) {
	t.Parallel()
	good := string(sopstest.Seal(t, document, recipient))
	text, key := withKey(good, clouds["awskms"].metadata), dataKey(t, good)
	synctest.Test(t, func(t *testing.T) {
		var running, most, calls atomic.Int64
		d := sops.New(sops.Options{KeyServices: []string{"awskms"}, Concurrency: 2, Timeout: time.Second, KeyService: &stub{answer: func(*keyservice.Key) ([]byte, error) {
			calls.Add(1)
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(700 * time.Millisecond)
			return key, nil
		}}})
		var group errgroup.Group
		for range 20 {
			group.Go(func() error {
				_, err := d.Auth(context.Background(), sealed(text))
				return err
			})
		}
		if err := group.Wait(); err != nil || most.Load() != 2 || calls.Load() != 20 {
			t.Errorf("error %v, %d side by side, %d calls; want 2 and 20", err, most.Load(), calls.Load())
		}
	})
}
