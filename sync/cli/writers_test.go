package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// manyValues makes the encrypted file of rule jobs with n auth values, and a
// shared file with n values.
func manyValues(t *testing.T, n int) *repo {
	t.Helper()
	r := newRepo(t)
	var headers, keys strings.Builder
	for i := range n {
		fmt.Fprintf(&headers, "      X-H%d: first-value-%d\n", i, i)
		fmt.Fprintf(&keys, "key%d: first-value-%d\n", i, i)
	}
	r.writeFile("rules/jobs.yaml", "metadata:\n  name: jobs\nspec:\n  url: https://hooks.example.com/jobs\n  enabled: true\n"+
		"  events: [MediaKind.JobFinished]\n  headers:\n    X-Source: mkio\n  authentication:\n    headers:\n"+headers.String())
	r.sops("encrypt", "--in-place", "rules/jobs.yaml")
	r.writeFile("rules/shared.yaml", keys.String())
	r.sops("--config", r.plainConfig(), "encrypt", "--in-place", "rules/shared.yaml")
	return r
}

// plainConfig writes a .sops.yaml that encrypts whole files.
func (r *repo) plainConfig() string {
	r.t.Helper()
	config, err := os.ReadFile(filepath.Join(r.dir, ".sops.yaml"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.writeFile("shared.sops.yaml", strings.ReplaceAll(string(config), "    encrypted_regex: ^authentication$\n", ""))
	return "shared.sops.yaml"
}

// decrypted returns a file as the real sops command decrypts it.
func (r *repo) decrypted(file string) string {
	r.t.Helper()
	sops, err := sopstest.Command()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(sops, "decrypt", file)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "SOPS_AGE_KEY_FILE="+r.key)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("sops decrypt %s: %v", file, err)
	}
	return string(out)
}

// noTemp checks that the repository contains no temporary file.
func (r *repo) noTemp(after string) {
	r.t.Helper()
	err := filepath.WalkDir(r.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(e.Name(), ".mkhooks-") {
			r.t.Errorf("after %s there is %s", after, path)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestNoWriterLosesAnUpdate runs processes that set values of one file at the
// same time, during an import. None of their reported writes may be lost.
func TestNoWriterLosesAnUpdate(t *testing.T) {
	t.Parallel()
	rounds, most := 30, 21
	if testing.Short() {
		rounds = 2
	}
	r := manyValues(t, most)
	s := serveEmulator(t, emulator.Options{})
	for _, n := range []int{2, 8, most} {
		for round := range rounds {
			url := fmt.Sprintf("https://hooks.example.com/live-%d-%d", n, round)
			s.Put("jobs", map[string]any{"url": url, "enabled": round%2 == 0, "events": []string{"MediaKind.JobFinished"}})
			var all sync.WaitGroup
			errs := make([]string, 2*n+1)
			do := func(at int, stdin string, args ...string) {
				all.Go(func() {
					cmd := r.newProcess(s, args...)
					cmd.Stdin = strings.NewReader(stdin)
					var out bytes.Buffer
					cmd.Stderr = &out
					var exit *exec.ExitError
					// Exit code 4: live jobs has no auth, which import does not
					// add.
					if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitRefused) {
						errs[at] = fmt.Sprintf("mkhooks %s: %v\n%s", strings.Join(args, " "), err, out.String())
					}
				})
			}
			for i := range n {
				value := fmt.Sprintf("value-%d-%d-%d", n, round, i)
				do(2*i, value, "secret", "set", "jobs", fmt.Sprintf("headers.X-H%d", i))
				if n == 2 { // also in a shared file
					do(2*i+1, value, "secret", "set", "rules/shared.yaml", fmt.Sprintf("key%d", i))
				}
			}
			do(2*n, "", "import", "jobs")
			all.Wait()
			for _, e := range errs {
				if e != "" {
					t.Error(e)
				}
			}
			rule, shared := r.decrypted("rules/jobs.yaml"), r.decrypted("rules/shared.yaml")
			for i := range n {
				value := fmt.Sprintf("value-%d-%d-%d\n", n, round, i)
				if !strings.Contains(rule, fmt.Sprintf("X-H%d: %s", i, value)) {
					t.Errorf("%d processes, round %d: value %d was set and is lost", n, round, i)
				}
				if n == 2 && !strings.Contains(shared, fmt.Sprintf("key%d: %s", i, value)) {
					t.Errorf("%d processes, round %d: key %d of the shared file was set and is lost", n, round, i)
				}
			}
			if !strings.Contains(rule, "url: "+url+"\n") {
				t.Errorf("%d processes, round %d: what import took over is lost:\n%s", n, round, rule)
			}
		}
	}
	r.noTemp("all rounds")
}

// TestWritersOfOneDirectory runs commands that make files in one directory at
// the same time. Each file is made once, and no run fails because of another.
func TestWritersOfOneDirectory(t *testing.T) {
	t.Parallel()
	const n = 8
	r := newRepo(t)
	s := serveEmulator(t, emulator.Options{})
	for i := range 20 {
		s.Put(fmt.Sprintf("rule-%d", i), map[string]any{"url": "https://hooks.example.com/x", "enabled": true, "events": []string{"MediaKind.JobFinished"}})
	}
	t.Run("import", func(t *testing.T) {
		outputs := r.atOnce(t, n, s, "import", "--out", "imported")
		if got := strings.Count(outputs, "20 files written"); got != 1 {
			t.Errorf("%d runs wrote the files, expected 1\n%s", got, outputs)
		}
		if got := strings.Count(outputs, "0 files written"); got != n {
			t.Errorf("%d runs had nothing to write, expected %d\n%s", got-1, n-1, outputs)
		}
	})
	t.Run("init", func(t *testing.T) {
		r.key = filepath.Join(t.TempDir(), "keys.txt") // does not exist yet
		outputs := r.atOnce(t, n, nil, "init", "--age", "-p", "demo", "--owner", "team", "config-repo")
		key, err := os.ReadFile(r.key)
		if err != nil || strings.Count(string(key), "AGE-SECRET-KEY-1") != 1 {
			t.Errorf("the key file has %d keys, error %v\n%s", strings.Count(string(key), "AGE-SECRET-KEY-1"), err, outputs)
		}
		r.mustRun(nil, 0, "validate", "--decrypt", "--config", "config-repo/mkhooks.yaml")
	})
	r.noTemp("all runs")
}

// atOnce runs the same command n times in parallel and returns the output of
// all runs.
func (r *repo) atOnce(t *testing.T, n int, s *served, args ...string) string {
	t.Helper()
	outputs := make([]bytes.Buffer, n)
	var all sync.WaitGroup
	for i := range outputs {
		all.Go(func() {
			cmd := r.newProcess(s, args...)
			cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
			if err := cmd.Run(); err != nil {
				t.Errorf("mkhooks %s: %v\n%s", strings.Join(args, " "), err, outputs[i].String())
			}
		})
	}
	all.Wait()
	var b strings.Builder
	for i := range outputs {
		b.WriteString(outputs[i].String() + "\n")
	}
	return b.String()
}
