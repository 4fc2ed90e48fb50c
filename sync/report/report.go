// Package report converts documents to text: plans, results and problems of
// input files. It writes text for terminals, Markdown for pull requests and
// JSON for programs. Only this package does so, so a single place decides which
// data may leave the process.
//
// It decides nothing about rules, reads nothing, and knows no terminal:
// [TextOptions] determines the look.
package report

import (
	"strconv"
	"strings"
)

// Rules of the text, which the tests check with hostile input:
//
//   - Text from files or from the service is escaped ([Escape]): it can't move the
//     cursor, hide, or turn the reading direction.
//   - No line begins with such text, leading white space aside, because a CI runner
//     would obey "::add-path". A wrapped line begins with "│ ". A file's name before a
//     problem is a link for editors, so it does begin the line. It gets the prefix
//     "./" unless it begins with one of a path's usual characters.
//   - Colour adds no information to the signs and words.
//   - A hint is never wrapped, so that it can be pasted.
//   - A field below authentication shows its name, never a value.

// Format is the form of a document.
type Format string

// The formats.
const (
	Text     Format = "text"
	JSON     Format = "json"
	Markdown Format = "markdown"
	CSV      Format = "csv" // only for delivery histories
)

// TextOptions set the look of text. The zero value is plain text without
// wrapping, for files and pipes.
type TextOptions struct {
	Color bool
	// Width is the terminal's width in columns; 0 means no wrapping.
	Width int
	// Drift selects the words of the drift command: which side changed.
	Drift bool
	// NoPause is true if the run pauses no rule before it deletes it.
	NoPause bool
	// Verbose omits nothing: it shows full values, every unmanaged rule and
	// every guard by name.
	Verbose bool
	// ASCII draws spark lines with characters that every terminal has.
	ASCII bool
	Advice
}

// countNoun returns a number with its noun.
func countNoun(n int, one, many string) string { return formatCount(n) + " " + pluralOf(n, one, many) }

// pluralOf returns the noun for a number.
func pluralOf(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// formatCount formats a number with commas: 1,203.
func formatCount(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// countList joins counts that are not 0: "2 created, 1 failed".
type countList []string

func (l *countList) addCount(n int, what string) {
	if n != 0 {
		*l = append(*l, formatCount(n)+" "+what)
	}
}

func (l countList) String() string { return strings.Join(l, ", ") }
