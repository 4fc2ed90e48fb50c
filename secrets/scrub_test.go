package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"
)

// encodings are the forms in which programs repeat a text.
var encodings = map[string]func(string) string{
	"raw":  func(s string) string { return s },
	"JSON": quoteJSON,
	"JSON without HTML escapes": func(s string) string {
		return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(quoteJSON(s))
	},
	"JSON with escaped slashes": func(s string) string { return strings.ReplaceAll(quoteJSON(s), "/", `\/`) },
	"JSON with every escape":    func(s string) string { return everyUnit(s, `\u%04x`) },
	"JSON with every ESCAPE":    func(s string) string { return everyUnit(s, `\u%04X`) },
	"JSON with an apostrophe":   func(s string) string { return strings.ReplaceAll(quoteJSON(s), "'", `\u0027`) },
	"JSON in JSON":              func(s string) string { return quoteJSON(quoteJSON(s)) },
	"Go":                        func(s string) string { return fmt.Sprintf("%q", s) },
	"Go, ASCII":                 func(s string) string { return fmt.Sprintf("%+q", s) },
	"JavaScript":                func(s string) string { return everyByte(s, `\x%02x`) },
	"query":                     url.QueryEscape,
	"path":                      url.PathEscape,
	"lower-case percent":        func(s string) string { return everyByte(s, "%%%02x") },
	"upper-case percent":        func(s string) string { return everyByte(s, "%%%02X") },
	"HTML":                      html.EscapeString,
	"decimal HTML":              func(s string) string { return everyRune(s, "&#%d;") },
	"hex HTML":                  func(s string) string { return everyRune(s, "&#x%x;") },
	"HEX HTML":                  func(s string) string { return everyRune(s, "&#X%X;") },
	"named HTML": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "$", "&dollar;", "%", "&percnt;",
		"+", "&plus;", `\`, "&bsol;", "/", "&sol;", "=", "&equals;", "ü", "&uuml;", "_", "&lowbar;").Replace,
	"base64":         func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64url":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"base64 shifted": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("a" + s + "z")) },
	"Base64 shifted": func(s string) string { return base64.URLEncoding.EncodeToString([]byte("ab" + s + "yz")) },
	"base64 in lines": func(s string) string {
		var b strings.Builder
		for i, c := range base64.StdEncoding.EncodeToString([]byte(s)) {
			if i > 0 && i%7 == 0 {
				b.WriteString("\r\n")
			}
			b.WriteRune(c)
		}
		return b.String()
	},
	"hex": func(s string) string { return hex.EncodeToString([]byte(s)) },
	"HEX": func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
}

func quoteJSON(s string) string {
	quoted, _ := json.Marshal(s) // never fails for a string
	return string(quoted)
}

func everyByte(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func everyRune(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, format, r)
	}
	return b.String()
}

func everyUnit(s, format string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, format, u)
	}
	return b.String()
}

// hostile are values that each encoding changes, or that look encoded.
var hostile = []string{
	value, `s3cr3t-one/"quoted"+<tag>&more=Ünïcode`, `s3cr3t-two\back'slash'%41 %zz`, `\u0041\n\\x%2541&amp;`, "c2VjcmV0LXNlY3JldA==", "/+/+/+/+", "7365637265742d76",
	"two words, 100 %", "😀😀-emoji", `'"'"'"'"'`, "%%%%%%%%", "&&&&&&&&&", `\\\\\\\\\`, "eyJhbGciOiJub25lIn0.eyJleHAiOjE3OTk5OTk5OTl9.sig", "abcd", "a+b c",
}

// TestAnyTwoEncodings: a value is found in any form, and in any form of any form.
func TestAnyTwoEncodings(t *testing.T) {
	t.Parallel()
	for _, secret := range hostile {
		s := NewScrubber(NewString(secret))
		for inner, first := range encodings {
			for outer, second := range encodings {
				if text := "it says: " + second(first(secret)) + " (end)"; !s.Found(text) {
					t.Errorf("%q as %s in %s: not found in %q", secret, inner, outer, text)
				}
			}
		}
	}
}

// TestAnySecret does the same with values of any characters.
func TestAnySecret(t *testing.T) {
	t.Parallel()
	const alphabet = `abcXYZ019 !"#$%&'()*+,-./:;<=>?@[\]^_{|}~üß€😀`
	random := rand.New(rand.NewPCG(1, 2))
	characters := []rune(alphabet)
	for range 40 {
		var b strings.Builder
		for range 5 + random.IntN(60) {
			b.WriteRune(characters[random.IntN(len(characters))])
		}
		secret := strings.TrimSpace(b.String())
		s := NewScrubber(NewString(secret))
		for inner, first := range encodings {
			for outer, second := range encodings {
				if text := "<" + second(first(secret)) + ">"; !s.Found(text) {
					t.Fatalf("%q as %s in %s: not found in %q", secret, inner, outer, text)
				}
			}
		}
	}
}

// TestFoundInData: data is searched for the same forms, but only for complete
// values.
func TestFoundInData(t *testing.T) {
	t.Parallel()
	for _, secret := range hostile {
		s := NewScrubber(NewString(secret))
		for inner, first := range encodings {
			for outer, second := range encodings {
				if text := []byte("it says: " + second(first(secret)) + " (end)"); len(unescapeAll([]byte(secret))) >= minData && !s.Holds(text) {
					t.Errorf("%q as %s in %s: not found in %q", secret, inner, outer, text)
				}
			}
		}
		if s.Holds([]byte(secret[:len(secret)-1])) || len(secret) < minData && s.Holds([]byte(secret+secret)) {
			t.Errorf("%q: a part of it is found in data", secret)
		}
	}
}

// TestPartsAreFound: a text with half of a long value counts as a leak.
func TestPartsAreFound(t *testing.T) {
	t.Parallel()
	for _, n := range []int{16, 17, 23, 31, 32, 33, 47, 64, 100, 128, 129, 500, 2000} {
		random := rand.New(rand.NewPCG(uint64(n), 1))
		secret := make([]byte, n)
		for i := range secret {
			secret[i] = "0123456789abcdefghijklmnopqrstuvwxyz/"[random.IntN(37)]
		}
		s := NewScrubber(NewString(string(secret)))
		piece := min((n+1)/2, 2*maxPart)
		if n < 2*minParts {
			piece = 3 * n / 4 // half of a short value, from its middle, contains no complete part
		}
		for at := 0; at+piece <= n; at++ {
			for name, encode := range encodings {
				if text := "begins with " + encode(string(secret[at:at+piece])) + "…"; !s.Found(text) {
					t.Errorf("%d bytes from %d of %d, %s: not found in %q", piece, at, n, name, text)
				}
			}
		}
		for _, end := range []string{string(secret[:n/2+1]), string(secret[n-n/2-1:])} {
			if !s.Found(end) {
				t.Errorf("%d bytes: half of it, at an end, is not found", n)
			}
		}
	}
}

// TestWhatServersRepeat: the text after a scheme is found, and so is the
// content of Basic credentials.
func TestWhatServersRepeat(t *testing.T) {
	t.Parallel()
	s := NewScrubber(NewString("Bearer abcdefghijkl"), NewString("Basic "+base64.StdEncoding.EncodeToString([]byte("robot:pa55word"))))
	for _, text := range []string{
		"abcdefghijkl is not valid", "bearer abcdefghijkl", `invalid password "pa55word"`, "robot:pa55word", "user robot%3Apa55word",
	} {
		if !s.Found(text) {
			t.Errorf("not found in %q", text)
		}
	}
	for _, text := range []string{"Bearer authentication failed", "the robot is unknown", "Basic realm=mkio"} {
		if s.Found(text) {
			t.Errorf("found in %q", text)
		}
	}
}

// TestHeaderCase: a value is found in the name of a header, also in changed
// letter case.
func TestHeaderCase(t *testing.T) {
	t.Parallel()
	const secret = "X-s3cr3T-tOkEn-1"
	s := NewScrubber(NewString(secret))
	for _, text := range []string{http.CanonicalHeaderKey(secret), strings.ToLower(secret), strings.ToUpper(secret), strings.ToLower(base64.StdEncoding.EncodeToString([]byte("x" + secret + "yz")))} {
		if !s.Found(text) || !s.Holds([]byte(text)) {
			t.Errorf("not found in %q", text)
		}
	}
}

// TestScrubberLengths: a value of four bytes is found everywhere, a value of
// three bytes as a word.
func TestScrubberLengths(t *testing.T) {
	t.Parallel()
	s := NewScrubber(NewString("abcd"), NewString("efg"), NewString(""))
	for text, want := range map[string]bool{"xabcdx": true, "xefgx": false, "an efg": true, "abc": false, "": false, "&#101;fg": true} {
		if s.Found(text) != want {
			t.Errorf("found in %q: %t", text, !want)
		}
	}
	if NewScrubber().Found("abcd") || (*Scrubber)(nil).Found("abcd") || (*Scrubber)(nil).Holds([]byte("abcd")) || new(Scrubber).Found("abcd") {
		t.Error("found without a value to look for")
	}
	// Without a value of four bytes there is nothing to decode.
	short := NewScrubber(NewString("efg"))
	if text := strings.Repeat("QUJDREVGR0g ", 20); short.Found(text) || short.Holds([]byte(text)) || short.Reveals(text) || !short.Found(text+"efg") {
		t.Error("a short value alone")
	}
	s.Add(NewString("a-third-one"), NewString("abcd"))
	if !s.Found("a-third-one") || !s.Found("abcd") {
		t.Error("Add does not add, or forgets")
	}
	for _, text := range []string{"the url is not valid", "4 of 12 rules", strings.Repeat("x", 1000)} {
		if s.Found(text) {
			t.Errorf("found in %q", text)
		}
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"%41b%63": "Abc", "%": "%", "%4": "%4", "a%4": "a%4", "%zz": "%zz", "%%41": "%A", "%u0041": "A", "%u00": "%u00",
		"%c3%bc%C3%BC": "üü", "%00%99%aa%ff%AA%FF": "\x00\x99\xaa\xff\xaa\xff",
		// The characters directly beside the digits are not digits.
		"%/0%:0%@0%G0%`0%g0": "%/0%:0%@0%G0%`0%g0", "%0/%0:%0@%0G%0`%0g": "%0/%0:%0@%0G%0`%0g",
		"%0a%a0": "\n\xa0", "a+b": "a+b",
		`\b\f\n\r\t\a\v`: "\b\f\n\r\t\a\v", `\"\/\q`: `"/q`, `a\`: `a\`, `\\n`: "\n", `\\\\n`: "\n",
		`\u0041`: "A", `\u0041\u0042`: "AB", `x\u00e9y`: "xéy", `\u004`: "u004", `\u`: "u", `\u00zz!`: "u00zz!", `\u{1F600}\u{}`: "😀u{}", `\u{zz}`: "u{zz}",
		`\ud83d\ude00`: "😀", `\uD83D\uDE00.`: "😀.", `\ud83d`: "\ufffd", `\ud83d\n`: "\ufffd\n", `\ud83dxu0041abc`: "\ufffdxu0041abc",
		`\ud83d\u0041`: "\ufffdA", `\x41\x4`: "Ax4", `\U0001f600`: "😀",
		"&lt;&#60;&#x3c;&LT;": "<<<<", "&lt": "<", "&nosuch;": "&nosuch;", "&": "&", "&;": "&;", "&#;": "&#;", "&&lt;": "&<",
		// Escapes of escapes, and escapes that only appear after another is
		// undone.
		"&amp;lt;": "<", "%2525252541": "A", `\u005cu0041`: "A", "%26lt%3B": "<", "%5Cu0027": "'", `\u0026#x27\u003b`: "'", "&#37;41": "A", "&#92;u0041": "A",
	} {
		if got := string(unescapeAll([]byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	b := []byte("%41")
	if unescapeAll(b); string(b) != "%41" {
		t.Error("the text itself is changed")
	}
}

func TestHasWord(t *testing.T) {
	t.Parallel()
	for _, beside := range []string{"", "/", ":", "@", "[", "`", "{", "\x7f", " ", "-"} {
		for _, text := range []string{beside + "ok", "ok" + beside, "okay " + beside + "ok" + beside} {
			if !hasWord(text, "ok") {
				t.Errorf("not found in %q", text)
			}
		}
	}
	for _, beside := range []string{"0", "9", "a", "z", "A", "Z", "\x80", "ü", "ok"} {
		for _, text := range []string{beside + "ok", "ok" + beside} {
			if hasWord(text, "ok") {
				t.Errorf("found in %q", text)
			}
		}
	}
}

// TestBase64At compares base64At with the characters that stay the same with
// any text before and after the value.
func TestBase64At(t *testing.T) {
	t.Parallel()
	for n := minScrub; n < 12; n++ {
		text := strings.Repeat("s\xe9\x01~", 3)[:n]
		for shift := range 3 {
			var want []byte
			low := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + text + "\x00\x00\x00"))
			high := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xff", shift) + text + "\xff\xff\xff"))
			for i := range low[:(shift+n)*8/6+1] {
				if low[i] == high[i] {
					want = append(want, low[i])
				}
			}
			if got := base64At(base64.RawStdEncoding, text, shift); got != string(want) {
				t.Errorf("%d bytes, shift %d: %q, want %q", n, shift, got, want)
			}
		}
	}
}

// TestMaskDocument: values are replaced anywhere in a document.
func TestMaskDocument(t *testing.T) {
	t.Parallel()
	type inner struct {
		Text   string
		hidden string
		Any    any
		Raw    json.RawMessage
		Map    map[string]string
		List   []string
		Next   *inner
		Deep   map[string]any
	}
	secret := "s3cr3t-value/1"
	s := NewScrubber(NewString(secret), NewString("word"))
	with := "https://hooks.example.com/" + url.QueryEscape(secret)
	doc := inner{
		Text: with, hidden: secret, Any: secret, Raw: json.RawMessage(`{"a":"` + secret + `"}`), Map: map[string]string{"a": with, with: "b", "c": "d"},
		List: []string{"a", with}, Next: &inner{Text: secret, Any: []any{with, 1}}, Deep: map[string]any{"a": map[string]any{"b": []any{with}}},
	}
	kept := []string{"a", "word, s3cr3t-v", "12345678"}
	doc.Next.List = append(doc.Next.List, kept...)
	if n := s.Mask(&doc, "(masked)"); n != 10-1 {
		t.Errorf("%d texts were replaced", n)
	}
	doc.hidden = ""
	data, err := json.Marshal(doc)
	if err != nil || s.Holds(data) || strings.Count(string(data), "(masked)") != 9 {
		t.Errorf("left: %s, %v", data, err)
	}
	if got := doc.Next.List; strings.Join(got, "|") != strings.Join(kept, "|") {
		t.Errorf("other texts were changed: %q", got)
	}
	if (*Scrubber)(nil).Mask(&doc, "") != 0 || new(Scrubber).Mask(&doc, "") != 0 {
		t.Error("replaced without a value to look for")
	}
}

func FuzzScrubber(f *testing.F) {
	f.Add("secret-value", "prefix", "suffix", uint8(0), uint8(3))
	f.Add(value, "%", "+&\\u00", uint8(2), uint8(9))
	var forms []func(string) string
	for _, name := range []string{"raw", "JSON", "JSON with every escape", "query", "path", "HTML", "hex HTML", "base64", "base64url", "hex"} {
		forms = append(forms, encodings[name])
	}
	f.Fuzz(func(t *testing.T, secret, before, after string, a, b uint8) {
		if len(unescapeAll([]byte(secret))) < minData || NewString(secret).Check() != "" {
			return // too short for data, or never sent as a value
		}
		s := NewScrubber(NewString(secret))
		if !s.Found(before + secret + after) {
			t.Fatalf("%q not found raw", secret)
		}
		if !s.Found(base64.StdEncoding.EncodeToString([]byte(before + secret + after))) {
			t.Fatalf("%q not found in base64", secret)
		}
		first, second := forms[int(a)%len(forms)], forms[int(b)%len(forms)]
		if text := "<" + second(first(secret)) + ">"; !s.Found(text) || !s.Holds([]byte(text)) {
			t.Fatalf("%q not found in %q", secret, text)
		}
	})
}

// BenchmarkFound measures the longest error body of a service, with as many
// values as an apply of 500 rules sends. One body has the most to decode, the
// other is prose. BenchmarkHolds measures a page of 1,000 records.
func BenchmarkFound(b *testing.B) {
	s := manyValues()
	for name, text := range map[string]string{
		"base64":      strings.Repeat("QUJDREVGR0g", 6<<10),
		"escapes":     strings.Repeat("%2525", 13<<10),
		"backslashes": strings.Repeat(`\`, 64<<10),
		"ampersands":  strings.Repeat("&amp", 16<<10),
		"prose":       strings.Repeat("the service is not available, see https://status.example/a?b=c; ", 1<<10),
		"spaces":      strings.Repeat("a b c d ", 8<<10),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Found(text)
			}
		})
	}
}

func BenchmarkHolds(b *testing.B) {
	record := `{"created":"2026-03-01T10:00:00Z","source":"/api/v1/projects/demo/transforms/t/jobs/job-0000123","type":"MediaKind.JobFinished","status":"Sent"},`
	page := []byte(strings.Repeat(record, 1000))
	for name, s := range map[string]*Scrubber{"token": NewScrubber(NewString("an-opaque-token-of-the-service-0123456789")), "500 values": manyValues()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			for b.Loop() {
				s.Holds(page)
			}
		})
	}
}

func manyValues() *Scrubber {
	s := NewScrubber()
	for i := range 500 {
		s.Add(NewString(fmt.Sprintf("value-%x-of-rule", uint32(i)*2654435761)))
	}
	return s
}
