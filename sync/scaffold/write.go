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

	"github.com/mkhooks/mkhooks/sync/atomicfile"
)

// Existing is a file that is there already and stays as it is.
type Existing struct {
	File
	// At is where it is, which may be one of the other places.
	At string
	// Content is what it holds; nil where it is a link, or too large to be read.
	Content []byte
}

// maxRead is the most bytes that are read of a file that is there already.
const maxRead = 1 << 20

// Survey tells the files that are missing in dir from those that are there. It
// writes nothing. The error says which link or file stands in the way.
func Survey(dir string, files []File) (missing []File, existing []Existing, err error) {
	for _, f := range files {
		at, err := f.find(dir)
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
		if e.Content, err = content(filepath.Join(dir, filepath.FromSlash(at))); err != nil {
			return nil, nil, err
		}
		existing = append(existing, e)
	}
	return missing, existing, nil
}

// find is the place at which the file, or another that does the same, is.
func (f File) find(dir string) (string, error) {
	_, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(f.Path)))
	if err == nil {
		return f.Path, nil
	}
	if !missingError(err) {
		return "", err
	}
	for _, pattern := range f.Same {
		folder, base := path.Split(pattern)
		entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(folder)))
		if err != nil && !missingError(err) {
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

// missingError reports whether there is nothing of that name. A file where a
// folder would have to be is found by checkParents.
func missingError(err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	var pe *fs.PathError
	return errors.As(err, &pe) && strings.Contains(pe.Err.Error(), "not a directory")
}

// checkParents refuses a folder on the way to a file that is a link or a file.
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

// ObstacleError is what stands where a folder of the repo has to be.
type ObstacleError struct{ Path, Problem, Wanted string }

func (e *ObstacleError) Error() string {
	return fmt.Sprintf("%s %s; expected a folder for %s", e.Path, e.Problem, e.Wanted)
}

// content reads a regular file; of anything else it returns nil.
func content(name string) ([]byte, error) {
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

// Write writes files that are missing in dir, in their order, and makes the
// folders that they need. written is how many there are where it stopped.
func Write(dir string, files []File) (written int, err error) {
	for i, f := range files {
		// Again, directly before it is made use of.
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
