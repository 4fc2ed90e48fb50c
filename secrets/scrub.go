package secrets

import (
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// The lengths that decide how a value is searched for, in bytes.
const (
	// minScrub: a shorter value is looked for as a whole word only, because a
	// secret "ok" would otherwise be found in every text.
	minScrub = 4
	// minData: a shorter value is not looked for in data. A text is withheld at
	// no cost; data is what a run works with, and words such as "jobs" are in it.
	minData = 8
	// minParts: of a value from here on, parts are looked for in texts, because a
	// service cuts what it echoes.
	minParts = 16
	// Parts have a quarter of the value's length, within these bounds; those of a
	// value below 32 bytes have half of its length and overlap. Whoever shows half
	// of a value (three quarters of a short one), or 63 bytes, shows a whole part.
	minPart, maxPart = 8, 32
)

// Scrubber finds leaked values in text that comes from elsewhere. A service, a
// proxy or a library may echo what was sent, in any form that programs use. It
// is the second net; the first is that no document has a place for a secret.
//
// A value is found raw, escaped for JSON, URLs or HTML as often as one likes, in
// base64 or hex, and in any two of these in either order; letter case does not
// count. The zero Scrubber looks for nothing. It is safe for use by several
// goroutines.
type Scrubber struct {
	mu    sync.RWMutex
	known map[string]bool
	text  index
	data  index
	words []string
}

// NewScrubber returns a Scrubber for the values; it omits empty values.
func NewScrubber(values ...String) *Scrubber {
	s := new(Scrubber)
	s.Add(values...)
	return s
}

// Add makes s also look for values.
func (s *Scrubber) Add(values ...String) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		value := v.text()
		if value == "" || s.known[value] {
			continue
		}
		if s.known == nil {
			s.known = map[string]bool{}
			s.text.least, s.data.least = minScrub, minData
		}
		s.known[value] = true
		for _, form := range spoken(value) {
			s.add(form)
		}
	}
}

func (s *Scrubber) add(value string) {
	if len(value) < minScrub {
		s.words = append(s.words, value)
		return
	}
	forms := []string{value, string(plain([]byte(value)))}
	// Base64 whose letter case was changed, as in the name of a header, can't be
	// decoded any more.
	for shift := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			forms = append(forms, base64At(enc, value, shift))
		}
	}
	for _, form := range forms {
		s.text.add(form)
		if len(value) >= minData {
			s.data.add(form)
		}
	}
	for _, part := range parts(value) {
		s.text.add(part)
		s.text.add(string(plain([]byte(part))))
	}
}

// spoken lists what a server may repeat of a header's value: the value, what
// follows a scheme such as Bearer, and what Basic credentials say.
func spoken(value string) []string {
	out := []string{value}
	last := value[strings.LastIndexByte(value, ' ')+1:]
	if len(last) < minData {
		return out
	}
	if last != value {
		out = append(out, last)
	}
	user, err := base64.StdEncoding.DecodeString(last)
	if err != nil || !utf8.Valid(user) {
		return out
	}
	if _, password, ok := strings.Cut(string(user), ":"); ok && len(password) >= minScrub {
		out = append(out, string(user), password)
	}
	return out
}

// parts cuts a long value into parts that a piece of it would hold; nil if the
// value is short.
func parts(value string) []string {
	if len(value) < minParts {
		return nil
	}
	size := min(max(len(value)/4, minPart), maxPart)
	step := size
	if len(value) < 4*minPart {
		size = len(value) / 2
		step = size / 2
	}
	var out []string
	for at := 0; at+size <= len(value); at += step {
		out = append(out, value[at:at+size])
	}
	return append(out, value[len(value)-size:])
}

// Found reports whether text holds a value, or a telling part of a value, in any
// form. It takes time in proportion to the text.
func (s *Scrubber) Found(text string) bool {
	if s == nil || text == "" {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.known) > 0 && s.search([]byte(text), &s.text, depth)
}

// Holds reports whether data holds a whole value of at least 8 bytes, in any
// form. Use it for what a run works with, such as rules and records: parts of
// values and short values would be found there by chance.
func (s *Scrubber) Holds(data []byte) bool {
	if s == nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.holds(data)
}

func (s *Scrubber) holds(data []byte) bool {
	return len(data) >= minData && s.data.shortest > 0 && s.search(data, &s.data, depth)
}

// depth is how many encodings such as base64 are undone, one in the other.
const depth = 2

// search looks for the values of an index in b, as it is and decoded.
func (s *Scrubber) search(b []byte, in *index, depth int) bool {
	for range maxLayers {
		if s.find(b, in) {
			return true
		}
		once, changed := unescape(b)
		if !changed {
			break
		}
		b = once
	}
	if s.find(b, in) {
		return true
	}
	if depth == 0 {
		return false
	}
	decoded := decode(b, in.shortest, in == &s.text)
	return len(decoded) > 0 && s.search(decoded, in, depth-1)
}

func (s *Scrubber) find(b []byte, in *index) bool {
	if in.find(b) {
		return true
	}
	if in != &s.text {
		return false
	}
	return len(s.words) > 0 && slices.ContainsFunc(s.words, func(word string) bool { return hasWord(string(b), word) })
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

// hasWord reports whether word is in text with no letter or digit beside it.
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
