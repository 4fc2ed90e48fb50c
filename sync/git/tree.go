package git

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"path"
	"slices"
	"strings"
)

// Tree holds the files of a commit.
type Tree struct {
	// Commit is the id of the commit.
	Commit  string
	objects *objects
	root    string
	dirs    map[string]map[string]entry // by id
	visited int
}

// maxVisited is the maximum number of entries that a walk visits. A few trees
// that refer to each other repeatedly can make billions of paths.
const maxVisited = 1 << 20

// entry is one entry in a directory of a commit.
type entry struct{ mode, id string }

// The modes of entries, as Git writes them.
const (
	modeFile       = "100644"
	modeExecutable = "100755"
	modeLink       = "120000"
	modeSubmodule  = "160000"
	modeDirectory  = "40000"
)

func (e entry) isFile() bool { return e.mode == modeFile || e.mode == modeExecutable }

// OpenTree returns the files of the commit with this id. Close it after use.
func (r *Repository) OpenTree(ctx context.Context, commit string) (*Tree, error) {
	o, err := r.startObjects(ctx)
	if err != nil {
		return nil, err
	}
	data, err := o.readObject(commit, "commit")
	if err == nil {
		line, _, _ := strings.Cut(string(data), "\n")
		if id, ok := strings.CutPrefix(line, "tree "); ok {
			return &Tree{Commit: commit, objects: o, root: id, dirs: map[string]map[string]entry{}}, nil
		}
		err = &Error{Message: "the commit " + commit + " names no tree"}
	}
	o.endProcess()
	return nil, err
}

// Close ends the process that reads objects.
func (t *Tree) Close() { t.objects.endProcess() }

// readDirectory reads a directory by its id.
func (t *Tree) readDirectory(id string) (map[string]entry, error) {
	if d, ok := t.dirs[id]; ok {
		return d, nil
	}
	data, err := t.objects.readObject(id, "tree")
	if err != nil {
		return nil, err
	}
	d := map[string]entry{}
	for size := len(id) / 2; len(data) > 0; {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, named := bytes.Cut(head, []byte(" "))
		if !ok || !named || len(rest) < size {
			return nil, &Error{Message: "the tree " + id + " is damaged"}
		}
		d[string(name)] = entry{string(mode), hex.EncodeToString(rest[:size])}
		data = rest[size:]
	}
	t.dirs[id] = d
	return d, nil
}

// lookupEntry returns the entry at a path, which has slashes and is relative to the
// top directory. It follows no link. The zero entry means that the path is
// absent. If a submodule or link blocks the way, at is its path; otherwise at
// is the path itself.
func (t *Tree) lookupEntry(file string) (e entry, at string, err error) {
	e = entry{modeDirectory, t.root}
	if file = path.Clean(file); file == "." {
		return e, file, nil
	}
	parts := strings.Split(file, "/")
	for i, name := range parts {
		if e.mode != modeDirectory {
			if e.mode == modeLink || e.mode == modeSubmodule {
				return e, strings.Join(parts[:i], "/"), nil
			}
			return entry{}, file, nil
		}
		d, err := t.readDirectory(e.id)
		if err != nil {
			return entry{}, file, err
		}
		e = d[name]
	}
	return e, file, nil
}

// maxLinks is the maximum number of links that are followed for one file.
const maxLinks = 16

// ErrOutside reports that a link leads out of the repository.
var ErrOutside = errors.New("is a link that leads out of the repository")

// resolvePath follows the links of a path and returns the entry and its path
// without links.
func (t *Tree) resolvePath(file string) (entry, string, error) {
	for range maxLinks {
		e, at, err := t.lookupEntry(file)
		if err != nil || e.mode != modeLink {
			return e, at, err
		}
		target, err := t.objects.readObject(e.id, "blob")
		if err != nil {
			return entry{}, "", err
		}
		rest := strings.TrimPrefix(path.Clean(file), at)
		file = path.Join(path.Dir(at), string(target), rest)
		if path.IsAbs(string(target)) || file == ".." || strings.HasPrefix(file, "../") {
			return entry{}, "", ErrOutside
		}
	}
	return entry{}, "", &Error{Message: file + " leads round in a circle of links"}
}

// File returns the content of a regular file, or nil if there is no such file.
// It follows links. [ErrOutside] reports a link that leads out of the
// repository.
func (t *Tree) File(file string) ([]byte, error) {
	e, _, err := t.resolvePath(file)
	if err != nil || !e.isFile() {
		return nil, err
	}
	data, err := t.objects.readObject(e.id, "blob")
	if data == nil && err == nil {
		data = []byte{}
	}
	return data, err
}

// Names returns the sorted names in a directory, or nil if dir is not a
// directory.
func (t *Tree) Names(dir string) ([]string, error) {
	e, _, err := t.resolvePath(dir)
	if err != nil || e.mode != modeDirectory {
		return nil, err
	}
	d, err := t.readDirectory(e.id)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range d {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// walkFiles calls visit for every entry below dir that is not a directory, or for
// dir itself if it is not a directory. It skips hidden directories and follows
// no link.
func (t *Tree) walkFiles(dir string, visit func(file string, e entry)) error {
	e, at, err := t.lookupEntry(dir)
	switch {
	case err != nil || e.mode == "":
		return err
	case e.mode != modeDirectory:
		visit(at, e)
		return nil
	}
	return t.walkIn(e.id, at, visit)
}

func (t *Tree) walkIn(id, dir string, visit func(string, entry)) error {
	d, err := t.readDirectory(id)
	if err != nil {
		return err
	}
	for name, e := range d {
		file := path.Join(dir, name)
		if t.visited++; t.visited > maxVisited {
			return &Error{Message: "the commit has too many files below the rule paths"}
		}
		switch {
		case e.mode != modeDirectory:
			visit(file, e)
		case strings.HasPrefix(name, "."):
		default:
			if err := t.walkIn(e.id, file, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// Find returns the sorted paths of all files with a name in dir and below, also
// links. It skips hidden directories.
func (t *Tree) Find(dir, name string) ([]string, error) {
	var found []string
	_, at, err := t.resolvePath(dir)
	if err != nil {
		return nil, err
	}
	err = t.walkFiles(at, func(file string, e entry) {
		if path.Base(file) == name && (e.isFile() || e.mode == modeLink) {
			found = append(found, file)
		}
	})
	slices.Sort(found)
	return found, err
}
