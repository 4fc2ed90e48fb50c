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

var build = sync.OnceValues(func() (string, error) {
	if err := touch(); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mkhooks-citest-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "mkhooks"), Root()).CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

// Main runs the tests of a package and removes what they shared.
func Main(m *testing.M) {
	code := m.Run()
	if dir, _ := build(); dir != "" {
		_ = os.RemoveAll(dir)
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

// New makes a repo with two rules on main, one of them with a secret.
func New(t testing.TB) *World {
	t.Helper()
	built, err := build()
	if err != nil {
		t.Fatal(err)
	}
	recipient, key := sopstest.AgeKey(t)
	w := &World{TB: t, Dir: t.TempDir(), Temp: t.TempDir(), Key: key, Secrets: []string{ReadToken, WriteToken, Secret, Rotated, key}}
	w.Emulator = emulator.New(emulator.Options{Tokens: map[string][]emulator.Capability{
		ReadToken:  {emulator.CanGet},
		WriteToken: emulator.AllCapabilities(),
	}})
	server := httptest.NewServer(w.Emulator)
	t.Cleanup(server.Close)
	w.URL = server.URL
	w.wrap(built)

	w.Git("init", "--quiet", "--initial-branch=main")
	w.Git("config", "uploadpack.allowAnySHA1InWant", "true")
	w.Write(".sops.yaml", "creation_rules:\n  - age: "+recipient+"\n    encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n")
	w.Write("mkhooks.yaml", Config)
	w.Rule("channels", "https://hooks.example.com/channels", "")
	w.Rule("jobs", "https://hooks.example.com/jobs", Secret)
	w.Commit("Two rules")
	t.Cleanup(w.wantNoSecret)
	return w
}

// wrap puts commands on the PATH of jobs that log their arguments first: other
// processes could read those.
func (w *World) wrap(built string) {
	w.bin, w.argv = filepath.Join(w.Temp, "bin"), filepath.Join(w.Temp, "argv")
	if err := os.Mkdir(w.bin, 0o700); err != nil {
		w.Fatal(err)
	}
	for _, name := range []string{"curl", "jq", "git", "mkhooks"} {
		real := filepath.Join(built, name)
		if name != "mkhooks" {
			var err error
			if real, err = exec.LookPath(name); err != nil {
				w.Fatalf("the scripts need %s: %v", name, err)
			}
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
