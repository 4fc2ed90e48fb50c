package config

import (
	"path/filepath"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Found is a rule file and what it says of its rule, whatever else may be
// wrong with it.
type Found struct {
	File, Name string
	URL        string
	// Auth are the names of the authentication values, placeholders included.
	Auth webhook.AuthNames
}

// Find lists the rule files below paths, also those that are not valid: a file
// that waits for its secret is not. Files that can't be read as a rule at all
// are left out; problems are those of the paths.
func Find(paths []string) ([]Found, []schema.Problem) {
	files, problems := collect(paths)
	var out []Found
	for _, file := range files {
		if r := readRule(file, Options{}, nil).rule; r != nil {
			out = append(out, Found{File: file, Name: r.Name, URL: r.Spec.URL, Auth: r.Spec.Auth})
		}
	}
	return out, problems
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
