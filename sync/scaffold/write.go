package scaffold

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mkhooks/mkhooks/sync/atomicfile"
)

// Existing is a file that already exists. It is not changed.
type Existing struct {
	File
	// At is the file's path, which may be one of File.Same.
	At string
	// Content is the file's content. It is nil for a link, or a file that is too large
	// to be read.
	Content []byte
}

// maxRead limits the bytes read from an existing file.
const maxRead = 1 << 20

// FindMissing separates the files that are missing in dir from existing files. It writes
// nothing. The error names a link or file that blocks a path.
func FindMissing(dir string, files []File) (missing []File, existing []Existing, err error) {
	for _, f := range files {
		at, err := f.findExisting(dir)
		if err != nil {
			return nil, nil, err
		}
		if at == "" {
			if err := checkParents(dir, f.Path); err != nil {
				return nil, nil, err
			}
			missing = append(missing, f)
			continue
		}
		e := Existing{File: f, At: at}
		if e.Content, err = readContent(filepath.Join(dir, filepath.FromSlash(at))); err != nil {
			return nil, nil, err
		}
		existing = append(existing, e)
	}
	return missing, existing, nil
}

// findExisting returns the path of the file, or of another file with the same purpose. It
// returns "" if there is none.
func (f File) findExisting(dir string) (string, error) {
	_, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(f.Path)))
	if err == nil {
		return f.Path, nil
	}
	if !isAbsentError(err) {
		return "", err
	}
	for _, pattern := range f.Same {
		folder, base := path.Split(pattern)
		entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(folder)))
		if err != nil && !isAbsentError(err) {
			return "", err
		}
		for _, e := range entries {
			if ok, _ := path.Match(base, strings.ToLower(e.Name())); ok && !e.IsDir() {
				return folder + e.Name(), nil
			}
		}
	}
	return "", nil
}

// isAbsentError reports whether a path is absent. checkParents finds a file in place
// of a directory.
func isAbsentError(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// checkParents rejects a path if one of its directories is a link or a file.
func checkParents(dir, file string) error {
	at := dir
	for _, name := range strings.Split(path.Dir(file), "/") {
		at = filepath.Join(at, name)
		info, err := os.Lstat(at)
		switch {
		case name == ".":
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			return &ObstacleError{at, "is a link, and nothing is written through one", file}
		case !info.IsDir():
			return &ObstacleError{at, "is no folder", file}
		}
	}
	return nil
}

// ObstacleError describes a link or file in place of a directory of the config
// repository.
type ObstacleError struct{ Path, Problem, Wanted string }

func (e *ObstacleError) Error() string {
	return fmt.Sprintf("%s %s; expected a folder for %s", e.Path, e.Problem, e.Wanted)
}

// readContent reads a regular file. It returns nil for anything else.
func readContent(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxRead {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRead))
}

// Write writes the missing files in dir, in order, and creates their directories.
// written counts the files written before an error.
func Write(dir string, files []File) (written int, err error) {
	for i, f := range files {
		// Check again, directly before use.
		if err := checkParents(dir, f.Path); err != nil {
			return i, err
		}
		at := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return i, err
		}
		if err := atomicfile.Create(at, f.Data, 0o644); err != nil {
			return i, err
		}
	}
	return len(files), nil
}
