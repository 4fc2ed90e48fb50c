package secrets

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

func TestUnescapePercent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"%41b%63": "Abc", "%": "%", "%4": "%4", "a%4": "a%4", "%zz": "%zz", "%%41": "%A",
		"%c3%bc%C3%BC": "üü", "%00%99%aa%ff%AA%FF": "\x00\x99\xaa\xff\xaa\xff",
		// The characters directly beside the digits are none.
		"%/0%:0%@0%G0%`0%g0": "%/0%:0%@0%G0%`0%g0", "%0/%0:%0@%0G%0`%0g": "%0/%0:%0@%0G%0`%0g",
		"%0a%a0": "\n\xa0", "a+b": "a+b",
	} {
		if got := unescapePercent(text, false); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := unescapePercent("a+%2b", true); got != "a +" {
		t.Errorf("with plus: %q", got)
	}
}

func TestUnescapeJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`\b\f\n\r\t`: "\b\f\n\r\t", `\"\\\/\q`: `"\/q`, `a\`: `a\`, `\\n`: `\n`,
		`\u0041`: "A", `\u0041\u0042`: "AB", `x\u00e9y`: "xéy", `\u004`: "u004", `\u`: "u", `\u00zz!`: "u00zz!",
		`\ud83d\ude00`: "😀", `\uD83D\uDE00.`: "😀.", `\ud83d`: "\ufffd", `\ud83d\n`: "\ufffd\n", `\ud83dxu0041abc`: "\ufffdxu0041abc",
		`\ud83d\u00`: "\ufffdu00", `\ud83d\u0041`: "\ufffdA", `\ud83d\t123456`: "\ufffd\t123456",
	} {
		if got := unescapeJSON(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
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

// TestBase64At holds the part that a value decides against what is the same
// whatever stands before and behind it.
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
			coded := base64.StdEncoding.EncodeToString([]byte("xyz"[:shift] + text + "tail"))
			if !NewScrubber(NewString(text)).Found(coded) {
				t.Errorf("%d bytes, shift %d: not found in %q", n, shift, coded)
			}
		}
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	got := forms("a\"b\\c d")
	for _, want := range []string{`a"b\c d`, `a\"b\\c d`, "a%22b%5Cc+d", "a%22b%5Cc%20d", `a&#34;b\c d`, "612262", "6122625C"} {
		if !slices.ContainsFunc(got, func(f string) bool { return f == want || strings.HasPrefix(want, "61") && strings.HasPrefix(f, want) }) {
			t.Errorf("%q is missing among %q", want, got)
		}
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != len(forms("a\"b\\c d")) {
		t.Errorf("a form is there twice: %q", got)
	}
}

// TestScrubberLengths: four bytes are looked for everywhere, three as a word.
func TestScrubberLengths(t *testing.T) {
	t.Parallel()
	s := NewScrubber(NewString("abcd"), NewString("efg"))
	for text, want := range map[string]bool{"xabcdx": true, "xefgx": false, "an efg": true, "abc": false} {
		if s.Found(text) != want {
			t.Errorf("found in %q: %t", text, !want)
		}
	}
	// As many of the one kind as of the other.
	for i := range forms("abcd") {
		s = s.With(NewString(string(rune('a'+i)) + "1"))
	}
	s = &Scrubber{needles: s.needles, words: s.words[:len(s.needles)]}
	if !s.Found("xabcdx") {
		t.Error("not found among as many short ones")
	}
}
