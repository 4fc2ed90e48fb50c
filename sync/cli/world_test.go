package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// repo is the config repository of a test. The real sops command encrypts its
// rule files for a separate age key.
type repo struct {
	t   *testing.T
	dir string
	key string
}

// The secrets of tests that search for them. They are long and contain
// characters that each escape treats differently.
const (
	secretOne = `s3cr3t-one/"quoted"+<tag>&more=Ünïcode`
	secretTwo = `s3cr3t-two\back'slash'%41 %zz`
)

func newRepo(t *testing.T) *repo {
	t.Helper()
	r := &repo{t: t, dir: t.TempDir()}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r.key = filepath.Join(r.dir, "age-key.txt")
	r.writeFile("age-key.txt", key.String()+"\n")
	r.writeFile(".sops.yaml", "creation_rules:\n  - age: "+key.Recipient().String()+"\n    encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n")
	return r
}

func (r *repo) writeFile(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// writeRule writes a rule file. A rule with a secret is encrypted by sops.
func (r *repo) writeRule(folder, name, path, secret string) {
	r.t.Helper()
	spec := map[string]any{
		"url": "https://hooks.example.com/" + path, "enabled": true, "events": []string{"MediaKind.JobFinished"},
		"headers": map[string]string{"X-Source": "mkio"},
	}
	if secret != "" {
		spec["authentication"] = map[string]any{"headers": map[string]string{"X-Secret": secret}}
	}
	// JSON is YAML.
	data, err := json.MarshalIndent(map[string]any{"metadata": map[string]string{"name": name}, "spec": spec}, "", "  ")
	if err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(folder, name+".yaml")
	r.writeFile(file, string(data))
	if secret != "" {
		r.sops("encrypt", "--in-place", file)
	}
}

func (r *repo) sops(args ...string) {
	r.t.Helper()
	sops, err := sopstest.Command()
	if err != nil {
		r.t.Fatalf("find the sops command: %v", err)
	}
	cmd := exec.Command(sops, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "SOPS_AGE_KEY_FILE="+r.key)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("sops %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// served is an emulator over HTTP.
type served struct {
	*emulator.Server
	url     string
	clients *connections
}

func serveEmulator(t *testing.T, o emulator.Options) *served {
	t.Helper()
	o.Project = "demo"
	if o.Tokens == nil {
		o.Tokens = map[string][]emulator.Capability{scriptToken: emulator.AllCapabilities()}
	}
	s := &served{emulator.New(o), "", newConnections()}
	h := httptest.NewUnstartedServer(s)
	h.Config.ConnState = s.clients.state
	h.Start()
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

// connections are the open connections of a server, by client address.
type connections struct {
	mu      sync.Mutex
	changed *sync.Cond
	open    map[string]bool
}

func newConnections() *connections {
	c := &connections{open: map[string]bool{}}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// state is the server hook that reports connections. It ignores a connection
// that a handler took over.
func (c *connections) state(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn.RemoteAddr().String()] = true
	case http.StateHijacked, http.StateClosed:
		delete(c.open, conn.RemoteAddr().String())
	}
	c.changed.Broadcast()
}

func (c *connections) waitUntil(until func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !until() {
		c.changed.Wait()
	}
}

// settle waits until the service has handled every request of an ended process.
// A request may outlive its sender.
func (s *served) settle() {
	// Connections are accepted in order. After this connection is accepted, no
	// earlier connection is pending.
	if last, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil { // else the server has stopped
		s.clients.waitUntil(func() bool { return s.clients.open[last.LocalAddr().String()] })
		_ = last.Close()
	}
	s.clients.waitUntil(func() bool { return len(s.clients.open) == 0 })
}

// heard collects the output of a process, for callers that wait for a word.
type heard struct {
	mu   sync.Mutex
	more *sync.Cond
	text bytes.Buffer
	over bool
}

func newHeard() *heard {
	h := new(heard)
	h.more = sync.NewCond(&h.mu)
	return h
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.more.Broadcast()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// markEnd marks the output as complete.
func (h *heard) markEnd() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.more.Broadcast()
}

// await waits until a word was written, or the output is complete.
func (h *heard) await(word string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for !h.over && !bytes.Contains(h.text.Bytes(), []byte(word)) {
		h.more.Wait()
	}
}

// newProcess returns mkhooks as a separate process in the repository.
func (r *repo) newProcess(s *served, args ...string) *exec.Cmd {
	cmd := exec.Command("mkhooks", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "SOPS_AGE_KEY_FILE="+r.key, "MKIO_PROJECT=demo", "MKIO_TOKEN="+scriptToken, "CI=", "GITHUB_ACTIONS=")
	if s != nil {
		cmd.Env = append(cmd.Env, "MKIO_BASE_URL="+s.url)
	}
	return cmd
}

// runMkhooks runs mkhooks and returns its output and exit code.
func (r *repo) runMkhooks(s *served, args ...string) (stdout, stderr string, code int) {
	r.t.Helper()
	return r.runWith(s, "", args...)
}

// runWith runs mkhooks with a text on standard input.
func (r *repo) runWith(s *served, stdin string, args ...string) (stdout, stderr string, code int) {
	r.t.Helper()
	cmd := r.newProcess(s, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatalf("mkhooks %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// mustRun runs mkhooks and checks its exit code.
func (r *repo) mustRun(s *served, want int, args ...string) (stdout, stderr string) {
	r.t.Helper()
	stdout, stderr, code := r.runMkhooks(s, args...)
	if code != want {
		r.t.Fatalf("mkhooks %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, stdout, stderr)
	}
	return stdout, stderr
}

// archives verifies every archive in a directory of the repository. It returns
// the number of records by rule id.
func (r *repo) archives(folder string) map[string]int {
	r.t.Helper()
	manifests, err := filepath.Glob(filepath.Join(r.dir, folder, "*manifest.json"))
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]int{}
	for _, file := range manifests {
		if strings.HasPrefix(filepath.Base(file), ".") {
			continue // left over by a killed run
		}
		m, err := archive.Verify(r.t.Context(), file)
		if err != nil {
			r.t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		out[m.Rule.ID] = max(out[m.Rule.ID], m.Records)
	}
	return out
}

// makeRecords makes n records of a history.
func makeRecords(n int) []emulator.Event {
	var out []emulator.Event
	at := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		out = append(out, emulator.Event{Created: at.Add(time.Duration(i) * time.Minute)})
	}
	return out
}

// process starts a command that emulator hooks may send signals to. signal
// waits until it runs.
func process(t *testing.T, cmd *exec.Cmd) (start func(), signal func(os.Signal)) {
	t.Helper()
	running := make(chan struct{})
	start = func() {
		t.Helper()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		close(running)
	}
	return start, func(sig os.Signal) {
		<-running
		_ = cmd.Process.Signal(sig) // it may have ended
	}
}
