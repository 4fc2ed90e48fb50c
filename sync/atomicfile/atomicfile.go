// Package atomicfile writes files whole: whoever reads one sees what was there
// before or all of what is new, also after a crash, and nobody else's change is
// written over unseen.
//
// It follows no link at the end of a path, makes no folders, and knows nothing
// of what it writes.
package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrChanged says that a file is no longer what was read.
var ErrChanged = errors.New("has been changed by someone else in the meantime")

var errNoFile = errors.New("is a link or no file; name the file itself")

// Replace writes data over a file that held old, and keeps its mode. The error
// is [ErrChanged] where it holds something else by now. A link is refused:
// where it leads may be out of reach of whoever reviews the change.
func Replace(path string, old, data []byte) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "write", Path: path, Err: errNoFile}
	}
	now, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) {
		return &fs.PathError{Op: "write", Path: path, Err: ErrChanged}
	}
	return write(path, data, info.Mode().Perm(), os.Rename)
}

// Create writes a file that does not exist yet. The error is [fs.ErrExist]
// where anything of that name does, a link that leads nowhere included.
func Create(path string, data []byte, perm fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return write(path, data, perm, func(temp, path string) error {
		// A rename would replace what was made in the meantime.
		err := os.Link(temp, path)
		switch {
		case err == nil || isLinked(temp, path):
			_ = os.Remove(temp)
			return nil
		case errors.Is(err, fs.ErrExist):
			return err
		}
		// A file system without links: an empty file takes the name first.
		taken, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if err := taken.Close(); err != nil {
			return err
		}
		return os.Rename(temp, path)
	})
}

// isLinked reports whether two names are of one file: a network file system may
// do a link twice, and then say that the name is taken.
func isLinked(temp, path string) bool {
	a, err := os.Lstat(temp)
	b, err2 := os.Lstat(path)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// Put writes a file that is made anew each time, whatever it held, and gives it
// the mode. A link is refused, as [Replace] does.
func Put(path string, data []byte, perm fs.FileMode) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return &fs.PathError{Op: "write", Path: path, Err: errNoFile}
	}
	return write(path, data, perm, os.Rename)
}

// write makes the content durable under a temporary name, then puts it in its
// place.
func write(path string, data []byte, perm fs.FileMode, place func(temp, path string) error) (err error) {
	dir := filepath.Dir(path)
	// Made with mode 0600, so that nobody else reads it on the way.
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil && perm != 0o600 {
		return fmt.Errorf("set the mode of %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	_ = SyncFolder(dir) // the file is whole either way
	return nil
}
