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
// Both specs are first converted to a shape without irrelevant differences.
// Header names are in lower case, values trimmed, URLs canonical. Events are a
// set, and an empty map equals a missing map. Then the shapes are compared, and
// the names regain the spelling that the reader knows. Equal digests mean equal
// specs, so the comparison, which is slow, only runs for rules that differ.
//
// The shape is a flat map of text, because the diff library handles only that
// reliably. With nested maps, numbers and lists it sometimes gives up or finds
// too many differences. It returns differences in random order, so they are
// sorted.
//
// Only the names of authentication values take part, never the values.

// The parts of a spec: the prefixes of shape keys and of field paths.
const (
	partURL         = "url"
	partEnabled     = "enabled"
	partEvents      = "events"
	partHeaders     = "headers"
	partQueryParams = "queryParams"
	partAuthHeaders = "authentication.headers"
	partAuthParams  = "authentication.queryParams"
)

// shape is a spec as flat text for comparison. The map values has the key part,
// NUL and name. The map names has the original spelling of folded names.
type shape struct{ values, names map[string]string }

// shapeOf returns the shape of s. The shape of nil (no rule) is empty.
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

// addHeader adds a header under its folded name. A service may hold a name in
// two spellings: the second must not hide behind the first.
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

// Compare returns the visible differences between two specs, redacted: the
// changes that a PUT of to over from would make.
func Compare(from, to webhook.Spec) []Field { return compare(&from, &to, webhook.MaskOf(&from, &to)) }

// compare returns the visible differences between two specs, masked. They are
// sorted by path, removals first. A nil from or to stands for an absent rule.
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

// sortFields sorts by path, removals first.
func sortFields(fields []Field) {
	rank := map[Op]int{OpRemove: 0, OpReplace: 1, OpAdd: 2}
	slices.SortFunc(fields, func(a, b Field) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(rank[a.Op], rank[b.Op]),
			cmp.Compare(fmt.Sprint(a.Before, a.After), fmt.Sprint(b.Before, b.After)))
	})
}

// fieldOf converts a difference of the library.
func fieldOf(c diff.Change, from, to shape, mask webhook.Mask) Field {
	key := c.Path[0]
	part, name, _ := strings.Cut(key, "\x00")
	if spelled, ok := from.names[key]; ok {
		name = spelled
	}
	if spelled, ok := to.names[key]; ok { // the spelling in the files wins over the live spelling
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
	default: // authentication: there is only a name
		f.Path += pathPart(name)
		return f
	}
	if before, ok := from.values[key]; ok {
		f.Before = show(before)
	}
	if after, ok := to.values[key]; ok {
		f.After = show(after)
	}
	if part == partURL && f.Op == OpReplace {
		f.Before, f.After = mask.URLs(from.values[key], to.values[key])
	}
	return f
}

// droppedFields returns the live fields that a PUT would drop because this
// version does not know them. They are masked and sorted by path.
func droppedFields(live webhook.Spec, mask webhook.Mask) []Field {
	fields := make([]Field, 0, len(live.Unknown))
	for path, raw := range live.Unknown {
		fields = append(fields, Field{Path: "spec." + path, Op: OpRemove, Before: decodeValue(mask.Unknown(path, raw))})
	}
	sortFields(fields)
	return fields
}

// decodeValue decodes a JSON value. Numbers keep their digits.
func decodeValue(raw json.RawMessage) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	if dec.Decode(&value) != nil {
		return webhook.Redacted
	}
	return value
}

// ruleMask hides the values that are secret in a rule's live spec or in its files.
// A rule without a file may have been renamed while a value became a secret. So
// the mask of such a rule covers all secret names of the project's files.
func (b *planner) ruleMask(f comparison) webhook.Mask {
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

// pathPart returns a name as it is appended to a path: .name if it only has
// letters, digits, - and _, otherwise ["name"].
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

// redactSpec returns a spec for the document: masked, without the marker, with
// sorted and unique events because they are a set.
func redactSpec(s webhook.Spec, mask webhook.Mask) *webhook.Spec {
	s = mask.Spec(s.WithoutMarker())
	s.Events = slices.Compact(slices.Sorted(slices.Values(s.Events)))
	if s.Events == nil {
		s.Events = []webhook.EventType{}
	}
	return &s
}
