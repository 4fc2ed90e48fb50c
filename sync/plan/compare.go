package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/r3labs/diff/v3"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Comparing two specs.
//
// Everything is first brought into a shape in which the cases that must not
// count as differences are gone: header names in lower case, values trimmed,
// URLs canonical, events a set, an empty map and none the same. Only then are
// the shapes compared, and the names are turned back into the spelling that
// the reader knows. Equal digests are equal specs, so the comparison proper,
// which is slow, runs only for rules that differ.
//
// Authentication takes part by name alone: no value is ever here.

// shape is a spec as flat maps of text, fit for comparison.
type shape struct {
	URL         string            `diff:"url"`
	Enabled     string            `diff:"enabled"`
	Events      map[string]string `diff:"events"`
	Headers     map[string]string `diff:"headers"`
	QueryParams map[string]string `diff:"queryParams"`
	AuthHeaders map[string]string `diff:"authentication.headers"`
	AuthParams  map[string]string `diff:"authentication.queryParams"`
}

// names maps a shape's lower-case header names to the spelling of a spec.
type names struct{ headers, authHeaders map[string]string }

func shapeOf(s webhook.Spec) (shape, names) {
	out := shape{
		URL:         webhook.CanonicalURL(s.URL),
		Enabled:     fmt.Sprint(s.Enabled),
		Events:      map[string]string{},
		Headers:     map[string]string{},
		QueryParams: map[string]string{},
		AuthHeaders: map[string]string{},
		AuthParams:  map[string]string{},
	}
	n := names{map[string]string{}, map[string]string{}}
	for _, e := range s.Events {
		out.Events[string(e)] = ""
	}
	for name, value := range s.Headers {
		if webhook.IsMarkerHeader(name) {
			continue
		}
		key := webhook.HeaderKey(name)
		out.Headers[key] = strings.Trim(value, " \t")
		n.headers[key] = name
	}
	for name, value := range s.QueryParams {
		out.QueryParams[name] = value
	}
	for _, name := range s.Auth.Headers {
		out.AuthHeaders[webhook.HeaderKey(name)] = ""
		n.authHeaders[webhook.HeaderKey(name)] = name
	}
	for _, name := range s.Auth.QueryParams {
		out.AuthParams[name] = ""
	}
	return out, n
}

// compare lists the visible differences that a PUT of to over from would make,
// redacted, sorted by path, removals before additions.
func compare(from, to webhook.Spec) []Field {
	fields := []Field{}
	if webhook.SpecDigest(from) != webhook.SpecDigest(to) {
		fields = differ(from, to)
	}
	for path, raw := range from.Unknown {
		var value any = webhook.Redacted
		if err := json.Unmarshal(webhook.RedactUnknown(path, raw), &value); err != nil {
			value = webhook.Redacted
		}
		fields = append(fields, Field{Path: "spec." + path, Op: OpRemove, Before: value})
	}
	sortFields(fields)
	return fields
}

func sortFields(fields []Field) {
	rank := map[Op]int{OpRemove: 0, OpReplace: 1, OpAdd: 2}
	slices.SortFunc(fields, func(a, b Field) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(rank[a.Op], rank[b.Op]),
			cmp.Compare(fmt.Sprint(a.Before), fmt.Sprint(b.Before)), cmp.Compare(fmt.Sprint(a.After), fmt.Sprint(b.After)))
	})
}

// differ compares the shapes of two specs that are known to differ.
func differ(from, to webhook.Spec) []Field {
	a, fromNames := shapeOf(from)
	b, toNames := shapeOf(to)
	log, err := diff.Diff(a, b, diff.AllowTypeMismatch(true), diff.DisableStructValues())
	if err != nil {
		// Both sides are flat maps of strings, which the library can compare.
		panic("plan: compare: " + reflect.TypeOf(err).String())
	}
	fields := make([]Field, 0, len(log))
	for _, c := range log {
		if f, ok := field(c, fromNames, toNames); ok {
			fields = append(fields, f)
		}
	}
	return fields
}

// field turns one change of the library into ours.
func field(c diff.Change, from, to names) (Field, bool) {
	ops := map[string]Op{diff.CREATE: OpAdd, diff.UPDATE: OpReplace, diff.DELETE: OpRemove}
	f := Field{Op: ops[c.Type]}
	top := c.Path[0]
	name := ""
	if len(c.Path) > 1 {
		name = c.Path[1]
	}
	before, after := text(c.From), text(c.To)
	set := func(value func(string) string) {
		if f.Op != OpAdd {
			f.Before = value(before)
		}
		if f.Op != OpRemove {
			f.After = value(after)
		}
	}
	switch top {
	case "url":
		f.Path = "spec.url"
		set(webhook.RedactURL)
	case "enabled":
		f.Path = "spec.enabled"
		f.Before, f.After = before == "true", after == "true"
	case "events":
		f.Path = "spec.events"
		before, after = name, name
		set(func(s string) string { return s })
	case "headers":
		spelled := spell(name, to.headers, from.headers)
		f.Path = "spec.headers" + pathPart(spelled)
		set(func(v string) string { return webhook.RedactValue(spelled, v) })
	case "queryParams":
		f.Path = "spec.queryParams" + pathPart(name)
		set(func(v string) string { return webhook.RedactValue(name, v) })
	case "authentication.headers":
		f.Path = "spec.authentication.headers" + pathPart(spell(name, to.authHeaders, from.authHeaders))
	case "authentication.queryParams":
		f.Path = "spec.authentication.queryParams" + pathPart(name)
	default:
		return Field{}, false
	}
	return f, true
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// spell returns the spelling of a header's name, the files' before the live one.
func spell(key string, first, second map[string]string) string {
	if s, ok := first[key]; ok {
		return s
	}
	if s, ok := second[key]; ok {
		return s
	}
	return key
}

// pathPart appends a name to a path: .name, or ["name"] where it has other
// characters than letters, digits, - and _.
func pathPart(name string) string {
	plain := name != "" && strings.IndexFunc(name, func(r rune) bool {
		return !(r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) < 0
	if plain {
		return "." + name
	}
	quoted, _ := json.Marshal(name) // a string always has a JSON form
	return "[" + string(quoted) + "]"
}
