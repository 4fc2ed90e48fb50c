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

// document is what a command was asked for, in each form that it may take.
type document struct {
	text     func(io.Writer, report.TextOptions) error
	json     func(io.Writer) error
	markdown func(io.Writer) error
	csv      func(io.Writer) error // nil if the command does not offer CSV
	// summary is true where it belongs into a CI run's own summary page.
	summary bool
	// data is a pointer to what the forms are made of. Values that a text in it
	// holds are taken out before it is written.
	data any
}

// writeAs writes the document in a format. A terminal's options are for text.
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

// planDocument is a plan; o says how it is worded, and what is to be done next
// for those who can do it: a terminal's reader, not a pull request's.
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
	f.StringVar(&a.format, "format", string(report.Text), "`FORMAT` of the document on stdout: text, json or markdown")
	f.StringArrayVar(&a.reports, "report", nil, "`FORMAT=FILE` to write the document to, too (repeatable)")
}

// formats are the formats of a command without [formatsKey].
var formats = []report.Format{report.Text, report.JSON, report.Markdown}

// formatsKey annotates a command that has other formats: all of them, separated
// by commas.
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

// checkFormat takes --format as it is meant, or refuses it.
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

// sink is a file that gets a document. It is opened before anything is sent,
// so that a run never ends with its only record unwritten.
type sink struct {
	flag   string // that names it
	path   string
	format report.Format
	// plan is true for plan --out: there a document of problems has no place.
	plan bool
	file *os.File         // nil once the document is written
	temp *atomicfile.Temp // that is file; nil for a device or pipe
}

// openSinks opens the files of --report, and out, the file that a plan is saved
// in. It opens none if one of them is refused.
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
			return invalidf("name a file in a folder that exists and can be written to", "%s %s: %v", s.flag, s.path, withoutPath(err))
		}
	}
	return nil
}

// newSink reads one value of --report.
func (a *app) newSink(value string, formats []report.Format) (*sink, error) {
	format, path, ok := strings.Cut(value, "=")
	if !ok || path == "" || !slices.Contains(formats, report.Format(format)) {
		return nil, invalidf("for example --report markdown=plan.md", "--report %q: expected FORMAT=FILE, with %s", value, formatWords(formats))
	}
	return &sink{flag: "--report", path: path, format: report.Format(format)}, nil
}

// openSink opens the file of a sink. From then on, output that nobody reads any
// more is an error: it must not end the process before the file is written.
func (a *app) openSink(s *sink) error {
	if a.HoldPipe != nil {
		a.HoldPipe()
	}
	if err := s.open(); err != nil {
		return err
	}
	a.sinks = append(a.sinks, s)
	return nil
}

// openFailureSinks opens the files of --report that are not open, as far as
// possible: the run has failed before all of them were opened. A file that is
// named twice gets none of its two documents.
func (a *app) openFailureSinks(reports []string) {
	var sinks []*sink
	for _, r := range reports {
		if s, err := a.newSink(r, allFormats); err == nil {
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

// replaceProblem says why a file must not be replaced by a document: a slip of the
// finger must not cost a rule, a key or the record. "" where it may be.
func replaceProblem(path string) string {
	if path == "-" {
		return "is no file; the document on standard output is what --format is for"
	}
	if _, err := os.Stat(path); err != nil {
		return "" // there is nothing to lose
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
	n, _ := io.ReadFull(f, head) // less is fine
	text := string(head[:n])
	switch {
	case strings.Contains(text, "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY"):
		return "holds a key; it is not replaced"
	case strings.HasPrefix(text, `{"seq":`):
		return "is a record of applies; it is not replaced"
	}
	return ""
}

// withoutPath is the reason of a file error: its path is the temporary one.
func withoutPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (s *sink) samePath(other *sink) bool {
	return filepath.Clean(s.path) == filepath.Clean(other.path)
}

func (s *sink) open() (err error) {
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

// write writes the document; a regular file is whole or not there at all.
func (s *sink) write(d document) error {
	if err := writeWhole(s.file, d, s.format, report.TextOptions{}); err != nil {
		return fmt.Errorf("write %s: %w", s.path, withoutPath(err))
	}
	file := s.file
	s.file = nil
	if s.temp == nil {
		return file.Close()
	}
	if err := s.temp.Commit(s.path, 0o600); err != nil {
		s.temp.Discard() // it is only half of a document
		return fmt.Errorf("write %s: %w", s.path, withoutPath(err))
	}
	return nil
}

// closeSinks drops what no document was written to.
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

// writeDocument writes the document to every file that was asked for, to the CI run's
// summary page and to stdout. One that can't be written stops no other.
func (a *app) writeDocument(d document) error {
	a.known.Mask(d.data, webhook.Redacted)
	err := a.writeSinks(d, true)
	if werr := a.writeStdout(d, a.textOptions(a.StdoutTTY)); werr != nil {
		err = errors.Join(err, werr)
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

// writeStdout writes the document to stdout. It counts as written from its first
// byte on: a second document behind it could not be told apart.
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

// writeWhole writes the document in one piece: if it can't be made, nothing is
// written.
func writeWhole(w io.Writer, d document, format report.Format, o report.TextOptions) error {
	var b bytes.Buffer
	if err := d.writeAs(format, &b, o); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeSinks writes to files and the summary page only. asked is false where
// the document says why there is no other.
func (a *app) writeSinks(d document, asked bool) error {
	var errs []error
	for _, s := range a.sinks {
		if s.file != nil && (asked || !s.plan) {
			errs = append(errs, s.write(d))
		}
	}
	if d.summary {
		a.appendSummary(d)
	}
	return errors.Join(errs...)
}

// appendSummary adds the document to the page that GitHub shows of a run.
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
		a.warn("write the summary of this run to GITHUB_STEP_SUMMARY: %v", withoutPath(err))
	}
}
