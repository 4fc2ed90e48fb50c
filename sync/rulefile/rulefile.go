// Package rulefile writes rule files for live rules: new files, and edits that
// update an existing file to the live rule.
//
// A file contains no secret, because secrets can't be read. A placeholder, which
// validation rejects, marks each missing secret. A plain value that looks like a
// credential is replaced in the same way.
package rulefile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/webhook"
	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// keys are the keys of a rule file in the order of writing.
var keys = []string{"metadata", "spec", "url", "enabled", "events", "headers", "queryParams", "authentication"}

// File is a rule file that was not written yet.
type File struct {
	Data []byte
	// Spec is the file's spec, with authentication by name.
	Spec webhook.Spec
	// Problems are the errors that validation will still find once all secrets are set:
	// a live rule may contain values that no file may contain.
	Problems []schema.Problem
}

// New builds the file of a live rule. schema is the path of its JSON Schema relative
// to the file, for editors; "" means none. The error is an [*Error] if no file can
// contain the rule.
func New(file, name string, live webhook.Spec, schema string) (*File, error) {
	if problem := config.NameProblem(name); problem != "" {
		return nil, &Error{Message: "its name " + problem}
	}
	f := &File{Spec: PublicSpec(live, webhook.AuthNames{})}
	f.Data = formatRule(name, f.Spec, schema)
	found, problems := config.ScanFile(file, f.Data, config.Options{AllowPlaceholders: true})
	f.Problems = errorsOf(problems)
	switch {
	case found == nil:
		return nil, &Error{Message: "as a file it " + problems[0].Message}
	case len(f.Problems) == 0 && (found.Name != name || webhook.SpecDigest(found.Spec) != webhook.SpecDigest(f.Spec)):
		return nil, &Error{Message: "it can't be written as YAML"}
	}
	return f, nil
}

func errorsOf(problems []schema.Problem) []schema.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p schema.Problem) bool { return p.Severity != schema.Error })
}

// formatRule formats a rule file, keys in order.
func formatRule(name string, spec webhook.Spec, schema string) []byte {
	var w writer
	if schema != "" {
		w.writeLine(0, "# yaml-language-server: $schema="+schema)
	}
	w.writeLine(0, "metadata:")
	w.writeText(1, "name", name)
	w.writeLine(0, "spec:")
	w.writeText(1, "url", spec.URL)
	w.writeLine(1, fmt.Sprintf("enabled: %t", spec.Enabled))
	w.writeEvents(spec.Events)
	w.writeMap(1, "headers", spec.Headers)
	w.writeMap(1, "queryParams", spec.QueryParams)
	if spec.Auth.Len() > 0 {
		w.writeLine(1, "authentication:")
		w.writeMap(2, "headers", placeholderValues(spec.Auth.Headers))
		w.writeMap(2, "queryParams", placeholderValues(spec.Auth.QueryParams))
	}
	return []byte(w.String())
}

// PublicSpec returns the part of a live spec that a file may contain. It omits the
// marker and unknown fields, and trims header values. [webhook.Redacted] replaces a
// value that looks like a credential or has the name of a secret in the existing
// file.
func PublicSpec(live webhook.Spec, secret webhook.AuthNames) webhook.Spec {
	s := live.WithoutMarker()
	s = webhook.MaskOf(&s, nil, secret).Spec(s)
	s.Unknown = nil
	for name, value := range s.Headers {
		s.Headers[name] = webhook.HeaderValue(value)
	}
	return s
}

// RedactedPaths lists the paths of a spec whose values are redacted, sorted.
func RedactedPaths(s webhook.Spec) []string {
	var out []string
	add := func(path, value string) {
		if strings.Contains(value, webhook.Redacted) {
			out = append(out, path)
		}
	}
	add("url", s.URL)
	for name, value := range s.Headers {
		add("headers."+name, value)
	}
	for name, value := range s.QueryParams {
		add("queryParams."+name, value)
	}
	slices.Sort(out)
	return out
}

// UnknownPaths lists the paths of fields in a live spec that no file can contain.
func UnknownPaths(live webhook.Spec) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(live.Unknown)) {
		out = append(out, "spec."+path)
	}
	return out
}

func placeholderValues(names []string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		out[name] = secrets.Placeholder
	}
	return out
}

// writer writes lines indented by two spaces per level.
type writer struct{ strings.Builder }

func (w *writer) writeLine(depth int, text string) {
	w.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

func (w *writer) writeText(depth int, name, value string) {
	indent := strings.Repeat("  ", depth)
	w.WriteString(indent + yamltext.Key(name, indent) + " " + yamltext.Plain(value) + "\n")
}

func (w *writer) writeMap(depth int, name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	w.writeLine(depth, name+":")
	for _, key := range slices.Sorted(maps.Keys(values)) {
		w.writeText(depth+1, key, values[key])
	}
}

// maxLine limits a list in brackets, in bytes.
const maxLine = 100

// writeEvents writes the list in brackets if it fits on a line, as people do.
func (w *writer) writeEvents(events []webhook.EventType) {
	var names []string
	for _, e := range events {
		if name := yamltext.Plain(string(e)); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	line := "events: [" + strings.Join(names, ", ") + "]"
	odd := func(e webhook.EventType) bool { return !yamltext.IsSimple(string(e)) }
	if len(line) <= maxLine && !slices.ContainsFunc(events, odd) {
		w.writeLine(1, line)
		return
	}
	w.writeLine(1, "events:")
	for _, name := range names {
		w.writeLine(2, "- "+name)
	}
}
