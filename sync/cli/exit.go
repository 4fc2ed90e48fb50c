package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/report"
)

// Output rules:
//
//   - stdout carries only the requested document.
//   - stderr carries lines that begin with "mkhooks: error: ", "mkhooks:
//     warning: " or "mkhooks: hint: ", in lower case, without a full stop. A
//     hint is the next step, at best a command to paste.
//   - Problems of input files are "file:line:column: message", so that editors
//     and terminals make them links.
//   - An error names its cause and place, and the expected input. Text from a
//     file or the service is escaped.

// The exit codes of the contract, section 8. Only this block contains the
// numbers.
const (
	exitOK          = 0
	exitFailed      = 1
	exitDifferences = 2
	exitInvalid     = 3
	exitRefused     = 4
	exitPartial     = 5
	exitInterrupted = 130
)

// exitRank orders the codes by precedence: 130, 3, then 1 or 5, then 4, then 2.
// Codes 1 and 5 exclude each other by definition.
var exitRank = map[int]int{
	exitOK: 0, exitDifferences: 1, exitRefused: 2, exitFailed: 3, exitPartial: 4, exitInvalid: 5, exitInterrupted: 6,
}

// worseCode returns the code that takes precedence.
func worseCode(a, b int) int {
	if exitRank[b] > exitRank[a] {
		return b
	}
	return a
}

// outcomeCode returns the exit code for an outcome of apply.
func outcomeCode(o apply.Outcome) int {
	switch o {
	case apply.Applied, apply.Nothing:
		return exitOK
	case apply.Refused:
		return exitRefused
	case apply.Partial:
		return exitPartial
	case apply.Interrupted:
		return exitInterrupted
	}
	return exitFailed
}

// codeError ends a command with an exit code other than 0. Without err nothing
// more is printed: the document contains the reason.
type codeError struct {
	code     int
	err      error
	hints    []diag.Hint
	problems []schema.Problem
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// exitError ends a command whose document contains the reason.
func exitError(code int) error {
	if code == exitOK {
		return nil
	}
	return &codeError{code: code}
}

// invalid returns an error for invalid input: exit 3, nothing was sent. The hints are
// words.
func invalid(err error, hints ...string) error {
	return &codeError{code: exitInvalid, err: err, hints: withHint(err, hintsInWords(hints))}
}

// invalidf is [invalid] with a hint in words; it may be empty.
func invalidf(hint, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if hint == "" {
		return invalid(err)
	}
	return invalid(err, hint)
}

// usagef is [invalid] with a command as the hint.
func usagef(command, format string, args ...any) error {
	return usage(command, fmt.Errorf(format, args...))
}

func usage(command string, err error) error {
	return &codeError{code: exitInvalid, err: err, hints: withHint(err, []diag.Hint{{Command: command}})}
}

// invalidFile returns an error for a file that has to be valid.
func invalidFile(p schema.Problem) error {
	err := &codeError{code: exitInvalid, err: errors.New(p.Position.String() + ": " + p.Message)}
	if p.Hint != "" {
		err.hints = []diag.Hint{p.Advice()}
	}
	return err
}

// failed returns an error for a failure of network, service or files: exit 1.
func failed(err error, hints ...string) error {
	return &codeError{code: exitFailed, err: err, hints: withHint(err, hintsInWords(hints))}
}

func hintsInWords(hints []string) []diag.Hint {
	var out []diag.Hint
	for _, h := range hints {
		out = append(out, diag.Hint{Text: h})
	}
	return out
}

// withHint adds the hint that err carries.
func withHint(err error, hints []diag.Hint) []diag.Hint {
	if h := errorHint(err); h != (diag.Hint{}) && !slices.Contains(hints, h) {
		hints = append(hints, h)
	}
	return hints
}

// errorHint returns the hint that an error carries, or the zero value.
func errorHint(err error) diag.Hint {
	var advised interface{ Advice() diag.Hint }
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &advised):
		return advised.Advice()
	case errors.As(err, &hinted):
		return diag.Hint{Text: hinted.Hint()}
	}
	return diag.Hint{}
}

// worstError returns the error whose exit code takes precedence, and prints the
// others. Among equal codes the first error wins.
func (a *app) worstError(errs ...error) error {
	var out error
	for _, err := range errs {
		other := err
		if out == nil || worseCode(exitCode(out), exitCode(err)) != exitCode(out) {
			out, other = err, out
		}
		var e *codeError
		if other != nil && !(errors.As(other, &e) && e.err == nil) {
			a.printMessage("error", other.Error())
		}
	}
	return out
}

// exitCode returns the exit code of an error.
func exitCode(err error) int {
	var e *codeError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	}
	return exitFailed
}

// reportError prints err with its hints and returns the exit code.
func (a *app) reportError(err error) int {
	if err == nil {
		return exitOK
	}
	var e *codeError
	if !errors.As(err, &e) {
		e = &codeError{code: exitFailed, err: err, hints: withHint(err, nil)}
	}
	// A run that ended before the signal, and reported its end, was not
	// interrupted.
	if unsaid := e.err == nil && !a.documentWritten; a.isStopped() && e.code != exitInterrupted && (unsaid || errors.Is(e.err, context.Canceled)) {
		e = &codeError{code: exitInterrupted, err: errors.New("interrupted; nothing was changed")}
	}
	if e.err != nil {
		a.printMessage("error", e.err.Error())
		for _, h := range e.hints {
			a.printMessage("hint", h.String())
		}
	}
	if e.err == nil || a.documentWritten {
		return e.code
	}
	return worseCode(e.code, a.writeFailure(e))
}

// printAnnotations prints problems as GitHub annotations on stderr. GitHub shows them
// at their lines in the pull request.
func (a *app) printAnnotations(problems []schema.Problem) error {
	if a.Getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	dir, err := os.Getwd()
	if err == nil {
		err = report.Annotations(a.Stderr, problems, report.AnnotationOptions{Dir: dir, Workspace: a.Getenv("GITHUB_WORKSPACE")})
	}
	if err != nil {
		return failed(fmt.Errorf("write annotations: %w", err))
	}
	return nil
}

// withheldText replaces a stderr text that contains a secret value.
const withheldText = "the text is withheld, because it holds a secret value"

// printMessage prints a message to stderr. Each of its lines gets a prefix, so
// that no line can begin with foreign text.
func (a *app) printMessage(kind, text string) {
	if a.scrubber.Reveals(text) {
		text = withheldText
	}
	a.stderr.Lock()
	defer a.stderr.Unlock()
	for i, l := range strings.Split(text, "\n") {
		if i == 0 {
			fmt.Fprintf(a.Stderr, "mkhooks: %s: %s\n", kind, report.Escape(l))
		} else {
			fmt.Fprintf(a.Stderr, "mkhooks: | %s\n", report.Escape(l))
		}
	}
}

func (a *app) warn(format string, args ...any) {
	a.printMessage("warning", fmt.Sprintf(format, args...))
}
