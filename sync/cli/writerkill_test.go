package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// TestKilledWriter kills each command that writes files with SIGKILL at every
// step of its writing. Each file must have its old or its new content, and Git
// must see no other files. The next run must continue without waiting and leave
// no temporary file.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace, which is not installed")
	}
	if out, err := exec.Command(strace, "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace can't trace here: %s", out)
	}
	for _, w := range []struct {
		name, stdin string
		args        []string
		code        int      // of a complete run
		files       []string // files that the command makes or changes
	}{
		{"secret set", "a-new-value", []string{"secret", "set", "jobs", "headers.X-H0"}, exitOK, []string{"rules/jobs.yaml"}},
		{"secret set shared", "a-new-value", []string{"secret", "set", "rules/shared.yaml", "key0"}, exitOK, []string{"rules/shared.yaml"}},
		{"import rule", "", []string{"import", "jobs"}, exitRefused, []string{"rules/jobs.yaml"}},
		{"import out", "", []string{"import", "--out", "rules"}, exitOK, []string{"rules/one.yaml", "rules/two.yaml"}},
		{"plan out", "", []string{"plan", "-q", "--out", "plan.json", "rules"}, exitOK, []string{"plan.json"}},
		{"init", "", []string{"init", "-p", "demo", "--owner", "team", "--age", "fresh"}, exitOK, nil},
	} {
		t.Run(w.name, func(t *testing.T) {
			if testing.Short() && w.name != "secret set" {
				t.Skip("runs hundreds of processes: left out by -short")
			}
			t.Parallel()
			s := serveEmulator(t, emulator.Options{})
			s.Put("jobs", map[string]any{"url": "https://hooks.example.com/live", "enabled": true, "events": []string{"MediaKind.JobFinished"}})
			s.Put("one", map[string]any{"url": "https://hooks.example.com/1", "enabled": true, "events": []string{"MediaKind.JobFinished"}})
			s.Put("two", map[string]any{"url": "https://hooks.example.com/2", "enabled": true, "events": []string{"MediaKind.JobFinished"}})
			r := manyValues(t, 1)
			r.t = t
			r.git("init", "-q")
			r.writeFile(".gitignore", ".mkhooks-*.tmp\nage-key.txt\nplan.json\nkeys/\n")
			r.git("add", ".")
			before := r.contents(w.files)
			if w.name == "init" {
				r.key = filepath.Join(r.dir, "keys", "made.txt")
			}
			killed := 0
			for _, call := range []string{"flock", "write", "fchmod", "fsync", "linkat", "renameat2", "unlinkat"} {
				for n := 1; r.killedAt(strace, call, n, s, w.stdin, w.code, w.args); n++ {
					killed++
					step := fmt.Sprintf("%s %d", call, n)
					r.checkAfterKill(step, w.files, before)
					_, errs, code := r.runWith(s, w.stdin, w.args...)
					if code != w.code {
						t.Fatalf("%s: the next run ends with exit code %d\n%s", step, code, errs)
					}
					r.noTemp(step + " and the next run")
					r.restore(before)
				}
				r.restore(before)
			}
			if killed < 5 {
				t.Errorf("the command was killed %d times only, so nothing was tested", killed)
			}
		})
	}
}

// killedAt runs a command that is killed at its nth call of a kind. It reports
// whether that happened; otherwise the command must end with code.
func (r *repo) killedAt(strace, call string, n int, s *served, stdin string, code int, args []string) bool {
	r.t.Helper()
	cmd := r.newProcess(s, args...)
	cmd.Args = append([]string{strace, "-f", "-qq", "-o", os.DevNull, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), cmd.Path}, args...)
	cmd.Path = strace
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if cmd.ProcessState.ExitCode() != code {
		r.t.Fatalf("%s %d: %v\n%s", call, n, err, out.String())
	}
	return false
}

// checkAfterKill checks that Git or a scan for rules finds no extra files, and
// that no file is incomplete.
func (r *repo) checkAfterKill(step string, files []string, before map[string]string) {
	r.t.Helper()
	for _, line := range strings.Split(r.git("status", "--porcelain", "--untracked-files=all"), "\n") {
		if strings.Contains(line, ".mkhooks-") || strings.Contains(line, ".tmp") {
			r.t.Errorf("%s: Git is offered %s", step, line)
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(r.dir, file))
		if old, existed := before[file]; err == nil && existed && old == string(data) || os.IsNotExist(err) && !existed {
			continue
		}
		if err != nil || !bytes.HasSuffix(data, []byte("\n")) || len(data) < 100 {
			r.t.Errorf("%s: %s is half written, error %v:\n%s", step, file, err, data)
		}
	}
	r.mustRun(nil, 0, "validate", "-q", "rules")
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// contents returns the contents of the files that exist.
func (r *repo) contents(files []string) map[string]string {
	out := map[string]string{}
	for _, file := range files {
		if data, err := os.ReadFile(filepath.Join(r.dir, file)); err == nil {
			out[file] = string(data)
		}
	}
	return out
}

// restore restores the rule files and removes new files.
func (r *repo) restore(before map[string]string) {
	r.t.Helper()
	for _, name := range []string{"rules/one.yaml", "rules/two.yaml", "plan.json", "fresh", "keys"} {
		if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
			r.t.Fatal(err)
		}
	}
	for file, text := range before {
		r.writeFile(file, text)
	}
}
