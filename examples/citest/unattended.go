package citest

import (
	"os"
	"path/filepath"
	"strings"
)

// Unattended describes how an example runs mkhooks without a person. It
// contains the command lines of the example with the paths of this machine.
type Unattended struct {
	// Drift is the drift command. Apply returns the command that applies the
	// plan with a digest.
	Drift string
	Apply func(digest string) string
	// Env is the environment of both commands, without the service's address.
	Env []string
	// State is the directory of the audit log, applies.jsonl, and of the
	// archive.
	State string
}

// WriteCredentials writes tokens and the age key to files with the given names, as
// secret stores do.
func (w *World) WriteCredentials(read, write, age string) (dir string) {
	w.Helper()
	dir = w.TempDir()
	for name, text := range map[string]string{read: ReadToken, write: WriteToken, age: w.Key} {
		if name == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	return dir
}

// RunUnattended checks an example. It must find no drift, then find drift, and
// apply only the reviewed plan. It must store the history of deleted rules,
// keep the audit log, and then find no drift.
func (w *World) RunUnattended(u Unattended) {
	w.Helper()
	env := append([]string{"MKIO_BASE_URL=" + w.URL}, u.Env...)
	run := func(code int, text, command string) {
		w.Helper()
		out, got := w.Bash(w.Temp, env, command)
		if got != code || !strings.Contains(out, text) {
			w.Errorf("%s: exit code %d, want %d and %q:\n%s", command, got, code, text, out)
		}
	}
	w.Write("mkhooks.yaml", Config+"defaults:\n  prune: owned\n")
	w.Rule("old", "https://hooks.example.com/old", "")
	w.Commit("A rule that will go")
	w.Apply()

	drift := w.dropUnknownFlags(u.Drift)
	run(0, "3 in sync", drift)
	w.Emulator.Edit("jobs", func(spec map[string]any) { spec["enabled"] = false })
	run(2, "1 drifted", drift)

	if err := os.Remove(filepath.Join(w.Dir, "rules", "old.yaml")); err != nil {
		w.Fatal(err)
	}
	w.Commit("It goes")
	// The digest covers the archive, so the plan must name the archive of the
	// apply.
	plan := "mkhooks plan --archive '" + filepath.Join(u.State, "archive") + "' --archive-is-durable --format json | jq -r .digest"
	out, code := w.Bash(w.Dir, append(env, "MKIO_TOKEN="+ReadToken), plan)
	if code != 0 {
		w.Fatalf("mkhooks plan: exit code %d\n%s", code, out)
	}
	lines := strings.Fields(out)
	digest := lines[len(lines)-1]
	before := w.CountWrites()
	run(4, "digest", u.Apply(strings.Repeat("0", 32)))
	if got := w.CountWrites(); got != before {
		w.Errorf("a plan that was not reviewed: %d writes", got-before)
	}
	run(0, "2 applied", u.Apply(digest))
	run(0, "", "mkhooks audit verify --archives '"+filepath.Join(u.State, "applies.jsonl")+"'")
	if stored, err := filepath.Glob(filepath.Join(u.State, "archive", "*.manifest.json")); err != nil || len(stored) != 1 {
		w.Errorf("the archive has the manifests %v (%v), want that of the deleted rule", stored, err)
	}
	run(0, "2 in sync", drift)
}

// dropUnknownFlags removes --metrics from a command, and logs this, if this
// mkhooks lacks the flag.
func (w *World) dropUnknownFlags(command string) string {
	w.Helper()
	help, _ := w.Bash(w.Temp, nil, "mkhooks drift --help")
	if strings.Contains(help, "--metrics") {
		return command
	}
	w.Log("this mkhooks has no --metrics: that flag is NOT TESTED")
	words := strings.Fields(command)
	for i, word := range words {
		if word == "--metrics" {
			return strings.Join(append(words[:i:i], words[i+2:]...), " ")
		}
		if strings.HasPrefix(word, "--metrics=") {
			return strings.Join(append(words[:i:i], words[i+1:]...), " ")
		}
	}
	return command
}
