package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Escape makes text from files and from the service safe for a line of output.
// Control characters (C0, DEL, C1), line and paragraph separators, bidi and
// zero-width characters, and all spaces but the plain space become \u{1b}.
// Bytes that are not UTF-8 become \xff. "##" becomes #\u{23}, because CI
// runners look for "##[", "##vso[" and the like anywhere in a line.
//
// It is idempotent: escaped text does not change.
func Escape(s string) string {
	if isPlain(s) {
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
		case isHidden(r) || r == '#' && last == '#':
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

// isPlain reports whether s needs no escape, which holds for nearly all text.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '#' && i > 0 && s[i-1] == '#' {
			return false
		}
	}
	return true
}

// isHidden reports whether a character is invisible or changes the appearance of
// other characters. Unicode's printable characters are letters, marks, numbers,
// punctuation, symbols and the plain space. A few of those letters are blank.
func isHidden(r rune) bool {
	if 0x20 <= r && r <= 0x7e {
		return false
	}
	return !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// quoteName formats the name of a rule, project or the like. It adds quotes if
// the name could be mistaken for other text.
func quoteName(s string) string {
	if s == "" || s[0] == '-' || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@-") != "" {
		return quoteText(s)
	}
	return s
}

// quoteText escapes s and adds quotes.
func quoteText(s string) string {
	return `"` + Escape(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)) + `"`
}

// formatValue formats a field's value. Text gets quotes if it is empty, has
// spaces or quotes, or had to be escaped.
func formatValue(v any) string {
	s, ok := v.(string)
	if !ok {
		return compactJSON(v)
	}
	if s == webhook.Redacted {
		return s
	}
	if s == "" || strings.ContainsAny(s, " \"\\") || Escape(s) != s {
		return quoteText(s)
	}
	return s
}

// compactJSON returns the JSON of a value that is not text.
func compactJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return "(a value without a JSON form)"
	}
	return Escape(strings.TrimSuffix(b.String(), "\n"))
}

// The largest number of characters of a value and of a label unless all are
// requested, and the number of characters before a difference.
const (
	maxValue   = 160
	maxLabel   = 64
	cutContext = 24
)

// truncateValue formats a value. Of a long value it shows the beginning and the
// number of omitted characters. limit 0 shows all.
func truncateValue(v any, limit int) string {
	runes := []rune(textOf(v))
	if limit == 0 || len(runes) <= limit {
		return formatValue(v)
	}
	return excerptAround(runes, 0, limit)
}

// cutPair formats two values. Of long values it shows the text around the first
// difference.
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
	return compactJSON(v)
}

// excerptAround formats limit characters of a value, starting at from.
func excerptAround(runes []rune, from, limit int) string {
	to := min(from+limit, len(runes))
	var left countList
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

// isAuthPath reports whether a field is authentication or below it: only its name
// may be shown.
func isAuthPath(path string) bool {
	path = strings.TrimPrefix(strings.ToLower(path), "spec")
	return strings.HasPrefix(strings.TrimLeft(path, `.["`), "authentication")
}
