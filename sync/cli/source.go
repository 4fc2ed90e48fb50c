package cli

import (
	"context"
	"os"
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
	commit, err := gitIn(ctx, dir, "rev-parse", "--verify", "HEAD")
	if err != nil {
		return plan.Source{}
	}
	commit = strings.TrimSpace(commit)
	status := []string{"status", "--porcelain", "--untracked-files=all", "--"}
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return plan.Source{Commit: commit, Dirty: true}
		}
		status = append(status, abs)
	}
	changed, err := gitIn(ctx, dir, status...)
	return plan.Source{Commit: commit, Dirty: err != nil || strings.TrimSpace(changed) != ""}
}
