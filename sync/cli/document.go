package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/atomicfile"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// document is the output of a command in each of its formats.
type document struct {
	text     func(io.Writer, report.TextOptions) error
	json     func(io.Writer) error
	markdown func(io.Writer) error
	csv      func(io.Writer) error // nil if the command does not offer CSV
	// summary: append the document to the summary page of a CI run.
	summary bool
	// data points to the source of all formats. Known secrets in its texts are
	// masked before it is written.
	data any
}

// writeAs writes the document in a format. o applies only to text.
func (d document) writeAs(format report.Format, w io.Writer, o report.TextOptions) error {
	switch format {
	case report.JSON:
		return d.json(w)
	case report.Markdown:
		return d.markdown(w)
	case report.CSV:
		return d.csv(w)
	}
	return d.text(w, o)
}

// planDocument returns the document of a plan. o sets its wording and its
// advice. Next steps are omitted from Markdown: a reader of a pull request
// can't take them.
func planDocument(p *plan.Plan, o report.MarkdownOptions) document {
	return document{
		text: func(w io.Writer, t report.TextOptions) error {
			t.Drift, t.Advice = o.Drift, o.Advice
			return report.PlanText(w, p, t)
		},
		json: func(w io.Writer) error { return report.PlanJSON(w, p) },
		markdown: func(w io.Writer) error {
			o.Next = nil
			return report.PlanMarkdown(w, p, o)
		},
		summary: true,
		data:    p,
	}
}

func resultDocument(r *apply.Result, advice report.Advice) document {
	return document{
		text: func(w io.Writer, o report.TextOptions) error {
			o.Advice = advice
			return report.ResultText(w, r, o)
		},
		json:     func(w io.Writer) error { return report.ResultJSON(w, r) },
		markdown: func(w io.Writer) error { return report.ResultMarkdown(w, r, report.MarkdownOptions{Advice: advice}) },
		summary:  true,
		data:     r,
	}
}

func problemsDocument(problems []schema.Problem) document {
	return document{
		text:     func(w io.Writer, o report.TextOptions) error { return report.ProblemsText(w, problems, o) },
		json:     func(w io.Writer) error { return report.ProblemsJSON(w, problems) },
		markdown: func(w io.Writer) error { return report.ProblemsMarkdown(w, problems, report.MarkdownOptions{}) },
		csv:      func(w io.Writer) error { return report.ProblemsCSV(w, problems) },
		summary:  len(problems) > 0,
		data:     &problems,
	}
}

// addFormat adds --format and --report to a command.
func (a *app) addFormat(f *pflag.FlagSet) {
	f.StringVar(&a.format, "format", string(report.Text), "`FORMAT`: print this format: text, json or markdown")
	f.StringArrayVar(&a.reports, "report", nil, "`FORMAT=FILE`: also write this format to this file (repeatable)")
}

// formats is the default for a command without [formatsKey].
var formats = []report.Format{report.Text, report.JSON, report.Markdown}

// formatsKey annotates a command with its formats, separated by commas.
const formatsKey = "formats"

// formatsOf returns the formats of a command.
func formatsOf(cmd *cobra.Command) []report.Format {
	var out []report.Format
	for _, f := range strings.Split(cmd.Annotations[formatsKey], ",") {
		if f != "" {
			out = append(out, report.Format(f))
		}
	}
	if out == nil {
		return formats
	}
	return out
}

// checkFormat sets the formats of the command and refuses an unknown --format.
func (a *app) checkFormat(cmd *cobra.Command) error {
	a.formats = formatsOf(cmd)
	if a.format == "" || slices.Contains(a.formats, report.Format(a.format)) {
		return nil
	}
	wrong := a.format
	a.format = string(report.Text)
	return invalidf("", "--format %q: expected %s", wrong, formatWords(a.formats))
}

// formatWords lists formats for a sentence: text, json or markdown.
func formatWords(formats []report.Format) string {
	var b strings.Builder
	for i, f := range formats {
		switch {
		case i == 0:
		case i == len(formats)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(f))
	}
	return b.String()
}

// sink is an output file for a document. It is opened before anything is sent,
// so that no run ends with an unwritable document.
type sink struct {
	flag   string // flag that set the path
	path   string
	format report.Format
	// plan is true for plan --out, which must not receive a document of
	// problems.
	plan bool
	file *os.File         // nil after the document is written
	temp *atomicfile.Temp // holds file; nil for a device or pipe
}

// openSinks opens the files of --report and out, the file for a saved plan. If
// any of them is refused, it opens none.
func (a *app) openSinks(out string) error {
	var sinks []*sink
	for _, r := range a.reports {
		s, err := a.newSink(r, a.formats)
		if err != nil {
			return err
		}
		sinks = append(sinks, s)
	}
	if out != "" {
		sinks = append(sinks, &sink{flag: "--out", path: out, format: report.JSON, plan: true})
	}
	for i, s := range sinks {
		if slices.ContainsFunc(sinks[:i], s.samePath) {
			return invalidf("", "%s %s: this file is to get two documents", s.flag, s.path)
		}
		if why := replaceProblem(s.path); why != "" {
			return invalidf("name another file", "%s %s: %s", s.flag, s.path, why)
		}
	}
	for _, s := range sinks {
		if err := a.openSink(s); err != nil {
			return invalidf("name a file in a folder that exists and can be written to", "%s %s: %v", s.flag, s.path, fileErrorReason(err))
		}
	}
	return nil
}

// newSink parses a value of --report.
func (a *app) newSink(value string, formats []report.Format) (*sink, error) {
	format, path, ok := strings.Cut(value, "=")
	if !ok || path == "" || !slices.Contains(formats, report.Format(format)) {
		return nil, invalidf("for example --report markdown=plan.md", "--report %q: expected FORMAT=FILE, with %s", value, formatWords(formats))
	}
	return &sink{flag: "--report", path: path, format: report.Format(format)}, nil
}

// openSink opens the file of a sink. From then on, a closed output pipe is an
// error: it must not end the process before the file is written.
func (a *app) openSink(s *sink) error {
	if a.HoldPipe != nil {
		a.HoldPipe()
	}
	if err := s.openTarget(); err != nil {
		return err
	}
	a.sinks = append(a.sinks, s)
	return nil
}

// openFailureSinks opens the unopened files of --report after an early failure,
// and ignores errors. A file that is named twice gets neither document.
func (a *app) openFailureSinks(reports []string) {
	var sinks []*sink
	for _, r := range reports {
		if s, err := a.newSink(r, allFormats); err == nil && !a.scrubber.Reveals(s.path) {
			sinks = append(sinks, s)
		}
	}
	for i, s := range sinks {
		twice := slices.ContainsFunc(sinks[:i], s.samePath) || slices.ContainsFunc(sinks[i+1:], s.samePath)
		if !twice && !slices.ContainsFunc(a.sinks, s.samePath) && replaceProblem(s.path) == "" {
			_ = a.openSink(s) // stderr has the first error
		}
	}
}

// replaceProblem explains why a document must not replace a file; "" if it may.
// A typo must not destroy a rule, a key or the audit log.
func replaceProblem(path string) string {
	if path == "-" {
		return "is no file; the document on standard output is what --format is for"
	}
	if _, err := os.Stat(path); err != nil {
		return "" // no file to lose
	}
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext == ".yaml" || ext == ".yml":
		return "is a YAML file that is there already, perhaps a rule's or the config; it is not replaced"
	case ext == ".jsonl" || archive.IsArchive(path):
		return "is a record or an archive, by its name; it is not replaced"
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 64<<10)
	n, _ := io.ReadFull(f, head) // a shorter file is fine
	text := string(head[:n])
	switch {
	case strings.Contains(text, "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY"):
		return "holds a key; it is not replaced"
	case strings.HasPrefix(text, `{"seq":`):
		return "is a record of applies; it is not replaced"
	}
	return ""
}

// fileErrorReason returns the reason of a file error, without its path, which may
// be temporary.
func fileErrorReason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (s *sink) samePath(other *sink) bool {
	return filepath.Clean(s.path) == filepath.Clean(other.path)
}

func (s *sink) openTarget() (err error) {
	info, err := os.Stat(s.path)
	switch {
	case err == nil && info.IsDir():
		return errors.New("is a folder, expected a file")
	case err == nil && !info.Mode().IsRegular():
		s.file, err = os.OpenFile(s.path, os.O_WRONLY, 0)
		return err
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if s.temp, err = atomicfile.NewTemp(filepath.Dir(s.path)); err != nil {
		return err
	}
	s.file = s.temp.File
	return nil
}

// writeFile writes the document. A regular file is written completely or not at
// all.
func (s *sink) writeFile(d document) error {
	if err := writeWhole(s.file, d, s.format, report.TextOptions{}); err != nil {
		return fmt.Errorf("write %s: %w", s.path, fileErrorReason(err))
	}
	file := s.file
	s.file = nil
	if s.temp == nil {
		return file.Close()
	}
	if err := s.temp.Commit(s.path, 0o600); err != nil {
		s.temp.Discard() // it is incomplete
		return fmt.Errorf("write %s: %w", s.path, fileErrorReason(err))
	}
	return nil
}

// closeSinks closes all sinks and discards the unwritten files.
func (a *app) closeSinks() {
	for _, s := range a.sinks {
		if s.file == nil {
			continue
		}
		if s.temp != nil {
			s.temp.Discard()
		} else {
			_ = s.file.Close() // nothing was written to it
		}
	}
	a.sinks = nil
}

// writeDocument writes the document to every --report file, the summary page of
// CI and stdout. A failed write does not stop the others.
func (a *app) writeDocument(d document) error {
	a.scrubber.Mask(d.data, webhook.Redacted)
	err := a.writeSinks(d, true)
	if werr := a.writeStdout(d, a.textOptions(a.StdoutTTY)); werr != nil {
		err = errors.Join(err, werr)
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

// writeStdout writes the document to stdout. It counts as written from the
// first byte: nobody could separate it from a second document.
func (a *app) writeStdout(d document, o report.TextOptions) error {
	var b bytes.Buffer
	err := d.writeAs(report.Format(a.format), &b, o)
	if err == nil {
		a.documentWritten = true
		_, err = a.Stdout.Write(b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	return nil
}

// writeWhole writes the document in one piece. If a format fails, it writes
// nothing.
func writeWhole(w io.Writer, d document, format report.Format, o report.TextOptions) error {
	var b bytes.Buffer
	if err := d.writeAs(format, &b, o); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeSinks writes to files and the summary page. asked is false for a
// document that only explains a failure.
func (a *app) writeSinks(d document, asked bool) error {
	var errs []error
	for _, s := range a.sinks {
		if s.file != nil && (asked || !s.plan) {
			errs = append(errs, s.writeFile(d))
		}
	}
	if d.summary {
		a.appendSummary(d)
	}
	return errors.Join(errs...)
}

// appendSummary appends the document to the summary page of a GitHub job.
func (a *app) appendSummary(d document) {
	path := a.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" || a.Getenv("GITHUB_ACTIONS") != "true" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(d.markdown(f), f.Close())
	}
	if err != nil {
		a.warn("write the summary of this run to GITHUB_STEP_SUMMARY: %v", fileErrorReason(err))
	}
}
