package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/git"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// noBase returns the base of a plan without --base.
func noBase() *plan.Base { return &plan.Base{Reason: "--base was not given"} }

// loosenedSince returns the guards that are weaker now than in the commit of
// ref.
func (o *runOptions) loosenedSince(ctx context.Context, a *app, ref string, targets []*projectSettings) (*plan.Base, error) {
	repo, err := git.Open(ctx, a.Getenv, o.gitDirectory())
	switch {
	case err != nil:
		return nil, notComparedError(ctx, ref, err)
	case repo == nil:
		return nil, invalidf("run mkhooks in the work tree of a Git repository", "--base %q: not compared: there is no work tree of Git here", ref)
	}
	commit, err := repo.Commit(ctx, ref)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var several *git.AmbiguousError
		if errors.As(err, &several) {
			return nil, invalidf("write the one that you mean in full: --base "+shell.Word(several.Names[len(several.Names)-1]), "--base %q: not compared: %w", ref, err)
		}
		return nil, invalidf("name a commit that is here; a shallow clone has few: git fetch origin "+quotePaths([]string{ref}),
			"--base %q: git knows no such commit here: %w", ref, err)
	}
	found, err := o.compareWithBase(ctx, repo, ref, commit, targets)
	if err != nil {
		return nil, notComparedError(ctx, ref, err)
	}
	base := &plan.Base{Compared: true, Commit: commit, Loosened: []plan.Loosening{}}
	for _, l := range found {
		if l.Project == "" || slices.ContainsFunc(targets, func(t *projectSettings) bool { return t.name == l.Project }) {
			base.Loosened = append(base.Loosened, plan.Loosening(l))
		}
	}
	return base, nil
}

// notComparedError explains why the requested comparison failed.
func notComparedError(ctx context.Context, ref string, err error) error {
	var known *codeError
	if ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	problem, hint := gitProblem(err)
	return invalidf(hint, "--base %q: not compared: %s", ref, problem)
}

// compareWithBase reads both states of the repository and compares them.
func (o *runOptions) compareWithBase(ctx context.Context, repo *git.Repository, ref, commit string, targets []*projectSettings) ([]config.Loosening, error) {
	tree, err := repo.OpenTree(ctx, commit)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	files, err := repo.OpenWorkTree()
	if err != nil {
		return nil, err
	}
	defer files.Close()
	before, now := config.State{Files: tree}, config.State{Config: o.file, Files: files}
	if now.Name, err = repo.RelativePath(o.configName()); err != nil {
		return nil, err
	}
	if o.file == nil {
		for _, t := range targets {
			for _, p := range t.paths {
				local, err := repo.RelativePath(p)
				if err != nil {
					return nil, err
				}
				now.Paths = append(now.Paths, local)
			}
		}
	}
	before.Paths = now.Paths
	if before.Config, before.Name, err = baseConfig(tree, ref, now.Name); err != nil {
		return nil, err
	}
	return config.Compare(before, now)
}

// configName returns the name of the config file in use, or else its default
// name.
func (o *configOptions) configName() string {
	switch {
	case o.file != nil:
		return o.file.Name
	case o.configFile != "":
		return o.configFile
	}
	return config.FileName
}

// baseConfig reads the config file of a commit; nil if there is none. If the name
// is absent, the config file was renamed or moved. Then baseConfig searches the
// same and the parent directories.
func baseConfig(tree *git.Tree, ref, name string) (*config.File, string, error) {
	data, err := readTreeFile(tree, name)
	if err != nil {
		return nil, "", err
	}
	if data != nil {
		file, problems := config.ParseFile(name, data)
		if schema.HasErrors(problems) {
			return nil, "", invalidf("compare with a commit that has a valid one",
				"--base %s: the config file of that commit is not valid: %s: %s", ref, problems[0].Position, problems[0].Message)
		}
		return file, name, nil
	}
	candidates, err := earlierNames(tree, name)
	if err != nil {
		return nil, "", err
	}
	for _, c := range candidates {
		data, err := readTreeFile(tree, c)
		if err != nil {
			return nil, "", err
		}
		if data == nil {
			continue
		}
		if file, _ := config.ParseFile(c, data); file != nil {
			return file, c, nil
		}
	}
	return nil, name, nil
}

// readTreeFile reads a file of a commit. A link out of the repository counts as
// absent.
func readTreeFile(tree *git.Tree, name string) ([]byte, error) {
	data, err := tree.File(name)
	if errors.Is(err, git.ErrOutside) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// earlierNames lists possible former names of the config file. These are its
// default name in the same and the parent directories, and every YAML file in
// the same directory.
func earlierNames(tree *git.Tree, name string) ([]string, error) {
	out := []string{path.Join(path.Dir(name), config.FileName)}
	beside, err := tree.Names(path.Dir(name))
	if err != nil {
		return nil, err
	}
	for _, n := range beside {
		if strings.HasSuffix(n, ".yaml") || strings.HasSuffix(n, ".yml") {
			out = append(out, path.Join(path.Dir(name), n))
		}
	}
	for dir := path.Dir(name); dir != "."; {
		dir = path.Dir(dir)
		out = append(out, path.Join(dir, config.FileName))
	}
	return out, nil
}
