// Package citest is shared by the tests of the CI examples. It provides a
// config repository in real Git, the emulator over HTTP, mkhooks itself, and a
// shell whose output is searched for secrets. It is for tests only.
package citest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
	// The tests run a binary of this package. The import makes go test discard
	// cached results when the package changes.
	_ "github.com/mkhooks/mkhooks/sync/cli"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// Root returns the directory of the module. It works for tests two directories
// below it.
func Root() string {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return root
}

// The texts that no output may contain.
const (
	ReadToken  = "token-that-may-only-read"
	WriteToken = "token-that-may-write"
	Secret     = "the-value-of-an-authentication-header"
	Rotated    = "the-rotated-value-of-that-header"
)

// shared is a directory for all tests of a process; empty until the first use.
var shared string

// build builds mkhooks into the shared directory.
var build = sync.OnceValue(func() (err error) {
	if err := readScripts(); err != nil {
		return err
	}
	if shared, err = os.MkdirTemp("", "mkhooks-citest-"); err != nil {
		return err
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(shared, "mkhooks"), Root()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// Main runs the tests of a package and deletes the shared directory.
func Main(m *testing.M) {
	code := m.Run()
	if shared != "" {
		_ = os.RemoveAll(shared)
	}
	os.Exit(code)
}

// World is a config repository, its service, and the machine that runs the
// jobs.
type World struct {
	testing.TB
	// Dir is the repository of the forge; jobs get clones of it.
	Dir string
	// Temp is a directory of the machine, outside all clones.
	Temp string
	// Key is an age identity that decrypts the secrets.
	Key      string
	Emulator *emulator.Server
	URL      string
	// Secrets are texts that no output may contain. Tests of a package may add
	// more.
	Secrets []string

	bin  string // directory of the wrapped commands and mkhooks
	argv string // a log of their arguments
	out  bytes.Buffer
}

// readScripts reads the scripts, because go test only tracks files that its own
// process reads.
func readScripts() error {
	for _, dir := range []string{".github", filepath.Join("examples", "gitlab")} {
		err := filepath.WalkDir(filepath.Join(Root(), dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Config is a mkhooks.yaml with one project, demo.
const Config = "owner: team\ndestinations: [hooks.example.com]\nprojects:\n  demo:\n    rules: [rules]\n"

// needs are the commands that the scripts call besides mkhooks. Any runner of a
// forge has them; a machine with Go, make and git may lack some.
var needs = []string{"bash", "curl", "git", "jq"}

// skipIfMissing skips a test if a command is absent.
func skipIfMissing(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the scripts are for runners with Linux: not tested on " + runtime.GOOS)
	}
	for _, name := range needs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("the scripts need %s, which is not on the PATH: not tested", name)
		}
	}
}

// New creates a repository with two rules on main. One rule has a secret.
func New(t testing.TB) *World {
	t.Helper()
	skipIfMissing(t)
	if err := build(); err != nil {
		t.Fatal(err)
	}
	w := &World{TB: t, Dir: t.TempDir(), Temp: t.TempDir()}
	w.wrapCommands()
	w.createRepository()
	w.Secrets = []string{ReadToken, WriteToken, Secret, Rotated, w.Key}
	w.Emulator = emulator.New(emulator.Options{Tokens: map[string][]emulator.Capability{
		ReadToken:  {emulator.CanGet},
		WriteToken: emulator.AllCapabilities(),
	}})
	server := httptest.NewServer(w.Emulator)
	t.Cleanup(server.Close)
	w.URL = server.URL
	t.Cleanup(w.searchOutputs)
	return w
}

// createRepository creates the content of the repository, once per process, because sealing
// is slow.
func (w *World) createRepository() {
	w.Helper()
	template, key := filepath.Join(shared, "repo"), filepath.Join(shared, "key")
	if data, err := os.ReadFile(key); err == nil {
		w.Key = string(data)
		if err := os.CopyFS(w.Dir, os.DirFS(template)); err != nil {
			w.Fatal(err)
		}
		return
	}
	recipient, identity := sopstest.AgeKey(w)
	w.Key = identity
	w.Git("init", "--quiet", "--template=", "--initial-branch=main")
	w.Git("config", "uploadpack.allowAnySHA1InWant", "true")
	w.Write(".sops.yaml", "creation_rules:\n  - age: "+recipient+"\n    encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n")
	w.Write("mkhooks.yaml", Config)
	w.Rule("channels", "https://hooks.example.com/channels", "")
	w.Rule("jobs", "https://hooks.example.com/jobs", Secret)
	w.Commit("Two rules")
	if err := errors.Join(os.CopyFS(template, os.DirFS(w.Dir)), os.WriteFile(key, []byte(identity), 0o600)); err != nil {
		w.Fatal(err)
	}
}

// wrapCommands adds commands to the PATH of jobs that log their arguments first. Other
// processes could read these arguments.
func (w *World) wrapCommands() {
	w.bin, w.argv = filepath.Join(w.Temp, "bin"), filepath.Join(w.Temp, "argv")
	if err := os.Mkdir(w.bin, 0o700); err != nil {
		w.Fatal(err)
	}
	for _, name := range []string{"curl", "git", "jq", "mkhooks"} {
		real := filepath.Join(shared, name)
		if name != "mkhooks" {
			real, _ = exec.LookPath(name)
		}
		script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' %s \"$@\" >>'%s'\nexec '%s' \"$@\"\n", name, w.argv, real)
		if err := os.WriteFile(filepath.Join(w.bin, name), []byte(script), 0o700); err != nil {
			w.Fatal(err)
		}
	}
}

// Git runs git in the repository of the forge.
func (w *World) Git(args ...string) string {
	w.Helper()
	return w.GitIn(w.Dir, args...)
}

// GitIn runs git in a directory.
func (w *World) GitIn(dir string, args ...string) string {
	w.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Team", "-c", "user.email=team@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Write writes a file of the repository.
func (w *World) Write(name, text string) {
	w.Helper()
	path := filepath.Join(w.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// Rule writes a rule file and seals it if it has a secret.
func (w *World) Rule(name, url, secret string) {
	w.Helper()
	text := "metadata:\n  name: " + name + "\nspec:\n  url: " + url + "\n  enabled: true\n  events: [MediaKind.JobFinished]\n"
	if secret != "" {
		text += "  authentication:\n    headers:\n      X-Secret: " + secret + "\n"
	}
	file := filepath.Join("rules", name+".yaml")
	w.Write(file, text)
	if secret != "" {
		w.Sops("encrypt", "--in-place", file)
	}
}

// Sops runs the real sops in the repository, with the key.
func (w *World) Sops(args ...string) {
	w.Helper()
	sopstest.Sops(w, []string{"SOPS_AGE_KEY=" + w.Key}, w.Dir, args...)
}

// Commit commits all files of the work tree and returns the id of the commit.
func (w *World) Commit(message string) string {
	w.Helper()
	w.Git("add", "--all")
	w.Git("commit", "--quiet", "--message", message)
	return w.Git("rev-parse", "HEAD")
}

// Apply applies the work tree to the live rules.
func (w *World) Apply() {
	w.Helper()
	out, code := w.Bash(w.Dir, []string{"MKIO_BASE_URL=" + w.URL, "MKIO_TOKEN=" + WriteToken, "SOPS_AGE_KEY=" + w.Key}, "mkhooks apply --yes")
	if code != 0 {
		w.Fatalf("mkhooks apply: exit code %d\n%s", code, out)
	}
}

// CountWrites returns the number of requests to the service that are not a GET.
func (w *World) CountWrites() int {
	n := 0
	for _, r := range w.Emulator.Requests() {
		if r.Method != "GET" {
			n++
		}
	}
	return n
}

// Bash runs a script like a runner, and returns its output and exit code. The
// environment is env and the PATH of this process.
func (w *World) Bash(dir string, env []string, script string) (string, int) {
	w.Helper()
	file := filepath.Join(w.Temp, "step.sh")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		w.Fatal(err)
	}
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", file)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + w.bin + ":" + os.Getenv("PATH"), "HOME=" + w.Temp, "CI=true"}, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatalf("bash: %v", err)
	}
	w.out.Write(out)
	return string(out), cmd.ProcessState.ExitCode()
}

// searchOutputs searches all output, arguments, and files that jobs left outside
// their clones for secrets.
func (w *World) searchOutputs() {
	w.WantNoSecret("the output of a job", w.out.String())
	err := filepath.WalkDir(w.Temp, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		w.WantNoSecret(path, string(data))
		return err
	})
	if err != nil {
		w.Error(err)
	}
}

// WantNoSecret fails if a text contains a secret.
func (w *World) WantNoSecret(what, text string) {
	for _, secret := range w.Secrets {
		if strings.Contains(text, secret) {
			w.Errorf("%s holds the secret %q", what, secret)
		}
	}
}
