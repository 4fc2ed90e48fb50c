package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/report"
)

// A run that fails without a document writes a document of problems instead. It
// goes to stdout in the format of --format and to each file of --report. In
// GitHub Actions it also goes to the summary page and becomes annotations. This
// covers every failure of every command, because all of them end in
// [app.reportError].

// allFormats lists the formats of all commands.
var allFormats = []report.Format{report.Text, report.JSON, report.Markdown, report.CSV}

// writeFailure writes the error as a document of problems. It returns the exit
// code for a failed write, or exitOK. In text format it leaves stdout empty,
// because stderr already has the message.
func (a *app) writeFailure(e *codeError) int {
	if len(a.Args) > 0 && strings.HasPrefix(a.Args[0], "__complete") { // a shell reads stdout
		return exitOK
	}
	format, reports := a.format, a.reports
	if !a.started { // pflag stops at the first invalid flag
		format, reports = outputFlags(a.rootCommand, a.Args)
	}
	a.format = string(report.Text)
	if slices.Contains(allFormats, report.Format(format)) {
		a.format = format
	}
	a.openFailureSinks(reports)
	var trouble []error
	problems := e.problems
	if len(problems) == 0 {
		problems = []schema.Problem{{Message: e.err.Error(), Severity: schema.Error}}
		problems[0].SetHint(joinHints(e.hints))
		a.scrubber.Mask(&problems, withheldText)
		trouble = append(trouble, a.printAnnotations(problems))
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

// joinHints makes one hint of several. A single hint keeps its command.
func joinHints(hints []diag.Hint) diag.Hint {
	if len(hints) < 2 {
		return append(hints, diag.Hint{})[0]
	}
	all := make([]string, 0, len(hints))
	for _, h := range hints {
		all = append(all, h.String())
	}
	return diag.Hint{Text: strings.Join(all, "; ")}
}

// finishPanic reports a panic without its value, and returns the exit code.
func (a *app) finishPanic() (code int) {
	code = exitFailed
	defer func() {
		if recover() != nil { // writing the documents panicked
			a.closeSinks()
		}
	}()
	return a.reportError(failed(errors.New("a fault in mkhooks itself ended the run; what it had already applied is applied"),
		"run the command again, and report the fault with the trace on standard error"))
}

// outputFlags finds the values of --format and --report in arguments that cobra
// parsed only in part. It does not mistake another flag's value for a flag.
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

// takesNext reports whether the argument after a flag is its value. Flags that
// cmd lacks take no value, but --format and --report always do.
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
			return i == len(letters)-1 // otherwise the rest of arg is the value
		}
	}
	return false
}
