package git

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// SubmoduleError says that files lie in a submodule, which has a repository of
// its own. Git is not run there, so nothing is known of its commit.
type SubmoduleError struct{ Path string }

func (e *SubmoduleError) Error() string {
	return e.Path + " is a submodule, in which Git is not run: it is not known whether its files are those of its commit"
}

// OutsideError says that a file lies outside the work tree.
type OutsideError struct{ Path, Top string }

func (e *OutsideError) Error() string {
	return e.Path + " lies outside the work tree " + e.Top + ", which alone is asked for its commit"
}

// Local returns a path of this run as the repository names it: with slashes,
// from the top. Links below the top stay in it. The error is an [OutsideError].
func (r *Repository) Local(name string) (string, error) {
	abs := name
	if !filepath.IsAbs(name) {
		wd, err := realDirectory(".")
		if err != nil {
			return "", err
		}
		abs = filepath.Join(wd, name)
	}
	if !isBelow(abs, r.Top) {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
			abs = filepath.Join(dir, filepath.Base(abs))
		}
	}
	if !isBelow(abs, r.Top) {
		return "", &OutsideError{name, r.Top}
	}
	rel, err := filepath.Rel(r.Top, abs)
	return filepath.ToSlash(rel), err
}

// Differs reports whether files of the work tree are not as the commit has them,
// or whether the commit has a file below dirs that is absent from the work tree;
// counts says by its name whether a file matters.
//
// Content is compared as it is. A file that a filter or a working-tree-encoding
// turned into something else therefore differs. Line ends do not: a checkout with
// CRLF is the same file.
func (t *Tree) Differs(files, dirs []string, counts func(name string) bool) (bool, error) {
	for _, name := range files {
		file, err := t.objects.repo.Local(name)
		if err != nil {
			return true, err
		}
		if same, err := t.same(file); err != nil || !same {
			return true, err
		}
	}
	for _, name := range dirs {
		dir, err := t.objects.repo.Local(name)
		if err != nil {
			return true, err
		}
		if missing, err := t.missing(dir, counts); err != nil || missing {
			return true, err
		}
	}
	return false, nil
}

// same compares one file, and the links on the way to it.
func (t *Tree) same(file string) (bool, error) {
	top := t.objects.repo.Top
	for range maxLinks {
		link, target, err := firstLink(top, file)
		if err != nil {
			return false, nil // absent, or not to be read: not the commit's
		}
		if link == "" {
			return t.sameContent(file)
		}
		e, at, err := t.lookup(link)
		switch {
		case err != nil:
			return false, err
		case e.mode == modeSubmodule:
			return false, &SubmoduleError{at}
		case e.mode != modeLink || objectIDOf(e.id, "blob", []byte(filepath.ToSlash(target))) != e.id:
			return false, nil
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(top, filepath.FromSlash(path.Dir(link)), target)
		}
		if !isBelow(target, top) {
			return false, nil
		}
		rel, err := filepath.Rel(top, target)
		if err != nil {
			return false, err
		}
		file = path.Join(filepath.ToSlash(rel), strings.TrimPrefix(file, link))
	}
	return false, nil
}

// firstLink returns the first part of a path that is a link, and its target.
func firstLink(top, file string) (link, target string, err error) {
	for i := range len(file) + 1 {
		if i < len(file) && file[i] != '/' {
			continue
		}
		at := filepath.Join(top, filepath.FromSlash(file[:i]))
		info, err := os.Lstat(at)
		if err != nil {
			return "", "", err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			return file[:i], target, err
		}
	}
	return "", "", nil
}

func (t *Tree) sameContent(file string) (bool, error) {
	e, at, err := t.lookup(file)
	switch {
	case err != nil:
		return false, err
	case e.mode == modeSubmodule:
		return false, &SubmoduleError{at}
	case !e.isFile() || at != file:
		return false, nil
	}
	data, err := readRegular(filepath.Join(t.objects.repo.Top, filepath.FromSlash(file)))
	if err != nil {
		return false, nil // it is not what the commit has
	}
	return objectIDOf(e.id, "blob", data) == e.id ||
		objectIDOf(e.id, "blob", bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))) == e.id, nil
}

var errNotRegular = errors.New("is not a regular file")

// readRegular reads a regular file of no unusual size.
func readRegular(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxObject {
		return nil, errNotRegular
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxObject))
}

// missing reports whether the commit has files in dir that the work tree lacks.
func (t *Tree) missing(dir string, counts func(string) bool) (missing bool, err error) {
	e, at, err := t.resolve(dir)
	switch {
	case errors.Is(err, ErrOutside):
		return false, nil // the files themselves were compared
	case err != nil:
		return true, err
	case e.mode == modeSubmodule:
		return true, &SubmoduleError{at}
	}
	submodule := ""
	err = t.walk(at, func(file string, e entry) {
		if e.mode == modeSubmodule {
			submodule = file
		}
		if !counts(path.Base(file)) {
			return
		}
		if _, err := os.Lstat(filepath.Join(t.objects.repo.Top, filepath.FromSlash(file))); err != nil {
			missing = true
		}
	})
	if submodule != "" && err == nil {
		return true, &SubmoduleError{submodule}
	}
	return missing, err
}
