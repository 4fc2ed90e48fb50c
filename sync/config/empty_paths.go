package config

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// A submodule that was not checked out, a failed mount and a sparse checkout look
// like a path without rule files. If such a path counted as "no rules", live rules
// would be deleted. A rule could also get the URL and the secret of an earlier
// layer.

// strictness defines how [collect] judges paths without rule files.
type strictness struct {
	layered    bool // each path needs a file that no other path contains
	allowEmpty bool
}

// checkPath and mayBeEmpty are parts of hints about paths without rule files.
const (
	checkPath  = "check the path, the checkout and the mount"
	mayBeEmpty = "--allow-empty accepts it"
)

// CheckPaths reports the paths that can't be read or contain no rule file, as
// [LoadRules] does. It reads no file.
func CheckPaths(paths []string, o Options) []schema.Problem {
	_, problems := collect(paths, &strictness{allowEmpty: o.AllowEmpty})
	return problems
}

// addNamedDirectory lists the rule files below a directory that the user named.
func (c *collector) addNamedDirectory(path, real string) {
	met, own, problems := c.met, len(c.files), len(c.problems)
	c.near = 0
	c.addDirectory(path, real, real)
	if c.near > mostNear {
		c.addPathWarning(path, fmt.Sprintf("and %d more files whose name nearly is a rule file's", c.near-mostNear), "")
	}
	found := c.met - met
	if c.strict != nil && c.strict.layered {
		found = len(c.files) - own
	}
	if found > 0 || schema.HasErrors(c.problems[problems:]) {
		return
	}
	c.reportEmptyDirectory(path, "holds no rule file (.yaml or .yml), expected at least one", checkPath)
}

// reportBareDirectory reports an empty directory below a named directory: an error if it is a
// submodule. Otherwise it may be a mount, or what git mv left behind.
func (c *collector) reportBareDirectory(path string, entries []fs.DirEntry) {
	if c.strict == nil || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != ".git" }) {
		return
	}
	if _, module := findSubmodule(path); module != "" || len(entries) > 0 {
		c.reportEmptyDirectory(path, "is an empty directory, as of a submodule that is not checked out", "if nothing belongs there: rm -r "+shell.Path(path))
		return
	}
	c.addPathWarning(path, "is an empty directory, as of a failed mount", "if nothing belongs there: rmdir "+shell.Path(path))
}

// reportEmptyDirectory reports a directory without rule files. If a command can fill the directory,
// that command replaces the hint.
func (c *collector) reportEmptyDirectory(path, message, hint string) {
	p := fileProblem(path, message, emptyHint(path, hint))
	if c.strict == nil || c.strict.allowEmpty {
		p.Severity = schema.Warning
	}
	c.problems = append(c.problems, p)
}

func (c *collector) addPathWarning(path, message, hint string) {
	p := fileProblem(path, message, hint)
	p.Severity = schema.Warning
	c.problems = append(c.problems, p)
}

// emptyHint returns a hint to fill a directory. otherwise applies if the directory
// is not a submodule.
func emptyHint(path, otherwise string) string {
	if root, module := findSubmodule(path); module != "" {
		git := "git "
		if here, err := filepath.Rel(realPath("."), filepath.Join(root, module)); err == nil && filepath.IsLocal(here) {
			module = here
		} else {
			git += "-C " + shell.Path(root) + " "
		}
		return git + "submodule update --init " + shell.Path(module) + "; " + mayBeEmpty
	}
	return otherwise + "; " + mayBeEmpty
}

// findSubmodule returns the work tree whose .gitmodules lists a path or a directory
// above it, and the path of the submodule there. It returns "" if no file lists it.
func findSubmodule(path string) (root, module string) {
	real := realPath(path)
	for dir := filepath.Dir(real); filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		f, err := os.Open(filepath.Join(dir, ".gitmodules"))
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), "=")
			value = strings.TrimSpace(value)
			if strings.TrimSpace(key) == "path" && filepath.IsLocal(value) && isBelow(real, filepath.Join(dir, value)) {
				return dir, value
			}
		}
		return "", ""
	}
	return "", ""
}

// mostNear limits the near misses reported per path.
const mostNear = 20

// reportNearMiss warns of a file whose name is almost a rule file's: such a file is not
// read.
func (c *collector) reportNearMiss(path string) {
	if c.strict == nil || !isNearlyYAML(filepath.Base(path)) {
		return
	}
	if c.near++; c.near <= mostNear {
		c.addPathWarning(path, "is not read: a rule file's name ends in .yaml or .yml", "if it is a rule file, rename it; otherwise move it to another directory")
	}
}

// isNearlyYAML reports whether a file's name is probably meant to be a rule file's:
// misspelled, with text after the extension, or JSON.
func isNearlyYAML(name string) bool {
	parts := strings.Split(strings.ToLower(strings.TrimSpace(name)), ".")
	last := strings.TrimSpace(parts[len(parts)-1])
	if len(parts) == 1 { // rule-yaml
		return strings.HasSuffix(last, "yaml") || strings.HasSuffix(last, "yml")
	}
	for _, p := range parts[1:] {
		if p = strings.Trim(p, " ~#_-"); p == "yaml" || p == "yml" {
			return true
		}
	}
	switch {
	case strings.HasPrefix(last, "json"), last == "jsn":
		return true
	case schema.IsNear(last, "yaml", 1):
		return true
	}
	return strings.HasPrefix(last, "y") && schema.IsNear(last, "yml", 1)
}

// pathsWithoutRules reports directories that contain only shared secrets files. This is
// valid for a layer if a rule takes a value from it; otherwise its rules are
// missing.
func pathsWithoutRules(paths []string, files []sourceFile, results []parsed, taken map[string]bool, o Options) []schema.Problem {
	shared := map[string]bool{}
	for _, r := range results {
		if r.rule == nil && r.secrets != nil {
			shared[r.secrets.name] = true
		}
	}
	if len(shared) == 0 {
		return nil
	}
	var problems []schema.Problem
	for layer, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue
		}
		met, needed := 0, false
		for _, f := range files {
			if f.layer != layer && (o.Layered || !isBelow(realPath(f.file), realPath(path))) {
				continue
			}
			met++
			needed = needed || !shared[f.file] || taken[realPath(f.file)]
		}
		if met == 0 || needed {
			continue
		}
		p := fileProblem(path, "holds shared secrets files only, and no rule takes a value from it; expected a rule file", emptyHint(path, checkPath))
		if o.AllowEmpty {
			p.Severity = schema.Warning
		}
		problems = append(problems, p)
	}
	return problems
}
