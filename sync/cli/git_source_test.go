package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// TestGitOfAHook checks a hook of a linked work tree, where Git sets GIT_DIR.
// mkhooks must still use the repository of the files.
func TestGitOfAHook(t *testing.T) {
	t.Parallel()
	w := newGitWorld(t)
	s := serveEmulator(t, emulator.Options{})
	other := newGitWorld(t)
	other.writeFile("mkhooks.yaml", "owner: team\nprojects:\n  demo: {rules: [rules]}\n")
	other.commit("The weaker one, which loosens nothing more")
	w.git(".", "worktree", "add", "-q", "-b", "change", "linked")
	w.writeFile("linked/mkhooks.yaml", "owner: team\nprojects:\n  demo: {rules: [rules]}\n")
	linked := *w.repo
	linked.dir = filepath.Join(w.dir, "linked")
	for name, env := range map[string][]string{
		"none":                  nil,
		"that of the hook":      {"GIT_DIR=" + filepath.Join(w.dir, ".git/worktrees/linked"), "GIT_INDEX_FILE=" + filepath.Join(w.dir, ".git/worktrees/linked/index"), "GIT_PREFIX="},
		"that of the main one":  {"GIT_DIR=" + filepath.Join(w.dir, ".git"), "GIT_WORK_TREE=" + w.dir},
		"of another repository": {"GIT_DIR=" + filepath.Join(other.dir, ".git"), "GIT_WORK_TREE=" + other.dir, "GIT_OBJECT_DIRECTORY=" + filepath.Join(other.dir, ".git/objects")},
	} {
		cmd := linked.newProcess(s, "plan", "--base", "main", "--format", "json")
		cmd.Env = append(cmd.Env, env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		var p plan.Plan
		if err := json.Unmarshal(out, &p); err != nil {
			t.Fatal(err)
		}
		var loosened []string
		for _, l := range p.Base.Loosened {
			loosened = append(loosened, l.What)
		}
		if got := strings.Join(loosened, " "); got != "destinations archive audit" {
			t.Errorf("GIT_DIR %s: loosened %q", name, got)
		}
		if head := w.git("linked", "rev-parse", "HEAD"); p.Source.Commit != head || !p.Source.Dirty {
			t.Errorf("GIT_DIR %s: source %+v, and the commit is %s", name, p.Source, head)
		}
	}
}

// TestDubiousOwnership checks a repository of another user, which Git refuses.
// Plan and audit log must report this with a command that resolves it, and the
// command must work.
func TestDubiousOwnership(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	w := newGitWorld(t)
	home := t.TempDir()
	s := serveEmulator(t, emulator.Options{})
	for _, name := range []string{".", ".git"} {
		if err := os.Chown(filepath.Join(w.dir, name), 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (stdout, stderr string) {
		cmd := w.newProcess(s, args...)
		cmd.Env = append(cmd.Env, "HOME="+home, "XDG_CONFIG_HOME=", "SUDO_UID=")
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // the test checks the output
		return out.String(), errs.String()
	}
	mend := "git config --global --add safe.directory " + w.dir
	const says = "dubious ownership"
	out, errs := run("plan", "--report", "markdown=plan.md", "--report", "json=plan.json")
	for name, text := range map[string]string{"text": out, "stderr": errs, "plan.md": "", "plan.json": ""} {
		if text == "" {
			data, err := os.ReadFile(filepath.Join(w.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			text = string(data)
		}
		flat := strings.Join(strings.Fields(text), " ")
		if !strings.Contains(flat, says) || !strings.Contains(flat, mend) {
			t.Errorf("%s does not say how to mend the ownership:\n%s", name, text)
		}
	}
	if _, errs := run("plan", "--base", "main"); !strings.Contains(errs, "not compared: git refuses") || !strings.Contains(errs, "hint: "+mend) {
		t.Errorf("plan --base: %s", errs)
	}
	if out, errs := run("apply", "--yes"); !strings.Contains(out, "Applied") {
		t.Fatalf("apply: %s%s", out, errs)
	}
	if out, _ := run("audit", "show", "audit.jsonl"); !strings.Contains(strings.Join(strings.Fields(out), " "), mend) {
		t.Errorf("the audit log does not say it:\n%s", out)
	}
	if out, err := runShell(home, mend); err != nil {
		t.Fatalf("%s: %v\n%s", mend, err, out)
	}
	if out, errs := run("plan", "--base", "main"); strings.Contains(out+errs, says) || !strings.Contains(out, "loosen nothing") {
		t.Errorf("after %s:\n%s%s", mend, out, errs)
	}
}

// runShell runs a line as a user would paste it.
func runShell(home, line string) ([]byte, error) {
	cmd := exec.Command("sh", "-c", line)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=")
	return cmd.CombinedOutput()
}
