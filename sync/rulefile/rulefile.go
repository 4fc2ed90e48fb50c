// Package rulefile writes rule files for rules that are live: a new file, and
// the edits of one that make it say what is live.
//
// A file holds no secret, because none can be read: where one belongs stands a
// placeholder, which validation refuses. What looks like a credential in a
// plain value is left out in the same way.
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

// keys are the keys of a rule file in the order in which they are written.
var keys = []string{"metadata", "spec", "url", "enabled", "events", "headers", "queryParams", "authentication"}

// File is a rule file to be.
type File struct {
	Data []byte
	// Spec is what it says, authentication by name.
	Spec webhook.Spec
	// Problems are the errors that validation will find in it when all secrets
	// are there: a live rule may say what no file may.
	Problems []schema.Problem
}

// New makes the file of a live rule. schema is where its JSON Schema lies from
// the file, for editors; "" for none. The error is an [*Error] where no file
// can hold the rule.
func New(file, name string, live webhook.Spec, schema string) (*File, error) {
	if problem := config.NameProblem(name); problem != "" {
		return nil, &Error{Message: "its name " + problem}
	}
	f := &File{Spec: Public(live, webhook.AuthNames{})}
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

// formatRule is the text of a rule file, its keys in order.
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
		w.writeMap(2, "headers", placeholders(spec.Auth.Headers))
		w.writeMap(2, "queryParams", placeholders(spec.Auth.QueryParams))
	}
	return []byte(w.String())
}

// Public is what a file may say of a live spec: without the marker and unknown
// fields, header values without outer white space, and [webhook.Redacted] for
// what looks like a credential, or has the name of a secret of the file that is
// there already.
func Public(live webhook.Spec, secret webhook.AuthNames) webhook.Spec {
	s := live.WithoutMarker()
	s = webhook.MaskOf(&s, nil, secret).Spec(s)
	s.Unknown = nil
	for name, value := range s.Headers {
		s.Headers[name] = webhook.HeaderValue(value)
	}
	return s
}

// Redacted are the paths of a spec at which a file says only that the value
// looks like a credential, sorted.
func Redacted(s webhook.Spec) []string {
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

// Unknown are the paths of the fields of a live spec that no file can hold.
func Unknown(live webhook.Spec) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(live.Unknown)) {
		out = append(out, "spec."+path)
	}
	return out
}

func placeholders(names []string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		out[name] = secrets.Placeholder
	}
	return out
}

// writer writes lines in blocks of two spaces.
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

// maxLine is how long a list in brackets may be.
const maxLine = 100

// writeEvents writes the list in brackets where it fits a line, as people do.
func (w *writer) writeEvents(events []webhook.EventType) {
	var names []string
	for _, e := range events {
		if name := yamltext.Plain(string(e)); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	line := "events: [" + strings.Join(names, ", ") + "]"
	odd := func(e webhook.EventType) bool { return !yamltext.Simple(string(e)) }
	if len(line) <= maxLine && !slices.ContainsFunc(events, odd) {
		w.writeLine(1, line)
		return
	}
	w.writeLine(1, "events:")
	for _, name := range names {
		w.writeLine(2, "- "+name)
	}
}
