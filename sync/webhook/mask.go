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
//
// The author of a file must not be able to hide other text with this, such as the
// receiver. So the values come from the live rule alone, and they hide whole values
// and whole segments of a path. Scheme, host and port of a URL are always shown.

// Mask redacts values that a spec may not show. They look like a credential, or they
// have the name or contain the text of a secret that is moving into authentication.
// The zero Mask knows no such secret.
type Mask struct {
	names   map[string]bool     // see looseName
	renamed map[string][]string // values by name, see addRenamed
	values  []string
}

// minMasked is a length in bytes. A shorter value does not count as a renamed
// secret, and a shorter secret is not searched for elsewhere.
const minMasked = 6

// MaskOf returns the mask for a rule with a live spec and a spec in the files; each
// may be nil. The names under authentication in either spec are secret, and so are
// the names in more.
func MaskOf(live, file *Spec, more ...AuthNames) Mask {
	m := Mask{names: map[string]bool{}, renamed: map[string][]string{}}
	add := func(a AuthNames) {
		for _, name := range slices.Concat(a.Headers, a.QueryParams) {
			m.names[looseName(name)] = true
		}
	}
	for _, a := range more {
		add(a)
	}
	if file != nil {
		add(file.Auth)
	}
	if live != nil {
		m.addValues(*live)
		add(live.Auth)
	}
	if live != nil && file != nil {
		m.addRenamed(live, file)
	}
	return m
}

// addRenamed adds plain values of the live rule whose name the file lacks. If the
// file adds authentication, such a value may have been renamed in the move. Each is
// hidden under its own name only.
func (m *Mask) addRenamed(live, file *Spec) {
	added := file.Auth.Without(live.Auth)
	if added.Len() == 0 {
		return
	}
	keep := map[string]bool{}
	for name := range file.plainPairs {
		keep[looseName(name)] = true
	}
	for name, value := range live.plainPairs {
		loose := looseName(name)
		if !keep[loose] && !IsMarkerHeader(name) && (looksRandom(value) || len(value) >= minMasked && added.nameLike(loose)) {
			m.renamed[loose] = append(m.renamed[loose], value)
		}
	}
}

// looksRandom reports whether a value is unlike the words that rules contain in
// plain form, such as staging or video-team.
func looksRandom(value string) bool {
	has := func(low, high rune) bool {
		return strings.ContainsFunc(value, func(r rune) bool { return low <= r && r <= high })
	}
	digit, lower, upper := has('0', '9'), has('a', 'z'), has('A', 'Z')
	switch n := len(value); {
	case n >= 24:
		return true
	case n >= 12:
		return digit && (lower || upper)
	default:
		return n >= 8 && digit && lower && upper
	}
}

// nameLike reports whether a name contains one of the names, or the reverse: X-Hook
// and X-Hook-Id. loose is a result of looseName.
func (a AuthNames) nameLike(loose string) bool {
	const least = 3 // shorter names occur in others by chance
	loose = strings.TrimPrefix(loose, "x")
	return len(loose) >= least && slices.ContainsFunc(slices.Concat(a.Headers, a.QueryParams), func(name string) bool {
		name = strings.TrimPrefix(looseName(name), "x")
		return len(name) >= least && (strings.Contains(name, loose) || strings.Contains(loose, name))
	})
}

// plainPairs yields the plain headers and parameters of a spec, including the parameters
// of its URL.
func (s *Spec) plainPairs(yield func(name, value string) bool) {
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
		if name, value, ok := strings.Cut(part, "="); ok && !yield(decodePercent(name), decodePercent(value)) {
			return
		}
	}
}

// addValues adds the plain values that a live spec has under the names.
func (m *Mask) addValues(s Spec) {
	for name, value := range s.plainPairs {
		value = strings.TrimSpace(value)
		if m.HasSecretName(name) && len(value) >= minMasked && value != Redacted && !slices.Contains(m.values, value) {
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

// HasSecretName reports whether a header or parameter has the name of a secret.
func (m Mask) HasSecretName(name string) bool { return m.names[looseName(name)] }

// parameterEnds are the characters that end a parameter for some program.
const parameterEnds = "?&;#/, "

// hides reports whether the value of a header or parameter is a secret by its name.
func (m Mask) hides(name, value string) bool {
	return m.HasSecretName(name) || slices.Contains(m.renamed[looseName(name)], value)
}

// containsValue reports whether text contains the value of a secret, with no letter or digit
// beside it.
func (m Mask) containsValue(text string) bool {
	return slices.ContainsFunc(m.values, func(v string) bool {
		return containsWord(text, v) || containsWord(decodePercent(text), v) ||
			containsWord(text, url.QueryEscape(v)) || containsWord(text, url.PathEscape(v))
	})
}

// containsWord reports whether text contains word with no letter or digit beside it.
func containsWord(text, word string) bool {
	i, _ := indexBetween(text, word, func(c byte) bool {
		return c < 0x80 && !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
	})
	return i >= 0
}

// replaceWhole redacts each occurrence of word between two of the urlEnds.
func replaceWhole(rest, word string) string {
	var b strings.Builder
	for {
		i, end := indexBetween(rest, word, func(c byte) bool { return strings.IndexByte(urlEnds, c) >= 0 })
		if i < 0 {
			return b.String() + rest
		}
		b.WriteString(rest[:i] + Redacted)
		rest = rest[end:]
	}
}

// indexBetween returns the first place of word in text whose neighbours are an end of
// text or satisfy ends; -1 if there is none.
func indexBetween(text, word string, ends func(byte) bool) (from, end int) {
	for at := 0; word != ""; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			break
		}
		from, end = at+i, at+i+len(word)
		if (from == 0 || ends(text[from-1])) && (end == len(text) || ends(text[end])) {
			return from, end
		}
		at = from + 1
	}
	return -1, -1
}

// Value returns the value of a plain header or parameter in a form that may be
// shown.
func (m Mask) Value(name, value string) string {
	switch {
	case value == "":
		return value
	case m.hides(name, value):
		return Redacted
	case OriginOf(value).IsKnown(): // a URL, whose host stays
		return m.URL(RedactValue(name, value))
	case m.containsValue(value):
		return Redacted
	}
	return m.redactParameters(RedactValue(name, value), 0)
}

// URL returns a URL in a form that may be shown. Scheme, host and port stay.
func (m Mask) URL(u string) string {
	out := RedactURL(u)
	rest := out
	if _, authority, after, ok := splitURL(out); ok && authority != "" {
		rest = after
	}
	return strings.TrimSuffix(out, rest) + m.segments(m.redactParameters(rest, 0))
}

// URLs returns both sides of a change of a URL in a form that may be shown. If they
// look the same, the second says which part changed.
func (m Mask) URLs(before, after string) (string, string) {
	a, b := m.URL(before), m.URL(after)
	if a != b || before == after {
		return a, b
	}
	_, hostA, restA, _ := splitURL(before)
	_, hostB, restB, _ := splitURL(after)
	pathA, pathB := pathOf(restA), pathOf(restB)
	var parts []string
	if hostA != hostB {
		parts = append(parts, "user")
	}
	if pathA != pathB {
		parts = append(parts, "path")
	}
	if strings.TrimPrefix(restA, pathA) != strings.TrimPrefix(restB, pathB) {
		parts = append(parts, "query")
	}
	return a, b + " (" + strings.Join(parts, " and ") + " changed)"
}

// pathOf returns the path at the start of the part of a URL after the host.
func pathOf(rest string) string {
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		return rest[:i]
	}
	return rest
}

// urlEnds are the characters around a path segment, or around a parameter's name or
// value.
const urlEnds = parameterEnds + "="

// segments redacts the values of secrets in the part of a URL after the host. A value
// counts if it is one or several whole path segments, or the whole value of a
// parameter.
func (m Mask) segments(rest string) string {
	for _, v := range m.values {
		for _, form := range []string{v, url.PathEscape(v), url.QueryEscape(v)} {
			rest = replaceWhole(rest, form)
		}
	}
	if len(m.values) == 0 {
		return rest
	}
	// Other spellings of the escapes, and a URL inside a parameter.
	var b strings.Builder
	for part := range eachPart(rest) {
		text := decodePercent(strings.ReplaceAll(part, "+", " "))
		if slices.Contains(m.values, text) || slices.Contains(m.values, decodePercent(part)) || text != part && len(text) < len(part) && m.segments(text) != text {
			part = Redacted
		}
		b.WriteString(part)
	}
	return b.String()
}

// eachPart yields the parts of a URL between urlEnds, and each of these characters.
func eachPart(rest string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(rest) > 0 {
			n := strings.IndexAny(rest, urlEnds)
			switch n {
			case -1:
				n = len(rest)
			case 0:
				n = 1
			}
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// redactParameters redacts the values of secret names in text such as a query. It redacts
// up to the next &, because some programs read the value up to there.
func (m Mask) redactParameters(text string, depth int) string {
	if len(m.names)+len(m.renamed) == 0 || !strings.Contains(text, "=") && !strings.Contains(text, "%3") {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexAny(text, parameterEnds)
		if end < 0 {
			end = len(text)
		}
		name, value, ok := strings.Cut(text[:end], "=")
		plain := decodePercent(value)
		switch {
		case ok && value != "" && m.hides(decodePercent(strings.ReplaceAll(name, "+", " ")), plain),
			ok && plain != value && (depth == maxNested || m.redactParameters(plain, depth+1) != plain):
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
	if slices.ContainsFunc(strings.Split(path, "."), func(part string) bool { return m.HasSecretName(part) }) {
		return hidden
	}
	var v any
	if len(m.names) > 0 && (json.Unmarshal(raw, &v) != nil || m.containsSecret(v)) {
		return hidden
	}
	return RedactUnknown(path, raw)
}

// containsSecret reports whether decoded JSON contains a secret at any depth.
func (m Mask) containsSecret(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if m.HasSecretName(name) || m.containsSecret(value) {
				return true
			}
		}
		// Lists of headers have the form {"name": "X-Api", "value": …}.
		return slices.ContainsFunc([]string{"name", "key", "header"}, func(key string) bool {
			name, ok := v[key].(string)
			return ok && m.HasSecretName(name)
		})
	case []any:
		return slices.ContainsFunc(v, m.containsSecret)
	case string:
		return m.containsValue(v) || m.redactParameters(v, 0) != v
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
