package config

import (
	"path/filepath"
	"slices"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// RuleFile is a rule file and the parts of its rule that could be read. The file may
// have other problems.
type RuleFile struct {
	File, Name string
	// Spec contains the fields that could be read. Auth names are included even if the
	// value is a placeholder.
	webhook.Spec
	// Reencrypt is the hint that encrypts authentication alone, if the MAC of the
	// file also covers clear values. Otherwise it is empty.
	Reencrypt diag.Hint
}

// Scan lists the rule files below paths. It includes invalid files: a file whose
// secret is still a placeholder is invalid. It omits files that can't be read as a
// rule at all. The problems of the paths are returned as they are. Problems that
// prevent reading a file become warnings.
func Scan(paths []string) ([]RuleFile, []schema.Problem) {
	files, problems := collect(paths, nil)
	recipients := newRecipients()
	var out []RuleFile
	for _, file := range files {
		r := readRule(file.file, Options{}, recipients)
		if r.rule == nil && r.secrets != nil {
			continue
		}
		if r.rule == nil {
			demoteToWarnings(r.problems)
			problems = append(problems, r.problems...)
			continue
		}
		out = append(out, r.toRuleFile())
	}
	return out, problems
}

// ScanFile parses one file's content as [Scan] does. RuleFile is nil if the content
// can't be read as a rule at all. Problems that o allows are omitted.
func ScanFile(file string, data []byte, o Options) (*RuleFile, []schema.Problem) {
	r := parseRule(file, data, o, newRecipients())
	if r.rule == nil {
		return nil, r.problems
	}
	found := r.toRuleFile()
	return &found, r.problems
}

func (r parsed) toRuleFile() RuleFile {
	return RuleFile{File: r.rule.File, Name: r.rule.Name, Spec: r.rule.Spec, Reencrypt: r.rule.reencrypt}
}

// FilesOutside lists the rule files below paths that are below none of the places.
func FilesOutside(paths, places []string) []string {
	real := make([]string, 0, len(places))
	for _, p := range places {
		real = append(real, realPath(p))
	}
	folders := map[string]string{}
	files, _ := collect(paths, nil) // an unreadable file is no rule file
	var out []string
	for _, f := range files {
		dir := filepath.Dir(f.file)
		if _, known := folders[dir]; !known {
			folders[dir] = realPath(dir)
		}
		at := filepath.Join(folders[dir], filepath.Base(f.file))
		if !slices.ContainsFunc(real, func(place string) bool { return isBelow(at, place) }) {
			out = append(out, f.file)
		}
	}
	return out
}

// IsWithin reports whether path, with links resolved, equals one of the places or is
// below it. An absent path is judged by its name.
func IsWithin(path string, places []string) bool {
	at := realPath(path)
	for _, place := range places {
		if isBelow(at, realPath(place)) {
			return true
		}
	}
	return false
}

// realPath returns the absolute path, with links resolved as far as the path exists.
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
