// Package schema contains the JSON Schemas of mkhooks: rule files, the config file
// and documents. It checks values against them and describes violations in its own
// words. The messages of a schema library print the invalid values, which may be
// secrets.
package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/diag"
)

// Position is a position in an input file. Line and Column count from 1, Column in
// Unicode code points. Line 0 means the whole file.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String returns file:line:column, which editors and terminals turn into a link.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Severity determines whether a problem stops the run.
type Severity string

// The severities of a problem.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one problem of an input file. Message reports the finding and the
// expectation, Hint the next step. Neither contains a value from a field for
// secrets.
type Problem struct {
	Position
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	Command  string   `json:"command,omitempty"` // that Hint is or ends with
	Severity Severity `json:"severity"`
}

// SetHint sets the hint.
func (p *Problem) SetHint(h diag.Hint) { p.Hint, p.Command = h.String(), h.Command }

// Run adds the command that the hint comes down to.
func (p *Problem) Run(command string) { p.SetHint(diag.Hint{Text: p.Hint, Command: command}) }

// Advice returns the hint as words and command. A document may come from anywhere: if
// its hint does not end with its command, all of the hint is words.
func (p *Problem) Advice() diag.Hint {
	if text, ok := strings.CutSuffix(p.Hint, p.Command); ok {
		if h := (diag.Hint{Text: strings.TrimSuffix(text, ": "), Command: p.Command}); h.String() == p.Hint {
			return h
		}
	}
	return diag.Hint{Text: p.Hint}
}

// SortProblems sorts by file, line and column, then by message.
func SortProblems(problems []Problem) {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
}

// FirstNewError returns the first error of after that before does not have, or nil.
// Positions do not count: an edit moves lines.
func FirstNewError(before, after []Problem) *Problem {
	for i, p := range after {
		known := slices.ContainsFunc(before, func(old Problem) bool { return old.Message == p.Message && old.Severity == p.Severity })
		if p.Severity == Error && !known {
			return &after[i]
		}
	}
	return nil
}

// HasErrors reports whether any problem is an error.
func HasErrors(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Severity == Error })
}
