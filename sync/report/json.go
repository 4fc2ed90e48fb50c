package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// ProblemsFormatVersion is the version of the problems document.
const ProblemsFormatVersion = 1

// PlanJSON writes the plan document with its checksum, as plan --out saves it.
func PlanJSON(w io.Writer, p *plan.Plan) error {
	doc := withoutAuthValues(p)
	sum, err := doc.ComputeChecksum()
	if err != nil {
		return err
	}
	doc.Checksum = sum
	return writeJSON(w, doc)
}

// ResultJSON writes the result document.
func ResultJSON(w io.Writer, r *apply.Result) error { return writeJSON(w, r) }

// ProblemsJSON writes the problems document.
func ProblemsJSON(w io.Writer, problems []schema.Problem) error {
	if problems == nil {
		problems = []schema.Problem{}
	}
	return writeJSON(w, struct {
		FormatVersion int              `json:"formatVersion"`
		Problems      []schema.Problem `json:"problems"`
	}{ProblemsFormatVersion, problems})
}

// writeJSON writes v with an indent of two and a final newline. Beyond the
// rules of JSON it escapes the characters of [Escape] as \uXXXX. They must not
// reach a terminal or the log of a CI runner.
func writeJSON(w io.Writer, v any) error {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(raw.Bytes()))
	return err
}

// escapeJSON escapes finished JSON. Outside of strings only the newlines and
// spaces of the layout occur, which need no escape.
func escapeJSON(raw []byte) []byte {
	out := make([]byte, 0, len(raw)+64)
	last := rune(0)
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		switch {
		case r != '\n' && isHidden(r) || r == '#' && last == '#':
			out = appendJSONEscape(out, r)
			last = 0
		default:
			out = append(out, raw[:size]...)
			last = r
		}
		raw = raw[size:]
	}
	return out
}

func appendJSONEscape(out []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		return fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// withoutAuthValues returns p without any value below authentication. A plan
// has none; this guards against mistakes.
func withoutAuthValues(p *plan.Plan) *plan.Plan {
	out := *p
	out.Projects = slices.Clone(p.Projects)
	for i := range out.Projects {
		changes := slices.Clone(out.Projects[i].Changes)
		for j := range changes {
			c := &changes[j]
			c.Before, c.After = specWithoutAuthValues(c.Before), specWithoutAuthValues(c.After)
			c.Fields = slices.Clone(c.Fields)
			for k := range c.Fields {
				if f := &c.Fields[k]; isAuthPath(f.Path) {
					f.Before, f.After = redactValue(f.Before), redactValue(f.After)
				}
			}
		}
		out.Projects[i].Changes = changes
	}
	return &out
}

func redactValue(v any) any {
	if v == nil {
		return nil
	}
	return webhook.Redacted
}

// specWithoutAuthValues removes values below authentication from a spec's
// unknown fields, in case a later version of the API has some. Known fields
// only have names.
func specWithoutAuthValues(s *webhook.Spec) *webhook.Spec {
	if s == nil || len(s.Unknown) == 0 {
		return s
	}
	out := *s
	out.Unknown = maps.Clone(s.Unknown)
	for path := range out.Unknown {
		if isAuthPath("spec." + path) {
			out.Unknown[path] = json.RawMessage(strconv.Quote(webhook.Redacted))
		}
	}
	return &out
}
