package atomicfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// The names of temporary files. They are hidden, so they are never read as rules.
const (
	tempPrefix = ".mkhooks-"
	tempSuffix = ".tmp"
)

// Temp is a file that is written before it gets its name. If the process is killed,
// nothing is left of it if the system supports files without a name. Otherwise the
// next [NewTemp] in its directory removes it. Only its owner may read it.
type Temp struct {
	*os.File
	dir  string
	name string // its temporary name; "" if it has none
}

// NewTemp makes a temporary file in the directory of its final name. It removes
// temporary files that a killed process left there.
func NewTemp(dir string) (*Temp, error) {
	Sweep(dir)
	if f, err := openUnnamed(dir); err == nil {
		if _, err := tryFlock(f); err == nil {
			return &Temp{File: f, dir: dir}, nil
		}
		_ = f.Close() // it has no name
	}
	f, err := createNamed(dir)
	if err != nil {
		return nil, err
	}
	return &Temp{File: f, dir: dir, name: f.Name()}, nil
}

// CheckDir reports whether a file can be created in a directory.
func CheckDir(dir string) error {
	t, err := NewTemp(dir)
	if err != nil {
		return err
	}
	t.Discard()
	return nil
}

// createNamed makes a temporary file that has a name, and locks it.
func createNamed(dir string) (*os.File, error) {
	for {
		f, err := os.OpenFile(tempName(dir), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		switch {
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil:
			return nil, err
		}
		// Until it is locked, another process may take it for a leftover file.
		taken, err := tryFlock(f)
		if errors.Is(err, errors.ErrUnsupported) || err == nil && !taken && leadsTo(f.Name(), f) {
			return f, nil
		}
		_ = f.Close()
		_ = os.Remove(f.Name())
		if err != nil {
			return nil, err
		}
	}
}

func tempName(dir string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return filepath.Join(dir, tempPrefix+hex.EncodeToString(b[:])+tempSuffix)
}

// swept are the directories that this process has swept.
var swept sync.Map

// Sweep removes, once for each directory, temporary files that nobody has locked:
// their process was killed. Windows locks none of them, but does not remove an open
// file. [NewTemp] calls Sweep.
func Sweep(dir string) {
	if _, done := swept.LoadOrStore(dir, true); done {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // creating a file in it reports the error
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !isTemp(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if !hasFlock {
			_ = os.Remove(path) // Windows removes no open file
			continue
		}
		f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
		if err != nil {
			continue
		}
		if taken, err := tryFlock(f); err == nil && !taken && leadsTo(path, f) {
			_ = os.Remove(path)
		}
		_ = f.Close() // nothing was written to it
	}
}

func isTemp(name string) bool {
	random, ok := strings.CutPrefix(name, tempPrefix)
	random, ok2 := strings.CutSuffix(random, tempSuffix)
	_, err := hex.DecodeString(random)
	return ok && ok2 && err == nil && len(random) == 16
}

// makeDurable makes the content durable. The file stays open, because that keeps its
// lock.
func (t *Temp) makeDurable(perm fs.FileMode) error {
	if err := t.Chmod(perm); err != nil && perm != 0o600 {
		return err
	}
	return t.Sync()
}

// giveName gives the file a temporary name, so that it can replace another file.
func (t *Temp) giveName() error {
	if t.name != "" {
		return nil
	}
	for {
		name := tempName(t.dir)
		err := linkUnnamed(t.File, name)
		switch {
		case err == nil:
			t.name = name
			return nil
		case !errors.Is(err, fs.ErrExist):
			return t.copyNamed()
		}
	}
}

// copyNamed copies the content to a file that has a name: without /proc, an unnamed
// file can't get a name.
func (t *Temp) copyNamed() error {
	info, err := t.Stat()
	if err != nil {
		return err
	}
	named, err := createNamed(t.dir)
	if err != nil {
		return err
	}
	_, err = io.Copy(named, io.NewSectionReader(t.File, 0, info.Size()))
	_ = t.Close() // it has no name
	t.File, t.name = named, named.Name()
	if err != nil {
		return err
	}
	return t.makeDurable(info.Mode().Perm())
}

// Commit makes the content durable and puts it at path, in place of an existing
// file. The mode is 0600 if perm is 0.
func (t *Temp) Commit(path string, perm fs.FileMode) error {
	if perm == 0 {
		perm = 0o600
	}
	if err := t.makeDurable(perm); err != nil {
		return err
	}
	return t.renameTo(path)
}

// renameTo renames the file over path.
func (t *Temp) renameTo(path string) error {
	if err := t.giveName(); err != nil {
		return err
	}
	if !hasFlock { // Windows renames no open file
		if err := t.Close(); err != nil {
			return err
		}
	}
	if err := os.Rename(t.name, path); err != nil {
		return err
	}
	t.name = "" // the file is now named path
	_ = t.Close()
	_ = SyncDir(t.dir) // the file is complete either way
	return nil
}

// Discard removes the file. After Commit it does nothing.
func (t *Temp) Discard() {
	if t.name != "" && hasFlock {
		_ = os.Remove(t.name) // while it is locked
	}
	_ = t.Close()
	if t.name != "" && !hasFlock {
		_ = os.Remove(t.name)
	}
	t.name = ""
}
