package config

import (
	"path/filepath"
	"slices"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// RuleFile is a rule file and what it says of its rule, whatever else may be
// wrong with it.
type RuleFile struct {
	File, Name string
	// Spec is what could be read of it; names of authentication also where a
	// placeholder stands for the value.
	webhook.Spec
}

// Scan lists the rule files below paths, also those that are not valid: a file
// that waits for its secret is not. Files that can't be read as a rule at all
// are left out. Problems are those of the paths, and as warnings what keeps a
// file from being read.
func Scan(paths []string) ([]RuleFile, []schema.Problem) {
	files, problems := collect(paths, nil)
	var out []RuleFile
	for _, file := range files {
		r := readRule(file.file, Options{}, nil)
		if r.rule == nil && r.secrets != nil {
			continue
		}
		if r.rule == nil {
			warnOnly(r.problems)
			problems = append(problems, r.problems...)
			continue
		}
		out = append(out, r.found())
	}
	return out, problems
}

// ScanFile reads one file's content as [Scan] does; Found is nil where it can't be
// read as a rule at all. Of the problems those are left out that o forgives.
func ScanFile(file string, data []byte, o Options) (*RuleFile, []schema.Problem) {
	r := parseRule(file, data, o, nil)
	if r.rule == nil {
		return nil, r.problems
	}
	found := r.found()
	return &found, r.problems
}

func (r parsed) found() RuleFile {
	return RuleFile{File: r.rule.File, Name: r.rule.Name, Spec: r.rule.Spec}
}

// Outside lists the rule files below paths that lie in none of the places.
func Outside(paths, places []string) []string {
	real := make([]string, 0, len(places))
	for _, p := range places {
		real = append(real, realPath(p))
	}
	folders := map[string]string{}
	files, _ := collect(paths, nil) // what can't be read is no file
	var out []string
	for _, f := range files {
		dir := filepath.Dir(f.file)
		if _, known := folders[dir]; !known {
			folders[dir] = realPath(dir)
		}
		at := filepath.Join(folders[dir], filepath.Base(f.file))
		if !slices.ContainsFunc(real, func(place string) bool { return below(at, place) }) {
			out = append(out, f.file)
		}
	}
	return out
}

// Within reports whether path, links followed, is one of the places or lies in
// one. What is not there at all is judged by its name.
func Within(path string, places []string) bool {
	at := realPath(path)
	for _, place := range places {
		if below(at, realPath(place)) {
			return true
		}
	}
	return false
}

// realPath is path, absolute and with its links followed as far as it exists.
func realPath(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return filepath.Clean(path)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real
	}
	if filepath.Dir(abs) == abs {
		return abs
	}
	return filepath.Join(realPath(filepath.Dir(abs)), filepath.Base(abs))
}
