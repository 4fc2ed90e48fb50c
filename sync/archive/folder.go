package archive

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/mkhooks/mkhooks/sync/atomicfile"
)

// directory is a store in a local directory.
//
// All access goes through [os.Root], so that no link leads a write out of the
// directory. An object is written under a temporary name that begins with
// [tempPrefix], and made durable. Only then is it linked to its final name, which
// fails if that name is taken. A run that is killed leaves temporary files. Nothing
// depends on them and nothing removes them. They can be deleted by hand when no run
// is in progress.
type directory struct {
	path string

	mu   sync.Mutex
	root *os.Root
}

// tempPrefix begins the names of uncommitted objects.
const tempPrefix = ".tmp-"

func newDirectory(path string) (*directory, error) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("archive location %q is no folder", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("archive folder: %w", err)
	}
	return &directory{path: path}, nil
}

// Location returns the path of an object.
func (f *directory) Location(name string) string { return filepath.Join(f.path, name) }

// openRoot returns the directory. With create it makes a missing directory.
func (f *directory) openRoot(create bool) (*os.Root, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root != nil {
		return f.root, nil
	}
	if create {
		if err := atomicfile.MakeDir(f.path); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return nil, err
	}
	f.root = root
	return root, nil
}

// closeRoot closes the directory.
func (f *directory) closeRoot() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root != nil {
		_ = f.root.Close() // nothing was written through it
		f.root = nil
	}
}

// Open reads a committed object. It does not follow a link.
func (f *directory) Open(_ context.Context, name string) (io.ReadCloser, error) {
	root, err := f.openRoot(false)
	if err != nil {
		return nil, err
	}
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	return root.Open(name)
}

// Create begins an object under a temporary name.
func (f *directory) Create(_ context.Context, name string) (Writer, error) {
	root, err := f.openRoot(true)
	if err != nil {
		return nil, err
	}
	temp := tempPrefix + randomPart() + "-" + name
	file, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &directoryWriter{File: file, root: root, temp: temp, name: name}, nil
}

type directoryWriter struct {
	*os.File
	root       *os.Root
	temp, name string
	ended      bool
}

// Commit makes the file durable, then its name.
func (w *directoryWriter) Commit(context.Context) error {
	if err := errors.Join(w.Sync(), w.Close()); err != nil {
		return err
	}
	if err := publish(w.root, w.temp, w.name); err != nil {
		return err
	}
	w.ended = true
	d, err := w.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(atomicfile.SyncOpenDir(d), d.Close())
}

// Discard removes the temporary file. A file that can't be removed is harmless.
func (w *directoryWriter) Discard() {
	if w.ended {
		return
	}
	w.ended = true
	_ = w.Close() // already closed if Commit failed
	_ = w.root.Remove(w.temp)
}

// publish gives a file its name, and never replaces another file. On a file system
// without hard links, an empty file takes the name first.
func publish(root *os.Root, temp, name string) error {
	err := root.Link(temp, name)
	file, tempErr := root.Lstat(temp)
	named, nameErr := root.Lstat(name)
	// A network file system may do a link twice, and then report that the name is
	// taken.
	linked := tempErr == nil && nameErr == nil && os.SameFile(file, named)
	switch {
	case err == nil || linked:
		// The file now has both names.
		return root.Remove(temp)
	case errors.Is(err, fs.ErrExist) || tempErr != nil:
		return err
	}
	return takeAndRename(root, temp, name)
}

// takeAndRename gives a file its name if the file system has no hard links.
func takeAndRename(root *os.Root, temp, name string) error {
	taken, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := taken.Close(); err != nil {
		return err
	}
	return root.Rename(temp, name)
}

// randomPart returns 16 hex digits that make a name unique.
func randomPart() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
