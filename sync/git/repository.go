// Package git reads the repository that the rule files lie in: its commit, the
// files of a commit, and whether the work tree has the same.
//
// The files of a pull request are data. Git is therefore run only in the top
// directory of the work tree that contains a directory that the caller trusts,
// never in one that a rule path names, and only for commands that run no other
// program: see run.go. The files of the work tree are compared here and not by
// Git, which would run filters on them.
package git

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// Repository is the repository of a work tree.
type Repository struct {
	// Top is the top directory of the work tree, absolute and without links.
	Top string
	env []string
}

// Top returns the top directory of the work tree that contains dir: the nearest
// one, from dir upwards, that has an entry .git. Without one it returns "". It
// runs nothing. A bare repository has no work tree and does not count.
func Top(dir string) string {
	real, err := realDirectory(dir)
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Lstat(filepath.Join(real, ".git")); err == nil {
			return real
		}
		if filepath.Dir(real) == real {
			return ""
		}
		real = filepath.Dir(real)
	}
}

func realDirectory(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// Open returns the repository of the work tree that contains dir, or nil if
// there is none. getenv reads the environment, of which Git gets little.
func Open(ctx context.Context, getenv func(string) string, dir string) (*Repository, error) {
	top := Top(dir)
	if top == "" {
		return nil, nil
	}
	r := &Repository{Top: top, env: environment(getenv, top)}
	want, err := r.expected()
	if err != nil {
		return nil, err
	}
	out, err := r.output(ctx, "rev-parse", "--absolute-git-dir", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 {
		return nil, &Error{Message: "git names no repository and work tree in " + top}
	}
	// An older Git takes a bare repository all the same, and the repository's
	// own configuration can name another work tree.
	if !sameDirectory(lines[0], want) || !sameDirectory(lines[1], top) {
		return nil, &Error{Message: "the repository in " + filepath.Join(top, ".git") + " is not that of the work tree " + top}
	}
	return r, nil
}

// expected returns the directory of the repository that .git is or names. One
// inside the work tree, where a commit can put files, is refused.
func (r *Repository) expected() (string, error) {
	at := filepath.Join(r.Top, ".git")
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return "", &Error{Message: at + " is a link that cannot be followed"}
	}
	if info, err := os.Stat(real); err == nil && info.Mode().IsRegular() && info.Size() < 1<<16 {
		data, err := os.ReadFile(real)
		place, ok := strings.CutPrefix(string(data), "gitdir:")
		if err != nil || !ok {
			return "", &Error{Message: at + " is neither a repository nor a file that names one"}
		}
		place = filepath.FromSlash(strings.TrimSpace(place))
		if !filepath.IsAbs(place) {
			place = filepath.Join(filepath.Dir(real), place)
		}
		if real, err = filepath.EvalSymlinks(place); err != nil {
			return "", &Error{Message: at + " names a repository that is not there"}
		}
	}
	if real != at && isBelow(real, r.Top) && !isBelow(real, at) {
		return "", &Error{Message: at + " names a repository inside the work tree, among the files that are data"}
	}
	return real, nil
}

func sameDirectory(a, b string) bool {
	x, errA := os.Stat(filepath.FromSlash(a))
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// isBelow reports whether path is dir or lies in it.
func isBelow(path, dir string) bool {
	sep := string(filepath.Separator)
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, sep)+sep)
}

// Head returns the id of the commit that is checked out, or "" before the first
// commit.
func (r *Repository) Head(ctx context.Context) (string, error) {
	out, err := r.output(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if isAbsent(err) {
		return "", nil
	}
	return strings.TrimSpace(out), err
}

// Commit returns the id of the commit that ref names.
func (r *Repository) Commit(ctx context.Context, ref string) (string, error) {
	out, err := r.output(ctx, "rev-parse", "--verify", "--end-of-options", ref+"^{commit}")
	return strings.TrimSpace(out), err
}

// Branch returns the branch that is checked out, or "".
func (r *Repository) Branch(ctx context.Context) string { return r.symbolic(ctx, "HEAD") }

// DefaultBranch returns the branch that the remote origin has as its default, as
// far as the repository knows, or "".
func (r *Repository) DefaultBranch(ctx context.Context) string {
	return strings.TrimPrefix(r.symbolic(ctx, "refs/remotes/origin/HEAD"), "origin/")
}

func (r *Repository) symbolic(ctx context.Context, ref string) string {
	out, err := r.output(ctx, "symbolic-ref", "--quiet", "--short", ref)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// Remote returns the URL of the remote origin, or "".
func (r *Repository) Remote(ctx context.Context) string {
	out, err := r.output(ctx, "remote", "get-url", "origin")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
