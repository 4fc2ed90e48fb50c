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
	// maxWait limits the wait for the lock of a file. Other processes hold it only
	// for the time of a rename.
	maxWait = 30 * time.Second
	// maxAttempts limits the attempts of [Retry]. Another process has written the
	// file before each attempt, so only a program that never stops writing uses
	// them up.
	maxAttempts = 200
)

// Retry calls do, which reads a file and calls [Replace]. It repeats do on
// [ErrChanged], because the file then holds content that do has not seen.
func Retry(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if !errors.Is(err, ErrChanged) || n == maxAttempts {
			return err
		}
		// An editor may be in the middle of writing.
		if err := pauseBriefly(ctx, min(n, 8)); err != nil {
			return err
		}
	}
}

// pauseBriefly waits for some milliseconds, which differ from process to process.
func pauseBriefly(ctx context.Context, n int) error {
	t := time.NewTimer(time.Duration(1+rand.IntN(n*4)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// LockDir waits until no other process holds the lock of a directory, and takes
// it. It is for a command whose new files depend on the content of the directory.
// It leaves no file in the directory, and the end of the process releases it. If
// the system has no locks, it locks nothing; then [Create] still replaces nothing.
func LockDir(ctx context.Context, dir string) (unlock func(), err error) {
	return lockPath(ctx, dir)
}

// lockFile locks one file for the time of a rename.
func lockFile(path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), maxWait)
	defer cancel()
	unlock, err = lockPath(ctx, path)
	if errors.Is(err, context.DeadlineExceeded) {
		err = &fs.PathError{Op: "write", Path: path, Err: fmt.Errorf("is locked by another process, for longer than %s; see that it ends, then try again", maxWait)}
	}
	return unlock, err
}

// lockPath locks the file or directory itself. So no lock file remains in a repository
// or after the end of its process.
func lockPath(ctx context.Context, path string) (unlock func(), err error) {
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
			return func() { _ = f.Close() }, nil // closing unlocks it
		}
		// It is held, or it was replaced while this process waited.
		if err := f.Close(); err != nil {
			return nil, err
		}
		if err := pauseBriefly(ctx, 2); err != nil {
			return nil, err
		}
	}
}

// openToLock opens a file for reading and writing, because NFS locks only such
// files. If that fails, it opens the file only for reading.
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

// lockElsewhere locks a file in the user's cache directory instead of path. Without
// such a directory, it locks nothing.
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
