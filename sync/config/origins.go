package config

import (
	"cmp"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Origin is a field of a rule and the position that defines it.
type Origin struct {
	// Path contains the keys that lead to the field.
	Path []string
	// Value is text, a boolean or, for events, a list of texts. It may be shown: a
	// secret, or a value that looks like a credential, is replaced by a description. It
	// is nil if Removed is set.
	Value any
	// Removed reports whether a layer removed the field with null.
	Removed bool
	File    string
	Line    int
}

// Descriptions shown in place of auth values.
const (
	shownSealed      = "(encrypted)"
	shownPlaceholder = "(placeholder)"
	shownClear       = "(in clear text)"
	shownShared      = "(shared secret)"
)

// ruleKeys are the keys of a rule in schema order.
var ruleKeys = map[string]int{"name": 1, "id": 2, "url": 3, "enabled": 4, "events": 5, "headers": 6, "queryParams": 7, "authentication": 8}

// traceOrigins records the origins of the rule's fields if Options.Trace names the rule.
func (f *file) traceOrigins(root *yaml.Node, r *Rule) {
	if f.options.Trace == "" || f.options.Trace != r.Name {
		return
	}
	for _, top := range []string{"metadata", "spec"} {
		_, n := child(root, top)
		f.addOrigins(r, n, []string{top})
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

// addOrigins adds the fields of a mapping in schema order. Headers and parameters keep
// file order.
func (f *file) addOrigins(r *Rule, m *yaml.Node, path []string) {
	var keys []*yaml.Node
	values := map[*yaml.Node]*yaml.Node{}
	eachEntry(m, func(key, value *yaml.Node) {
		keys, values[key] = append(keys, key), value
	})
	if len(path) == 1 || path[1] == "authentication" && len(path) == 2 {
		slices.SortStableFunc(keys, func(a, b *yaml.Node) int { return cmp.Compare(ruleKeys[a.Value], ruleKeys[b.Value]) })
	}
	for _, key := range keys {
		value, below := values[key], append(slices.Clip(path), key.Value)
		switch {
		case isNull(value): // null means absent
		case value.Kind == yaml.MappingNode && !isAuthValue(below):
			f.addOrigins(r, value, below)
		default:
			at := f.positionOf(key)
			r.Origins = append(r.Origins, Origin{Path: below, Value: shownValue(below, value), File: at.File, Line: at.Line})
		}
	}
}

// shownValue returns a value in a form that may be shown.
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
