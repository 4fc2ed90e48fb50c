// Package atomicfile writes complete files. A reader sees the old content or all of
// the new content, also after a crash. No change of another process is overwritten
// unseen: two processes write a file in turn, and an editor's save in between is
// detected and kept.
//
// It follows no link at the end of a path, makes no directories, and knows nothing
// of the content.
package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrChanged reports that a file differs from the content that was read.
var ErrChanged = errors.New("has been changed by someone else in the meantime")

var errNoFile = errors.New("is a link or no file; name the file itself")

// Replace writes data over a file that held old, and keeps its mode. The error is
// [ErrChanged] if the file now holds something else: read it again, or have [Retry]
// do so. Two calls for one file, also of two processes, never write at the same
// time. Replace refuses a link: its target may be hidden from the reviewers of the
// change.
func Replace(path string, old, data []byte) error {
	info, err := checkHolds(path, old)
	if err != nil {
		return err
	}
	t, err := newFile(path, data, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer t.Discard()
	unlock, err := lockFile(path)
	if err != nil {
		return err
	}
	defer unlock()
	// Directly before the rename: an editor takes no lock.
	if _, err := checkHolds(path, old); err != nil {
		return err
	}
	return t.replaceFile(path, old, data)
}

// checkHolds returns [ErrChanged] if a file does not hold old.
func checkHolds(path string, old []byte) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "write", Path: path, Err: errNoFile}
	}
	if info.Size() != int64(len(old)) { // checked before reading, because it may now be of any size
		return nil, changedError(path)
	}
	now, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(now, old) {
		return nil, changedError(path)
	}
	return info, nil
}

func changedError(path string) error { return &fs.PathError{Op: "write", Path: path, Err: ErrChanged} }

// replaceFile exchanges the file with the file at path, and checks the file that it
// got. If that is a change of the last moment, replace puts it back. If the system
// can't exchange two files, it renames.
func (t *Temp) replaceFile(path string, old, data []byte) error {
	if err := t.giveName(); err != nil {
		return err
	}
	if swap(t.name, path) != nil {
		return t.renameTo(path)
	}
	got, err := os.ReadFile(t.name)
	if err == nil && !bytes.Equal(got, old) {
		if err := swap(t.name, path); err != nil {
			return err
		}
		// Anything else that was saved meanwhile is newer, and stays.
		if got, err := os.ReadFile(t.name); err == nil && !bytes.Equal(got, data) {
			_ = swap(t.name, path)
		}
		return changedError(path)
	}
	t.Discard()        // the old file
	_ = SyncDir(t.dir) // the file is complete either way
	return nil
}

// Create writes a file that does not exist yet. The error is [fs.ErrExist] if the
// name exists, even as a link that leads nowhere.
func Create(path string, data []byte, perm fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	t, err := newFile(path, data, perm)
	if err != nil {
		return err
	}
	defer t.Discard()
	if t.name == "" {
		err := linkUnnamed(t.File, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return t.finishCreate(path, err)
		}
		if err := t.giveName(); err != nil {
			return err
		}
	}
	// A rename would replace a file that was created meanwhile.
	err = os.Link(t.name, path)
	if err == nil || isLinked(t.name, path) {
		return t.finishCreate(path, nil)
	}
	if errors.Is(err, fs.ErrExist) {
		return t.finishCreate(path, err)
	}
	// A file system without links: an empty file takes the name first.
	taken, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := taken.Close(); err != nil {
		return err
	}
	return t.renameTo(path)
}

// finishCreate makes the name of a new file durable.
func (t *Temp) finishCreate(path string, err error) error {
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	_ = SyncDir(t.dir) // the file is complete either way
	return nil
}

// isLinked reports whether two names belong to one file. A network file system may
// do a link twice, and then report that the name is taken.
func isLinked(temp, path string) bool {
	a, err := os.Lstat(temp)
	b, err2 := os.Lstat(path)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// Overwrite writes a file that is regenerated each time, whatever it held, and sets the
// mode. It refuses a link, as [Replace] does.
func Overwrite(path string, data []byte, perm fs.FileMode) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return &fs.PathError{Op: "write", Path: path, Err: errNoFile}
	}
	t, err := newFile(path, data, perm)
	if err != nil {
		return err
	}
	defer t.Discard()
	return t.renameTo(path)
}

// newFile makes the content durable in the directory of path, under no name or a
// temporary name. Its mode is 0600 until all is written, so that nobody else can
// read it meanwhile.
func newFile(path string, data []byte, perm fs.FileMode) (*Temp, error) {
	t, err := NewTemp(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if _, err = t.Write(data); err == nil {
		err = t.makeDurable(perm)
	}
	if err != nil {
		t.Discard()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return t, nil
}
