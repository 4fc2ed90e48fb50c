package secrets

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Check returns the problem of a value as an authentication value, or "". It
// applies [String.CheckForm] and also refuses values that do not look like a
// secret. The text never holds the value.
func (s String) Check() string {
	if problem := s.CheckForm(); problem != "" {
		return problem
	}
	return appearanceOf(s.text()).problem()
}

// CheckForm returns the problem that makes a value impossible to send, or "".
// It refuses values that are empty, a mask, a placeholder or still encrypted,
// private keys, and values with outer white space or control characters. No flag
// lifts this.
// The text never holds the value.
func (s String) CheckForm() string {
	v := s.text()
	switch {
	case v == "":
		return "is empty"
	case IsMask(v):
		return "is a mask (only asterisks), as the service shows a stored value, not the value itself"
	case isPlaceholderWord(v):
		return "is a placeholder, not a value"
	case keyIn(v) != "":
		return "is " + keyIn(v) + ", which no receiver may get"
	case LooksSealed(v):
		return "is an encrypted value, not the value itself: it was encrypted twice, or not decrypted"
	case strings.TrimSpace(v) != v:
		return "has white space around it"
	case !utf8.ValidString(v):
		return "is not UTF-8"
	case strings.ContainsFunc(v, unicode.IsControl):
		return "has control characters in it"
	}
	return ""
}

// IsOdd reports whether a person may decide to send the value: [String.Check]
// refuses it and [String.CheckForm] does not.
func (s String) IsOdd() bool { return s.CheckForm() == "" && s.Check() != "" }

// Is reports whether the value is a text, in any letter case.
func (s String) Is(text string) bool { return text != "" && strings.EqualFold(s.text(), text) }

// HoldsToken reports whether the value is a token of the service, or contains a
// token of at least 8 bytes.
func (s String) HoldsToken(token String) bool {
	v, t := s.text(), token.text()
	return t != "" && (v == t || len(t) >= minData && strings.Contains(v, t))
}

// maskRunes are the characters that services use in masks.
const maskRunes = "*•●∗＊⁎✱⬤○◦"

// IsMask reports whether value consists of asterisks (or the dots that some
// services show), as a service masks what it has stored. Spaces and hyphens may
// group them.
func IsMask(value string) bool {
	return strings.ContainsAny(value, maskRunes) && strings.IndexFunc(value, func(r rune) bool {
		return r != '-' && !unicode.IsSpace(r) && !strings.ContainsRune(maskRunes, r)
	}) < 0
}

// Placeholder is the text that import writes in place of a secret.
const Placeholder = "REPLACE_ME"

// IsPlaceholder reports whether people or tools write the value in place of a
// secret: "REPLACE_ME", "<secret>", "$NAME", "null", "[REDACTED]", "****abcd".
// Such a value reveals no relevant part of a secret.
func IsPlaceholder(value string) bool {
	return isPlaceholderWord(value) || appearanceOf(strings.TrimSpace(value)).placeholder
}

// isPlaceholderWord reports whether value is a word that is never a secret.
func isPlaceholderWord(value string) bool {
	v := bareWord(value)
	switch v {
	case "replacethis", "changeme", "changethis", "todo", "tbd", "fixme", "placeholder",
		"secret", "yoursecret", "yoursecrethere", "yourtoken", "yourtokenhere", "dummy", "example":
		return true
	}
	return len(v) > 2 && strings.Trim(v, "x") == "" || strings.HasPrefix(v, "replaceme")
}

// bareWord returns a text in lower case, without the characters that separate
// words.
func bareWord(text string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(strings.TrimSpace(text)))
}
