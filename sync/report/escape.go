package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Escape makes text of files and of the service fit for a line of output:
// control characters (C0, DEL, C1), line and paragraph separators, bidi and
// zero-width characters, and every space but the plain one become \u{1b};
// bytes that are no UTF-8 become \xff. "##" becomes #\u{23}, because CI
// runners look for "##[", "##vso[" and the like anywhere in a line.
//
// It is idempotent: what is escaped stays as it is.
func Escape(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	last := rune(0)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
			last = 0
		case hidden(r) || r == '#' && last == '#':
			fmt.Fprintf(&b, `\u{%x}`, r)
			last = 0
		default:
			b.WriteRune(r)
			last = r
		}
		i += size
	}
	return b.String()
}

// plain reports whether s needs no escape; nearly all text does not.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '#' && i > 0 && s[i-1] == '#' {
			return false
		}
	}
	return true
}

// hidden reports whether a character is not seen where it stands, or changes
// how others are seen. What Unicode calls printable is letters, marks,
// numbers, punctuation, symbols and the plain space; a few of those letters
// are blanks all the same.
func hidden(r rune) bool {
	if 0x20 <= r && r <= 0x7e {
		return false
	}
	return !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// quoteName shows a rule, project or the like: as it is where it can't be mistaken
// for anything else, otherwise in quotes.
func quoteName(s string) string {
	if s == "" || s[0] == '-' || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@-") != "" {
		return quote(s)
	}
	return s
}

// quote is s escaped and in quotes.
func quote(s string) string {
	return `"` + Escape(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)) + `"`
}

// formatValue shows a field's value. Text is in quotes where it is empty, has
// spaces or quotes, or had to be escaped.
func formatValue(v any) string {
	s, ok := v.(string)
	if !ok {
		return compact(v)
	}
	if s == webhook.Redacted {
		return s
	}
	if s == "" || strings.ContainsAny(s, " \"\\") || Escape(s) != s {
		return quote(s)
	}
	return s
}

// compact is the JSON of a value that is no text.
func compact(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return "(a value without a JSON form)"
	}
	return Escape(strings.TrimSuffix(b.String(), "\n"))
}

// The most characters of a value and of a label that are shown unless all was
// asked for, and how many of those stand before a difference.
const (
	maxValue   = 160
	maxLabel   = 64
	cutContext = 24
)

// truncateValue shows a value, of a long one its beginning, and says what is left out.
// limit 0 shows all.
func truncateValue(v any, limit int) string {
	runes := []rune(textOf(v))
	if limit == 0 || len(runes) <= limit {
		return formatValue(v)
	}
	return excerptAround(runes, 0, limit)
}

// cutPair shows two values; of long ones what is around the place where they
// begin to differ.
func cutPair(before, after any, limit int) (string, string) {
	x, y := []rune(textOf(before)), []rune(textOf(after))
	if limit == 0 || len(x) <= limit && len(y) <= limit {
		return formatValue(before), formatValue(after)
	}
	from := 0
	for from < len(x) && from < len(y) && x[from] == y[from] {
		from++
	}
	from = max(0, from-cutContext)
	return excerptAround(x, from, limit), excerptAround(y, from, limit)
}

func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return compact(v)
}

// excerptAround shows limit characters of a value from one on.
func excerptAround(runes []rune, from, limit int) string {
	to := min(from+limit, len(runes))
	var left list
	left.addCount(from, "characters before")
	left.addCount(len(runes)-to, "characters after")
	out := formatValue(string(runes[from:to]))
	if from > 0 {
		out = "…" + out
	}
	if to < len(runes) {
		out += "…"
	}
	if len(left) > 0 {
		out += " (left out: " + left.String() + ")"
	}
	return out
}

// authPath reports whether a field is authentication or below it: only its
// name may be shown.
func authPath(path string) bool {
	path = strings.TrimPrefix(strings.ToLower(path), "spec")
	return strings.HasPrefix(strings.TrimLeft(path, `.["`), "authentication")
}
