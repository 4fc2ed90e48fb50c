package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// FindOverridden finds values of a file in one of the layers that files of later layers
// override. It maps each such value to the overriding file. Values have the names
// that [ScanFile] and [ReadShared] use: "headers/X-Secret" in a rule file and
// "webhookSecret" in a shared secrets file.
func FindOverridden(layers []string, file string, values []string) map[string]string {
	if len(layers) < 2 || !IsWithin(file, layers) {
		return nil
	}
	sources, _ := collect(layers, nil) // an unreadable file overrides nothing
	real := realPath(file)
	own := slices.IndexFunc(sources, func(s sourceFile) bool { return realPath(s.file) == real })
	if own < 0 {
		return nil
	}
	mine := sources[own]
	is := readDocument(mine.file, Options{}, nil)
	if is.root == nil {
		return nil
	}
	name, _ := is.ruleName()
	slices.SortStableFunc(sources, func(a, b sourceFile) int { return a.layer - b.layer })
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
			if d.definesValue(v) {
				out[v] = s.file
			}
		}
	}
	return out
}

// relativePath returns the file's path below its layer.
func (s sourceFile) relativePath(layers []string) string {
	rel, err := filepath.Rel(layers[s.layer], s.file)
	if err != nil {
		return s.file
	}
	return rel
}

// definesValue reports whether a file sets a value or removes a value with that name.
func (d document) definesValue(value string) bool {
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
