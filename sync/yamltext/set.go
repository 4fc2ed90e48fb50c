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

// Set sets a text at a path of keys. It replaces the scalar there, or adds an entry
// after the others. If the file has an unsupported form, it sets nothing and ok is
// false.
func (t *Text) Set(path []string, value string) (ok bool) {
	return t.setValue(path, newValue{value, false})
}

// SetBool sets true or false at a path of keys, as [Text.Set] does.
func (t *Text) SetBool(path []string, value bool) (ok bool) {
	return t.setValue(path, newValue{strconv.FormatBool(value), true})
}

// newValue is a value to be written.
type newValue struct {
	text string
	raw  bool // without quotes
}

// format formats the value. flow reports whether it is inside braces.
func (s newValue) format(flow bool) string {
	switch {
	case s.raw:
		return s.text
	case flow:
		return Quoted(s.text)
	}
	return Plain(s.text)
}

func (t *Text) setValue(path []string, value newValue) (ok bool) {
	m, column, step, flow := t.root, 0, 2, isFlow(t.root)
	for i, name := range path {
		key, child := Entry(m, name)
		if !flow && len(m.Content) > 0 {
			first := t.entryColumn(m.Content[0])
			if c := first; i > 0 && c > column {
				step = c - column
			}
			column = first
		}
		switch {
		case key == nil:
			return t.insertEntry(m, path[i:], value, column, step, flow)
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

func (t *Text) replaceScalar(n *yaml.Node, value newValue, flow bool, column int) bool {
	start, end, ok := t.scalarRange(n, flow, column)
	if !ok {
		return false
	}
	by := value.format(flow)
	if start == end { // no text follows the colon
		by = " " + by
	}
	t.addEdit(start, end, by)
	return true
}

// replaceEmpty replaces null, an empty value or {} with entries.
func (t *Text) replaceEmpty(n *yaml.Node, path []string, value newValue, column, step int, flow bool) bool {
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
	} else if start, end, ok = t.scalarRange(n, flow, column); !ok {
		return false
	}
	if flow {
		t.addEdit(start, end, "{"+flowEntry(path, value)+"}")
		return true
	}
	// Remove the space before it as well. The text after it on its line is a comment.
	for start > 0 && t.data[start-1] == ' ' {
		start--
	}
	lines := t.blockEntry(path, value, column, step)
	t.addEdit(start, end, "")
	at := t.lineEnd(n.Line)
	t.addEdit(at, at, lines)
	return true
}

// insertEntry adds an entry to a mapping that has other entries.
func (t *Text) insertEntry(m *yaml.Node, path []string, value newValue, column, step int, flow bool) bool {
	if flow {
		start, ok := t.Offset(m)
		if !ok || start >= len(t.data) || t.data[start] != '{' {
			return false
		}
		t.addEdit(start+1, start+1, flowEntry(path, value)+", ")
		return true
	}
	if len(m.Content) == 0 {
		return false
	}
	last := m.Content[t.indexBefore(m, path[0])]
	at := t.blockEnd(last.Line, column)
	if column == 1 {
		at = len(bytes.TrimRight(t.data, " \t\r\n"))
	}
	t.addEdit(at, at, t.blockEntry(path, value, column, step))
	return true
}

// indexBefore returns the index in a mapping's content of the key after which a new key
// belongs. It follows [Text.Order]; otherwise it returns the last key.
func (t *Text) indexBefore(m *yaml.Node, name string) int {
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

// blockEntry formats an entry on separate lines, each with a newline before it.
func (t *Text) blockEntry(path []string, value newValue, column, step int) string {
	var b strings.Builder
	for i, name := range path {
		indent := strings.Repeat(" ", column-1+i*step)
		b.WriteString(t.lineEnding() + indent + strings.ReplaceAll(Key(name, indent), "\n", t.lineEnding()))
	}
	b.WriteString(" " + value.format(false))
	return b.String()
}

func flowEntry(path []string, value newValue) string {
	if len(path) == 1 {
		return Quoted(path[0]) + ": " + value.format(true)
	}
	return Quoted(path[0]) + ": {" + flowEntry(path[1:], value) + "}"
}

// maxKey limits a key on the same line as its colon, in bytes. YAML requires the
// colon within 1024 characters.
const maxKey = 1000

// Key formats a name as a key in a block, with its colon. A long key takes a second
// line, indented like the first.
func Key(name, indent string) string {
	if key := Plain(name); len(key) <= maxKey {
		return key + ":"
	}
	return "? " + Quoted(name) + "\n" + indent + ":"
}

// Plain formats a text on one line, with quotes only if necessary.
func Plain(s string) string {
	if strings.ContainsFunc(s, isHidden) {
		return Quoted(s)
	}
	// A yaml.Node would omit the quotes that only older readers need: "yes", "1:20".
	out, err := yaml.Marshal(s)
	if err != nil {
		return Quoted(s)
	}
	return strings.TrimRight(string(out), "\n")
}

// IsSimple reports whether a text needs no quotes, even in brackets. [Plain] does not
// quote everything that brackets require.
func IsSimple(s string) bool {
	odd := func(r rune) bool {
		return !(r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}
	return Plain(s) == s && !strings.ContainsFunc(s, odd)
}

// Quoted formats a text in double quotes on one line. It escapes invisible
// characters, so that a reviewer sees the text that counts.
func Quoted(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle})
	if err != nil { // a text always has a quoted form
		return strconv.QuoteToASCII(s)
	}
	quoted := strings.TrimRight(string(out), "\n")
	if !strings.ContainsFunc(quoted, isHidden) {
		return quoted
	}
	var b strings.Builder
	for _, r := range quoted {
		switch {
		case !isHidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	return b.String()
}

// isHidden reports whether a character is invisible or changes the display of other
// characters: line ends, direction marks, unusual spaces.
func isHidden(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
