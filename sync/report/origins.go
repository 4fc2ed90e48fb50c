package report

import (
	"fmt"
	"io"
	"strings"
)

// OriginsFormatVersion is the version of the document of a rule's origins.
const OriginsFormatVersion = 1

// Origins is a rule as its files define it, with the location of each field. It
// contains no secret.
type Origins struct {
	// Project is empty if no config file defines a project.
	Project, Rule string
	// Files are the merged files, in their order.
	Files  []string
	Fields []OriginField
}

// OriginField is a field. Value is a text, a truth value, a list of texts, or
// nil if a layer removed the field.
type OriginField struct {
	Path  []string
	Value any
	File  string
	Line  int
}

func (f OriginField) dottedPath() string  { return strings.Join(f.Path, ".") }
func (f OriginField) fileAndLine() string { return fmt.Sprintf("%s:%d", f.File, f.Line) }

// OriginsJSON writes the document of a rule's origins.
func OriginsJSON(w io.Writer, o Origins) error {
	type field struct {
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
		File  string `json:"file"`
		Line  int    `json:"line"`
	}
	doc := struct {
		FormatVersion int      `json:"formatVersion"`
		Project       string   `json:"project,omitempty"`
		Rule          string   `json:"rule"`
		Files         []string `json:"files"`
		Fields        []field  `json:"fields"`
		Removed       []field  `json:"removed"`
	}{OriginsFormatVersion, o.Project, o.Rule, o.Files, []field{}, []field{}}
	for _, f := range o.Fields {
		to := &doc.Fields
		if f.Value == nil {
			to = &doc.Removed
		}
		*to = append(*to, field{f.dottedPath(), f.Value, f.File, f.Line})
	}
	return writeJSON(w, doc)
}

// OriginsText writes the rule as YAML, with the location of each field in a
// comment.
func OriginsText(w io.Writer, o Origins, t TextOptions) error {
	p := newPrinter(t)
	for _, l := range o.originLines() {
		p.printUnwrapped(0, textSpan(l.yaml), styledSpan(l.comment, styleDim))
	}
	return p.flush(w)
}

// OriginsMarkdown writes the text of OriginsText as a block of code.
func OriginsMarkdown(w io.Writer, o Origins, m MarkdownOptions) error {
	var b builder
	title := "### Rule " + code(quoteName(o.Rule))
	if o.Project != "" {
		title += " of project " + code(quoteName(o.Project))
	}
	b.addPart(partHead, title+"\n\n")
	var lines []string
	for _, l := range o.originLines() {
		lines = append(lines, l.yaml+l.comment)
	}
	b.addPart(partRow, codeBlock("yaml", lines))
	return writeAll(w, b.fitParts(m.Limit, m.Show))
}

// originLine is a line of YAML and its comment.
type originLine struct{ yaml, comment string }

// maxOriginColumn is the largest column to which comments are aligned.
const maxOriginColumn = 64

func (o Origins) originLines() []originLine {
	about := "# Rule " + quoteName(o.Rule)
	if o.Project != "" {
		about += " of project " + quoteName(o.Project)
	}
	out := []originLine{{comment: about + ", from " + countNoun(len(o.Files), "file", "files")}}
	for _, f := range o.Files {
		out = append(out, originLine{comment: "#   " + Escape(f)})
	}
	from := len(out)
	column := 0
	var above []string
	for _, f := range o.Fields {
		if f.Value == nil {
			continue
		}
		for depth := commonKeys(above, f.Path); depth < len(f.Path)-1; depth++ {
			out = append(out, originLine{yaml: strings.Repeat("  ", depth) + yamlText(f.Path[depth]) + ":"})
		}
		above = f.Path
		depth := len(f.Path) - 1
		line := strings.Repeat("  ", depth) + yamlText(f.Path[depth]) + ": " + yamlValue(f.Value)
		if n := countColumns(line); n <= maxOriginColumn {
			column = max(column, n)
		}
		out = append(out, originLine{line, "# " + Escape(f.fileAndLine())})
	}
	for i := from; i < len(out); i++ {
		if l := &out[i]; l.comment != "" {
			l.comment = strings.Repeat(" ", max(0, column-countColumns(l.yaml))+2) + l.comment
		}
	}
	for _, f := range o.Fields {
		if f.Value == nil {
			out = append(out, originLine{comment: "# " + Escape(f.dottedPath()) + " removed by " + Escape(f.fileAndLine())})
		}
	}
	return out
}

// commonKeys returns the number of leading keys that two paths share, without the
// last key of each path.
func commonKeys(a, b []string) int {
	n := 0
	for n < len(a)-1 && n < len(b)-1 && a[n] == b[n] {
		n++
	}
	return n
}

// yamlValue formats a value for a line of YAML.
func yamlValue(v any) string {
	switch v := v.(type) {
	case bool:
		return fmt.Sprint(v)
	case []string:
		items := make([]string, 0, len(v))
		for _, item := range v {
			items = append(items, yamlText(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case string:
		return yamlText(v)
	}
	return "null"
}

// yamlWords are texts that some YAML readers do not read as text.
var yamlWords = map[string]bool{"true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true, "null": true}

// yamlText formats a text as YAML: bare if it is unambiguous, otherwise in
// quotes with the escapes of YAML for invisible characters.
func yamlText(s string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	bare := s != "" && strings.Trim(s[:1], letters) == "" && strings.Trim(s, letters+"0123456789-_./:@%?=&+~") == "" &&
		!strings.HasSuffix(s, ":") && !yamlWords[strings.ToLower(s)]
	if word := strings.Trim(s, "()"); bare || s == "("+word+")" && strings.Trim(word, letters+" ") == "" {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	last := rune(0)
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case isHidden(r) || r == '#' && last == '#':
			fmt.Fprintf(&b, `\U%08X`, r)
			r = 0
		default:
			b.WriteRune(r)
		}
		last = r
	}
	b.WriteByte('"')
	return b.String()
}
