package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// errReplaced says that the path of a record leads to another file by now, to
// which nothing is added.
var errReplaced = errors.New("the file was replaced by another one (a checkout, or a log rotation?) while this run wrote to it; what it recorded since is not in the new file")

// lockPath is the file that is locked for a record: the record itself, but on
// Windows one beside it, because a lock there keeps others from reading, too.
func lockPath(path string) string {
	if runtime.GOOS == "windows" {
		return path + ".lock"
	}
	return path
}

// openLocked opens a record, makes it where there is none, and waits for its
// lock. Whoever waited looks again what the path leads to: a lock on a file that
// was replaced meanwhile keeps nobody out.
func openLocked(path string) (file *os.File, lock io.Closer, err error) {
	for {
		locked, err := lockedfile.OpenFile(lockPath(path), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, nil, err
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, nil, errors.Join(err, locked.Close())
		}
		if lockPath(path) != path || sameFile(locked, file) {
			return file, locked, nil
		}
		if err := errors.Join(file.Close(), locked.Close()); err != nil {
			return nil, nil, err
		}
	}
}

// sameFile reports whether two open files are one.
func sameFile(a, b interface{ Stat() (fs.FileInfo, error) }) bool {
	x, err := a.Stat()
	y, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// replaced returns [errReplaced] where path leads to another file than this one.
func replaced(path string, file *os.File) error {
	now, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	open, openErr := file.Stat()
	if openErr != nil {
		return openErr
	}
	if err != nil || !os.SameFile(now, open) {
		return errReplaced
	}
	return nil
}
