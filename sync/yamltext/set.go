package yamltext

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Set puts a text at a path of keys: over the scalar that stands there, or as a
// new entry behind the others. Not ok means that the file has a form that is
// not known here, and nothing is set.
func (t *Text) Set(path []string, value string) (ok bool) {
	return t.set(path, literal{value, false})
}

// SetBool puts true or false at a path of keys, as [Text.Set].
func (t *Text) SetBool(path []string, value bool) (ok bool) {
	return t.set(path, literal{strconv.FormatBool(value), true})
}

// literal is a value to be written.
type literal struct {
	text string
	raw  bool // as it is, without quotes
}

// in is the value as it stands in braces or not.
func (s literal) in(flow bool) string {
	switch {
	case s.raw:
		return s.text
	case flow:
		return Quoted(s.text)
	}
	return Plain(s.text)
}

func (t *Text) set(path []string, value literal) (ok bool) {
	m, column, step, flow := t.root, 0, 2, isFlow(t.root)
	for i, name := range path {
		key, child := Entry(m, name)
		if !flow && len(m.Content) > 0 {
			first := t.indent(m.Content[0])
			if c := first; i > 0 && c > column {
				step = c - column
			}
			column = first
		}
		switch {
		case key == nil:
			return t.insert(m, path[i:], value, column, step, flow)
		case child.Kind == yaml.ScalarNode && i == len(path)-1:
			return t.replaceScalar(child, value, flow, column)
		case child.Kind == yaml.MappingNode && i < len(path)-1 && len(child.Content) > 0:
			m, flow = child, flow || isFlow(child)
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

func (t *Text) replaceScalar(n *yaml.Node, value literal, flow bool, column int) bool {
	start, end, ok := t.scalar(n, flow, column)
	if !ok {
		return false
	}
	by := value.in(flow)
	if start == end { // nothing stands behind the colon
		by = " " + by
	}
	t.replace(start, end, by)
	return true
}

// replaceEmpty puts entries where null, nothing or {} stands.
func (t *Text) replaceEmpty(n *yaml.Node, path []string, value literal, column, step int, flow bool) bool {
	start, ok := t.Offset(n)
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
func (t *Text) insert(m *yaml.Node, path []string, value literal, column, step int, flow bool) bool {
	if flow {
		start, ok := t.Offset(m)
		if !ok || start >= len(t.data) || t.data[start] != '{' {
			return false
		}
		t.replace(start+1, start+1, flowEntry(path, value)+", ")
		return true
	}
	if len(m.Content) == 0 {
		return false
	}
	last := m.Content[t.before(m, path[0])]
	at := t.blockEnd(last.Line, column)
	if column == 1 {
		at = len(bytes.TrimRight(t.data, " \t\r\n"))
	}
	t.replace(at, at, t.blockEntry(path, value, column, step))
	return true
}

// before is the key behind which a new one belongs, as an index into a
// mapping's content: by [Text.Order], otherwise the last one.
func (t *Text) before(m *yaml.Node, name string) int {
	last := len(m.Content) - 2
	own := slices.Index(t.Order, name)
	if own < 0 {
		return last
	}
	for i := last; i >= 0; i -= 2 {
		if j := slices.Index(t.Order, m.Content[i].Value); j >= 0 && j < own {
			return i
		}
	}
	return last
}

// blockEntry is an entry on lines of its own, each with its newline before it.
func (t *Text) blockEntry(path []string, value literal, column, step int) string {
	var b strings.Builder
	for i, name := range path {
		indent := strings.Repeat(" ", column-1+i*step)
		b.WriteString(t.newline() + indent + strings.ReplaceAll(Key(name, indent), "\n", t.newline()))
	}
	b.WriteString(" " + value.in(false))
	return b.String()
}

func flowEntry(path []string, value literal) string {
	if len(path) == 1 {
		return Quoted(path[0]) + ": " + value.in(true)
	}
	return Quoted(path[0]) + ": {" + flowEntry(path[1:], value) + "}"
}

// maxKey is how long a key may be that stands before its colon on one line;
// YAML wants to see the colon within 1024 characters.
const maxKey = 1000

// Key is a name as a key in a block, with its colon; a long one takes a second
// line, indented as the first.
func Key(name, indent string) string {
	if key := Plain(name); len(key) <= maxKey {
		return key + ":"
	}
	return "? " + Quoted(name) + "\n" + indent + ":"
}

// Plain is a text as YAML writes it on one line: in quotes only where it must be.
func Plain(s string) string {
	if strings.ContainsFunc(s, hidden) {
		return Quoted(s)
	}
	// Of a node the library would leave out the quotes that only older readers
	// need: "yes", "1:20".
	out, err := yaml.Marshal(s)
	if err != nil {
		return Quoted(s)
	}
	return strings.TrimRight(string(out), "\n")
}

// Simple reports whether a text needs no quotes, in brackets neither, where
// [Plain] does not know all that must be quoted.
func Simple(s string) bool {
	odd := func(r rune) bool {
		return !(r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}
	return Plain(s) == s && !strings.ContainsFunc(s, odd)
}

// Quoted is a text in double quotes on one line. What could not be seen in it
// is escaped, so that nobody reviews another text than the one that counts.
func Quoted(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle})
	if err != nil { // a text always has a form in quotes
		return strconv.QuoteToASCII(s)
	}
	quoted := strings.TrimRight(string(out), "\n")
	if !strings.ContainsFunc(quoted, hidden) {
		return quoted
	}
	var b strings.Builder
	for _, r := range quoted {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	return b.String()
}

// hidden reports whether a character is not seen where it stands, or changes
// how others are seen: line ends, direction marks, odd spaces.
func hidden(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
