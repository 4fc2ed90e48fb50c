package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// Overridden tells of values of a file below one of the layers which files of
// later layers say, too: those are in force, and not the file's. Values are
// named as [ScanFile] and [ReadShared] name them, "headers/X-Secret" in a rule file
// and "webhookSecret" in a shared secrets file.
func Overridden(layers []string, file string, values []string) map[string]string {
	if len(layers) < 2 || !Within(file, layers) {
		return nil
	}
	sources, _ := collect(layers, nil) // a file that can't be read says nothing
	real := realPath(file)
	own := slices.IndexFunc(sources, func(s source) bool { return realPath(s.file) == real })
	if own < 0 {
		return nil
	}
	mine := sources[own]
	is := readDocument(mine.file, Options{}, nil)
	if is.root == nil {
		return nil
	}
	name, _ := is.ruleName()
	slices.SortStableFunc(sources, func(a, b source) int { return a.layer - b.layer })
	out := map[string]string{}
	for _, s := range sources {
		if s.layer <= mine.layer || isShared(is.root) && s.relativePath(layers) != mine.relativePath(layers) {
			continue
		}
		d := readDocument(s.file, Options{}, nil)
		other, _ := d.ruleName()
		if d.root == nil || other != name || isShared(d.root) != isShared(is.root) {
			continue
		}
		for _, v := range values {
			if d.says(v) {
				out[v] = s.file
			}
		}
	}
	return out
}

// relativePath is where a file lies below its layer.
func (s source) relativePath(layers []string) string {
	rel, err := filepath.Rel(layers[s.layer], s.file)
	if err != nil {
		return s.file
	}
	return rel
}

// says reports whether a file has a value, or takes away one of that name.
func (d document) says(value string) bool {
	at, name := d.root, value
	if !isShared(d.root) {
		var part string
		part, name, _ = strings.Cut(value, "/")
		for _, key := range []string{"spec", "authentication", part} {
			_, at = child(at, key)
		}
	}
	key, _ := child(at, name)
	return key != nil
}
