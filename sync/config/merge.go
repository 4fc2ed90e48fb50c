package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// mergeSources records the source files of a merged document.
type mergeSources struct {
	// of maps nodes to their files. A node that it lacks belongs to last.
	of   map[*yaml.Node]*file
	last *file
	// over maps a value to the value of an earlier layer that it replaced.
	over map[*yaml.Node]*yaml.Node
	// removals are the nulls that removed a value, by its path. changes are the values
	// whose type differs from the type in an earlier layer.
	removals map[string]removal
	changes  []typeChange
}

func newMergeSources(last *file) *mergeSources {
	return &mergeSources{of: map[*yaml.Node]*file{}, last: last, over: map[*yaml.Node]*yaml.Node{}, removals: map[string]removal{}}
}

// removal is a null that removed the value at a path.
type removal struct {
	path []string
	key  *yaml.Node
}

// typeChange is a value that replaced a value of another type in an earlier layer.
type typeChange struct {
	path          []string
	before, after *yaml.Node
}

// addDocument records the file of a document's nodes.
func (l *mergeSources) addDocument(f *file, n *yaml.Node) {
	if f == l.last {
		return
	}
	l.of[n] = f
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "sops" {
			continue // never merged
		}
		l.addDocument(f, c)
	}
}

func (l *mergeSources) fileOf(n *yaml.Node) *file {
	if f := l.of[n]; f != nil {
		return f
	}
	return l.last
}

// findRemoval returns the null that removed the value at a path, or nil.
func (l *mergeSources) findRemoval(path []string) *removal {
	if l == nil {
		return nil
	}
	if r, ok := l.removals[pathKey(path)]; ok {
		return &r
	}
	return nil
}

func pathKey(path []string) string { return strings.Join(path, "\x00") }

// replacedValue returns the value of an earlier layer that a node replaced, or nil.
func (l *mergeSources) replacedValue(n *yaml.Node) *yaml.Node {
	if l == nil {
		return nil
	}
	return l.over[n]
}

// removeHint returns the hint for a name that occurs twice.
func (f *file) removeHint(first, second *yaml.Node) string {
	const one = "remove one of them"
	if f.fileOf(first) == f.fileOf(second) {
		return one
	}
	return one + ", or take the earlier layer's out with null"
}

// withoutSOPS returns a document without its SOPS metadata. The metadata belongs to
// its file and is never merged.
func withoutSOPS(root *yaml.Node) *yaml.Node {
	out := *root
	out.Content = make([]*yaml.Node, 0, len(root.Content))
	eachEntry(root, func(key, value *yaml.Node) {
		if key.Value != "sops" {
			out.Content = append(out.Content, key, value)
		}
	})
	return &out
}

// isAuthValue reports whether a path leads to a value under authentication. A merge
// replaces such a value as a whole, even if it is a mapping.
func isAuthValue(path []string) bool {
	return len(path) == 4 && path[0] == "spec" && path[1] == "authentication"
}

// mergeMappings applies a mapping of a later layer to a mapping of earlier layers, as
// MergePatch of RFC 7396 does. It changes neither argument.
func (f *file) mergeMappings(base, patch *yaml.Node, path []string) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: patch.Line, Column: patch.Column}
	f.layers.of[out] = f.layers.fileOf(patch)
	out.Content = append(make([]*yaml.Node, 0, len(base.Content)+len(patch.Content)), base.Content...)
	find := f.keyFinder(base)
	eachEntry(patch, func(key, value *yaml.Node) {
		below := append(slices.Clip(path), key.Value)
		i := find(key.Value)
		if i == len(base.Content) {
			if isNull(value) {
				f.warnRemovesNothing(key, below, base)
			} else {
				out.Content = append(out.Content, key, f.withoutNulls(value, below))
				delete(f.layers.removals, pathKey(below)) // set by an earlier layer
			}
			return
		}
		before := base.Content[i+1]
		switch {
		case isNull(value):
			f.recordRemoval(key, value, before, below)
			key, value = nil, nil
		case before.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode && !isAuthValue(below):
			value = f.mergeMappings(before, value, below)
		default:
			value = f.withoutNulls(value, below)
			f.recordReplacement(before, value, below)
		}
		out.Content[i], out.Content[i+1] = key, value
	})
	out.Content = slices.DeleteFunc(out.Content, func(n *yaml.Node) bool { return n == nil })
	return out
}

// recordRemoval records a null that removes a value of an earlier layer. It warns of an
// empty value: it may be a slip, such as a mapping whose lines were all deleted.
func (f *file) recordRemoval(key, null, before *yaml.Node, path []string) {
	f.layers.removals[pathKey(path)] = removal{path, key}
	if null.Value == "" && !isNull(before) {
		f.warn(key, "write null if that is meant, otherwise remove the line", "%s has no value here, which removes what stands %s",
			dottedPath(path, len(path) > 1 && path[1] == "authentication"), f.describePosition(before, key))
	}
}

// recordReplacement records that a value replaced a value of an earlier layer.
func (f *file) recordReplacement(before, after *yaml.Node, path []string) {
	f.layers.over[after] = before
	if kindOf(before) != kindOf(after) && !isNull(before) && !isAuthValue(path) {
		f.layers.changes = append(f.layers.changes, typeChange{path, before, after})
	}
}

// withoutNulls returns a value that a later layer adds, without its null keys: null
// means absent.
func (f *file) withoutNulls(n *yaml.Node, path []string) *yaml.Node {
	if n.Kind != yaml.MappingNode || isAuthValue(path) || !hasNull(n) {
		return n
	}
	out := *n
	out.Content = nil
	eachEntry(n, func(key, value *yaml.Node) {
		below := append(slices.Clip(path), key.Value)
		if isNull(value) {
			f.warnRemovesNothing(key, below, nil)
			return
		}
		out.Content = append(out.Content, key, f.withoutNulls(value, below))
	})
	f.layers.of[&out] = f.layers.fileOf(n)
	return &out
}

// hasNull reports whether a mapping, or a mapping nested in it, contains null.
func hasNull(n *yaml.Node) bool {
	return n.Kind == yaml.MappingNode && slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return isNull(c) || hasNull(c) })
}

// warnRemovesNothing warns of a null if no earlier layer has the key: a misspelling is
// more likely than intent.
func (f *file) warnRemovesNothing(key *yaml.Node, path []string, base *yaml.Node) {
	secret := len(path) > 1 && path[1] == "authentication"
	hint := "remove the line"
	if len(f.problems) > maxProblems {
		hint = "" // beyond the limit nobody reads hints, and the search takes time
	} else if near := nearestKey(key.Value, base); near != nil {
		hint = "did you mean " + printableKey(near.Value, secret) + ", " + f.describePosition(near, key) + "?"
		if strings.EqualFold(near.Value, key.Value) {
			hint += " Keys are merged as they are spelled"
		}
	}
	f.warn(key, hint, "%s is null here, and no earlier layer has it: it removes nothing", dottedPath(path, secret))
}

// nearestKey returns the key of a mapping that was probably meant, or nil.
func nearestKey(name string, m *yaml.Node) *yaml.Node {
	var names []string
	eachEntry(m, func(key, _ *yaml.Node) {
		if len(names) < manyKeys {
			names = append(names, key.Value)
		}
	})
	near := schema.Nearest(name, names)
	eachEntry(m, func(key, _ *yaml.Node) {
		if webhook.HeaderKey(key.Value) == webhook.HeaderKey(name) {
			near = key.Value
		}
	})
	if near == "" {
		return nil
	}
	key, _ := child(m, near)
	return key
}

// reportTypeChanges reports values whose type differs from the type in an earlier layer,
// if the merged rule is valid. In that case the earlier layer is wrong.
func (f *file) reportTypeChanges() {
	for _, c := range f.layers.changes {
		at := f.positionOf(c.after)
		if slices.ContainsFunc(f.problems, func(p schema.Problem) bool { return p.Position == at && p.Severity == schema.Error }) {
			continue // an error at this position names both positions
		}
		secret := len(c.path) > 1 && c.path[1] == "authentication"
		f.fail(c.after, "mkhooks schema rule says what a rule holds", "%s is %s here and %s %s; a layer can't change the type of a field",
			dottedPath(c.path, secret), kindOf(c.after), kindOf(c.before), f.describePosition(c.before, c.after))
	}
}
