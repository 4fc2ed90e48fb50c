package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// errReplaced means that the path of an audit log now leads to another file.
// Nothing is added to that file.
var errReplaced = errors.New("the file was replaced by another one (a checkout, or a log rotation?) while this run wrote to it; what it recorded since is not in the new file")

// lockPath returns the file that is locked for an audit log: the log itself. On
// Windows it is a file beside it, because a lock there also keeps readers out.
func lockPath(path string) string {
	if runtime.GOOS == "windows" {
		return path + ".lock"
	}
	return path
}

// openLocked opens an audit log, creates it if it is absent, and waits for its
// lock. After the wait it checks which file the path leads to: a lock on a file
// that was replaced meanwhile protects nothing.
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

// sameFile reports whether two open files are the same file.
func sameFile(a, b interface{ Stat() (fs.FileInfo, error) }) bool {
	x, err := a.Stat()
	y, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// Replaced reports whether err says that the path of a log no longer leads to the
// file that the run wrote.
func Replaced(err error) bool { return errors.Is(err, errReplaced) }

// checkReplaced returns [errReplaced] if path no longer leads to file.
func checkReplaced(path string, file *os.File) error {
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
