package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/mkhooks/mkhooks/schema"
)

// collector finds rule files. Links are followed where they stay in the folder
// that was given; a file that is reached twice counts once.
type collector struct {
	files    []string
	problems []schema.Problem
	seen     map[string]bool // real paths
}

// collect lists the rule files below paths, sorted, as the user named them.
func collect(paths []string) ([]string, []schema.Problem) {
	c := &collector{seen: map[string]bool{}}
	for _, p := range paths {
		c.start(p)
	}
	slices.Sort(c.files)
	return c.files, c.problems
}

func (c *collector) problem(path, message, hint string) {
	c.problems = append(c.problems, fileProblem(path, message, hint))
}

// reason is why a file can't be read, without the path, which stands before it.
func reason(err error) string {
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

// start looks at a path that the user named; being named, it may be a link.
func (c *collector) start(path string) {
	if path == "" {
		c.problem(path, "an empty path", "name a file or folder of rule files")
		return
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil && strings.Contains(err.Error(), "too many links") {
		err = syscall.ELOOP
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(path)
	}
	if err != nil {
		c.problem(path, reason(err), "name a file or folder of rule files")
		return
	}
	switch {
	case info.IsDir():
		files, problems, again := len(c.files), len(c.problems), c.seen[real]
		c.folder(path, real, real)
		if len(c.files) == files && len(c.problems) == problems && !again {
			p := fileProblem(path, "no rule file (.yaml, .yml) found", "check the path; a rule file holds metadata.name and spec")
			p.Severity = schema.Warning
			c.problems = append(c.problems, p)
		}
	case !info.Mode().IsRegular():
		c.problem(path, "is neither a file nor a folder", "name a file or folder of rule files")
	case !isYAML(path):
		c.problem(path, "is no rule file by its name", "a rule file's name ends in .yaml or .yml")
	default:
		c.add(path, real)
	}
}

func isYAML(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

func (c *collector) add(path, real string) {
	if !c.seen[real] {
		c.seen[real] = true
		c.files = append(c.files, path)
	}
}

// folder reads a folder; root is the real path of the one that was named.
func (c *collector) folder(path, real, root string) {
	if c.seen[real] {
		return
	}
	c.seen[real] = true
	entries, err := os.ReadDir(path)
	if err != nil {
		c.problem(path, "can't be read: "+reason(err), "")
		return
	}
	for _, e := range entries {
		// Hidden files, .sops.yaml among them, are other tools', and
		// mkhooks.yaml is no rule.
		if strings.HasPrefix(e.Name(), ".") || e.Name() == "mkhooks.yaml" && !e.IsDir() {
			continue
		}
		sub := filepath.Join(path, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			c.link(sub, root)
		case e.IsDir():
			c.folder(sub, filepath.Join(real, e.Name()), root)
		case !isYAML(e.Name()):
		case !e.Type().IsRegular():
			c.problem(sub, "is no regular file", "remove it, or name the rule files one by one")
		default:
			c.add(sub, filepath.Join(real, e.Name()))
		}
	}
}

// link follows a link that stays below root.
func (c *collector) link(path, root string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		if strings.Contains(err.Error(), "too many links") {
			err = syscall.ELOOP
		}
		c.problem(path, "is a link that can't be followed: "+reason(err), "remove the link")
		return
	}
	info, err := os.Stat(real)
	if err != nil {
		c.problem(path, "is a link that can't be followed: "+reason(err), "remove the link")
		return
	}
	inside := below(real, root)
	switch {
	case !info.IsDir() && !isYAML(path):
	case !inside:
		c.problem(path, "is a link that leads out of the folder given", "name the place it leads to as a path of its own")
	case info.IsDir():
		if at, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil && below(at, real) {
			c.problem(path, "is a link to a folder above it, round in a circle", "remove the link")
			return
		}
		c.folder(path, real, root)
	case info.Mode().IsRegular():
		c.add(path, real)
	default:
		c.problem(path, "is a link to something that is no regular file", "remove the link")
	}
}

// below reports whether a real path is folder or lies in it.
func below(path, folder string) bool {
	sep := string(filepath.Separator)
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, sep)+sep)
}
