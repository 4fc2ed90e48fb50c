package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/mkhooks/mkhooks/schema"
)

// ProblemsText writes each problem as file:line:column: message, so that
// editors and terminals make it a link, and its hint on an indented line.
// Neither is wrapped: programs read the first, people paste the second.
func ProblemsText(w io.Writer, problems []schema.Problem, o TextOptions) error {
	p := newPrinter(o)
	for _, problem := range problems {
		severity, color := "", styleRed
		if problem.Severity == schema.Warning {
			severity, color = "warning: ", styleYellow
		}
		at := problem.Position
		at.File = escapeFileName(at.File)
		switch {
		case at.File != "":
			p.printUnwrapped(0, styledSpan(at.String()+": ", styleBold), styledSpan(severity, color), textSpan(problem.Message))
		case severity != "":
			p.printUnwrapped(0, styledSpan(severity, color), textSpan(problem.Message))
		default:
			p.printUnwrapped(0, styledSpan("error: ", color), textSpan(problem.Message))
		}
		if problem.Hint != "" {
			p.printUnwrapped(4, styledSpan("hint: ", styleDim), textSpan(problem.Hint))
		}
	}
	return p.flush(w)
}

// ProblemsCSV writes a line for each problem, below a header line.
func ProblemsCSV(w io.Writer, problems []schema.Problem) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"severity", "file", "line", "column", "message", "hint"}) // Flush has its error
	for _, p := range problems {
		severity := schema.Error
		if p.Severity == schema.Warning {
			severity = schema.Warning
		}
		_ = out.Write([]string{string(severity), csvText(p.File), strconv.Itoa(p.Line), strconv.Itoa(p.Column), csvText(p.Message), csvText(p.Hint)})
	}
	out.Flush()
	return out.Error()
}

// escapeFileName returns a file's name in a form that may begin a line: a
// runner would obey a file called "::add-path::x".
func escapeFileName(file string) string {
	if file == "" {
		return ""
	}
	if c := file[0]; c == '/' || c == '.' || c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' {
		return file
	}
	return "./" + file
}
