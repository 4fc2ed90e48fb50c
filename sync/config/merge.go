package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// mergeSources is what a merged document knows of the files it came from.
type mergeSources struct {
	// of are the files of nodes; those that it lacks are of the last one.
	of   map[*yaml.Node]*file
	last *file
	// over are the values of earlier layers that others replaced.
	over map[*yaml.Node]*yaml.Node
	// removals are the nulls that removed something, by the path of it; changes
	// the values of another type than an earlier layer has.
	removals map[string]removal
	changes  []typeChange
}

func newLayers(last *file) *mergeSources {
	return &mergeSources{of: map[*yaml.Node]*file{}, last: last, over: map[*yaml.Node]*yaml.Node{}, removals: map[string]removal{}}
}

// removal is a null that removed the value at a path.
type removal struct {
	path []string
	key  *yaml.Node
}

// typeChange is a value that stands where an earlier layer has one of another
// type.
type typeChange struct {
	path          []string
	before, after *yaml.Node
}

// addDocument makes known which file a document's nodes are of.
func (l *mergeSources) addDocument(f *file, n *yaml.Node) {
	if f == l.last {
		return
	}
	l.of[n] = f
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "sops" {
			continue // which is never merged
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

// removal is the null that removed the value at a path, or nil.
func (l *mergeSources) removal(path []string) *removal {
	if l == nil {
		return nil
	}
	if r, ok := l.removals[joined(path)]; ok {
		return &r
	}
	return nil
}

func joined(path []string) string { return strings.Join(path, "\x00") }

// replaced is the value of an earlier layer that a node replaced, or nil.
func (l *mergeSources) replaced(n *yaml.Node) *yaml.Node {
	if l == nil {
		return nil
	}
	return l.over[n]
}

// removeOne is what to do about a name that stands in two places.
func (f *file) removeOne(first, second *yaml.Node) string {
	const one = "remove one of them"
	if f.fileOf(first) == f.fileOf(second) {
		return one
	}
	return one + ", or take the earlier layer's out with null"
}

// withoutSOPS is a document without its SOPS metadata, which belongs to its
// file and is never merged.
func withoutSOPS(root *yaml.Node) *yaml.Node {
	out := *root
	out.Content = make([]*yaml.Node, 0, len(root.Content))
	each(root, func(key, value *yaml.Node) {
		if key.Value != "sops" {
			out.Content = append(out.Content, key, value)
		}
	})
	return &out
}

// isAuthValue reports whether a path leads to a value under authentication,
// which is one thing whatever it looks like.
func isAuthValue(path []string) bool {
	return len(path) == 4 && path[0] == "spec" && path[1] == "authentication"
}

// merge puts a mapping of a later layer over one of the layers before, as
// MergePatch of RFC 7396 does, and leaves both as they are.
func (f *file) merge(base, patch *yaml.Node, path []string) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: patch.Line, Column: patch.Column}
	f.layers.of[out] = f.layers.fileOf(patch)
	out.Content = append(make([]*yaml.Node, 0, len(base.Content)+len(patch.Content)), base.Content...)
	find := f.firstKeys(base)
	each(patch, func(key, value *yaml.Node) {
		below := append(slices.Clip(path), key.Value)
		i := find(key.Value)
		if i == len(base.Content) {
			if isNull(value) {
				f.removesNothing(key, below, base)
			} else {
				out.Content = append(out.Content, key, f.withoutNulls(value, below))
				delete(f.layers.removals, joined(below)) // by a layer between
			}
			return
		}
		before := base.Content[i+1]
		switch {
		case isNull(value):
			f.removes(key, value, before, below)
			key, value = nil, nil
		case before.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode && !isAuthValue(below):
			value = f.merge(before, value, below)
		default:
			value = f.withoutNulls(value, below)
			f.replace(before, value, below)
		}
		out.Content[i], out.Content[i+1] = key, value
	})
	out.Content = slices.DeleteFunc(out.Content, func(n *yaml.Node) bool { return n == nil })
	return out
}

// removes notes a null that takes out what an earlier layer has. One that
// nobody wrote out may be a slip: a mapping whose lines were all deleted.
func (f *file) removes(key, null, before *yaml.Node, path []string) {
	f.layers.removals[joined(path)] = removal{path, key}
	if null.Value == "" && !isNull(before) {
		f.warn(key, "write null if that is meant, otherwise remove the line", "%s has no value here, which removes what stands %s",
			dotted(path, len(path) > 1 && path[1] == "authentication"), f.describePosition(before, key))
	}
}

// replace notes that a value took the place of an earlier layer's.
func (f *file) replace(before, after *yaml.Node, path []string) {
	f.layers.over[after] = before
	if kindOf(before) != kindOf(after) && !isNull(before) && !isAuthValue(path) {
		f.layers.changes = append(f.layers.changes, typeChange{path, before, after})
	}
}

// withoutNulls is a value that a later layer adds, without the keys that are
// null in it: they say what is not to be there.
func (f *file) withoutNulls(n *yaml.Node, path []string) *yaml.Node {
	if n.Kind != yaml.MappingNode || isAuthValue(path) || !hasNull(n) {
		return n
	}
	out := *n
	out.Content = nil
	each(n, func(key, value *yaml.Node) {
		below := append(slices.Clip(path), key.Value)
		if isNull(value) {
			f.removesNothing(key, below, nil)
			return
		}
		out.Content = append(out.Content, key, f.withoutNulls(value, below))
	})
	f.layers.of[&out] = f.layers.fileOf(n)
	return &out
}

// hasNull reports whether a mapping has a null in it, or one of its mappings.
func hasNull(n *yaml.Node) bool {
	return n.Kind == yaml.MappingNode && slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return isNull(c) || hasNull(c) })
}

// removesNothing warns of a null where no earlier layer has the key: it is
// more often misspelt than meant.
func (f *file) removesNothing(key *yaml.Node, path []string, base *yaml.Node) {
	secret := len(path) > 1 && path[1] == "authentication"
	hint := "remove the line"
	if len(f.problems) > maxProblems {
		hint = "" // nobody sees it, and looking for one takes its time
	} else if near := nearestKey(key.Value, base); near != nil {
		hint = "did you mean " + printableKey(near.Value, secret) + ", " + f.describePosition(near, key) + "?"
		if strings.EqualFold(near.Value, key.Value) {
			hint += " Keys are merged as they are spelled"
		}
	}
	f.warn(key, hint, "%s is null here, and no earlier layer has it: it removes nothing", dotted(path, secret))
}

// nearestKey is the key of a mapping that was probably meant, or nil.
func nearestKey(name string, m *yaml.Node) *yaml.Node {
	var names []string
	each(m, func(key, _ *yaml.Node) {
		if len(names) < manyKeys {
			names = append(names, key.Value)
		}
	})
	near := schema.Nearest(name, names)
	each(m, func(key, _ *yaml.Node) {
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

// typeChanges reports the values of another type than an earlier layer has,
// where the merged rule is right: then the earlier layer is not.
func (f *file) typeChanges() {
	for _, c := range f.layers.changes {
		at := f.positionOf(c.after)
		if slices.ContainsFunc(f.problems, func(p schema.Problem) bool { return p.Position == at && p.Severity == schema.Error }) {
			continue // that is said, with both places
		}
		secret := len(c.path) > 1 && c.path[1] == "authentication"
		f.fail(c.after, "mkhooks schema rule says what a rule holds", "%s is %s here and %s %s; a layer can't change the type of a field",
			dotted(c.path, secret), kindOf(c.after), kindOf(c.before), f.describePosition(c.before, c.after))
	}
}
