// Package yamltext edits YAML files as text. Everything outside an edit is unchanged
// byte for byte, including comments, order, quotes and line ends. Positions come
// from the YAML library's nodes; this package finds the end of each value.
//
// It supports the forms in which people and tools write rule files, not all of YAML.
// It rejects other forms or edits them incorrectly, so a caller must parse the
// result again and compare it with the intended content. The package knows nothing
// of rules or secrets.
package yamltext

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	by         string
}

// Text is a file being edited. Every edit uses offsets of the original text;
// [Text.Apply] makes all edits together.
type Text struct {
	// Order contains keys in the order that a new key follows. A key that it lacks comes
	// last.
	Order []string

	data  []byte
	root  *yaml.Node
	lines []int // the offset of each line
	edits []edit
}

// New begins an edit of data. root is its top mapping.
func New(data []byte, root *yaml.Node) *Text {
	t := &Text{data: data, root: root, lines: []int{0}}
	for i := 0; i < len(data); {
		if n := lineBreakLength(data[i:]); n > 0 {
			i += n
			t.lines = append(t.lines, i)
			continue
		}
		i++
	}
	return t
}

// breaks are the line breaks of the YAML library.
var breaks = [][]byte{[]byte("\r\n"), []byte("\n"), []byte("\r"), []byte("\u0085"), []byte("\u2028"), []byte("\u2029")}

// lineBreakLength returns the length of the line break at the beginning of s, or 0.
func lineBreakLength(s []byte) int {
	if s[0] >= ' ' && s[0] < utf8.RuneSelf { // true for nearly every byte
		return 0
	}
	for _, b := range breaks {
		if bytes.HasPrefix(s, b) {
			return len(b)
		}
	}
	return 0
}

// Data returns the original file.
func (t *Text) Data() []byte { return t.data }

// Root returns the top mapping.
func (t *Text) Root() *yaml.Node { return t.root }

// Apply returns the file with all edits. ok is false if two edits overlap.
func (t *Text) Apply() (out []byte, ok bool) {
	slices.SortStableFunc(t.edits, func(a, b edit) int { return a.start - b.start })
	at := 0
	for _, e := range t.edits {
		if e.start < at || e.end < e.start || e.end > len(t.data) {
			return nil, false
		}
		out = append(append(out, t.data[at:e.start]...), e.by...)
		at = e.end
	}
	return append(out, t.data[at:]...), true
}

func (t *Text) addEdit(start, end int, by string) {
	t.edits = append(t.edits, edit{start, end, by})
}

// lineEnding returns the file's line end.
func (t *Text) lineEnding() string {
	if bytes.Contains(t.data, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// Offset returns the offset of a node. A node's column counts characters.
func (t *Text) Offset(n *yaml.Node) (at int, ok bool) {
	if n.Line < 1 || n.Line > len(t.lines) {
		return 0, false
	}
	at = t.lines[n.Line-1]
	if n.Line == 1 && bytes.HasPrefix(t.data, []byte("\ufeff")) {
		at += len("\ufeff")
	}
	for range n.Column - 1 {
		if at >= len(t.data) {
			return 0, false
		}
		_, size := utf8.DecodeRune(t.data[at:])
		at += size
	}
	return at, at <= len(t.data)
}

// scalarRange returns the beginning and end of a scalar. flow reports whether it is in
// brackets. column is the column of its key.
func (t *Text) scalarRange(n *yaml.Node, flow bool, column int) (start, end int, ok bool) {
	start, ok = t.Offset(n)
	if !ok {
		return 0, 0, false
	}
	rest := t.data[start:]
	line := t.data[start:max(start, t.lineEnd(n.Line))]
	switch {
	case n.Value == "" && n.Tag == "!!null":
		return start, start, true
	case len(rest) == 0:
		return 0, 0, false
	case rest[0] == '"':
		end = quotedLength(rest, '"')
	case rest[0] == '\'':
		end = quotedLength(rest, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return start, t.blockEnd(n.Line, column), true
	default:
		end = len(bytes.TrimRight(line, " \t\r"))
		if i := bytes.Index(line, []byte(" #")); i >= 0 {
			end = min(end, len(bytes.TrimRight(line[:i], " \t")))
		}
		if i := bytes.IndexAny(line, ",]}"); flow && i >= 0 {
			end = min(end, len(bytes.TrimRight(line[:i], " \t")))
		}
	}
	// The text found must have the value; a text over several lines does not.
	var found yaml.Node
	if end <= 0 || yaml.Unmarshal(rest[:end], &found) != nil || len(found.Content) != 1 || found.Content[0].Value != n.Value {
		return 0, 0, false
	}
	return start, start + end, true
}

// quotedLength returns the length of a quoted text, or 0 if it does not end.
func quotedLength(s []byte, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case quote == '"' && s[i] == '\\':
			i++
		case s[i] == quote && quote == '\'' && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return 0
}

// blockEnd returns the end of the last line of a block that begins on a line and is
// indented deeper than column.
func (t *Text) blockEnd(line, column int) int {
	end := t.lineEnd(line)
	for l := line + 1; l <= len(t.lines); l++ {
		content := bytes.TrimRight(t.data[t.lines[l-1]:t.lineEnd(l)], " \t\r")
		bare := bytes.TrimLeft(content, " ")
		if len(bare) == 0 {
			continue
		}
		// A list, a closing bracket and the value of a "?" key may have the same
		// indentation as the key.
		indent := len(content) - len(bare)
		value := len(bare) == 1 && bare[0] == ':' || bytes.HasPrefix(bare, []byte(": "))
		if indent < column && (indent < column-1 || !value && !bytes.ContainsAny(bare[:1], "-]}")) {
			break
		}
		end = t.lineEnd(l)
	}
	return end
}

// entryColumn returns the column of an entry: the column of its key, or of the question
// mark before it.
func (t *Text) entryColumn(key *yaml.Node) int {
	at, ok := t.Offset(key)
	if before := bytes.TrimRight(t.data[:at], " "); ok && bytes.HasSuffix(before, []byte("?")) {
		if mark := len(before) - 1 - t.lines[key.Line-1]; mark >= 0 && len(bytes.Trim(before[t.lines[key.Line-1]:], " ")) == 1 {
			return mark + 1
		}
	}
	return key.Column
}

// AppendEntry adds an entry at the end of the file. block is its text on lines, flow
// its text for a file in braces.
func (t *Text) AppendEntry(block, flow string) {
	if isFlow(t.root) {
		if at := bytes.LastIndexByte(t.data, '}'); at >= 0 {
			t.addEdit(at, at, ", "+flow)
		}
		return
	}
	at := len(bytes.TrimRight(t.data, " \t\r\n"))
	t.addEdit(at, len(t.data), t.lineEnding()+strings.ReplaceAll(strings.TrimRight(block, "\n"), "\n", t.lineEnding())+t.lineEnding())
}

// ReplaceComment replaces the first comment after from whose text equals says and that is
// not replaced yet.
func (t *Text) ReplaceComment(from int, says, by string) bool {
	for at := from; ; {
		i := bytes.Index(t.data[at:], []byte("#"+says))
		if i < 0 {
			return false
		}
		start := at + i + 1
		end := start + len(says)
		at = start
		line, _, _ := bytes.Cut(t.data[end:], []byte("\n"))
		if len(bytes.TrimRight(line, "\r")) == 0 && !slices.ContainsFunc(t.edits, func(e edit) bool { return e.start == start }) {
			t.addEdit(start, end, by)
			return true
		}
	}
}

// lineEnd returns the offset of a line's end, before its newline.
func (t *Text) lineEnd(line int) int {
	if line >= len(t.lines) {
		return len(t.data)
	}
	end := t.lines[line]
	for _, b := range breaks {
		if bytes.HasSuffix(t.data[:end], b) {
			return end - len(b)
		}
	}
	return end
}

// Entry returns the key and the value of a name in a mapping, or nil.
func Entry(m *yaml.Node, name string) (key, value *yaml.Node) {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i], m.Content[i+1]
		}
	}
	return nil, nil
}

func isFlow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }
