package atomicfile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

const (
	// maxWait limits the wait for the lock of a file, which others hold for as
	// long as a rename takes.
	maxWait = 30 * time.Second
	// maxAttempts limits how often [Retry] begins anew. Each time somebody else
	// has written the file, so only a program that never stops writing uses
	// them up.
	maxAttempts = 200
)

// Retry calls do, which reads a file and calls [Replace], again for as long as
// it ends with [ErrChanged]: then the file holds what do has not seen.
func Retry(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if !errors.Is(err, ErrChanged) || n == maxAttempts {
			return err
		}
		// An editor may be in the middle of writing.
		if err := pause(ctx, min(n, 8)); err != nil {
			return err
		}
	}
}

// pause waits for some milliseconds, which differ from process to process.
func pause(ctx context.Context, n int) error {
	t := time.NewTimer(time.Duration(1+rand.IntN(n*4)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// LockFolder waits until no other process holds the lock of a folder, and
// takes it: for a command that decides by what a folder holds which files it
// makes there. It leaves no file in the folder, and the end of the process
// lets go of it. If the system has no way to lock, it locks nothing; then
// [Create] still replaces nothing.
func LockFolder(ctx context.Context, dir string) (unlock func(), err error) {
	return lock(ctx, dir)
}

// lockFile is the lock of one file for the time of a rename.
func lockFile(path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), maxWait)
	defer cancel()
	unlock, err = lock(ctx, path)
	if errors.Is(err, context.DeadlineExceeded) {
		err = &fs.PathError{Op: "write", Path: path, Err: fmt.Errorf("is locked by another process, for longer than %s; see that it ends, then try again", maxWait)}
	}
	return unlock, err
}

// lock locks the file or folder itself, so that no lock file lies in a
// repository, and none outlives its process.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	for {
		f, err := openToLock(path)
		if err != nil {
			return nil, err
		}
		taken, err := tryFlock(f)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return lockElsewhere(path), f.Close()
		case err != nil:
			return nil, errors.Join(err, f.Close())
		case !taken && leadsTo(path, f):
			return func() { _ = f.Close() }, nil // which unlocks it
		}
		// It is held, or it was replaced while this process waited.
		if err := f.Close(); err != nil {
			return nil, err
		}
		if err := pause(ctx, 2); err != nil {
			return nil, err
		}
	}
}

// openToLock opens a file for reading and writing, because NFS locks no other,
// and otherwise for reading alone.
func openToLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
	if err != nil {
		f, err = os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	}
	return f, err
}

// leadsTo reports whether path is the name of an open file.
func leadsTo(path string, f *os.File) bool {
	named, err := os.Lstat(path)
	open, openErr := f.Stat()
	return err == nil && openErr == nil && os.SameFile(named, open)
}

// lockElsewhere locks a file of the user's folder for caches in place of path.
// Without such a folder, it locks nothing.
func lockElsewhere(path string) (unlock func()) {
	none := func() {}
	cache, err := os.UserCacheDir()
	if err != nil {
		return none
	}
	if path, err = filepath.Abs(path); err != nil {
		return none
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir := filepath.Join(cache, "mkhooks", "locks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return none
	}
	sum := sha256.Sum256([]byte(path))
	unlock, err = lockedfile.MutexAt(filepath.Join(dir, hex.EncodeToString(sum[:16]))).Lock()
	if err != nil {
		return none
	}
	return unlock
}
