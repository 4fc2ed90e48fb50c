// Package buckettest runs object stores for tests: real servers, one of each kind
// for a test program, which .ci/servers installs. If a server is not installed, its
// tests are skipped with a message.
//
// It is for tests only.
package buckettest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/blob"
)

// Kinds are the schemes of the stores.
var Kinds = []string{"s3", "azblob", "gs"}

// The credentials of the servers: invented credentials, and Azurite's public
// credentials.
const (
	accessKey = "buckettest"
	secretKey = "buckettest-secret"
	azureName = "devstoreaccount1"
	azureKey  = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Env returns the environment in which the SDKs find only the credentials of the
// servers.
func Env() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AZURE_STORAGE_ACCOUNT": azureName, "AZURE_STORAGE_KEY": azureKey,
	}
}

// Main runs the tests of a package in [Env], and then stops the servers.
func Main(m *testing.M) {
	for name, value := range Env() {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	Run(m)
}

// Run runs the tests of a package in the environment as it is, and then stops the
// servers.
func Run(m *testing.M) {
	_ = m.Run() // the test program ends with its result
	Stop()
}

// Stop stops the servers, for programs that do not call [Run].
func Stop() {
	for _, s := range servers {
		s.stopServer()
	}
}

// server is a process that is started once.
type server struct {
	program string
	args    func(port, dir string) []string

	once sync.Once
	err  error
	addr string
	cmd  *exec.Cmd
	dir  string
}

var servers = map[string]*server{
	"s3": {program: "versitygw", args: func(port, dir string) []string {
		return []string{"--access", accessKey, "--secret", secretKey, "--port", "127.0.0.1:" + port, "--quiet", "posix", "--sidecar", mkdir(dir, "sidecar"), mkdir(dir, "data")}
	}},
	"azblob": {program: "azurite-3.37.0/node_modules/.bin/azurite-blob", args: func(port, dir string) []string {
		return []string{"--blobPort", port, "--location", dir, "--silent", "--disableTelemetry", "--skipApiVersionCheck"}
	}},
	"gs": {program: "fake-gcs-server", args: func(port, _ string) []string {
		return []string{"-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory", "-external-url", "http://127.0.0.1:" + port, "-log-level", "error"}
	}},
}

func mkdir(dir, name string) string {
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		panic(err)
	}
	return path
}

var errNotInstalled = errors.New("is not installed: run .ci/servers")

// folder returns the directory into which .ci/servers installs.
var folder = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	return filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "mkhooks-servers"), err
})

// startServer starts the server, and waits until it responds.
func (s *server) startServer() error {
	dir, err := folder()
	if err != nil {
		return err
	}
	program := filepath.Join(dir, filepath.FromSlash(s.program))
	if _, err := os.Stat(program); err != nil {
		return errNotInstalled
	}
	if s.dir, err = os.MkdirTemp("", "mkhooks-"); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(s.addr)
	var output strings.Builder
	s.cmd = exec.Command(program, s.args(port, s.dir)...)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.Dir = &output, &output, s.dir
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	for range 3000 {
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended: %w\n%s", s.program, err, output.String())
		case <-time.After(100 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", s.addr); err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("%s does not listen after five minutes", s.program)
}

// stopServer ends the server's process.
func (s *server) stopServer() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill() // may have ended already
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// Store is a new, empty bucket of a server, behind a proxy that can inject faults.
type Store struct {
	Kind, Name string
	*Proxy
}

var made atomic.Int64

// New makes a bucket of the kind, a scheme, and starts its server first.
func New(t testing.TB, kind string) *Store {
	t.Helper()
	s := servers[kind]
	s.once.Do(func() { s.err = s.startServer() })
	if errors.Is(s.err, errNotInstalled) {
		t.Skipf("NOT TESTED against %s: %s %v", kind, filepath.Base(s.program), s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	store := &Store{Kind: kind, Name: fmt.Sprintf("bucket-%d-%d", os.Getpid(), made.Add(1)), Proxy: newProxy(t, s.addr)}
	if err := store.createBucket(t.Context()); err != nil {
		t.Fatalf("make a bucket of %s: %v", kind, err)
	}
	return store
}

// Location returns the location of a folder in the bucket. more adds parameters, as
// name=value.
func (s *Store) Location(folder string, more ...string) string {
	host := strings.TrimPrefix(s.URL, "http://")
	q := map[string][]string{
		"s3":     {"endpoint=" + url.QueryEscape(s.URL), "use_path_style=true"},
		"azblob": {"domain=" + url.QueryEscape(host), "protocol=http", "localemu=true"},
		"gs":     {"endpoint=" + url.QueryEscape(s.URL), "anonymous=true"},
	}[s.Kind]
	return s.Kind + "://" + s.Name + "/" + folder + "?" + strings.Join(append(q, more...), "&")
}

// Objects returns the names and contents in the bucket.
func (s *Store) Objects(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	names, err := s.listNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := s.getObject(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(data)
	}
	return out
}

// Names returns the names in the bucket, sorted.
func (s *Store) Names(t testing.TB) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(s.Objects(t)))
}

// Put writes an object directly to the server. It replaces an existing object.
func (s *Store) Put(t testing.TB, name, content string) {
	t.Helper()
	if err := s.putObject(t.Context(), name, content); err != nil {
		t.Fatal(err)
	}
}

// openDirect opens the bucket without the proxy.
func (s *Store) openDirect(ctx context.Context) (*blob.Bucket, error) {
	d := *s
	d.Proxy = &Proxy{URL: "http://" + s.target}
	at := strings.Replace(d.Location(""), "/?", "?", 1)
	return blob.OpenBucket(ctx, at)
}

// sendRequest sends one plain request to the server of gs.
func (s *Store) sendRequest(ctx context.Context, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.target+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s\n%s", method, path, res.Status, data)
	}
	return data, err
}
