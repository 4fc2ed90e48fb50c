package secrets

import "bytes"

// A program that writes a value in pieces puts separators between them: spaces,
// quotation marks, tags, zero-width characters, soft hyphens. So texts are also
// searched without separators, and lists of bytes are read.

// squeeze returns the letters and digits of b, in ASCII. tags: it also drops
// tags of markup.
func squeeze(b []byte, tags bool) []byte { return keep(b, tags, &wordBytes) }

// wordBytes are the letters and digits. stdDigits and urlDigits are the digits of
// base64 in either alphabet.
var wordBytes, stdDigits, urlDigits = func() (word, std, url [256]bool) {
	for i := range word {
		word[i] = isWordByte(byte(i))
	}
	std, url = word, word
	std['+'], std['/'], url['-'], url['_'] = true, true, true, true
	return word, std, url
}()

// keep returns the wanted bytes of b. tags: it drops tags.
func keep(b []byte, tags bool, wanted *[256]bool) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if tags && b[i] == '<' {
			if n := tagLength(b[i:]); n > 0 {
				i += n - 1
				continue
			}
		}
		if wanted[b[i]] {
			out = append(out, b[i])
		}
	}
	return out
}

// tagLength returns the length of the tag or comment that b begins with; 0 if
// there is none.
func tagLength(b []byte) int {
	const maxTag = 200
	if len(b) < 3 || !isWordByte(b[1]) && b[1] != '/' && b[1] != '!' {
		return 0
	}
	return bytes.IndexByte(b[:min(len(b), maxTag)], '>') + 1
}

// findTight reports whether b contains a needle without its separators, also in
// base64 or hex that separators cut.
func (in *needles) findTight(b []byte) bool {
	if in.tight.shortest == 0 || len(b) < in.tight.shortest {
		return false
	}
	for _, tags := range []bool{false, true} {
		if tags && bytes.IndexByte(b, '<') < 0 {
			continue
		}
		tight := squeeze(b, tags)
		if len(tight) == len(b) { // no separators: decode reads it as it is
			return in.tight.containsNeedle(tight)
		}
		if in.tight.containsNeedle(tight) {
			return true
		}
		// The other digits of base64 may also be separators.
		for i, run := range [][]byte{tight, keep(b, tags, &stdDigits), keep(b, tags, &urlDigits)} {
			if i > 0 && len(run) == len(tight) {
				continue // the same
			}
			decoded := decodeRuns(nil, run, &in.raw)
			if in.raw.containsNeedle(decoded) || in.tight.containsNeedle(squeeze(decoded, false)) {
				return true
			}
		}
	}
	return false
}

// findListed reports whether b lists the bytes of a needle as numbers, or
// contains it in quoted-printable.
func (in *needles) findListed(b []byte) bool {
	if !hasNumbers(b, in.raw.shortest) {
		return false
	}
	for _, base := range []int{8, 10, 16} {
		if listed := listedBytes(b, base); in.raw.containsNeedle(listed) || in.tight.containsNeedle(squeeze(listed, false)) {
			return true
		}
	}
	if bytes.IndexByte(b, '=') < 0 {
		return false
	}
	text := quotedPrintable(b)
	return in.raw.containsNeedle(text) || in.tight.containsNeedle(squeeze(text, false))
}

// hasNumbers reports whether b may list at least n bytes, or has an escape of
// quoted-printable.
func hasNumbers(b []byte, n int) bool {
	const longest = len("0o377")
	words, length := 0, 0
	for i, c := range b {
		if c == '=' && i+1 < len(b) && (b[i+1] == '\r' || b[i+1] == '\n' || hexDigit[b[i+1]] < 16) {
			return true
		}
		if wordBytes[c] {
			length++
			continue
		}
		if length > 0 && length <= longest {
			words++
		}
		length = 0
	}
	if length > 0 && length <= longest {
		words++
	}
	return words >= n
}

// listedBytes returns the bytes that b lists as numbers of a base: "[83 51]",
// "53:33", "0x53, 0x33". Other words become a zero byte.
func listedBytes(b []byte, base int) []byte {
	var out []byte
	for i := 0; i < len(b); i++ {
		if !isWordByte(b[i]) {
			continue
		}
		from := i
		for i < len(b) && isWordByte(b[i]) {
			i++
		}
		if n, ok := listedByte(b[from:i], base); ok {
			out = append(out, n)
		} else if len(out) > 0 && out[len(out)-1] != 0 {
			out = append(out, 0)
		}
	}
	return out
}

// listedByte reads one number of a list.
func listedByte(word []byte, base int) (byte, bool) {
	if base == 16 {
		for _, prefix := range []string{"0x", "0X", "x", "X"} {
			word = bytes.TrimPrefix(word, []byte(prefix))
		}
	}
	if base == 8 {
		word = bytes.TrimPrefix(bytes.TrimPrefix(word, []byte("0o")), []byte("o"))
	}
	if most := 4; len(word) == 0 || len(word) > most || base == 16 && len(word) > 2 {
		return 0, false
	}
	n := 0
	for _, c := range word {
		d := int(hexDigit[c])
		if d >= base {
			return 0, false
		}
		n = n*base + d
	}
	return byte(n), n < 256
}

// quotedPrintable undoes the encoding of mail: "=2D", and "=" at the end of a
// line.
func quotedPrintable(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '=' {
			out = append(out, b[i])
			continue
		}
		if c, ok := parseHex(b, i+1, 2); ok {
			out = append(out, byte(c))
			i += 2
			continue
		}
		end := i + 1
		for end < len(b) && (b[end] == ' ' || b[end] == '\r') {
			end++
		}
		if end < len(b) && b[end] == '\n' {
			i = end
			continue
		}
		out = append(out, b[i])
	}
	return out
}
