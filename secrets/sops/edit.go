package sops

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A file is edited as text, not written anew from its nodes: what is not
// sealed stays byte for byte, comments, order and quotes included. Positions
// come from the YAML library; where a value ends is found here. What comes out
// is always read again and compared, so a form of YAML that is not known here
// is refused, never damaged.

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	by         string
}

// text is a file while it is edited.
type text struct {
	data  []byte
	root  *yaml.Node
	lines []int // where each line begins
	edits []edit
}

func newText(data []byte, root *yaml.Node) *text {
	t := &text{data: data, root: root, lines: []int{0}}
	for i, b := range data {
		if b == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// apply returns the file with all edits; ok is false where two overlap.
func (t *text) apply() (out []byte, ok bool) {
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

func (t *text) replace(start, end int, by string) {
	t.edits = append(t.edits, edit{start, end, by})
}

// newline is how the file's lines end.
func (t *text) newline() string {
	if bytes.Contains(t.data, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// offset is where a node begins; its column counts characters.
func (t *text) offset(n *yaml.Node) (at int, ok bool) {
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

// scalar is where a scalar begins and ends. flow says that it stands in
// brackets; column is that of its key.
func (t *text) scalar(n *yaml.Node, flow bool, column int) (start, end int, ok bool) {
	start, ok = t.offset(n)
	if !ok {
		return 0, 0, false
	}
	rest := t.data[start:]
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	switch {
	case n.Value == "" && n.Tag == "!!null":
		return start, start, true
	case rest[0] == '"':
		end = closing(rest, '"')
	case rest[0] == '\'':
		end = closing(rest, '\'')
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
	// What was found must be the value: a text over several lines is not.
	var found yaml.Node
	if end <= 0 || yaml.Unmarshal(rest[:end], &found) != nil || len(found.Content) != 1 || found.Content[0].Value != n.Value {
		return 0, 0, false
	}
	return start, start + end, true
}

// closing is the length of a quoted text; 0 where it does not end.
func closing(s []byte, quote byte) int {
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

// blockEnd is the end of the last line of what begins on a line and is
// indented deeper than column.
func (t *text) blockEnd(line, column int) int {
	end := t.lineEnd(line)
	for l := line + 1; l <= len(t.lines); l++ {
		content := bytes.TrimRight(t.data[t.lines[l-1]:t.lineEnd(l)], " \t\r")
		bare := bytes.TrimLeft(content, " ")
		if len(bare) == 0 {
			continue
		}
		// A list may stand as far left as its key, and so may a closing bracket.
		indent := len(content) - len(bare)
		if indent < column && (indent < column-1 || !bytes.ContainsAny(bare[:1], "-]}")) {
			break
		}
		end = t.lineEnd(l)
	}
	return end
}

// appendEntry puts an entry at the end of the file; block is its text in lines.
func (t *text) appendEntry(block, flow string) {
	if t.root.Style&yaml.FlowStyle != 0 {
		if at := bytes.LastIndexByte(t.data, '}'); at >= 0 {
			t.replace(at, at, ", "+flow)
		}
		return
	}
	at := len(bytes.TrimRight(t.data, " \t\r\n"))
	t.replace(at, len(t.data), t.newline()+strings.ReplaceAll(strings.TrimRight(block, "\n"), "\n", t.newline())+t.newline())
}

// comment replaces the first comment behind from that says just this and is
// not replaced yet.
func (t *text) comment(from int, says, by string) bool {
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
			t.replace(start, end, by)
			return true
		}
	}
}

// lineEnd is where a line ends, before its newline.
func (t *text) lineEnd(line int) int {
	if line >= len(t.lines) {
		return len(t.data)
	}
	end := t.lines[line] - 1
	if end > 0 && t.data[end-1] == '\r' {
		end--
	}
	return end
}

// set puts a value at a path: over what stands there, or as a new entry behind
// the others.
func (t *text) set(path []string, value string) (ok bool) {
	m, column, step, flow := t.root, 0, 2, t.root.Style&yaml.FlowStyle != 0
	for i, name := range path {
		key, child := entry(m, name)
		if !flow && len(m.Content) > 0 {
			if c := m.Content[0].Column; i > 0 && c > column {
				step = c - column
			}
			column = m.Content[0].Column
		}
		switch {
		case key == nil:
			return t.insert(m, path[i:], value, column, step, flow)
		case child.Kind == yaml.ScalarNode && i == len(path)-1:
			return t.replaceScalar(child, value, flow, column)
		case child.Kind == yaml.MappingNode && i < len(path)-1 && len(child.Content) > 0:
			m, flow = child, flow || child.Style&yaml.FlowStyle != 0
		case child.Kind == yaml.MappingNode && i < len(path)-1:
			return t.replaceEmpty(child, path[i+1:], value, column+step, step, flow)
		case child.Kind == yaml.ScalarNode && child.Tag == "!!null":
			return t.replaceEmpty(child, path[i+1:], value, column+step, step, flow)
		default:
			return false
		}
	}
	return false
}

// entry is the key and the value of a name.
func entry(m *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i], m.Content[i+1]
		}
	}
	return nil, nil
}

func (t *text) replaceScalar(n *yaml.Node, value string, flow bool, column int) bool {
	start, end, ok := t.scalar(n, flow, column)
	if !ok {
		return false
	}
	if flow {
		value = quoted(value)
	} else {
		value = plain(value)
	}
	if start == end { // nothing stands behind the colon
		value = " " + value
	}
	t.replace(start, end, value)
	return true
}

// replaceEmpty puts entries where null, nothing or {} stands.
func (t *text) replaceEmpty(n *yaml.Node, path []string, value string, column, step int, flow bool) bool {
	start, ok := t.offset(n)
	if !ok {
		return false
	}
	end := start
	if n.Kind == yaml.MappingNode {
		i := bytes.IndexByte(t.data[start:], '}')
		if i < 0 {
			return false
		}
		end = start + i + 1
	} else if start, end, ok = t.scalar(n, flow, column); !ok {
		return false
	}
	if flow {
		t.replace(start, end, "{"+flowEntry(path, value)+"}")
		return true
	}
	// The space before it goes, too; what stood behind it on its line is a comment.
	for start > 0 && t.data[start-1] == ' ' {
		start--
	}
	lines := t.blockEntry(path, value, column, step)
	t.replace(start, end, "")
	at := t.lineEnd(n.Line)
	t.replace(at, at, lines)
	return true
}

// insert adds an entry to a mapping that has others.
func (t *text) insert(m *yaml.Node, path []string, value string, column, step int, flow bool) bool {
	if flow {
		start, ok := t.offset(m)
		if !ok || start >= len(t.data) || t.data[start] != '{' {
			return false
		}
		t.replace(start+1, start+1, flowEntry(path, value)+", ")
		return true
	}
	last := m.Content[len(m.Content)-2]
	at := t.blockEnd(last.Line, column)
	if column == 1 {
		at = len(bytes.TrimRight(t.data, " \t\r\n"))
	}
	t.replace(at, at, t.blockEntry(path, value, column, step))
	return true
}

// blockEntry is an entry on lines of its own, each with its newline before it.
func (t *text) blockEntry(path []string, value string, column, step int) string {
	var b strings.Builder
	for i, name := range path {
		b.WriteString(t.newline() + strings.Repeat(" ", column-1+i*step) + plain(name) + ":")
	}
	b.WriteString(" " + plain(value))
	return b.String()
}

func flowEntry(path []string, value string) string {
	if len(path) == 1 {
		return quoted(path[0]) + ": " + quoted(value)
	}
	return quoted(path[0]) + ": {" + flowEntry(path[1:], value) + "}"
}

// plain is a text as YAML writes it: in quotes only where it must be.
func plain(s string) string {
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s})
	if err != nil {
		return quoted(s)
	}
	return strings.TrimRight(string(out), "\n")
}

func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text always has a JSON form
	return strings.TrimSpace(b.String())
}
