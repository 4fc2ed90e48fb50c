package config

import (
	"cmp"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Origin is a field of a rule and the place that says it.
type Origin struct {
	// Path are the keys that lead to it.
	Path []string
	// Value is a text, a truth value or, of events, a list of texts, and may be
	// shown: of a secret it says only how it stands there, and so it does of what
	// looks like a credential. It is nil where Removed.
	Value any
	// Removed says that a layer took the field out with null.
	Removed bool
	File    string
	Line    int
}

// What is shown of values under authentication.
const (
	shownSealed      = "(encrypted)"
	shownPlaceholder = "(placeholder)"
	shownClear       = "(in clear text)"
	shownShared      = "(shared secret)"
)

// ruleKeys are the keys of a rule in the order of its schema.
var ruleKeys = map[string]int{"name": 1, "id": 2, "url": 3, "enabled": 4, "events": 5, "headers": 6, "queryParams": 7, "authentication": 8}

// trace keeps where the fields of the rule come from, if that was asked for.
func (f *file) trace(root *yaml.Node, r *Rule) {
	if f.o.Trace == "" || f.o.Trace != r.Name {
		return
	}
	for _, top := range []string{"metadata", "spec"} {
		_, n := child(root, top)
		f.origins(r, n, []string{top})
	}
	if f.layers == nil {
		return
	}
	for _, at := range slices.Sorted(maps.Keys(f.layers.removals)) {
		removed := f.layers.removals[at]
		place := f.positionOf(removed.key)
		r.Origins = append(r.Origins, Origin{Path: removed.path, Removed: true, File: place.File, Line: place.Line})
	}
}

// origins adds the fields of a mapping, in the order of the schema; headers
// and parameters in that of the files.
func (f *file) origins(r *Rule, m *yaml.Node, path []string) {
	var keys []*yaml.Node
	values := map[*yaml.Node]*yaml.Node{}
	each(m, func(key, value *yaml.Node) {
		keys, values[key] = append(keys, key), value
	})
	if len(path) == 1 || path[1] == "authentication" && len(path) == 2 {
		slices.SortStableFunc(keys, func(a, b *yaml.Node) int { return cmp.Compare(ruleKeys[a.Value], ruleKeys[b.Value]) })
	}
	for _, key := range keys {
		value, below := values[key], append(slices.Clip(path), key.Value)
		switch {
		case isNull(value): // which means the same as nothing
		case value.Kind == yaml.MappingNode && !isAuthValue(below):
			f.origins(r, value, below)
		default:
			at := f.positionOf(key)
			r.Origins = append(r.Origins, Origin{Path: below, Value: shownValue(below, value), File: at.File, Line: at.Line})
		}
	}
}

// shownValue is a value as it may be shown.
func shownValue(path []string, n *yaml.Node) any {
	name := path[len(path)-1]
	switch {
	case isAuthValue(path):
		switch {
		case n.Kind == yaml.MappingNode:
			return shownShared
		case secrets.LooksSealed(n.Value):
			return shownSealed
		case secrets.IsPlaceholder(n.Value):
			return shownPlaceholder
		}
		return shownClear
	case n.Kind == yaml.SequenceNode:
		list := []string{}
		for _, item := range n.Content {
			list = append(list, webhook.RedactValue("", item.Value))
		}
		return list
	case n.Tag == "!!bool":
		return jsonOf(n)
	case name == "url":
		return webhook.RedactURL(n.Value)
	}
	return webhook.RedactValue(name, n.Value)
}
