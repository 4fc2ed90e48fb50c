package webhook

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// A value that is plain in a live rule, and under authentication in the file, is
// becoming a secret. Until the file is applied, no output may show it. Its name
// identifies it, at any position and in any spelling. Its value does so as well, if
// it also occurs elsewhere.

// Mask redacts values that a spec may not show. They look like a credential, or they
// have the name or contain the text of a secret that is moving into authentication.
// The zero Mask knows no such secret.
type Mask struct {
	names  map[string]bool // see looseName
	values []string
}

// minMasked is a length in bytes. A shorter value does not count as a renamed
// secret, and a shorter secret is not searched for elsewhere.
const minMasked = 6

// MaskOf returns the mask for a rule with a live spec and a spec in the files; each
// may be nil. The names under authentication in either spec are secret, and so are
// the names in more.
func MaskOf(live, file *Spec, more ...AuthNames) Mask {
	m := Mask{names: map[string]bool{}}
	add := func(a AuthNames) {
		for _, name := range slices.Concat(a.Headers, a.QueryParams) {
			m.names[looseName(name)] = true
		}
	}
	for _, a := range more {
		add(a)
	}
	for _, s := range []*Spec{live, file} {
		if s != nil {
			add(s.Auth)
		}
	}
	if live != nil && file != nil && file.Auth.Without(live.Auth).Len() > 0 {
		m.addRemoved(live, file)
	}
	for _, s := range []*Spec{live, file} {
		if s != nil {
			m.addValues(*s)
		}
	}
	return m
}

// addRemoved adds plain names of the live rule that the file lacks. If the file adds
// authentication, any of them may have been renamed in the move.
func (m *Mask) addRemoved(live, file *Spec) {
	keep := map[string]bool{}
	for name := range file.plain {
		keep[looseName(name)] = true
	}
	for name, value := range live.plain {
		if len(value) >= minMasked && !keep[looseName(name)] && !IsMarkerHeader(name) {
			m.names[looseName(name)] = true
		}
	}
}

// plain yields the plain headers and parameters of a spec, including the parameters
// of its URL.
func (s *Spec) plain(yield func(name, value string) bool) {
	for name, value := range s.Headers {
		if !yield(name, value) {
			return
		}
	}
	for name, value := range s.QueryParams {
		if !yield(name, value) {
			return
		}
	}
	for _, part := range strings.FieldsFunc(s.URL, func(r rune) bool { return strings.ContainsRune(parameterEnds, r) }) {
		if name, value, ok := strings.Cut(part, "="); ok && !yield(unescape(name), unescape(value)) {
			return
		}
	}
}

// addValues adds the values that a spec has under the names.
func (m *Mask) addValues(s Spec) {
	for name, value := range s.plain {
		value = strings.TrimSpace(value)
		if m.Names(name) && len(value) >= minMasked && value != Redacted && !slices.Contains(m.values, value) {
			m.values = append(m.values, value)
		}
	}
}

// looseName returns the form in which names are compared. Users change case and
// separators when they turn a header into a parameter.
func looseName(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_.[] ", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// Names reports whether a header or parameter has the name of a secret.
func (m Mask) Names(name string) bool { return m.names[looseName(name)] }

// parameterEnds are the characters that end a parameter for some program.
const parameterEnds = "?&;#/, "

// holds reports whether text contains the value of a secret.
func (m Mask) holds(text string) bool {
	return slices.ContainsFunc(m.values, func(v string) bool {
		return strings.Contains(text, v) || strings.Contains(unescape(text), v) ||
			strings.Contains(text, url.QueryEscape(v)) || strings.Contains(text, url.PathEscape(v))
	})
}

// Value returns the value of a plain header or parameter in a form that may be
// shown.
func (m Mask) Value(name, value string) string {
	switch {
	case value == "":
		return value
	case m.Names(name) || m.holds(value):
		return Redacted
	}
	return m.parameters(RedactValue(name, value), 0)
}

// URL returns a URL in a form that may be shown.
func (m Mask) URL(u string) string {
	out := m.parameters(RedactURL(u), 0)
	if !m.holds(out) {
		return out
	}
	scheme, authority, _, ok := splitURL(out)
	if !ok || m.holds(authority) {
		return Redacted
	}
	return scheme + "://" + authority + "/" + Redacted
}

// parameters redacts the values of secret names in text such as a query. It redacts
// up to the next &, because some programs read the value up to there.
func (m Mask) parameters(text string, depth int) string {
	if len(m.names) == 0 || !strings.Contains(text, "=") && !strings.Contains(text, "%3") {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexAny(text, parameterEnds)
		if end < 0 {
			end = len(text)
		}
		name, value, ok := strings.Cut(text[:end], "=")
		plain := unescape(value)
		switch {
		case ok && value != "" && m.Names(unescape(strings.ReplaceAll(name, "+", " "))),
			ok && plain != value && (depth == maxNested || m.parameters(plain, depth+1) != plain):
			if end = strings.IndexAny(text, "&#"); end < 0 {
				end = len(text)
			}
			b.WriteString(name + "=" + Redacted)
		default:
			b.WriteString(text[:end])
		}
		text = text[end:]
		if len(text) > 0 { // every end is one byte
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String()
}

// Unknown returns the value of an unknown field in a form that may be shown.
func (m Mask) Unknown(path string, raw json.RawMessage) json.RawMessage {
	hidden := json.RawMessage(`"` + Redacted + `"`)
	if slices.ContainsFunc(strings.Split(path, "."), func(part string) bool { return m.Names(part) }) {
		return hidden
	}
	var v any
	if len(m.names) > 0 && (json.Unmarshal(raw, &v) != nil || m.inside(v)) {
		return hidden
	}
	return RedactUnknown(path, raw)
}

// inside reports whether decoded JSON contains a secret at any depth.
func (m Mask) inside(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if m.Names(name) || m.inside(value) {
				return true
			}
		}
		// Lists of headers have the form {"name": "X-Api", "value": …}.
		return slices.ContainsFunc([]string{"name", "key", "header"}, func(key string) bool {
			name, ok := v[key].(string)
			return ok && m.Names(name)
		})
	case []any:
		return slices.ContainsFunc(v, m.inside)
	case string:
		return m.holds(v) || m.parameters(v, 0) != v
	}
	return false
}

// Spec returns a copy of s that a document may contain; see [Spec.Redacted].
func (m Mask) Spec(s Spec) Spec {
	out := s.Redacted()
	out.URL = m.URL(s.URL)
	for name, value := range s.Headers {
		if !IsMarkerHeader(name) {
			out.Headers[name] = m.Value(name, value)
		}
	}
	for name, value := range s.QueryParams {
		out.QueryParams[name] = m.Value(name, value)
	}
	for path, raw := range s.Unknown {
		out.Unknown[path] = m.Unknown(path, raw)
	}
	return out
}
