package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// gitIn runs git in a folder. Nothing that the repository's configuration
// names is run: fsmonitor is a command.
func gitIn(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "-c", "core.fsmonitor=false"}, args...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		line, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
		return "", errors.New(strings.TrimPrefix(line, "fatal: "))
	}
	return string(out), err
}

// against says what the config file in force guards less than that of a commit.
func (o *runOptions) against(ctx context.Context, ref string, targets []*target) (*plan.Base, error) {
	name := config.FileName
	switch {
	case o.configFile != "":
		name = o.configFile
	case o.file != nil:
		name = o.file.Name
	}
	commit, before, err := fileAt(ctx, ref, name)
	if err != nil {
		return nil, err
	}
	base := &plan.Base{Commit: commit, Loosened: []plan.Loosening{}}
	for _, l := range config.Loosened(before, o.file) {
		if l.Project == "" || slices.ContainsFunc(targets, func(t *target) bool { return t.name == l.Project }) {
			base.Loosened = append(base.Loosened, plan.Loosening(l))
		}
	}
	return base, nil
}

// fileAt reads the config file as a commit has it; nil where it has none.
func fileAt(ctx context.Context, ref, name string) (commit string, file *config.File, err error) {
	dir, base := filepath.Dir(name), filepath.Base(name)
	out, err := gitIn(ctx, dir, "rev-parse", "--verify", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return "", nil, invalidf("name a commit that is here; a shallow clone has few: git fetch origin "+quotePaths([]string{ref}),
			"--base %q: git knows no such commit here: %w", ref, err)
	}
	commit = strings.TrimSpace(out)
	entry, err := gitIn(ctx, dir, "ls-tree", commit, "--", "./"+base)
	if err != nil {
		return "", nil, failed(fmt.Errorf("--base %s: read the commit: %w", ref, err))
	}
	mode, _, found := strings.Cut(entry, " ")
	switch {
	case !found:
		return commit, nil, nil
	case mode != "100644" && mode != "100755":
		return "", nil, invalidf("", "--base %s: %s is no regular file there", ref, name)
	}
	// cat-file and not show: no filter of the repository has a say in it.
	data, err := gitIn(ctx, dir, "cat-file", "blob", commit+":./"+base)
	if err != nil {
		return "", nil, failed(fmt.Errorf("--base %s: read %s: %w", ref, name, err))
	}
	file, problems := config.ParseFile(name, []byte(data))
	if schema.HasErrors(problems) {
		return "", nil, invalidf("compare with a commit that has a valid one",
			"--base %s: the config file of that commit is not valid: %s: %s", ref, problems[0].Position, problems[0].Message)
	}
	return commit, file, nil
}
