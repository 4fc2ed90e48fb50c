package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/audit"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/shell"
)

const auditVerifyLong = `Verify checks audit logs and archives. In an audit log, it finds changed,
removed and moved lines, and writes in flight when a run crashed. In an archive,
given by its manifest, it checks the number of records and their checksum.

An audit log that was truncated or completely rewritten is still consistent.
Detect this with --head and the head that apply printed.

With --archives, verify also checks that each archive in the audit log is
complete and unchanged. It looks for an archive at its recorded location, then
by name in --archive or in the archive location of the config file.

Without FILE, verify checks the audit log of the config file. It needs no key.
It needs the network only for archives in a bucket.

Exit codes: 0 no problems (warnings are allowed), 1 an archive could not be
read, 3 problems found.`

const auditShowLong = `Show prints the runs in an audit log, with their writes: who changed which
rules, when and why. Without FILE, it reads the audit log of the config file.

Exit codes: 0 done, 3 the file is not an audit log, or its chain is broken.`

func newAuditCommand(a *app) *cobra.Command {
	group := &cobra.Command{
		Use:   "audit",
		Short: "Check and print audit logs",
		Long:  "Audit checks and prints the audit log that apply writes with --audit FILE.",
	}
	group.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("mkhooks audit verify FILE", "audit: there is no command %q; expected verify or show", args[0])
		}
		return group.Help()
	}
	group.Args = cobra.ArbitraryArgs
	var v verifyOptions
	verify := &cobra.Command{
		Use:   "verify [FILE...]",
		Short: "Check audit logs and archives",
		Long:  auditVerifyLong,
		Example: "  mkhooks audit verify audit/applies.jsonl\n" +
			"  mkhooks audit verify --head 9f2c... --archives audit/applies.jsonl\n" +
			"  mkhooks audit verify archive/*.manifest.json",
		RunE: func(cmd *cobra.Command, args []string) error { return runAuditVerify(a, v, cmd.Flags(), args) },
	}
	v.AddFlags(verify.Flags())
	a.addFormat(verify.Flags())
	var s auditShowOptions
	show := &cobra.Command{
		Use:     "show [FILE]",
		Short:   "Print the runs in an audit log",
		Long:    auditShowLong,
		Example: "  mkhooks audit show audit/applies.jsonl\n  mkhooks audit show --rule 'billing-*' --format json audit/applies.jsonl",
		RunE:    func(cmd *cobra.Command, args []string) error { return runAuditShow(a, s, cmd.Flags(), args) },
	}
	s.AddFlags(show.Flags())
	a.addFormat(show.Flags())
	group.AddCommand(verify, show)
	return group
}

type verifyOptions struct {
	configOptions
	head     string
	archives bool
	place    string
}

func (o *verifyOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	f.StringVar(&o.head, "head", "", "`HASH`: require this head, which apply printed, in the audit log")
	f.BoolVar(&o.archives, "archives", false, "also check every archive that the audit log names")
	f.StringVar(&o.place, "archive", "", "`LOCATION`: search here for archives that are not at their recorded location (default: from the config file)")
}

// auditFiles returns the files in args, or the audit log of the config file.
func (o *configOptions) auditFiles(a *app, f *pflag.FlagSet, args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	if err := o.readConfig(a, f); err != nil || o.file == nil || o.file.Audit == "" {
		return nil, err
	}
	return []string{o.file.Path(o.file.Audit)}, nil
}

func runAuditVerify(a *app, o verifyOptions, f *pflag.FlagSet, args []string) error {
	args, err := o.auditFiles(a, f, args)
	switch {
	case err != nil:
		return err
	case len(args) == 0:
		return usagef("mkhooks audit verify audit/applies.jsonl", "audit verify: expected an audit file, or the manifest of an archive")
	case o.head != "" && !isHash(o.head):
		return invalidf("the head stands in the last line of an apply", "--head %q: expected 64 digits 0-9a-f", o.head)
	case o.head != "" && len(args) > 1:
		return invalidf("check one file at a time", "--head is that of one audit file, and %d are given", len(args))
	}
	if o.place == "" && o.archives {
		if err := o.readConfig(a, f); err != nil {
			return err
		}
		if o.file != nil && o.file.Archive != "" {
			o.place = o.archiveLocation()
		}
	}
	ctx, cancel := a.readContext()
	defer cancel()
	v := &verification{options: o}
	for _, arg := range args {
		if err := v.checkFile(ctx, arg); err != nil {
			return err
		}
	}
	schema.SortProblems(v.problems)
	doc := problemsDocument(a.withholdProblems(v.problems))
	list := doc.text
	doc.text = func(w io.Writer, t report.TextOptions) error {
		err := list(w, t)
		for _, line := range v.messages {
			err = errors.Join(err, writeLine(w, report.Escape(line)))
		}
		return err
	}
	notWritten := a.writeDocument(doc)
	var verdict error
	switch faults := countErrors(v.problems) - v.unreached; {
	case faults > 0:
		verdict = invalid(errors.New(countNoun(faults, "problem", "problems") + " in what was checked"))
	case v.unreached > 0:
		verdict = failed(errors.New(countNoun(v.unreached, "archive", "archives")+" could not be looked at"), "nothing is known of them: run it again when their store can be reached")
	case o.head == "" && v.chains > 0:
		a.printMessage("hint", "a record that was cut at its end shows only against a head that was kept elsewhere: --head HASH")
	}
	return a.worstError(verdict, notWritten)
}

func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// verification collects the results of audit verify.
type verification struct {
	options  verifyOptions
	problems []schema.Problem
	messages []string // messages about complete files
	chains   int      // number of audit logs
	// unreached counts the problems with archives that could not be read. Their
	// state is unknown.
	unreached int
}

func (v *verification) addProblem(severity schema.Severity, file string, line int, hint, format string, args ...any) {
	p := schema.Problem{Position: schema.Position{File: file, Line: line}, Message: fmt.Sprintf(format, args...), Hint: hint, Severity: severity}
	if line > 0 {
		p.Column = 1
	}
	v.problems = append(v.problems, p)
}

// checkFile checks one file. Its name shows whether it is an archive.
func (v *verification) checkFile(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if archive.IsArchive(path) {
		v.checkArchive(ctx, path, nil)
		return nil
	}
	v.chains++
	chain, err := readChain(path)
	if err != nil {
		v.addProblem(schema.Error, path, 0, auditFileHint(path, err), "can't be read: %v", fileErrorReason(err))
		return nil
	}
	v.checkChain(path, chain)
	if !v.options.archives {
		return nil
	}
	return v.checkArchives(ctx, path, chain)
}

// auditFileHint suggests a file if path is not an audit log; "" if it has no
// suggestion.
func auditFileHint(path string, err error) string {
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the record is the file that apply was given with --audit, or audit in " + config.FileName + " names"
	case statErr != nil || !info.IsDir():
		return ""
	}
	for _, pattern := range []string{"*.manifest.json", "*.jsonl"} {
		if found, err := filepath.Glob(filepath.Join(path, pattern)); err == nil && len(found) > 0 {
			return "it is a folder; name the files in it: mkhooks audit verify " + shell.Path(path) + "/" + pattern
		}
	}
	return "it is a folder; name an audit file, or the manifest of an archive"
}

func readChain(path string) (*audit.Chain, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return audit.Read(f)
}

// checkChain reports the faults and the runs of an audit log.
func (v *verification) checkChain(path string, c *audit.Chain) {
	before := len(v.problems)
	for _, f := range c.Faults {
		v.addProblem(schema.Error, path, f.Line, f.Hint, "%s", f.Message)
	}
	if h := v.options.head; h != "" && !c.HasHead(h) {
		v.addProblem(schema.Error, path, 0, "compare with a copy of the file, such as an earlier commit's",
			"holds no line with the head %s: the record was cut at its end, or rewritten", h)
	}
	if c.Torn {
		v.addProblem(schema.Warning, path, len(c.Entries)+1, "the next apply takes it off and keeps its text", "is only half written, by a run that died")
	}
	if len(c.Entries) == 0 && len(c.Faults) == 0 {
		v.addProblem(schema.Warning, path, 0, "compare with a copy of the file, such as an earlier commit's", "holds no entry: no apply has used it, or all of its entries were removed")
	}
	runs := c.Runs()
	for _, r := range runs {
		v.reportRun(path, r)
	}
	if len(v.problems) == before || !schema.HasErrors(v.problems[before:]) {
		v.messages = append(v.messages, fmt.Sprintf("%s: %s of %s, head %s", path, countNoun(len(c.Entries), "entry", "entries"), countNoun(len(runs), "run", "runs"), c.Head))
	}
}

// reportRun reports the writes that a crashed run left in flight.
func (v *verification) reportRun(path string, r audit.Run) {
	for _, w := range r.Writes {
		if w.InFlight() {
			v.addProblem(schema.Warning, path, w.Intent.Seq, "the service knows: mkhooks plan says what is left to do",
				"the %s of rule %q has no result (step %s): it was under way when the run died, and may have taken effect", w.Intent.Write.Action, w.Intent.Write.Rule, w.Intent.Write.Step)
		}
	}
	if r.End == nil && r.Start != nil {
		v.addProblem(schema.Warning, path, r.Start.Seq, "", "the run that begins here has no end: it %s", r.DescribeUnfinished())
	}
}
