package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// MakeDir makes path and its missing parents, only accessible to the owner, and
// makes their names durable.
func MakeDir(path string) error {
	var missing []string
	for at := path; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for _, at := range missing {
		if err := SyncDir(filepath.Dir(at)); err != nil {
			return err
		}
	}
	return nil
}

// SyncDir makes the names in a directory durable, as far as the system can.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(SyncOpenDir(d), d.Close())
}

// SyncOpenDir does the same as [SyncDir] for an open directory.
func SyncOpenDir(d *os.File) error {
	if runtime.GOOS == "windows" { // Windows can't, and doesn't need to
		return nil
	}
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
