package cli

import (
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
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
)

// document is what a command was asked for, in each form that it may take.
type document struct {
	text     func(io.Writer, report.TextOptions) error
	json     func(io.Writer) error
	markdown func(io.Writer) error
	csv      func(io.Writer) error // nil where the document has no such form
	// summary is true where it belongs into a CI run's own summary page.
	summary bool
}

// in writes the document in a format. A terminal's options are for text.
func (d document) in(format report.Format, w io.Writer, o report.TextOptions) error {
	switch format {
	case report.JSON:
		return d.json(w)
	case report.Markdown:
		return d.markdown(w)
	case report.CSV:
		if d.csv == nil { // why there is no document, which stderr says, too
			return nil
		}
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
	}
}

func problemsDocument(problems []schema.Problem) document {
	return document{
		text:     func(w io.Writer, o report.TextOptions) error { return report.ProblemsText(w, problems, o) },
		json:     func(w io.Writer) error { return report.ProblemsJSON(w, problems) },
		markdown: func(w io.Writer) error { return report.ProblemsMarkdown(w, problems, report.MarkdownOptions{}) },
		summary:  len(problems) > 0,
	}
}

// addFormat adds --format and --report to a command.
func (a *app) addFormat(f *pflag.FlagSet) {
	f.StringVar(&a.format, "format", string(report.Text), "`FORMAT` of the document on stdout: text, json or markdown")
	f.StringArrayVar(&a.reports, "report", nil, "`FORMAT=FILE` to write the document to, too (repeatable)")
}

var formats = []report.Format{report.Text, report.JSON, report.Markdown}

// formatsKey annotates a command that has a format beside those.
const formatsKey = "formats"

// checkFormat takes --format as it is meant, or refuses it.
func (a *app) checkFormat(cmd *cobra.Command) error {
	a.formats = formats
	expected := "text, json or markdown"
	if more := cmd.Annotations[formatsKey]; more != "" {
		a.formats = append(slices.Clone(formats), report.Format(more))
		expected = "text, json, markdown or " + more
	}
	if a.format == "" || slices.Contains(a.formats, report.Format(a.format)) {
		return nil
	}
	wrong := a.format
	a.format = string(report.Text)
	return invalidf("", "--format %q: expected %s", wrong, expected)
}

// sink is a file that gets a document. It is opened before anything is sent,
// so that a run never ends with its only record unwritten.
type sink struct {
	path   string
	format report.Format
	// plan is true for plan --out: there a document of problems has no place.
	plan bool
	file *os.File
	temp string // the file's name until it is whole; empty for a device or pipe
}

// openSinks opens what --report asks for, and out, where a plan is to be saved.
func (a *app) openSinks(out string) error {
	type place struct {
		flag, format, path string
		plan               bool
	}
	var places []place
	for _, r := range a.reports {
		format, path, ok := strings.Cut(r, "=")
		if !ok || path == "" || !slices.Contains(a.formats, report.Format(format)) {
			return invalidf("for example --report markdown=plan.md", "--report %q: expected FORMAT=FILE, with text, json or markdown", r)
		}
		places = append(places, place{"--report", format, path, false})
	}
	if out != "" {
		places = append(places, place{"--out", string(report.JSON), out, true})
	}
	seen := map[string]bool{}
	for _, p := range places {
		if seen[filepath.Clean(p.path)] {
			return invalidf("", "%s %s: this file is to get two documents", p.flag, p.path)
		}
		seen[filepath.Clean(p.path)] = true
		if why := precious(p.path); why != "" {
			return invalidf("name another file", "%s %s: %s", p.flag, p.path, why)
		}
	}
	for _, p := range places {
		s := &sink{path: p.path, format: report.Format(p.format), plan: p.plan}
		if err := s.open(); err != nil {
			return invalidf("name a file in a folder that exists and can be written to", "%s %s: %v", p.flag, p.path, withoutPath(err))
		}
		a.sinks = append(a.sinks, s)
	}
	return nil
}

// precious says why a file must not be replaced by a document: a slip of the
// finger must not cost a rule, a key or the record. "" where it may be.
func precious(path string) string {
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
	s.file, err = os.CreateTemp(filepath.Dir(s.path), ".mkhooks-*")
	if err != nil {
		return err
	}
	s.temp = s.file.Name()
	return nil
}

// write writes the document; a regular file is whole or not there at all.
func (s *sink) write(d document) error {
	if err := d.in(s.format, s.file, report.TextOptions{}); err != nil {
		return fmt.Errorf("write %s: %w", s.path, withoutPath(err))
	}
	file := s.file
	s.file = nil
	if s.temp == "" {
		return file.Close()
	}
	err := errors.Join(file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(s.temp, s.path)
	}
	if err != nil {
		_ = os.Remove(s.temp) // it is only half of a document
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
		_ = s.file.Close() // nothing was written to it
		if s.temp != "" {
			_ = os.Remove(s.temp)
		}
	}
	a.sinks = nil
}

// write writes the document to every file that was asked for, to the CI run's
// summary page and to stdout. One that can't be written stops no other.
func (a *app) write(d document) error {
	a.documentWritten = true
	err := a.writeSinks(d, true)
	if werr := d.in(report.Format(a.format), a.Stdout, a.textOptions(a.StdoutTTY)); werr != nil {
		err = errors.Join(err, fmt.Errorf("write standard output: %w", werr))
	}
	if err != nil {
		return failed(err)
	}
	return nil
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
