package sops_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getsops/sops/v3/keyservice"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
)

// sharedDocument is a shared secrets file: all its values are secrets.
const sharedDocument = `# what many rules use
webhookSecret: s3cr3t-shared
other: "s3cr3t: other" # inline
`

// sealSharedFile encrypts a shared secrets file with the real command.
func sealSharedFile(t testing.TB, text string) string {
	t.Helper()
	return seal(t, text, "--mac-only-encrypted")
}

// sharedSource returns a source with the name shared.yaml and a selection of
// values.
func sharedSource(text string, take map[string][]string) secrets.Source {
	return secrets.Source{File: "shared.yaml", Document: []byte(text), Take: take}
}

// oneShared selects one value of sharedDocument.
var oneShared = map[string][]string{"queryParams/shared": {"webhookSecret"}}

// TestSources: values of several documents are joined, and an error names the
// document that caused it.
func TestSources(t *testing.T) {
	t.Parallel()
	own, shared := seal(t, document, usual...), sealSharedFile(t, sharedDocument)
	rule := sealed(own).Sources[0]
	layer := func(take map[string][]string) secrets.Source {
		return secrets.Source{File: "common/rule.yaml", Document: []byte(own), Take: take}
	}
	plain := secrets.Auth{Headers: map[string]secrets.String{"X-Plain": secrets.NewString("s3cr3t-plain")}}
	for name, test := range map[string]struct {
		sources []secrets.Source
		plain   secrets.Auth
		want    map[string]string
		errs    []string // the errors, in order
	}{
		"nothing": {want: map[string]string{}},
		"a shared file alone": {sources: []secrets.Source{sharedSource(shared, oneShared)},
			want: map[string]string{"queryParams/shared": "s3cr3t-shared"}},
		"a rule file, a shared one and clear text": {sources: []secrets.Source{rule, sharedSource(shared, oneShared)}, plain: plain,
			want: map[string]string{"headers/X-One": "s3cr3t-one", "headers/X-Two": "s3cr3t: two", "queryParams/code": "0123",
				"queryParams/shared": "s3cr3t-shared", "headers/X-Plain": "s3cr3t-plain"}},
		"some of a rule file": {sources: []secrets.Source{layer(map[string][]string{"headers/X-One": {"spec", "authentication", "headers", "X-One"}})},
			want: map[string]string{"headers/X-One": "s3cr3t-one"}},
		"one value for two names": {sources: []secrets.Source{sharedSource(shared, map[string][]string{"headers/X-A": {"other"}, "headers/X-B": {"other"}})},
			want: map[string]string{"headers/X-A": "s3cr3t: other", "headers/X-B": "s3cr3t: other"}},
		"none of a document": {sources: []secrets.Source{layer(map[string][]string{})}, want: map[string]string{}},
		"a name in two documents": {sources: []secrets.Source{rule, sharedSource(shared, map[string][]string{"headers/X-One": {"other"}})},
			errs: []string{"rule.yaml: spec.authentication.headers.X-One has a value from two places, rule.yaml and shared.yaml"}},
		"a name in clear and sealed": {sources: []secrets.Source{sharedSource(shared, map[string][]string{"headers/X-Plain": {"other"}})}, plain: plain,
			errs: []string{"rule.yaml: spec.authentication.headers.X-Plain has a value from two places, rule.yaml and shared.yaml"}},
		"a key that is not there": {sources: []secrets.Source{sharedSource(shared, map[string][]string{"headers/X-A": {"gone"}})},
			errs: []string{"shared.yaml: gone is not there"}},
		"a field that is no secret": {sources: []secrets.Source{layer(map[string][]string{"headers/X-A": {"spec", "url"}})},
			errs: []string{"common/rule.yaml: spec.url is not there"}},
		"no place in a rule": {sources: []secrets.Source{sharedSource(shared, map[string][]string{"elsewhere/X-A": {"other"}})},
			errs: []string{"rule.yaml: spec.authentication.elsewhere.X-A is no place for a value"}},
		"two damaged documents": {sources: []secrets.Source{{File: "a.yaml", Document: []byte("a: [")}, rule, {File: "b.yaml", Document: []byte("b"), Take: oneShared}},
			errs: []string{"a.yaml: is not a file that SOPS wrote", "b.yaml: is not a file that SOPS wrote"}},
		"clear text in a shared file": {sources: []secrets.Source{sharedSource(strings.Replace(shared, convertNode(shared, "other"), "s3cr3t-clear", 1), oneShared)},
			errs: []string{"shared.yaml: other is not encrypted"}},
		"a mapping in a shared file": {sources: []secrets.Source{sharedSource(strings.Replace(shared, "other: ", "other:\n    inner: ", 1), oneShared)},
			errs: []string{"shared.yaml: other is no text"}},
		"a number as a name": {sources: []secrets.Source{sharedSource(strings.Replace(shared, "other: ", "12: ", 1), oneShared)},
			errs: []string{"shared.yaml: has a name that is no text"}},
		"a value of another name": {sources: []secrets.Source{sharedSource(strings.Replace(shared, "webhookSecret: ", "webhookSecrets: ", 1), oneShared)},
			errs: []string{"shared.yaml: has an encrypted value that does not open"}},
		"a value gone": {sources: []secrets.Source{sharedSource(strings.Replace(shared, "other: "+convertNode(shared, "other")+" ", "", 1), oneShared)},
			errs: []string{"shared.yaml: has a MAC that does not fit"}},
		"a value that is none": {sources: []secrets.Source{sharedSource(sealSharedFile(t, "webhookSecret: ' s3cr3t'\nother: '***'\n"), oneShared)},
			errs: []string{"shared.yaml: webhookSecret has white space around it"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth, err := sops.New(sops.Options{}).Auth(context.Background(), secrets.Sealed{File: "rule.yaml", Sources: test.sources, Plain: test.plain})
			noLeak(t, err)
			all := secrets.Problems(err)
			if len(all) != len(test.errs) {
				t.Fatalf("errors %v, want %d", all, len(test.errs))
			}
			for i, want := range test.errs {
				var e *sops.Error
				if !errors.As(all[i], &e) || !strings.HasPrefix(e.Error(), want) || !strings.HasPrefix(want, e.File+": ") {
					t.Errorf("error %v, want %q", all[i], want)
				}
			}
			if test.errs == nil {
				wantValues(t, auth, test.want)
			} else if auth.Len() > 0 {
				t.Error("there are values beside an error")
			}
		})
	}
}

// counter is SOPS's own key service with a count of its calls.
type counter struct {
	keyservice.KeyServiceClient
	calls atomic.Int64
}

func newCounter() *counter { return &counter{KeyServiceClient: keyservice.NewLocalClient()} }

func (c *counter) Decrypt(ctx context.Context, req *keyservice.DecryptRequest, o ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	c.calls.Add(1)
	return c.KeyServiceClient.Decrypt(ctx, req, o...)
}

// TestOpenedOnce: a document that 500 rules use costs one call of the key
// service, also if the decryption fails. A changed document costs another call.
func TestOpenedOnce(t *testing.T) {
	t.Parallel()
	shared := sealSharedFile(t, sharedDocument)
	broken := strings.Replace(shared, convertNode(shared, "other"), swapTag(convertNode(shared, "other")), 1)
	for name, test := range map[string]struct {
		text, other string
		calls       int
		says        string
	}{
		"opens":           {shared, shared, 1, ""},
		"does not":        {broken, broken, 1, "shared.yaml: has an encrypted value that does not open"},
		"one of two does": {broken, shared, 2, "shared.yaml: has an encrypted value that does not open"},
		"two of the name": {shared, sealSharedFile(t, sharedDocument), 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := newCounter()
			d := sops.New(sops.Options{KeyService: service})
			var group errgroup.Group
			errs := make([]error, 500)
			for i := range errs {
				group.Go(func() error {
					text := test.text
					if i%2 == 1 {
						text = test.other
					}
					auth, err := d.Auth(context.Background(), secrets.Sealed{File: "rule.yaml", Sources: []secrets.Source{sharedSource(text, oneShared)}})
					if errs[i] = err; err == nil {
						wantValues(t, auth, map[string]string{"queryParams/shared": "s3cr3t-shared"})
					}
					return nil
				})
			}
			_ = group.Wait()
			if n := int(service.calls.Load()); n != test.calls {
				t.Errorf("%d calls of the key service, want %d", n, test.calls)
			}
			for i, err := range errs {
				noLeak(t, err)
				if want := test.says != "" && (i%2 == 0 || test.other == test.text); want != (err != nil) || want && !strings.HasPrefix(err.Error(), test.says) {
					t.Fatalf("rule %d: %v", i, err)
				}
			}
		})
	}
}

// TestStoppedIsNotKept: if one caller is stopped, the others still decrypt the
// document, also those that wait for it.
func TestStoppedIsNotKept(t *testing.T) {
	t.Parallel()
	text := sealSharedFile(t, sharedDocument)
	sealed := secrets.Sealed{File: "rule.yaml", Sources: []secrets.Source{sharedSource(text, oneShared)}}
	ctx, cancel := context.WithCancel(context.Background())
	asked, goOn := make(chan struct{}), make(chan struct{})
	first := true
	service := &hook{KeyServiceClient: keyservice.NewLocalClient(), before: func() {
		if first {
			first = false
			close(asked)
			<-goOn
		}
	}}
	d := sops.New(sops.Options{KeyService: service})
	var group errgroup.Group
	group.Go(func() error {
		if _, err := d.Auth(ctx, sealed); !errors.Is(err, context.Canceled) {
			t.Errorf("the one that was stopped: %v", err)
		}
		return nil
	})
	<-asked
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := d.Auth(stopped, sealed); !errors.Is(err, context.Canceled) {
		t.Errorf("one that was stopped while it waited: %v", err)
	}
	for range 3 {
		group.Go(func() error {
			auth, err := d.Auth(context.Background(), sealed)
			if err == nil {
				wantValues(t, auth, map[string]string{"queryParams/shared": "s3cr3t-shared"})
			}
			return err
		})
	}
	cancel()
	close(goOn)
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// hook is a key service that calls a function before each call.
type hook struct {
	keyservice.KeyServiceClient
	before func()
}

func (h *hook) Decrypt(ctx context.Context, req *keyservice.DecryptRequest, o ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	h.before()
	return h.KeyServiceClient.Decrypt(ctx, req, o...)
}
