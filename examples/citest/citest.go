// Package citest is what the tests of the CI examples share: a config repo in
// real Git, the emulator over HTTP, mkhooks itself, and a shell that is watched
// for secrets. It is for tests only.
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
	// The tests run a binary of it: what changes it must not leave a result of
	// theirs in go test's cache.
	_ "github.com/mkhooks/mkhooks/sync/cli"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// Root is the module's folder, from a test two folders below it.
func Root() string {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return root
}

// Texts that no output may hold.
const (
	ReadToken  = "token-that-may-only-read"
	WriteToken = "token-that-may-write"
	Secret     = "the-value-of-an-authentication-header"
	Rotated    = "the-rotated-value-of-that-header"
)

// shared is a folder of all tests of a process; empty until it is needed.
var shared string

// build puts mkhooks into it.
var build = sync.OnceValue(func() (err error) {
	if err := touch(); err != nil {
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

// Main runs the tests of a package and removes what they shared.
func Main(m *testing.M) {
	code := m.Run()
	if shared != "" {
		_ = os.RemoveAll(shared)
	}
	os.Exit(code)
}

// World is a config repo, the service that it is about, and the machine that
// jobs run on.
type World struct {
	testing.TB
	// Dir is the forge's repository; jobs get clones of it.
	Dir string
	// Temp is a folder of the machine, outside any clone.
	Temp string
	// Key is an age identity that opens the secrets.
	Key      string
	Emulator *emulator.Server
	URL      string
	// Secrets are texts that no output may hold, more of them in a package's own
	// tests.
	Secrets []string

	bin  string // wrapped commands and mkhooks
	argv string // a log of their arguments
	out  bytes.Buffer
}

// touch reads the scripts, for the same reason: go test knows only of files that
// its own process reads.
func touch() error {
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

// needs are the commands that the scripts call, beside mkhooks: any runner of a
// forge has them, a machine with Go, make and git may not.
var needs = []string{"bash", "curl", "git", "jq"}

// skip skips a test that can't run on this machine.
func skip(t testing.TB) {
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

// New makes a repo with two rules on main, one of them with a secret.
func New(t testing.TB) *World {
	t.Helper()
	skip(t)
	if err := build(); err != nil {
		t.Fatal(err)
	}
	w := &World{TB: t, Dir: t.TempDir(), Temp: t.TempDir()}
	w.wrap()
	w.seed()
	w.Secrets = []string{ReadToken, WriteToken, Secret, Rotated, w.Key}
	w.Emulator = emulator.New(emulator.Options{Tokens: map[string][]emulator.Capability{
		ReadToken:  {emulator.CanGet},
		WriteToken: emulator.AllCapabilities(),
	}})
	server := httptest.NewServer(w.Emulator)
	t.Cleanup(server.Close)
	w.URL = server.URL
	t.Cleanup(w.wantNoSecret)
	return w
}

// seed lays out the repo. It is made once: sealing takes its time.
func (w *World) seed() {
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

// wrap puts commands on the PATH of jobs that log their arguments first: other
// processes could read those.
func (w *World) wrap() {
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

// Git runs git in the forge's repository.
func (w *World) Git(args ...string) string {
	w.Helper()
	return w.GitIn(w.Dir, args...)
}

// GitIn runs git in a folder.
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

// Write writes a file of the repo.
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

// Rule writes a rule file, sealed where it has a secret.
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

// Sops runs the real sops in the repo, with the key.
func (w *World) Sops(args ...string) {
	w.Helper()
	sopstest.Sops(w, []string{"SOPS_AGE_KEY=" + w.Key}, w.Dir, args...)
}

// Commit commits all of the work tree and returns the commit.
func (w *World) Commit(message string) string {
	w.Helper()
	w.Git("add", "--all")
	w.Git("commit", "--quiet", "--message", message)
	return w.Git("rev-parse", "HEAD")
}

// Apply makes the live rules what the work tree says.
func (w *World) Apply() {
	w.Helper()
	out, code := w.Bash(w.Dir, []string{"MKIO_BASE_URL=" + w.URL, "MKIO_TOKEN=" + WriteToken, "SOPS_AGE_KEY=" + w.Key}, "mkhooks apply --yes")
	if code != 0 {
		w.Fatalf("mkhooks apply: exit code %d\n%s", code, out)
	}
}

// Writes is how many requests to the service were no GET.
func (w *World) Writes() int {
	n := 0
	for _, r := range w.Emulator.Requests() {
		if r.Method != "GET" {
			n++
		}
	}
	return n
}

// Bash runs a script as a runner does, and returns what it wrote and its exit
// code. The environment is env and nothing of this process's but the PATH.
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

// wantNoSecret looks for secrets in all that was written: output, arguments,
// and the files that jobs left outside their clones.
func (w *World) wantNoSecret() {
	w.NoSecret("the output of a job", w.out.String())
	err := filepath.WalkDir(w.Temp, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		w.NoSecret(path, string(data))
		return err
	})
	if err != nil {
		w.Error(err)
	}
}

// NoSecret wants a text that holds no secret.
func (w *World) NoSecret(what, text string) {
	for _, secret := range w.Secrets {
		if strings.Contains(text, secret) {
			w.Errorf("%s holds the secret %q", what, secret)
		}
	}
}
