// Package git reads the repository that contains the rule files. It returns the
// commit and its files, and compares them with the work tree.
//
// The files of a pull request are untrusted data. Git therefore runs in one
// directory only: the top directory of the work tree that contains a directory
// that the caller trusts. It never runs in a directory of a rule path. It runs
// only commands that start no other program: see run.go. This package compares
// the files of the work tree itself, because Git would run filters on them.
package git

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Repository is the repository of a work tree.
type Repository struct {
	// Top is the absolute path of the top directory of the work tree, without
	// links.
	Top string
	env []string
	// otherGlobal reports that GIT_CONFIG_GLOBAL is set.
	otherGlobal bool
}

// FindTop returns the top directory of the work tree that contains dir: the nearest
// directory, from dir upwards, with an entry .git. Without such a directory it
// returns "". It runs no program. A bare repository has no work tree and does
// not count.
func FindTop(dir string) string {
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
// there is none. getenv reads the environment. Git gets only a small part of
// it.
func Open(ctx context.Context, getenv func(string) string, dir string) (*Repository, error) {
	top := FindTop(dir)
	if top == "" {
		return nil, nil
	}
	r := &Repository{Top: top, env: gitEnvironment(getenv, top), otherGlobal: getenv("GIT_CONFIG_GLOBAL") != ""}
	want, err := r.gitDirectory()
	if err != nil {
		return nil, err
	}
	out, err := r.runGit(ctx, "rev-parse", "--absolute-git-dir", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 {
		return nil, &Error{Message: "git names no repository and work tree in " + top}
	}
	// Older Git versions accept a bare repository here, and the configuration
	// of the repository can name another work tree.
	if !sameDirectory(lines[0], want) || !sameDirectory(lines[1], top) {
		return nil, &Error{Message: "the repository in " + filepath.Join(top, ".git") + " is not that of the work tree " + top}
	}
	return r, nil
}

// gitDirectory returns the directory of the repository that .git is or names. A
// directory inside the work tree is refused, because a commit can put files
// there.
func (r *Repository) gitDirectory() (string, error) {
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

// isBelow reports whether path is dir or below it.
func isBelow(path, dir string) bool {
	sep := string(filepath.Separator)
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, sep)+sep)
}

// Head returns the id of the commit that is checked out, or "" before the first
// commit.
func (r *Repository) Head(ctx context.Context) (string, error) {
	out, err := r.runGit(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if isAbsent(err) {
		return "", nil
	}
	return strings.TrimSpace(out), err
}

// Commit returns the id of the commit that ref names. A name that could mean two
// commits is an error: whoever may push a tag "origin/main" could otherwise
// choose the commit that a plan is compared with.
func (r *Repository) Commit(ctx context.Context, ref string) (string, error) {
	if err := r.checkAmbiguous(ctx, ref); err != nil {
		return "", err
	}
	out, err := r.runGit(ctx, "rev-parse", "--verify", "--end-of-options", ref+"^{commit}")
	return strings.TrimSpace(out), err
}

// refForms are the full names that Git tries for a short name.
var refForms = []string{"%s", "refs/%s", "refs/tags/%s", "refs/heads/%s", "refs/remotes/%s", "refs/remotes/%s/HEAD"}

// isIDPrefix reports whether Git would read name as the beginning of an id.
func isIDPrefix(name string) bool { return len(name) >= 4 && len(name) < 2*sha256.Size && isHex(name) }

// checkAmbiguous returns an error if the name in ref, such as main in main~2, means
// several refs with different commits, or both a ref and the beginning of an id.
func (r *Repository) checkAmbiguous(ctx context.Context, ref string) error {
	name := ref
	if i := strings.IndexAny(ref, "^~:@"); i >= 0 {
		name = ref[:i]
	}
	if name == "" || isObjectID(name) {
		return nil
	}
	var found []string
	commits := map[string]bool{}
	for _, form := range refForms {
		full := fmt.Sprintf(form, name)
		isFull := strings.HasPrefix(full, "refs/") || strings.ToUpper(full) == full && !isIDPrefix(full) // such as HEAD
		if !isFull {
			continue
		}
		if commit := r.commitOf(ctx, full); commit != "" {
			found, commits[commit] = append(found, full), true
		}
	}
	if len(found) > 0 && isIDPrefix(name) {
		// Git prefers the ref to a commit whose id begins with the name.
		ids, err := r.runGit(ctx, "rev-parse", "--disambiguate="+name)
		for id := range strings.FieldsSeq(ids) {
			if commit := r.commitOf(ctx, id); err == nil && commit != "" {
				found, commits[commit] = append(found, id), true
			}
		}
	}
	if len(commits) > 1 {
		return &AmbiguousError{Names: found}
	}
	return nil
}

// commitOf returns the id of the commit that a full name stands for, or "".
func (r *Repository) commitOf(ctx context.Context, full string) string {
	out, err := r.runGit(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", full+"^{commit}")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// AmbiguousError reports a name that means several commits.
type AmbiguousError struct {
	// Names are full names of these commits.
	Names []string
}

func (e *AmbiguousError) Error() string {
	return "the name is ambiguous: " + strings.Join(e.Names, " and ") + " are different commits"
}

// Branch returns the branch that is checked out, or "".
func (r *Repository) Branch(ctx context.Context) string { return r.symbolicRef(ctx, "HEAD") }

// DefaultBranch returns the default branch of the remote origin, as far as the
// repository knows it, or "".
func (r *Repository) DefaultBranch(ctx context.Context) string {
	return strings.TrimPrefix(r.symbolicRef(ctx, "refs/remotes/origin/HEAD"), "origin/")
}

func (r *Repository) symbolicRef(ctx context.Context, ref string) string {
	out, err := r.runGit(ctx, "symbolic-ref", "--quiet", "--short", ref)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// Remote returns the URL of the remote origin, or "".
func (r *Repository) Remote(ctx context.Context) string {
	out, err := r.runGit(ctx, "remote", "get-url", "origin")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
