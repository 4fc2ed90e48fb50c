package secrets

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
)

// minScrub is the length in bytes below which a value is looked for as a whole
// word only: a secret "ok" would otherwise be found in every text.
const minScrub = 4

// Scrubber finds leaked values in text that comes from elsewhere: the error
// text of a service may echo what was sent, in any of the forms that servers
// and proxies use. It is the second net; the first is that no document has a
// place for a secret.
type Scrubber struct {
	needles []string
	words   []string
}

// NewScrubber returns a Scrubber for the values; empty ones are left out.
func NewScrubber(values ...String) *Scrubber { return (&Scrubber{}).With(values...) }

// With returns a Scrubber that looks for values, too. s may be nil.
func (s *Scrubber) With(values ...String) *Scrubber {
	out := &Scrubber{}
	if s != nil {
		out.needles = append(out.needles, s.needles...)
		out.words = append(out.words, s.words...)
	}
	for _, s := range values {
		switch v := s.text(); {
		case v == "":
		case len(v) < minScrub:
			out.words = append(out.words, v)
		default:
			out.needles = append(out.needles, forms(v)...)
		}
	}
	return out
}

// Found reports whether any value stands in text, in any of its forms.
func (s *Scrubber) Found(text string) bool {
	if s == nil || len(s.needles)+len(s.words) == 0 || text == "" {
		return false
	}
	// Escapes of text are undone as well as applied, because a server may mix
	// them: what a browser or a JSON reader would show is searched, too.
	for _, t := range readings(text) {
		for _, n := range s.needles {
			if strings.Contains(t, n) {
				return true
			}
		}
		for _, w := range s.words {
			if hasWord(t, w) {
				return true
			}
		}
	}
	return false
}

// forms are the ways in which value may stand in a text that is not unescaped
// by readings: raw, and base64 at the three alignments.
func forms(value string) []string {
	out := []string{value}
	// The quoted forms catch escapes that readings undo only for whole texts.
	if quoted, err := json.Marshal(value); err == nil {
		out = append(out, string(quoted[1:len(quoted)-1]))
	}
	out = append(out, url.QueryEscape(value), url.PathEscape(value), html.EscapeString(value), fmt.Sprintf("%x", value), fmt.Sprintf("%X", value))
	for shift := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if n := base64At(enc, value, shift); len(n) >= minScrub {
				out = append(out, n)
			}
		}
	}
	unique := out[:0]
	seen := map[string]bool{}
	for _, f := range out {
		if !seen[f] {
			seen[f] = true
			unique = append(unique, f)
		}
	}
	return unique
}

// base64At is the part of the base64 form of (shift bytes, value, anything)
// that value alone decides.
func base64At(enc *base64.Encoding, value string, shift int) string {
	coded := enc.EncodeToString([]byte(strings.Repeat("\x00", shift) + value))
	first := (shift*8 + 5) / 6            // characters that hold bits of the shift
	whole := (shift + len(value)) * 8 / 6 // characters without bits behind the value
	if first >= whole || whole > len(coded) {
		return ""
	}
	return coded[first:whole]
}

// readings are text itself and what it says with escapes undone.
func readings(text string) []string {
	out := []string{text}
	add := func(t string) {
		if t != text {
			out = append(out, t)
		}
	}
	if strings.Contains(text, "&") {
		add(html.UnescapeString(text))
	}
	if strings.ContainsRune(text, '%') {
		add(unescapePercent(text, false))
	}
	if strings.ContainsRune(text, '+') {
		add(unescapePercent(text, true))
	}
	if strings.ContainsRune(text, '\\') {
		once := unescapeJSON(text)
		add(once)
		add(unescapeJSON(once))
	}
	return out
}

// unescapePercent undoes %xx wherever it is well-formed.
func unescapePercent(text string, plus bool) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			b.WriteByte(unhex(text[i+1])<<4 | unhex(text[i+2]))
			i += 2
		case text[i] == '+' && plus:
			b.WriteByte(' ')
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// unescapeJSON undoes JSON's escapes wherever they are well-formed.
func unescapeJSON(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		if short := strings.IndexByte(`bfnrt`, text[i]); short >= 0 {
			b.WriteByte("\b\f\n\r\t"[short])
			continue
		}
		if text[i] != 'u' || i+4 >= len(text) {
			b.WriteByte(text[i])
			continue
		}
		end := i + 5
		// A surrogate pair is two escapes and one character.
		if end+6 <= len(text) && text[end] == '\\' && text[end+1] == 'u' && (text[i+1] == 'd' || text[i+1] == 'D') {
			end += 6
		}
		var s string
		if json.Unmarshal([]byte(`"\`+text[i:end]+`"`), &s) != nil {
			b.WriteByte(text[i])
			continue
		}
		b.WriteString(s)
		i = end - 1
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// hasWord reports whether word stands in text with no letter or digit beside it.
func hasWord(text, word string) bool {
	wordy := func(c byte) bool {
		return c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		i += from
		before := i > 0 && wordy(text[i-1])
		after := i+len(word) < len(text) && wordy(text[i+len(word)])
		if !before && !after {
			return true
		}
		from = i + 1
	}
}
