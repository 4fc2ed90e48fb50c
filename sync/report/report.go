// Package report turns documents into text: plans, results and the problems
// of input files, for people in a terminal, as Markdown for pull requests and as JSON for programs. It
// is the only package that does, so what may leave the process is decided in one
// place.
//
// It decides nothing about rules, reads nothing, and knows no terminal: what
// it is to look like comes in as [TextOptions].
package report

import (
	"strconv"
	"strings"
)

// Rules of the text, which the tests hold for hostile input:
//
//   - Whatever comes from files or from the service is escaped ([Escape]): it
//     can't move the cursor, hide, or turn the reading direction.
//   - No line begins with such text, leading white space aside, because a CI
//     runner would obey "::add-path". A wrapped line goes on behind "│ ". A
//     file's name in front of a problem is a link for editors, so it stays
//     there, behind "./" where it begins with anything but a path's usual
//     characters.
//   - Colour never says what a sign or a word does not.
//   - A hint is never wrapped, so that it can be pasted.
//   - Of a field below authentication the name is shown, never a value.

// Format is the form of a document.
type Format string

// The formats.
const (
	Text     Format = "text"
	JSON     Format = "json"
	Markdown Format = "markdown"
	CSV      Format = "csv" // of delivery histories alone
)

// TextOptions says how text looks. The zero value is plain text without
// wrapping, as a file or a pipe wants it.
type TextOptions struct {
	Color bool
	// Width is the terminal's width in columns; 0 means no wrapping.
	Width int
	// Drift words a plan as the drift command does: which side moved.
	Drift bool
	// NoPause says that the run pauses no rule before it deletes it.
	NoPause bool
	// Verbose leaves nothing out: values in full length, every unmanaged
	// rule, every guard by name.
	Verbose bool
	// ASCII draws spark lines with characters that every terminal has.
	ASCII bool
	Advice
}

// countNoun is a number with its noun.
func countNoun(n int, one, many string) string { return count(n) + " " + pluralOf(n, one, many) }

// pluralOf is the noun for a number.
func pluralOf(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// count writes a number with commas: 1,203.
func count(n int) string {
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

// list joins what is there: "2 created, 1 failed".
type list []string

func (l *list) addCount(n int, what string) {
	if n != 0 {
		*l = append(*l, count(n)+" "+what)
	}
}

func (l list) String() string { return strings.Join(l, ", ") }
