package config

import (
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Overridden tells of values of a file below one of the layers which files of
// later layers say, too: those are in force, and not the file's. Values are
// named as [Read] and [ReadShared] name them, "headers/X-Secret" in a rule file
// and "webhookSecret" in a shared secrets file.
func Overridden(layers []string, file string, values []string) map[string]string {
	if len(layers) < 2 {
		return nil
	}
	sources, _ := collect(layers) // a file that can't be read says nothing
	own := slices.IndexFunc(sources, func(s source) bool { return realPath(s.file) == realPath(file) })
	if own < 0 {
		return nil
	}
	mine, is := sources[own], readDocument(file, Options{}, nil)
	if is.root == nil {
		return nil
	}
	name, _ := is.ruleName()
	slices.SortStableFunc(sources, func(a, b source) int { return a.layer - b.layer })
	out := map[string]string{}
	for _, s := range sources {
		if s.layer <= mine.layer {
			continue
		}
		d := readDocument(s.file, Options{}, nil)
		other, _ := d.ruleName()
		switch shared := d.root != nil && isShared(d.root); {
		case d.root == nil || shared != isShared(is.root):
			continue
		case shared && s.place(layers) != mine.place(layers), !shared && other != name:
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

// place is where a file lies below its layer.
func (s source) place(layers []string) string {
	rel, err := filepath.Rel(layers[s.layer], s.file)
	if err != nil {
		return s.file
	}
	return rel
}

// says reports whether a file has a value, or takes away one of that name.
func (d document) says(value string) bool {
	if isShared(d.root) {
		key, _ := child(d.root, value)
		return key != nil
	}
	return slices.Contains(authPaths(d.root), value)
}

// authPaths are the paths of the values under spec.authentication.
func authPaths(root *yaml.Node) []string {
	_, spec := child(root, "spec")
	_, auth := child(spec, "authentication")
	var out []string
	for _, part := range authParts {
		_, n := child(auth, part)
		each(n, func(key, _ *yaml.Node) { out = append(out, part+"/"+key.Value) })
	}
	return out
}
