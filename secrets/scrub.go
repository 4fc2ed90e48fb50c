package secrets

import (
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// These lengths, in bytes, decide how to search for a value.
const (
	// minScrub: shorter values are found as a whole word only. A secret "ok"
	// would otherwise be found in every text.
	minScrub = 4
	// minData: shorter values are not searched for in data. Withholding a text
	// costs nothing, but a run needs its data, which contains words such as
	// "jobs".
	minData = 8
	// minParts: texts are also searched for parts of values of this length or
	// more, because a service truncates its messages.
	minParts = 16
	// A part has a quarter of the value's length, within these bounds. For a
	// value below 32 bytes, a part has half of the length and parts overlap. So
	// a text that shows half of a value (three quarters of a short value), or
	// 63 bytes, contains a complete part.
	minPart, maxPart = 8, 32
	// minTight: values with fewer letters and digits are not searched for in a
	// text without its separators. Words of a sentence would match.
	minTight = 12
)

// Scrubber finds leaked values in foreign text. A service, a proxy or a library
// may repeat a request in any form that programs use. The Scrubber is the
// second line of defence; the first is that no document has a field for a
// secret.
//
// It finds a value raw, in base64, in hex, or escaped for JSON, URLs or HTML
// any number of times. It also finds any two of these combined, in either
// order. Letter case is ignored. In texts it also finds a value that separators
// cut into pieces, and lists of bytes. It does not find every possible form: a
// program that intends to hide a value can always invent another.
//
// The zero Scrubber finds nothing. A Scrubber is safe for use by several
// goroutines.
type Scrubber struct {
	mu    sync.RWMutex
	known map[string]bool
	text  needles // for foreign texts, which can be withheld
	shown needles // for the texts of a document
	data  needles // for data that must stay as it is
	words []string
}

// needles are what one kind of text is searched for.
type needles struct {
	raw index
	// tight holds the needles without separators ([squeeze]). It is empty for
	// data.
	tight index
	// text: the search also joins what separators cut.
	text bool
	// words: the search also finds short values as words.
	words bool
}

// NewScrubber returns a Scrubber for the values; it omits empty values.
func NewScrubber(values ...String) *Scrubber {
	s := new(Scrubber)
	s.Add(values...)
	return s
}

// Add makes s also search for values.
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
			s.text.raw.least, s.shown.raw.least, s.data.raw.least = minScrub, minData, minData
			s.text.tight.least, s.shown.tight.least = minPart, minPart
			s.text.text, s.text.words, s.shown.text = true, true, true
		}
		s.known[value] = true
		for _, form := range repeatedForms(value) {
			s.addNeedles(form)
		}
	}
}

func (s *Scrubber) addNeedles(value string) {
	if len(value) < minScrub {
		s.words = append(s.words, value)
		return
	}
	forms := []string{value, string(unescapeAll([]byte(value)))}
	// Base64 in changed letter case, as in the name of a header, can't be
	// decoded, so the encoded form is also a needle.
	for shift := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			forms = append(forms, base64At(enc, value, shift))
		}
	}
	for _, form := range forms {
		s.text.raw.addNeedle(form)
		if len(value) >= minData {
			s.shown.raw.addNeedle(form)
			s.data.raw.addNeedle(form)
		}
	}
	for _, part := range valueParts(value) {
		s.text.raw.addNeedle(part)
		s.text.raw.addNeedle(string(unescapeAll([]byte(part))))
	}
	s.addTight(value)
}

// addTight adds what is found without separators, and the telling parts of
// documents.
func (s *Scrubber) addTight(value string) {
	if tight := string(squeeze([]byte(value), false)); len(tight) >= minTight {
		s.text.tight.addNeedle(tight)
		if countTelling(value, 0, len(value)) >= minTelling {
			s.shown.tight.addNeedle(tight)
		}
	}
	for _, part := range tellingParts(value) {
		s.shown.raw.addNeedle(part)
		s.shown.raw.addNeedle(string(unescapeAll([]byte(part))))
		if tight := string(squeeze([]byte(part), false)); len(tight) >= minPart {
			s.text.tight.addNeedle(tight)
			s.shown.tight.addNeedle(tight)
		}
	}
}

// repeatedForms returns the texts that a server may repeat from a header's value. These are the
// value, the text after a scheme such as Bearer, and the user and password of
// Basic credentials.
func repeatedForms(value string) []string {
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

// valueParts returns the parts of a long value, or nil if the value is short. Any
// large piece of the value contains one of them.
func valueParts(value string) []string {
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

// Found reports whether text contains a value, or a revealing part of a value,
// in any form. Its time is proportional to the length of the text.
func (s *Scrubber) Found(text string) bool {
	if s == nil || text == "" {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.known) > 0 && s.search([]byte(text), &s.text, depth)
}

// Holds reports whether data contains a complete value of at least 8 bytes, in
// any form. Use it for the data of a run, such as rules and records. Parts of
// values and short values would occur there by chance.
func (s *Scrubber) Holds(data []byte) bool {
	if s == nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.holdsLocked(data)
}

func (s *Scrubber) holdsLocked(data []byte) bool {
	return len(data) >= minData && s.data.raw.shortest > 0 && s.search(data, &s.data, depth)
}

// Reveals reports whether a text of a document contains a value of at least 8
// bytes, or a telling part of a long random value, in any form. It is for text
// that is shown: a complete line or member can be replaced. Digests and archives
// need [Scrubber.Holds].
func (s *Scrubber) Reveals(text string) bool {
	if s == nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.reveals([]byte(text))
}

func (s *Scrubber) reveals(text []byte) bool {
	return len(text) >= minData && s.shown.raw.shortest > 0 && s.search(text, &s.shown, depth)
}

// depth is the maximum number of nested encodings, such as base64 in hex, that
// are decoded.
const depth = 2

// search searches b for the values of in, as b is and decoded.
func (s *Scrubber) search(b []byte, in *needles, depth int) bool {
	for range maxLayers {
		if s.containsValue(b, in) || in.text && in.findListed(b) {
			return true
		}
		once, changed := unescapeOnce(b)
		if !changed {
			break
		}
		b = once
	}
	if s.containsValue(b, in) {
		return true
	}
	if in.text && in.findTight(b) {
		return true
	}
	if depth == 0 || in.raw.shortest == 0 { // only short values, which count as whole words
		return false
	}
	decoded := decodeAll(b, &in.raw, in.text)
	return len(decoded) > 0 && s.search(decoded, in, depth-1)
}

func (s *Scrubber) containsValue(b []byte, in *needles) bool {
	if in.raw.containsNeedle(b) {
		return true
	}
	return in.words && slices.ContainsFunc(s.words, func(word string) bool { return hasWord(string(b), word) })
}

// base64At returns the part of the base64 form of (shift bytes, value,
// anything) that depends on value alone.
func base64At(enc *base64.Encoding, value string, shift int) string {
	coded := enc.EncodeToString([]byte(strings.Repeat("\x00", shift) + value))
	first := (shift*8 + 5) / 6            // characters that hold bits of the shift
	whole := (shift + len(value)) * 8 / 6 // characters without bits of the text after the value
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
