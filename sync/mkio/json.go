package mkio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Responses are read field by field and by exact names. encoding/json would take
// "URL" for "url" and use the last of two equal names. It would omit a field of the
// wrong type from a map, and not report a missing field. Here each of these is an
// error that names the field, because a rule that is read wrongly is written
// wrongly.
//
// encoding/json checks a whole response once, also its nesting, to 10,000 levels.
// The code below may therefore trust the syntax and only cuts the response into
// parts. That is many times faster than decoding each level anew.

type rawJSON = json.RawMessage

// maxDepth limits the nesting of a response. A rule has five levels. A field that
// this version does not know is shown and compared, which takes time with the
// square of its depth.
const maxDepth = 64

var errNotJSON = errors.New("is not JSON")

// field is one member of an object.
type field struct {
	name string
	raw  rawJSON
}

// object is a JSON object in its original order, and its position in words, for
// messages.
type object struct {
	at   string
	list []field
}

// manyFields is the number of fields from which a map finds duplicates faster.
const manyFields = 16

// parseObject checks a whole response and parses it as an object.
func parseObject(body []byte, at string) (object, error) {
	if len(body) == 0 {
		return object{}, fmt.Errorf("%s is empty, expected a JSON object", at)
	}
	if !json.Valid(body) {
		if levels(body) > maxLevels {
			return object{}, depthError(at)
		}
		return object{}, fmt.Errorf("%s %w, or only the beginning of it", at, errNotJSON)
	}
	c := cursor{b: body}
	c.skipSpace()
	whole := c.readValue()
	if c.deepest > maxDepth {
		return object{}, depthError(at)
	}
	return objectOf(whole, at)
}

// maxLevels is the depth to which encoding/json reads. What is deeper is not
// valid to it.
const maxLevels = 10_000

// levels returns the depth of a body, which may be invalid.
func levels(body []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch b := body[i]; {
		case b == '"':
			quoted = !quoted
		case quoted && b == '\\':
			i++
		case quoted:
		case b == '{' || b == '[':
			depth++
			deepest = max(deepest, depth)
		case b == '}' || b == ']':
			depth--
		}
	}
	return deepest
}

func depthError(at string) error {
	return fmt.Errorf("%s is nested deeper than %d levels", at, maxDepth)
}

// objectOf parses a part of a checked response as an object.
func objectOf(raw rawJSON, at string) (object, error) {
	o := object{at: at}
	if kindOf(raw) != "an object" {
		return o, fmt.Errorf("%s is %s, expected an object", at, kindOf(raw))
	}
	c := cursor{b: raw, i: 1}
	o.list = make([]field, 0, 4) // the fields of a record
	var seen map[string]bool
	for c.moveToNext('}') {
		f := field{name: fieldName(c.readValue())}
		c.moveToNext(0) // the colon
		f.raw = c.readValue()
		twice := seen[f.name]
		if seen == nil {
			twice = o.fieldValue(f.name) != nil
		}
		if twice {
			return o, quoteForeign("%s has the field %q twice", at, foreign{f.name})
		}
		o.list = append(o.list, f)
		if seen == nil && len(o.list) >= manyFields {
			seen = make(map[string]bool, 4*manyFields)
			for _, f := range o.list {
				seen[f.name] = true
			}
		} else if seen != nil {
			seen[f.name] = true
		}
	}
	return o, nil
}

// listOf parses a part of a checked response as a list; ok is false if it is not a
// list.
func listOf(raw rawJSON) (out []rawJSON, ok bool) {
	if kindOf(raw) != "a list" {
		return nil, false
	}
	c := cursor{b: raw, i: 1}
	for c.moveToNext(']') {
		out = append(out, c.readValue())
	}
	return out, true
}

// cursor walks over checked JSON.
type cursor struct {
	b []byte
	i int
	// deepest is the most levels of a value so far.
	deepest int
}

func (c *cursor) skipSpace() {
	for c.i < len(c.b) && (c.b[c.i] == ' ' || c.b[c.i] == '\n' || c.b[c.i] == '\t' || c.b[c.i] == '\r') {
		c.i++
	}
}

// moveToNext moves to the next value, over a comma or colon. It returns false at end.
func (c *cursor) moveToNext(end byte) bool {
	c.skipSpace()
	if c.b[c.i] == ',' || c.b[c.i] == ':' {
		c.i++
		c.skipSpace()
	}
	return c.b[c.i] != end
}

// readValue returns the value that begins here and moves behind it.
func (c *cursor) readValue() rawJSON {
	from, depth := c.i, 0
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case '"':
			c.skipString()
		case '{', '[':
			depth++
			c.deepest = max(c.deepest, depth)
			c.i++
		case '}', ']':
			depth--
			c.i++
		default:
			c.skipPlain(depth)
		}
		if depth == 0 {
			break
		}
	}
	return rawJSON(c.b[from:c.i:c.i])
}

// skipString moves behind a string. Most strings have no escape; then the next
// quote ends the string.
func (c *cursor) skipString() {
	c.i++
	if n := bytes.IndexByte(c.b[c.i:], '"'); n >= 0 && bytes.IndexByte(c.b[c.i:c.i+n], '\\') < 0 {
		c.i += n + 1
		return
	}
	for ; c.b[c.i] != '"'; c.i++ {
		if c.b[c.i] == '\\' {
			c.i++
		}
	}
	c.i++
}

// skipPlain moves over bytes that are neither a string nor a bracket. Inside a value
// that includes punctuation; a plain value itself ends before punctuation.
func (c *cursor) skipPlain(depth int) {
	for ; c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case '"', '{', '[', '}', ']':
			return
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return
			}
		}
	}
}

// fieldName returns a field's name. It does not copy the names in records, because
// a history may have a million records.
func fieldName(raw rawJSON) string {
	switch string(raw) {
	case `"created"`:
		return "created"
	case `"source"`:
		return "source"
	case `"type"`:
		return "type"
	case `"status"`:
		return "status"
	}
	return unquote(raw)
}

// unquote returns the text of a checked JSON string.
func unquote(raw rawJSON) string {
	inner := raw[1 : len(raw)-1]
	simple := true
	for _, b := range inner {
		if b == '\\' || b >= utf8.RuneSelf {
			simple = false
			break
		}
	}
	if simple {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it was checked
	return s
}

// kindOf names the type of a part of a checked response.
func kindOf(raw rawJSON) string {
	if len(raw) == 0 {
		return "missing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

// fieldValue returns a field, or nil if it is missing.
func (o object) fieldValue(name string) rawJSON {
	for i := range o.list {
		if o.list[i].name == name {
			return o.list[i].raw
		}
	}
	return nil
}

func (o object) kindError(name, expected string) error {
	return quoteForeign("%s.%s is %s, expected %s", o.at, foreign{name}, kindOf(o.fieldValue(name)), expected)
}

// textField returns a field that must be text.
func (o object) textField(name string) (string, error) {
	raw := o.fieldValue(name)
	if kindOf(raw) != "text" {
		return "", o.kindError(name, "text")
	}
	return unquote(raw), nil
}

// isAbsent reports whether a field is missing or null.
func (o object) isAbsent(name string) bool {
	raw := o.fieldValue(name)
	return raw == nil || raw[0] == 'n'
}

// objectField returns a field that is an object; null and absent give an empty object.
func (o object) objectField(name string) (object, error) {
	at := o.at + "." + name
	if o.isAbsent(name) {
		return object{at: at}, nil
	}
	return objectOf(o.fieldValue(name), at)
}
