package secrets

import (
	"bytes"
	"encoding/base64"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Two texts that differ only in their escapes have the same plain form. The
// search also compares plain forms. So the order and number of escapes do not
// matter, and the code does not list the forms of a value.

// maxLayers limits how often the escapes of a text are undone.
const maxLayers = 8

// unescapeAll undoes all escapes of JSON, URLs, HTML and Go in b, until none is left
// or [maxLayers] is reached.
func unescapeAll(b []byte) []byte {
	for range maxLayers {
		once, changed := unescapeOnce(b)
		if !changed {
			break
		}
		b = once
	}
	return b
}

// unescapeOnce undoes the outermost escapes of b. It reports false, and returns b,
// if there are none. Most texts have few escapes, so it copies the text between
// two escapes at once.
func unescapeOnce(b []byte) (out []byte, changed bool) {
	next := [len(escapes)]int{} // for each escape, its next position
	for i := range escapes {
		next[i] = indexFrom(b, 0, escapes[i])
	}
	done := 0
	for {
		at := slices.Min(next[:])
		if at == len(b) {
			break
		}
		var says []byte
		n := 0
		switch b[at] {
		case '%':
			says, n = readPercent(b[at:])
		case '\\':
			says, n = readBackslash(b[at:])
		case '&':
			says, n = readEntity(b[at:])
		}
		passed := at + max(n, 1)
		if n > 0 {
			if out == nil {
				out = make([]byte, 0, len(b))
			}
			out = append(append(out, b[done:at]...), says...)
			done = passed
		}
		for i := range next {
			if next[i] < passed {
				next[i] = indexFrom(b, passed, escapes[i])
			}
		}
	}
	if done == 0 {
		return b, false
	}
	return append(out, b[done:]...), true
}

// indexFrom returns the first position of c in b at or after from; len(b) if
// there is none.
func indexFrom(b []byte, from int, c byte) int {
	if i := bytes.IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// escapes are the first characters of all escapes.
const escapes = `%\&`

// readPercent reads %41 and %u0041. n is 0 if b does not begin with such an escape.
func readPercent(b []byte) (says []byte, n int) {
	if c, ok := parseHex(b, 1, 2); ok {
		return []byte{byte(c)}, 3
	}
	if len(b) > 1 && (b[1] == 'u' || b[1] == 'U') {
		if c, ok := parseHex(b, 2, 4); ok {
			return utf8.AppendRune(nil, rune(c)), 6
		}
	}
	return nil, 0
}

// readBackslash reads the escapes of JSON, JavaScript and Go. It drops a backslash
// before any other character.
func readBackslash(b []byte) (says []byte, n int) {
	if len(b) == 1 {
		return nil, 0
	}
	if i := bytes.IndexByte([]byte(`abfnrtv`), b[1]); i >= 0 {
		return []byte{"\a\b\f\n\r\t\v"[i]}, 2
	}
	switch b[1] {
	case '\\':
		return b[1:2], 2
	case 'x':
		if c, ok := parseHex(b, 2, 2); ok {
			return []byte{byte(c)}, 4
		}
	case 'U':
		if c, ok := parseHex(b, 2, 8); ok {
			return utf8.AppendRune(nil, rune(c)), 10
		}
	case 'u':
		return readUnicode(b)
	}
	if len(b) > 3 && '0' <= b[1] && b[1] <= '3' { // octal
		if n, ok := listedByte(b[1:4], 8); ok {
			return []byte{n}, 4
		}
	}
	return nil, 1
}

// readUnicode reads \u0041, \u{41} and surrogate pairs.
func readUnicode(b []byte) (says []byte, n int) {
	if len(b) > 2 && b[2] == '{' {
		end := bytes.IndexByte(b[:min(len(b), 12)], '}')
		if end < 0 {
			return nil, 1
		}
		c, err := strconv.ParseUint(string(b[3:end]), 16, 32)
		if err != nil {
			return nil, 1
		}
		return utf8.AppendRune(nil, rune(c)), end + 1
	}
	c, ok := parseHex(b, 2, 4)
	if !ok {
		return nil, 1
	}
	if utf16.IsSurrogate(rune(c)) && len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if low, ok := parseHex(b, 8, 4); ok {
			if both := utf16.DecodeRune(rune(c), rune(low)); both != utf8.RuneError {
				return utf8.AppendRune(nil, both), 12
			}
		}
	}
	return utf8.AppendRune(nil, rune(c)), 6
}

// maxEntity is the maximum length of an entity in bytes; the longest name has
// 32.
const maxEntity = 34

// readEntity reads &amp;, &#38; and &#x26;, with or without a semicolon. If the
// semicolon may itself be escaped, it leaves the entity to the next layer.
func readEntity(b []byte) (says []byte, n int) {
	end := 1
	for end < len(b) && end < maxEntity && (b[end] == '#' && end == 1 || isWordByte(b[end])) {
		end++
	}
	if end == 1 {
		return nil, 0
	}
	if end < len(b) && b[end] == ';' {
		end++
	} else if end < len(b) && strings.IndexByte(escapes, b[end]) >= 0 {
		return nil, 0
	}
	text := html.UnescapeString(string(b[:end]))
	if text == string(b[:end]) {
		return nil, 0
	}
	return []byte(text), end
}

func isWordByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// parseHex reads the n hex digits of b that begin at an offset.
func parseHex(b []byte, at, n int) (uint64, bool) {
	if at+n > len(b) {
		return 0, false
	}
	v := uint64(0)
	for _, c := range b[at : at+n] {
		d := hexDigit[c]
		if d > 15 {
			return 0, false
		}
		v = v<<4 | uint64(d)
	}
	return v, true
}

// hexDigit and base64Digit map a byte to the value of the digit; 255 means no
// digit. base64Digit covers both alphabets of base64.
var hexDigit, base64Digit = func() (hex, b64 [256]byte) {
	for i := range hex {
		hex[i], b64[i] = 255, 255
	}
	for i, c := range []byte("0123456789abcdef") {
		hex[c] = byte(i)
		hex[bytes.ToUpper([]byte{c})[0]] = byte(i)
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		b64[c] = byte(i)
	}
	b64['-'], b64['_'] = 62, 63
	return hex, b64
}()

// decodeAll decodes all runs of base64 and hex digits in a plain text that are
// long enough for the shortest needle. It returns the results joined. A run may
// begin anywhere in a word, so decode tries several offsets. It also joins
// broken lines; in a text, a space may also be a + of a query.
func decodeAll(b []byte, in *index, text bool) []byte {
	var out []byte
	out = decodeRuns(out, b, in)
	if bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 || text && bytes.ContainsAny(b, " \t") {
		out = decodeRuns(out, withoutSpace(b), in)
	}
	if text && bytes.IndexByte(b, ' ') >= 0 {
		out = decodeRuns(out, bytes.ReplaceAll(b, []byte{' '}, []byte{'+'}), in)
	}
	return out
}

// withoutSpace returns b without white space.
func withoutSpace(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	return out
}

func decodeRuns(out, b []byte, in *index) []byte {
	say := appendBase64
	if !in.binary {
		say = func(out, run []byte) []byte { return appendPrintable(out, run, in.shortest) }
	}
	out = appendRuns(out, b, &base64Digit, (in.shortest*8+5)/6, say)
	return appendRuns(out, b, &hexDigit, 2*in.shortest, appendHex)
}

// appendRuns appends the decoded form of all runs that have at least the given
// number of digits. It checks only every least-th byte: each such run covers
// one of these bytes.
func appendRuns(out, b []byte, digit *[256]byte, least int, say func(out, run []byte) []byte) []byte {
	for at, done := least-1, 0; at < len(b); at += least {
		if digit[b[at]] == 255 {
			continue
		}
		from, end := at, at+1
		for from > done && digit[b[from-1]] != 255 {
			from--
		}
		for end < len(b) && digit[b[end]] != 255 {
			end++
		}
		if end-from >= least {
			out = say(out, b[from:end])
		}
		at, done = end, end
	}
	return out
}

func appendBase64(out, run []byte) []byte {
	std := slices.Clone(run)
	for i, c := range std {
		switch c {
		case '-':
			std[i] = '+'
		case '_':
			std[i] = '/'
		}
	}
	for at := range min(4, len(std)) {
		digits := std[at:]
		if len(digits)%4 == 1 {
			digits = digits[:len(digits)-1]
		}
		out, _ = base64.RawStdEncoding.AppendDecode(out, digits) // all digits are valid here
		out = append(out, 0)
	}
	return out
}

// appendPrintable decodes the parts of a run of base64 digits that are printable
// and long enough for a value of shortest bytes. Paths of records also consist of
// base64 digits, and almost nothing in their decoded form is printable.
//
// A value fills at least (shortest-2)/3 groups of four digits, wherever it begins.
// So appendPrintable checks only every (shortest-2)/3rd group.
func appendPrintable(out, run []byte, shortest int) []byte {
	step := max((shortest-2)/3, 1)
	for at := range min(4, len(run)) {
		digits := run[at:]
		groups := len(digits) / 4
		for g := step - 1; g < groups; g += step {
			if !printableGroup(digits, g) {
				continue
			}
			from, end := g, g+1
			for from > 0 && printableGroup(digits, from-1) {
				from--
			}
			for end < groups && printableGroup(digits, end) {
				end++
			}
			// A value may begin and end in the groups beside them.
			from, end = max(from-1, 0), min(end+1, groups)
			if rest := digits[4*from:]; (end-from)*3+2 >= shortest {
				out = appendGroups(out, rest[:min(len(rest), 4*(end-from)+3)])
				out = append(out, 0)
			}
			g = max(g, (end-step)/step*step+step-1)
		}
	}
	return out
}

// printableGroup reports whether the three bytes of a group of four digits are
// printable.
func printableGroup(digits []byte, g int) bool {
	d := digits[4*g : 4*g+4]
	b0 := base64Digit[d[0]]<<2 | base64Digit[d[1]]>>4
	b1 := base64Digit[d[1]]<<4 | base64Digit[d[2]]>>2
	b2 := base64Digit[d[2]]<<6 | base64Digit[d[3]]
	return printableOrZero[b0] && printableOrZero[b1] && printableOrZero[b2]
}

// appendGroups decodes digits. The last group may be incomplete.
func appendGroups(out, digits []byte) []byte {
	bits, n := uint32(0), 0
	for _, c := range digits {
		bits, n = bits<<6|uint32(base64Digit[c]), n+6
		if n >= 8 {
			n -= 8
			out = append(out, byte(bits>>n))
		}
	}
	return out
}

// printable are the bytes of a text in ASCII, line ends included.
var printable = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = true
	}
	t['\t'], t['\n'], t['\r'] = true, true, true
	return t
}()

// printableOrZero are also the bytes of ASCII in UTF-16.
var printableOrZero = func() [256]bool {
	t := printable
	t[0] = true
	return t
}()

func isPrintable(text string) bool {
	for i := range len(text) {
		if !printable[text[i]] {
			return false
		}
	}
	return true
}

func appendHex(out, run []byte) []byte {
	for at := range 2 {
		for i := at; i+2 <= len(run); i += 2 {
			out = append(out, hexDigit[run[i]]<<4|hexDigit[run[i+1]])
		}
		out = append(out, 0)
	}
	return out
}
