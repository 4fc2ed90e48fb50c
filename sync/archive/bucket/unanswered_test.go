package bucket

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mkhooks/mkhooks/sync/archive/bucket/buckettest"
)

// TestTrouble tests faults of networks and servers, and their hints.
func TestTrouble(t *testing.T) {
	const reach = "see whether SERVER can be reached from here"
	// A label of a name has at most 63 characters, so no server is asked.
	nowhere := strings.Repeat("x", 64) + ".credentials.invalid"
	tests := map[string]struct {
		from, to     string // in the location
		answer       func(w http.ResponseWriter, r *http.Request, real http.Handler)
		reason, hint string
	}{
		"nobody listens":   {from: "HOST", to: "127.0.0.1:9", reason: "dial tcp 127.0.0.1:9: ", hint: reach},
		"no such name":     {from: "HOST", to: nowhere, reason: "dial tcp: lookup " + nowhere, hint: reach},
		"no TLS":           {from: "http", to: "https", reason: "http: server gave HTTP response to HTTPS client", hint: reach},
		"a connection cut": {answer: func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }, reason: "EOF", hint: reach},
		"an object cut":    {answer: half, reason: "unexpected EOF", hint: reach},
		"trouble":          {answer: always(500), reason: "HTTP 500", hint: "the store is in trouble: wait until that is over"},
		"a conflict":       {answer: always(409), reason: "HTTP 409"},
	}
	each(t, func(t *testing.T, first *buckettest.Store) {
		var all sync.WaitGroup // the SDKs retry for seconds
		defer all.Wait()
		for name, tt := range tests {
			s := buckettest.New(t, first.Kind)
			s.Put(t, "x", "0123")
			s.SetFault(tt.answer)
			from := strings.Replace(tt.from, "HOST", strings.TrimPrefix(s.URL, "http://"), 1)
			location := s.Location("")
			if from != "" {
				location = strings.NewReplacer(from, tt.to, url.QueryEscape(from), tt.to).Replace(location)
			}
			b := bucketAt(t, location)
			hint := strings.Replace(tt.hint, "SERVER", b.location.serverName(), 1)
			all.Go(func() {
				_, err := read(t.Context(), b, "x")
				var e *Error
				if !errors.As(err, &e) || !strings.HasPrefix(e.Error(), tt.reason) || e.Hint() != hint || e.kind != nil {
					t.Errorf("%s: %v, %#v, want %q and the hint %q", name, err, e, tt.reason, hint)
				}
			})
		}
	})
}

func always(status int) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(status) }
}

// half responds with the first half of the server's response.
func half(w http.ResponseWriter, r *http.Request, real http.Handler) {
	whole := httptest.NewRecorder()
	real.ServeHTTP(whole, r)
	maps.Copy(w.Header(), whole.Header())
	w.WriteHeader(whole.Code)
	_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2]) // a test's response
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// probeEnv is the location that a process probes instead of running tests.
const probeEnv = "MKHOOKS_TEST_PROBE"

func probeAlone(location string) {
	b, err := New(location)
	if err == nil {
		_, err = b.Open(context.Background(), "x")
	}
	fmt.Println(err)
	if e := (*Error)(nil); errors.As(err, &e) {
		fmt.Println(e.Hint())
	}
}

// TestEnvironment tests an environment that is incomplete or contradicts the
// location. The SDKs read it once in a process, so each case runs in a separate
// process.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	none := httptest.NewServer(http.NotFoundHandler()) // a machine without a role
	t.Cleanup(none.Close)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	webIdentity := []string{"AWS_REGION=r", "AWS_ROLE_ARN=arn:aws:iam::1:role/x", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:9"}
	tests := map[string]struct {
		location     string
		env          []string
		reason, hint string
	}{
		"s3, nothing":               {"s3://b/f", []string{"AWS_REGION=r"}, "no credentials: ", "AWS_ACCESS_KEY_ID"},
		"s3, no role":               {"s3://b/f", []string{"AWS_REGION=r", "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + none.URL}, "no credentials: ", "AWS_ACCESS_KEY_ID"},
		"s3, no token":              {"s3://b/f", append(webIdentity, "AWS_WEB_IDENTITY_TOKEN_FILE="+file+".none"), "no credentials: ", "AWS_ACCESS_KEY_ID"},
		"s3, STS can't be reached":  {"s3://b/f", append(webIdentity, "AWS_WEB_IDENTITY_TOKEN_FILE="+file), "no credentials: dial tcp 127.0.0.1:9: ", "AWS_ACCESS_KEY_ID"},
		"s3, no region":             {"s3://b/f", []string{"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=hunter2"}, "operation error S3: GetObject, failed to resolve service endpoint", together},
		"azblob, no account":        {"azblob://c", nil, "no credentials: azureblob: Options.AccountName is required", "AZURE_STORAGE_ACCOUNT"},
		"azblob, no key":            {"azblob://c", []string{"AZURE_STORAGE_ACCOUNT=a", "AZURE_STORAGE_KEY=hunter2!"}, "no credentials: ", "AZURE_STORAGE_ACCOUNT"},
		"azblob, another's token":   {"azblob://c?storage_account=b", []string{"AZURE_STORAGE_ACCOUNT=a", "AZURE_STORAGE_SAS_TOKEN=sig=hunter2"}, "azureblob: bucket URL cannot change the service endpoint", together},
		"azblob, no such protocol":  {"azblob://c?protocol=ftp", []string{"AZURE_STORAGE_ACCOUNT=a", "AZURE_STORAGE_KEY=aaaa"}, `invalid protocol "ftp"`, together},
		"azblob, connection string": {"azblob://c", []string{"AZURE_STORAGE_ACCOUNT=a", "AZURE_STORAGE_CONNECTION_STRING=hunter2"}, "connection string is ", together},
		"gs, no file":               {"gs://b", []string{"GOOGLE_APPLICATION_CREDENTIALS=" + file + ".none"}, "no credentials: ", "application default"},
		"gs, no key":                {"gs://b", []string{"GOOGLE_APPLICATION_CREDENTIALS=" + file}, "no credentials: invalid character ", "application default"},
	}
	var all sync.WaitGroup // the SDK of S3 retries for seconds
	defer all.Wait()
	for name, tt := range tests {
		all.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append([]string{probeEnv + "=" + tt.location, "HOME=" + filepath.Dir(file), "AWS_EC2_METADATA_DISABLED=true"}, tt.env...)
			out, err := cmd.Output()
			reason, hint, _ := strings.Cut(string(out), "\n")
			if err != nil || !strings.HasPrefix(reason, tt.reason) || !strings.Contains(hint, tt.hint) || strings.Contains(string(out), "hunter2") {
				t.Errorf("%s: %v\n%s, want %q and the hint %q", name, err, out, tt.reason, tt.hint)
			}
		})
	}
}
