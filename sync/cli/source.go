package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// gitSource asks git for the commit of the rule files and whether they have
// uncommitted changes. Outside a repository, or without git, it is empty: the
// commit is told, never relied on.
func gitSource(ctx context.Context, a *app, paths []string) plan.Source {
	if len(paths) == 0 {
		return plan.Source{}
	}
	dir := paths[0]
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	git := func(args ...string) (string, bool) {
		// fsmonitor is a command that the repository's configuration names.
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "-c", "core.fsmonitor=false"}, args...)...)
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err == nil
	}
	commit, ok := git("rev-parse", "--verify", "HEAD")
	if !ok {
		return plan.Source{}
	}
	status := []string{"status", "--porcelain", "--untracked-files=all", "--"}
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return plan.Source{Commit: commit, Dirty: true}
		}
		status = append(status, abs)
	}
	changed, ok := git(status...)
	return plan.Source{Commit: commit, Dirty: !ok || changed != ""}
}
