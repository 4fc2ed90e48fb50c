// Package schema holds the JSON Schemas of mkhooks (rule files now; documents
// as they come), checks values against them and says in words of its own what
// is wrong, because a schema library's messages print the offending values,
// which may be secrets.
package schema

import (
	"cmp"
	"fmt"
	"slices"
)

// Position is a place in an input file. Line and Column count from 1, Column
// in Unicode code points; 0 means that the place is the file as a whole.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String is file:line:column, as editors and terminals make it a link.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Severity says whether a problem stops the run.
type Severity string

// The severities of a problem.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one thing wrong with an input file. Message says what was found
// and what was expected, Hint what to do next; neither holds a value that
// stands where a secret belongs.
type Problem struct {
	Position
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	Severity Severity `json:"severity"`
}

// SortProblems orders by file, line and column; equal places by message.
func SortProblems(problems []Problem) {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
}

// HasErrors reports whether any problem is an error.
func HasErrors(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}
