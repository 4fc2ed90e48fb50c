package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/report"
)

// A run that fails before it has a document writes a document of problems in its
// place: to stdout in the format of --format, to each file of --report, and in
// GitHub Actions to the summary page and as annotations. This holds for every
// command and every failure, because [app.reportError] is the only way out.

// allFormats are the formats of any command.
var allFormats = []report.Format{report.Text, report.JSON, report.Markdown, report.CSV}

// writeFailure writes the error as a document of problems. It returns the exit
// code that follows from a document that can't be written. Text has no document
// on stdout, because stderr has the same words.
func (a *app) writeFailure(e *codeError) int {
	if len(a.Args) > 0 && strings.HasPrefix(a.Args[0], "__complete") { // a shell reads stdout
		return exitOK
	}
	format, reports := a.format, a.reports
	if !a.started { // pflag stops at the first flag that is wrong
		format, reports = outputFlags(a.tree, a.Args)
	}
	a.format = string(report.Text)
	if slices.Contains(allFormats, report.Format(format)) {
		a.format = format
	}
	a.openFailureSinks(reports)
	var trouble []error
	problems := e.problems
	if len(problems) == 0 {
		problems = []schema.Problem{{Message: e.err.Error(), Hint: strings.Join(e.hints, "; "), Severity: schema.Error}}
		a.known.Mask(&problems, withheld)
		trouble = append(trouble, a.annotate(problems))
	}
	doc := problemsDocument(a.withholdProblems(problems))
	trouble = append(trouble, a.writeSinks(doc, false))
	if a.format != string(report.Text) {
		trouble = append(trouble, a.writeStdout(doc, report.TextOptions{}))
	}
	if err := errors.Join(trouble...); err != nil {
		a.printMessage("error", err.Error())
		return exitFailed
	}
	return exitOK
}

// finishPanic reports a panic, without its value, and returns the exit code.
func (a *app) finishPanic() (code int) {
	code = exitFailed
	defer func() {
		if recover() != nil { // writing documents is what panics
			a.closeSinks()
		}
	}()
	return a.reportError(failed(errors.New("a fault in mkhooks itself ended the run; what it had already applied is applied"),
		"run the command again, and report the fault with the trace on standard error"))
}

// outputFlags returns the values of --format and --report in arguments that cobra
// did not read to their end. A value of another flag is not taken for a flag.
func outputFlags(root *cobra.Command, args []string) (format string, reports []string) {
	cmd, _, err := root.Find(args)
	if err != nil {
		cmd = root
	}
	for i := 0; i < len(args); i++ {
		name, value, attached := strings.Cut(args[i], "=")
		switch {
		case args[i] == "--":
			return format, reports
		case !attached && takesNext(cmd, name):
			if i++; i == len(args) {
				return format, reports
			}
			value = args[i]
		}
		switch name {
		case "--format":
			format = value
		case "--report":
			reports = append(reports, value)
		}
	}
	return format, reports
}

// takesNext reports whether the argument after a flag is its value. A flag that
// cmd does not have takes none, but --format and --report always do.
func takesNext(cmd *cobra.Command, arg string) bool {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		f := cmd.Flag(name)
		return name == "format" || name == "report" || f != nil && f.NoOptDefVal == ""
	}
	letters, ok := strings.CutPrefix(arg, "-")
	if !ok || letters == "" {
		return false
	}
	for i := range letters {
		f := cmd.Flags().ShorthandLookup(letters[i : i+1])
		if f == nil {
			f = cmd.InheritedFlags().ShorthandLookup(letters[i : i+1])
		}
		switch {
		case f == nil:
			return false
		case f.NoOptDefVal == "":
			return i == len(letters)-1 // otherwise the rest is the value
		}
	}
	return false
}
