package cli

import (
	"context"
	"errors"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/git"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// gitDirectory returns the directory where Git runs: the config file's, or the
// current directory. Rule paths don't influence it.
func (o *configOptions) gitDirectory() string {
	if o.file != nil {
		return o.file.Dir()
	}
	return "."
}

// gitSource asks Git for the checked-out commit, and compares the rule files
// with it. Outside a work tree or without Git, it returns an empty source. The
// commit is only reported; no decision depends on it.
func (o *configOptions) gitSource(ctx context.Context, a *app, paths []string) plan.Source {
	repo, err := git.Open(ctx, a.Getenv, o.gitDirectory())
	if repo == nil {
		return unknownSource(err)
	}
	for _, p := range paths {
		if _, err := repo.RelativePath(p); err != nil {
			return unknownSource(err)
		}
	}
	commit, err := repo.Head(ctx)
	if err != nil || commit == "" {
		return unknownSource(err)
	}
	source := plan.Source{Commit: commit}
	tree, err := repo.OpenTree(ctx, commit)
	if err == nil {
		defer tree.Close()
		files := config.Files(paths)
		if o.file != nil {
			files = append(files, o.file.Name)
		}
		source.Dirty, err = tree.Differs(files, paths, config.IsRuleFile)
	}
	if err != nil {
		source.Dirty = true
		source.Problem, source.Hint = gitProblem(err)
	}
	return source
}

// unknownSource returns a source without a commit.
func unknownSource(err error) plan.Source {
	if err == nil || errors.Is(err, git.ErrNotInstalled) || errors.Is(err, context.Canceled) {
		return plan.Source{}
	}
	var s plan.Source
	s.Problem, s.Hint = gitProblem(err)
	return s
}

// gitProblem returns a Git failure and the command that resolves it.
func gitProblem(err error) (problem, hint string) {
	var e *git.Error
	if errors.As(err, &e) {
		hint = e.Hint
	}
	return err.Error(), hint
}

// sourceProblem formats the problem and the hint of a source in one line.
func sourceProblem(s plan.Source) string {
	if s.Hint == "" {
		return s.Problem
	}
	return s.Problem + "; " + s.Hint
}
