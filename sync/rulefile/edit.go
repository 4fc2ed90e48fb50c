package rulefile

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/sync/webhook"
	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// editor edits a file step by step.
type editor struct{ data []byte }

// edit changes a file from spec from to spec to, except authentication. ok is false
// if the file has an unsupported form. The caller must parse the result again in any
// case.
func (e *editor) edit(from, to webhook.Spec) (ok bool) {
	ok = true
	if webhook.CanonicalURL(from.URL) != webhook.CanonicalURL(to.URL) {
		ok = e.set([]string{"spec", "url"}, to.URL)
	}
	if from.Enabled != to.Enabled {
		ok = ok && e.change(func(t *yamltext.Text) bool { return t.SetBool([]string{"spec", "enabled"}, to.Enabled) })
	}
	return ok && e.events(from.Events, to.Events) &&
		e.texts("headers", from.Headers, folded(from.Headers, to.Headers), webhook.HeaderValue) &&
		e.texts("queryParams", from.QueryParams, to.QueryParams, func(v string) string { return v })
}

// folded returns to with header names in the spelling of from.
func folded(from, to map[string]string) map[string]string {
	spelled, out := spellings(from), map[string]string{}
	for name, value := range to {
		if own, ok := spelled[webhook.HeaderKey(name)]; ok {
			name = own
		}
		out[name] = value
	}
	return out
}

func (e *editor) change(do func(*yamltext.Text) bool) (ok bool) {
	root := rootOf(e.data)
	if root == nil {
		return false
	}
	t := yamltext.New(e.data, root)
	t.Order = keys
	if !do(t) {
		return false
	}
	data, ok := t.Apply()
	if ok {
		e.data = data
	}
	return ok
}

// each makes an edit for each item of a list. It first tries all edits together,
// which parses the file once. If edits overlap, it makes them one by one.
func each[T any](e *editor, list []T, do func(*yamltext.Text, T) bool) (ok bool) {
	if len(list) == 0 {
		return true
	}
	all := func(t *yamltext.Text) bool {
		return !slices.ContainsFunc(list, func(one T) bool { return !do(t, one) })
	}
	if e.change(all) {
		return true
	}
	for _, one := range list {
		if !e.change(func(t *yamltext.Text) bool { return do(t, one) }) {
			return false
		}
	}
	return true
}

func (e *editor) set(path []string, value string) bool {
	return e.change(func(t *yamltext.Text) bool { return t.Set(path, value) })
}

// events adds before it removes, so the list is never empty in between.
func (e *editor) events(from, to []webhook.EventType) bool {
	added := each(e, slices.Compact(slices.Sorted(slices.Values(without(to, from)))), func(t *yamltext.Text, event webhook.EventType) bool {
		list, flow := eventList(t)
		return list != nil && t.AddItem(list, string(event), flow)
	})
	if !added {
		return false
	}
	return each(e, without(from, to), func(t *yamltext.Text, event webhook.EventType) bool {
		list, flow := eventList(t)
		if list == nil {
			return false
		}
		i := slices.IndexFunc(list.Content, func(n *yaml.Node) bool { return n.Value == string(event) })
		return i >= 0 && t.RemoveItem(list, i, flow)
	})
}

func without(a, b []webhook.EventType) []webhook.EventType {
	return slices.DeleteFunc(slices.Clone(a), func(e webhook.EventType) bool { return slices.Contains(b, e) })
}

// eventList returns the list of events. flow reports whether a mapping around it is
// in braces.
func eventList(t *yamltext.Text) (list *yaml.Node, flow bool) {
	_, spec := yamltext.Entry(t.Root(), "spec")
	_, list = yamltext.Entry(spec, "events")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil, false
	}
	return list, (t.Root().Style|spec.Style)&yaml.FlowStyle != 0
}

// texts edits a mapping of texts from from to to.
func (e *editor) texts(part string, from, to map[string]string, form func(string) string) bool {
	var set, add, remove []string
	for _, name := range slices.Sorted(maps.Keys(to)) {
		if old, ok := from[name]; !ok {
			add = append(add, name)
		} else if form(old) != form(to[name]) {
			set = append(set, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if _, ok := to[name]; !ok {
			remove = append(remove, name)
		}
	}
	put := func(t *yamltext.Text, name string) bool { return t.Set([]string{"spec", part, name}, to[name]) }
	if !each(e, set, put) {
		return false
	}
	if len(add) > 0 { // the first entry may have to create the mapping
		if !e.change(func(t *yamltext.Text) bool { return put(t, add[0]) }) {
			return false
		}
		add = add[1:]
	}
	take := func(t *yamltext.Text, name string) bool { return t.Remove([]string{"spec", part, name}) }
	if !each(e, add, put) || !each(e, remove, take) {
		return false
	}
	if len(to) == 0 && len(remove) > 0 { // an empty mapping is removed if possible
		e.change(func(t *yamltext.Text) bool { return t.Remove([]string{"spec", part}) })
	}
	return true
}
