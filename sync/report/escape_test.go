package report

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                     "",
		"plain text, Ünïcode 漢字 ":              "plain text, Ünïcode 漢字 ",
		"a\tb\nc\r":                            `a\u{9}b\u{a}c\u{d}`,
		"\x1b[31m\x7f\u009b":                   `\u{1b}[31m\u{7f}\u{9b}`,
		"\u202e\u2066\u200f\ufeff\u2028\u061c": `\u{202e}\u{2066}\u{200f}\u{feff}\u{2028}\u{61c}`,
		"\xff\xc3(":                            `\xff\xc3(`,
		"\ufffd":                               "\ufffd", // a valid U+FFFD is an ordinary character
		"##[group]":                            `#\u{23}[group]`,
		"####":                                 `#\u{23}#\u{23}`,
		"# #[":                                 "# #[",
		"nbsp\u00a0":                           `nbsp\u{a0}`,
		"\U000e0041":                           `\u{e0041}`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"job-notifications": "job-notifications",
		"a/b_c.d@e":         "a/b_c.d@e",
		"":                  `""`,
		"two words":         `"two words"`,
		"--yes":             `"--yes"`,
		"a: b":              `"a: b"`,
		"x:":                `"x:"`,
		`say "hi"\`:         `"say \"hi\"\\"`,
		"ünï":               `"ünï"`,
		"a\x1b":             `"a\u{1b}"`,
	} {
		if got := quoteName(in); got != want {
			t.Errorf("name(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 1000)
	for _, tc := range []struct {
		name          string
		before, after any
		limit         int
		x, y          string
	}{
		{"short", "a", "b c", 10, "a", `"b c"`},
		{"values of other kinds", true, map[string]any{"b": 1, "a": "<"}, 100, "true", `{"a":"<","b":1}`},
		{"begins the same", long + "x", long + "y", 50, "…" + strings.Repeat("a", 24) + "x (left out: 976 characters before)", "…" + strings.Repeat("a", 24) + "y (left out: 976 characters before)"},
		{"differs at once", "x" + long, "y", 5, "xaaaa… (left out: 996 characters after)", "y"},
		{"one is a part of the other", long, long[:990], 5, "…aaaaa… (left out: 966 characters before, 29 characters after)", "…aaaaa… (left out: 966 characters before, 19 characters after)"},
		{"all was asked for", long, "b", 0, long, "b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if x, y := cutPair(tc.before, tc.after, tc.limit); x != tc.x || y != tc.y {
				t.Errorf("got  %s\n     %s\nwant %s\n     %s", x, y, tc.x, tc.y)
			}
		})
	}
	if got, want := truncateValue(long, 5), "aaaaa… (left out: 995 characters after)"; got != want {
		t.Errorf("cut: got %s, want %s", got, want)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := formatCount(n); got != want {
			t.Errorf("count(%d) = %s, want %s", n, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range hostile {
		if len(s) < 10_000 {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := Escape(s)
		if !utf8.ValidString(out) || strings.Contains(out, "##") || strings.ContainsFunc(out, isHidden) {
			t.Errorf("Escape(%q) = %q", s, out)
		}
		if again := Escape(out); again != out {
			t.Errorf("not idempotent: %q, then %q", out, again)
		}
		if utf8.ValidString(s) && !strings.ContainsFunc(s, isHidden) && !strings.Contains(s, "##") && out != s {
			t.Errorf("Escape(%q) = %q, though nothing is to be escaped", s, out)
		}
		if len(quoteName(s)) == 0 || len(formatValue(s)) == 0 {
			t.Errorf("%q is shown as nothing", s)
		}
	})
}

// FuzzLines puts text in all positions of the documents.
func FuzzLines(f *testing.F) {
	for _, s := range hostile {
		if len(s) < 10_000 {
			f.Add(s, 80, true)
		}
	}
	f.Fuzz(func(t *testing.T, s string, width int, words bool) {
		o := TextOptions{Width: min(max(width, 0), 500)}
		checkLines(t, poisoned(t, s, words, o), o)
	})
}
