package cli

import (
	"context"
	"errors"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/git"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// gitDirectory returns the directory in whose work tree Git is run: that of the
// config file, or the current one. Rule paths have no say in it.
func (o *configOptions) gitDirectory() string {
	if o.file != nil {
		return o.file.Dir()
	}
	return "."
}

// gitSource asks Git for the commit that is checked out, and compares the files
// that are read with it. Outside a work tree, or without Git, it is empty: the
// commit is reported, never relied on.
func (o *configOptions) gitSource(ctx context.Context, a *app, paths []string) plan.Source {
	repo, err := git.Open(ctx, a.Getenv, o.gitDirectory())
	if repo == nil {
		return unknownSource(err)
	}
	for _, p := range paths {
		if _, err := repo.Local(p); err != nil {
			return unknownSource(err)
		}
	}
	commit, err := repo.Head(ctx)
	if err != nil || commit == "" {
		return unknownSource(err)
	}
	source := plan.Source{Commit: commit}
	tree, err := repo.Tree(ctx, commit)
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

// unknownSource is a source of which no commit is known.
func unknownSource(err error) plan.Source {
	if err == nil || errors.Is(err, git.ErrNotInstalled) || errors.Is(err, context.Canceled) {
		return plan.Source{}
	}
	var s plan.Source
	s.Problem, s.Hint = gitProblem(err)
	return s
}

// gitProblem returns what kept Git from answering, and the command that mends it.
func gitProblem(err error) (problem, hint string) {
	var e *git.Error
	if errors.As(err, &e) {
		hint = e.Hint
	}
	return err.Error(), hint
}

// sourceProblem is the problem of a source with the command that mends it, in
// one line.
func sourceProblem(s plan.Source) string {
	if s.Hint == "" {
		return s.Problem
	}
	return s.Problem + "; " + s.Hint
}
