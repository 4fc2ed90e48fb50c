package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/mkhooks/mkhooks/schema"
)

// collector finds rule files. It follows links that stay in the given directory. A
// file that is reached twice counts once.
type collector struct {
	files    []sourceFile
	problems []schema.Problem
	seen     map[string]bool // real paths
	layer    int             // index of the current path
	entries  int             // of all directories, at most limit
	limit    int
	met      int         // rule files and directories found, also those seen before
	strict   *strictness // nil for writers, which may create the first file
	near     int         // files below the current path whose name is almost a rule file's
}

// Limits of a search below rule paths. They allow 100,000 rules in several layers
// and other files beside them.
const (
	maxEntries   = 1_000_000
	maxTreeDepth = 64
	// entriesRead is the number of directory entries per read.
	entriesRead = 10_000
)

// sourceFile is a rule file and the index of the path above it.
type sourceFile struct {
	file  string
	layer int
}

// collect lists the rule files below paths, sorted, with the paths as the user wrote
// them. A file below several paths counts for the nearest path: rules/prod is a
// separate layer even if rules is also a layer. If strict is nil, a path without a
// rule file is a warning, and names that are almost a rule file's are not reported.
func collect(paths []string, strict *strictness) ([]sourceFile, []schema.Problem) {
	c := &collector{limit: maxEntries, seen: map[string]bool{}, strict: strict}
	for _, layer := range nearestFirst(paths) {
		c.layer = layer
		c.addNamed(paths[layer])
	}
	slices.SortFunc(c.files, func(a, b sourceFile) int { return strings.Compare(a.file, b.file) })
	return c.files, c.problems
}

// Files lists the rule files that a run reads below paths.
func Files(paths []string) []string {
	files, _ := collect(paths, nil)
	out := make([]string, 0, len(files))
	for _, f := range files {
		out = append(out, f.file)
	}
	return out
}

// IsRuleFile reports whether a run reads a file with this name in a rule path.
// Hidden files, .sops.yaml among them, belong to other tools. The config file is not
// a rule.
func IsRuleFile(name string) bool {
	return isYAML(name) && !strings.HasPrefix(name, ".") && name != FileName
}

// nearestFirst returns the indexes of paths, nested paths before the paths that
// contain them.
func nearestFirst(paths []string) []int {
	depth := make([]int, len(paths))
	order := make([]int, len(paths))
	for i, p := range paths {
		order[i] = i
		if len(paths) > 1 {
			depth[i] = strings.Count(realPath(p), string(filepath.Separator))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return depth[b] - depth[a] })
	return order
}

func (c *collector) addError(path, message, hint string) {
	c.problems = append(c.problems, fileProblem(path, message, hint))
}

// readErrorReason describes why a file can't be read. It omits the path, which the caller
// prints before it.
func readErrorReason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file or folder"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.Is(err, syscall.ELOOP):
		return "its links lead round in a circle"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// followLinks returns the path that a path leads to. If links lead round in a
// circle, it returns the system's error: [filepath.EvalSymlinks] has only words.
func followLinks(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		if _, statErr := os.Stat(path); errors.Is(statErr, syscall.ELOOP) {
			return "", statErr
		}
	}
	return real, err
}

// addNamed adds a path that the user named. The path itself may be a link.
func (c *collector) addNamed(path string) {
	if path == "" {
		c.addError(path, "an empty path", "name a file or folder of rule files")
		return
	}
	real, err := followLinks(path)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(path)
	}
	if err != nil {
		c.addError(path, readErrorReason(err), "name a file or folder of rule files")
		return
	}
	switch {
	case info.IsDir():
		c.addNamedDirectory(path, real)
	case !info.Mode().IsRegular():
		c.addError(path, "is neither a file nor a folder", "name a file or folder of rule files")
	case !isYAML(path):
		c.addError(path, "is no rule file by its name", "a rule file's name ends in .yaml or .yml")
	default:
		c.addFile(path, real)
	}
}

func isYAML(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

func (c *collector) addFile(path, real string) {
	c.met++
	if !c.seen[real] {
		c.seen[real] = true
		c.files = append(c.files, sourceFile{path, c.layer})
	}
}

// addDirectory reads a directory. root is the real path of the directory that the user
// named.
func (c *collector) addDirectory(path, real, root string) {
	if c.seen[real] {
		c.met++
		return
	}
	c.seen[real] = true
	entries, err := c.listDirectory(path)
	if err != nil {
		c.addError(path, "can't be read: "+readErrorReason(err), "")
		return
	}
	if c.entries > c.limit {
		return
	}
	if strings.Count(real, string(filepath.Separator))-strings.Count(root, string(filepath.Separator)) > maxTreeDepth {
		c.addError(path, fmt.Sprintf("lies more than %d directories deep", maxTreeDepth), "name the directories of the rule files one by one")
		return
	}
	if real != root {
		c.reportBareDirectory(path, entries)
	}
	for _, e := range entries {
		// Hidden files, .sops.yaml among them, belong to other tools. mkhooks.yaml is the
		// config file.
		if strings.HasPrefix(e.Name(), ".") || e.Name() == "mkhooks.yaml" && !e.IsDir() {
			continue
		}
		sub := filepath.Join(path, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			c.followLink(sub, root)
		case e.IsDir():
			c.addDirectory(sub, filepath.Join(real, e.Name()), root)
		case !isYAML(e.Name()):
			c.reportNearMiss(sub)
		case !e.Type().IsRegular():
			c.addError(sub, "is no regular file", "remove it, or name the rule files one by one")
		default:
			c.addFile(sub, filepath.Join(real, e.Name()))
		}
	}
}

// listDirectory lists a directory, sorted. It ends the search if there are too many entries.
func (c *collector) listDirectory(path string) ([]fs.DirEntry, error) {
	if c.entries > c.limit {
		return nil, nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var out []fs.DirEntry
	for {
		some, err := dir.ReadDir(entriesRead)
		out = append(out, some...)
		c.entries += len(some)
		switch {
		case c.entries > c.limit:
			c.addError(path, fmt.Sprintf("is one directory too many: more than %d files and directories are below the rule paths", c.limit), "name the directories that hold rule files, and nothing else")
			return nil, nil
		case errors.Is(err, io.EOF):
			slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
			return out, nil
		case err != nil:
			return nil, err
		}
	}
}

// followLink follows a link that stays below root.
func (c *collector) followLink(path, root string) {
	real, err := followLinks(path)
	if err != nil {
		c.addError(path, "is a link that can't be followed: "+readErrorReason(err), "remove the link")
		return
	}
	info, err := os.Stat(real)
	if err != nil {
		c.addError(path, "is a link that can't be followed: "+readErrorReason(err), "remove the link")
		return
	}
	inside := isBelow(real, root)
	switch {
	case !info.IsDir() && !isYAML(path):
		c.reportNearMiss(path)
	case !inside:
		c.addError(path, "is a link that leads out of the folder given", "name the place it leads to as a path of its own")
	case info.IsDir():
		if at, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil && isBelow(at, real) {
			c.addError(path, "is a link to a folder above it, round in a circle", "remove the link")
			return
		}
		c.addDirectory(path, real, root)
	case info.Mode().IsRegular():
		c.addFile(path, real)
	default:
		c.addError(path, "is a link to something that is no regular file", "remove the link")
	}
}

// isBelow reports whether a real path equals folder or is below it.
func isBelow(path, folder string) bool {
	sep := string(filepath.Separator)
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, sep)+sep)
}
