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

// SubmoduleError reports that files are in a submodule, which is a separate
// repository. Git does not run there, so its commit is unknown.
type SubmoduleError struct{ Path string }

func (e *SubmoduleError) Error() string {
	return e.Path + " is a submodule, in which Git is not run: it is not known whether its files are those of its commit"
}

// OutsideError reports that a file is outside the work tree.
type OutsideError struct{ Path, Top string }

func (e *OutsideError) Error() string {
	return e.Path + " lies outside the work tree " + e.Top + ", which alone is asked for its commit"
}

// RelativePath converts a path of this process to the form of the repository: relative
// to the top directory, with slashes. It keeps links below the top directory.
// The error is an [OutsideError].
func (r *Repository) RelativePath(name string) (string, error) {
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

// Differs reports whether the work tree differs from the commit. It compares
// the given files. It also checks that the work tree has every file that the
// commit has below dirs. counts selects files by name.
//
// Content is compared without filters. A file that a filter or a
// working-tree-encoding has converted therefore differs. Line ends do not
// differ: a checkout with CRLF is the same file.
func (t *Tree) Differs(files, dirs []string, counts func(name string) bool) (bool, error) {
	for _, name := range files {
		file, err := t.objects.repo.RelativePath(name)
		if err != nil {
			return true, err
		}
		if same, err := t.sameFile(file); err != nil || !same {
			return true, err
		}
	}
	for _, name := range dirs {
		dir, err := t.objects.repo.RelativePath(name)
		if err != nil {
			return true, err
		}
		if missing, err := t.lacksFiles(dir, counts); err != nil || missing {
			return true, err
		}
	}
	return false, nil
}

// sameFile compares one file, and all links on its path.
func (t *Tree) sameFile(file string) (bool, error) {
	top := t.objects.repo.Top
	for range maxLinks {
		link, target, err := firstLink(top, file)
		if err != nil {
			return false, nil // an absent or unreadable file differs from the commit
		}
		if link == "" {
			return t.sameContent(file)
		}
		e, at, err := t.lookupEntry(link)
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
	e, at, err := t.lookupEntry(file)
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
		return false, nil // differs from the commit
	}
	return objectIDOf(e.id, "blob", data) == e.id ||
		objectIDOf(e.id, "blob", bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))) == e.id, nil
}

var errNotRegular = errors.New("is not a regular file")

// readRegular reads a regular file and refuses files above the size limit.
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

// lacksFiles reports whether the commit has files in dir that are absent from the
// work tree.
func (t *Tree) lacksFiles(dir string, counts func(string) bool) (missing bool, err error) {
	e, at, err := t.resolvePath(dir)
	switch {
	case errors.Is(err, ErrOutside):
		return false, nil // the files themselves have been compared
	case err != nil:
		return true, err
	case e.mode == modeSubmodule:
		return true, &SubmoduleError{at}
	}
	submodule := ""
	err = t.walkFiles(at, func(file string, e entry) {
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
