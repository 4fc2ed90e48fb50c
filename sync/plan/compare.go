package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
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
// The shape is one flat map of text, because that is what the library behind
// it compares without surprises: nested maps, numbers and lists each have
// cases in which it gives up or finds too much. It also tells its differences
// in random order, so they are sorted.
//
// Authentication takes part by name alone: no value is ever here.

// The parts of a spec, as they begin a key of a shape and a field's path.
const (
	partURL         = "url"
	partEnabled     = "enabled"
	partEvents      = "events"
	partHeaders     = "headers"
	partQueryParams = "queryParams"
	partAuthHeaders = "authentication.headers"
	partAuthParams  = "authentication.queryParams"
)

// shape is a spec as flat text, fit for comparison: part, NUL and name to
// value. names has the spelling of those names that were folded.
type shape struct{ values, names map[string]string }

// shapeOf returns the shape of s; that of nil, no rule at all, is empty.
func shapeOf(s *webhook.Spec) shape {
	out := shape{map[string]string{}, map[string]string{}}
	if s == nil {
		return out
	}
	out.values[partURL+"\x00"] = webhook.CanonicalURL(s.URL)
	out.values[partEnabled+"\x00"] = strconv.FormatBool(s.Enabled)
	for _, e := range s.Events {
		out.values[partEvents+"\x00"+string(e)] = ""
	}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		if !webhook.IsMarkerHeader(name) {
			out.addHeader(partHeaders, name, webhook.HeaderValue(s.Headers[name]))
		}
	}
	for name, value := range s.QueryParams {
		out.values[partQueryParams+"\x00"+name] = value
	}
	for _, name := range slices.Sorted(slices.Values(s.Auth.Headers)) {
		out.addHeader(partAuthHeaders, name, "")
	}
	for _, name := range s.Auth.QueryParams {
		out.values[partAuthParams+"\x00"+name] = ""
	}
	return out
}

// addHeader adds a header under its folded name. A service may hold one name
// in two spellings: the second must not hide behind the first.
func (s shape) addHeader(part, name, value string) {
	key := part + "\x00" + webhook.HeaderKey(name)
	for {
		if _, taken := s.values[key]; !taken {
			break
		}
		key += "\x00"
	}
	s.values[key], s.names[key] = value, name
}

// Compare lists the visible differences between two specs, redacted: what a
// PUT of to over from would change.
func Compare(from, to webhook.Spec) []Field { return compare(&from, &to, webhook.MaskOf(&from, &to)) }

// compare lists the visible differences between two specs, masked, sorted by
// path, removals before additions. from is nil for a rule that is not there.
func compare(from, to *webhook.Spec, mask webhook.Mask) []Field {
	a, b := shapeOf(from), shapeOf(to)
	log, err := diff.Diff(a.values, b.values, diff.AllowTypeMismatch(true))
	if err != nil {
		// Both sides are flat maps of text, which the library can compare.
		panic(fmt.Sprintf("plan: comparing two specs: %T", err))
	}
	fields := make([]Field, 0, len(log))
	for _, c := range log {
		fields = append(fields, fieldOf(c, a, b, mask))
	}
	sortFields(fields)
	return fields
}

// sortFields orders by path, removals first.
func sortFields(fields []Field) {
	rank := map[Op]int{OpRemove: 0, OpReplace: 1, OpAdd: 2}
	slices.SortFunc(fields, func(a, b Field) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(rank[a.Op], rank[b.Op]),
			cmp.Compare(fmt.Sprint(a.Before, a.After), fmt.Sprint(b.Before, b.After)))
	})
}

// fieldOf turns one difference of the library into ours.
func fieldOf(c diff.Change, from, to shape, mask webhook.Mask) Field {
	key := c.Path[0]
	part, name, _ := strings.Cut(key, "\x00")
	if spelled, ok := from.names[key]; ok {
		name = spelled
	}
	if spelled, ok := to.names[key]; ok { // the files' spelling before the live one
		name = spelled
	}
	f := Field{Path: "spec." + part, Op: map[string]Op{diff.CREATE: OpAdd, diff.UPDATE: OpReplace, diff.DELETE: OpRemove}[c.Type]}
	var show func(value string) any
	switch part {
	case partURL:
		show = func(value string) any { return mask.URL(value) }
	case partEnabled:
		show = func(value string) any { return value == "true" }
	case partEvents:
		show = func(string) any { return name }
	case partHeaders, partQueryParams:
		f.Path += pathPart(name)
		show = func(value string) any { return mask.Value(name, value) }
	default: // authentication: the name is all there is
		f.Path += pathPart(name)
		return f
	}
	if before, ok := from.values[key]; ok {
		f.Before = show(before)
	}
	if after, ok := to.values[key]; ok {
		f.After = show(after)
	}
	return f
}

// droppedFields lists what a PUT over live would drop because this version does not
// know it, masked, sorted by path.
func droppedFields(live webhook.Spec, mask webhook.Mask) []Field {
	fields := make([]Field, 0, len(live.Unknown))
	for path, raw := range live.Unknown {
		fields = append(fields, Field{Path: "spec." + path, Op: OpRemove, Before: decoded(mask.Unknown(path, raw))})
	}
	sortFields(fields)
	return fields
}

// decoded is a JSON value as data, its numbers as they stand.
func decoded(raw json.RawMessage) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	if dec.Decode(&value) != nil {
		return webhook.Redacted
	}
	return value
}

// mask hides what neither a rule's live spec nor its files may show. Of a rule
// without a file, every name that is secret in another file of the project may
// be that of a secret: the rule may have been renamed while it was moved.
func (b *planner) mask(f comparison) webhook.Mask {
	switch {
	case f.live == nil:
		return webhook.MaskOf(nil, &f.desired.Spec)
	case f.desired != nil:
		return webhook.MaskOf(&f.live.Spec, &f.desired.Spec)
	}
	if b.secretNames == nil {
		b.secretNames = &webhook.AuthNames{}
		for _, d := range b.Desired {
			b.secretNames.Headers = append(b.secretNames.Headers, d.Spec.Auth.Headers...)
			b.secretNames.QueryParams = append(b.secretNames.QueryParams, d.Spec.Auth.QueryParams...)
		}
		slices.Sort(b.secretNames.Headers)
		slices.Sort(b.secretNames.QueryParams)
		b.secretNames.Headers, b.secretNames.QueryParams = slices.Compact(b.secretNames.Headers), slices.Compact(b.secretNames.QueryParams)
	}
	return webhook.MaskOf(&f.live.Spec, nil, *b.secretNames)
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

// redactSpec is a spec as it stands in the document: without the marker, masked,
// events in order and each once, because they are a set.
func redactSpec(s webhook.Spec, mask webhook.Mask) *webhook.Spec {
	s = mask.Spec(s.WithoutMarker())
	s.Events = slices.Compact(slices.Sorted(slices.Values(s.Events)))
	if s.Events == nil {
		s.Events = []webhook.EventType{}
	}
	return &s
}
