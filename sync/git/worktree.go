package git

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// WorkTree holds the files that are checked out.
type WorkTree struct{ root *os.Root }

// OpenWorkTree returns the files that are checked out. Close it after use.
func (r *Repository) OpenWorkTree() (*WorkTree, error) {
	root, err := os.OpenRoot(r.Top)
	if err != nil {
		return nil, err
	}
	return &WorkTree{root}, nil
}

// Close releases the work tree.
func (w *WorkTree) Close() { _ = w.root.Close() }

// isAbsentFile reports whether the error means that a file is absent.
func isAbsentFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// File returns the content of a regular file, or nil if there is no such file.
// It follows links inside the work tree. A link that leads out is an error.
func (w *WorkTree) File(file string) ([]byte, error) {
	name := filepath.FromSlash(path.Clean(file))
	info, err := w.root.Stat(name)
	switch {
	case err != nil && isAbsentFile(err):
		return nil, nil
	case err != nil && strings.HasSuffix(err.Error(), "path escapes from parent"):
		return nil, ErrOutside
	case err != nil:
		return nil, causeOf(err)
	case !info.Mode().IsRegular():
		return nil, nil
	}
	f, err := w.root.Open(name)
	if err != nil {
		return nil, causeOf(err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxObject))
}

// causeOf returns the cause of an error. Callers put the path before it.
func causeOf(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Find returns the sorted paths of all files with a name in dir and below, also
// links. It skips hidden directories.
func (w *WorkTree) Find(dir, name string) ([]string, error) {
	var found []string
	dir = path.Clean(dir)
	err := fs.WalkDir(w.root.FS(), dir, func(file string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && isAbsentFile(err):
			return nil
		case err != nil:
			return causeOf(err)
		case e.IsDir() && file != dir && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case !e.IsDir() && e.Name() == name:
			found = append(found, file)
		}
		return nil
	})
	slices.Sort(found)
	return found, err
}
