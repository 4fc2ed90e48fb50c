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

// editSpec changes a file from spec from to spec to, except authentication. ok is false
// if the file has an unsupported form. The caller must parse the result again in any
// case.
func (e *editor) editSpec(from, to webhook.Spec) (ok bool) {
	ok = true
	if webhook.CanonicalURL(from.URL) != webhook.CanonicalURL(to.URL) {
		ok = e.setText([]string{"spec", "url"}, to.URL)
	}
	if from.Enabled != to.Enabled {
		ok = ok && e.applyEdit(func(t *yamltext.Text) bool { return t.SetBool([]string{"spec", "enabled"}, to.Enabled) })
	}
	return ok && e.editEvents(from.Events, to.Events) &&
		e.editTexts("headers", from.Headers, keepSpellings(from.Headers, to.Headers), webhook.HeaderValue) &&
		e.editTexts("queryParams", from.QueryParams, to.QueryParams, func(v string) string { return v })
}

// keepSpellings returns to with header names in the spelling of from.
func keepSpellings(from, to map[string]string) map[string]string {
	spelled, out := headerSpellings(from), map[string]string{}
	for name, value := range to {
		if own, ok := spelled[webhook.HeaderKey(name)]; ok {
			name = own
		}
		out[name] = value
	}
	return out
}

func (e *editor) applyEdit(do func(*yamltext.Text) bool) (ok bool) {
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

// editEach makes an edit for each item of a list. It first tries all edits together,
// which parses the file once. If edits overlap, it makes them one by one.
func editEach[T any](e *editor, list []T, do func(*yamltext.Text, T) bool) (ok bool) {
	if len(list) == 0 {
		return true
	}
	all := func(t *yamltext.Text) bool {
		return !slices.ContainsFunc(list, func(one T) bool { return !do(t, one) })
	}
	if e.applyEdit(all) {
		return true
	}
	for _, one := range list {
		if !e.applyEdit(func(t *yamltext.Text) bool { return do(t, one) }) {
			return false
		}
	}
	return true
}

func (e *editor) setText(path []string, value string) bool {
	return e.applyEdit(func(t *yamltext.Text) bool { return t.Set(path, value) })
}

// editEvents adds before it removes, so the list is never empty in between.
func (e *editor) editEvents(from, to []webhook.EventType) bool {
	added := editEach(e, slices.Compact(slices.Sorted(slices.Values(eventsWithout(to, from)))), func(t *yamltext.Text, event webhook.EventType) bool {
		list, flow := eventList(t)
		return list != nil && t.AddItem(list, string(event), flow)
	})
	if !added {
		return false
	}
	return editEach(e, eventsWithout(from, to), func(t *yamltext.Text, event webhook.EventType) bool {
		list, flow := eventList(t)
		if list == nil {
			return false
		}
		i := slices.IndexFunc(list.Content, func(n *yaml.Node) bool { return n.Value == string(event) })
		return i >= 0 && t.RemoveItem(list, i, flow)
	})
}

func eventsWithout(a, b []webhook.EventType) []webhook.EventType {
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

// editTexts edits a mapping of texts from from to to.
func (e *editor) editTexts(part string, from, to map[string]string, form func(string) string) bool {
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
	if !editEach(e, set, put) {
		return false
	}
	if len(add) > 0 { // the first entry may have to create the mapping
		if !e.applyEdit(func(t *yamltext.Text) bool { return put(t, add[0]) }) {
			return false
		}
		add = add[1:]
	}
	take := func(t *yamltext.Text, name string) bool { return t.Remove([]string{"spec", part, name}) }
	if !editEach(e, add, put) || !editEach(e, remove, take) {
		return false
	}
	if len(to) == 0 && len(remove) > 0 { // an empty mapping is removed if possible
		e.applyEdit(func(t *yamltext.Text) bool { return t.Remove([]string{"spec", part}) })
	}
	return true
}
