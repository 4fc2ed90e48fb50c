package report

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"

	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// recordStyles are the styles of the statuses of a record.
var recordStyles = map[webhook.Status]style{webhook.Failed: styleRed, webhook.Retrying: styleYellow, webhook.Pending: styleYellow}

// HistoryRecords writes the records of histories as they come, and the summary
// at the end. It keeps no records.
type HistoryRecords struct {
	out  *bufio.Writer
	csv  *csv.Writer // only for CSV
	json bool
	opts TextOptions

	n    int
	line bytes.Buffer
	last *history.Record // only for text, for the line above a rule's records
}

// NewHistoryRecords returns a writer of a format: text, JSON or CSV.
func NewHistoryRecords(w io.Writer, format Format, o TextOptions) *HistoryRecords {
	r := &HistoryRecords{out: bufio.NewWriterSize(w, 64<<10), json: format == JSON, opts: o}
	if format == CSV {
		r.csv = csv.NewWriter(r.out)
	}
	return r
}

// Write writes a record.
func (w *HistoryRecords) Write(r history.Record) error {
	first := w.n == 0
	w.n++
	switch {
	case w.csv != nil:
		if first {
			_ = w.csvHead() // the next Write returns its error
		}
		return w.csv.Write([]string{csvTime(&r.Created), csvText(string(r.Status)), csvText(string(r.Type)), csvText(r.Source), csvText(r.Rule)})
	case w.json:
		return w.writeJSON(r, first)
	}
	return w.writeText(r)
}

func (w *HistoryRecords) csvHead() error {
	return w.csv.Write([]string{"created", "status", "type", "source", "rule"})
}

func (w *HistoryRecords) writeJSON(r history.Record, first bool) error {
	lead := ",\n    "
	if first {
		lead = "{\n  \"records\": [\n    "
	}
	w.line.Reset()
	w.line.WriteString(lead)
	enc := json.NewEncoder(&w.line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return err
	}
	_, err := w.out.Write(escapeJSON(bytes.TrimSuffix(w.line.Bytes(), []byte("\n"))))
	return err
}

// writeText writes a record on a line that begins with its time, and is never
// wrapped.
func (w *HistoryRecords) writeText(r history.Record) error {
	if w.last == nil || w.last.Rule != r.Rule {
		if w.last != nil {
			_ = w.out.WriteByte('\n') // the last write returns the error of all
		}
		_, _ = w.out.WriteString("Rule " + quoteName(r.Rule) + ", in the order of the service\n")
		w.last = &r
	}
	status := pad(Escape(string(r.Status)), len("Retrying"))
	if c := recordStyles[r.Status]; w.opts.Color && c != styleNone {
		status = "\x1b[" + string(c) + "m" + status + "\x1b[0m"
	}
	_, err := w.out.WriteString("  " + r.Created.UTC().Format("2006-01-02T15:04:05.999Z07:00") + "  " + status + "  " + Escape(string(r.Type)) + "  " + Escape(r.Source) + "\n")
	return err
}

// Close ends the document. doc is the summary of the records, without the
// records.
func (w *HistoryRecords) Close(doc *history.Document) error {
	var err error
	switch {
	case w.csv != nil:
		if w.n == 0 {
			err = w.csvHead()
		}
		w.csv.Flush()
		if err == nil {
			err = w.csv.Error()
		}
	case w.json:
		var rest bytes.Buffer
		if err := HistoryJSON(&rest, doc); err != nil {
			return err
		}
		text := rest.Bytes()
		if w.n > 0 {
			_, _ = w.out.WriteString("\n  ],\n") // the last write returns the error of all
			text = bytes.TrimPrefix(text, []byte("{\n"))
		}
		_, err = w.out.Write(text)
	default:
		if w.n > 0 {
			_ = w.out.WriteByte('\n')
		}
		err = HistoryText(w.out, doc, false, w.opts)
	}
	if err != nil {
		return err
	}
	return w.out.Flush()
}

// HistoryJSON writes the history document.
func HistoryJSON(w io.Writer, doc *history.Document) error { return writeJSON(w, doc) }
