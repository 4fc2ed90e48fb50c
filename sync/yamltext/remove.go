package yamltext

import (
	"bytes"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Remove deletes the entry at a path of keys, with the comment after it on its line.
// Comments on separate lines are kept. ok is false if the entry is absent or its
// form is not supported.
func (t *Text) Remove(path []string) (ok bool) {
	m, flow := t.root, isFlow(t.root)
	for _, name := range path[:len(path)-1] {
		if _, m = Entry(m, name); m == nil || m.Kind != yaml.MappingNode {
			return false
		}
		flow = flow || isFlow(m)
	}
	key, value := Entry(m, path[len(path)-1])
	if key == nil {
		return false
	}
	if flow {
		start, ok := t.Offset(key)
		end, known := t.flowEnd(value)
		return ok && known && t.cutItem(start, end)
	}
	end := t.blockEnd(key.Line, t.entryColumn(key))
	inLines := value.Kind == yaml.ScalarNode && value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0
	if start, after, known := t.scalarRange(value, false, key.Column); known && inLines {
		// A comment below it may be indented deeper; it is kept.
		end = t.lineEnd(value.Line + t.countBreaks(start, after))
	}
	return t.cutLines(key, end)
}

// countBreaks counts the line breaks between two offsets.
func (t *Text) countBreaks(start, end int) int {
	from, _ := slices.BinarySearch(t.lines, start+1)
	to, _ := slices.BinarySearch(t.lines, end+1)
	return to - from
}

// RemoveItem deletes the i-th item, a scalar, from a list. flow reports whether the
// list is inside braces.
func (t *Text) RemoveItem(list *yaml.Node, i int, flow bool) (ok bool) {
	item := list.Content[i]
	if flow || isFlow(list) {
		start, end, ok := t.scalarRange(item, true, 0)
		return ok && t.cutItem(start, end)
	}
	if item.Kind != yaml.ScalarNode {
		return false
	}
	if _, _, ok := t.scalarRange(item, false, item.Column); !ok { // it is on one line
		return false
	}
	return t.cutLines(item, t.lineEnd(item.Line))
}

// AddItem adds a text after the last item of a list, which must be a scalar.
func (t *Text) AddItem(list *yaml.Node, value string, flow bool) (ok bool) {
	if len(list.Content) == 0 {
		return false
	}
	last := list.Content[len(list.Content)-1]
	if last.Kind != yaml.ScalarNode {
		return false
	}
	flow = flow || isFlow(list)
	start, end, ok := t.scalarRange(last, flow, last.Column)
	if !ok {
		return false
	}
	if flow {
		t.addEdit(end, end, ", "+t.formatItem(start, value))
		return true
	}
	dash, ok := t.dashPrefix(last)
	if !ok {
		return false
	}
	at := t.lineEnd(last.Line)
	t.addEdit(at, at, t.lineEnding()+dash+Plain(value))
	return true
}

// formatItem formats a text in brackets in the style of the item at an offset.
func (t *Text) formatItem(at int, value string) string {
	if t.data[at] == '"' || t.data[at] == '\'' || !IsSimple(value) {
		return Quoted(value)
	}
	return value
}

// dashPrefix returns the text before an item on its line. ok is false unless it has the
// form " - ".
func (t *Text) dashPrefix(item *yaml.Node) (string, bool) {
	at, ok := t.Offset(item)
	if !ok {
		return "", false
	}
	before := t.data[t.lines[item.Line-1]:at]
	return string(before), len(bytes.Trim(before, " ")) == 1 && bytes.Contains(before, []byte("-"))
}

// cutLines deletes the lines from the line of n to end, a line end. Before n, its
// line must be empty or contain only a dash or question mark.
func (t *Text) cutLines(n *yaml.Node, end int) bool {
	at, ok := t.Offset(n)
	if !ok {
		return false
	}
	start := t.lines[n.Line-1]
	if rest := bytes.Trim(t.data[start:at], " "); len(rest) > 1 || len(rest) == 1 && rest[0] != '-' && rest[0] != '?' {
		return false
	}
	next := len(t.data)
	if i, _ := slices.BinarySearch(t.lines, end+1); i < len(t.lines) {
		next = t.lines[i]
	}
	t.addEdit(start, next, "")
	return true
}

// cutItem deletes an item in brackets from start to end, with its comma.
func (t *Text) cutItem(start, end int) bool {
	blank := func(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }
	after := end
	for after < len(t.data) && blank(t.data[after]) {
		after++
	}
	if after < len(t.data) && t.data[after] == ',' {
		end = after + 1
		for end < len(t.data) && (t.data[end] == ' ' || t.data[end] == '\t') {
			end++
		}
	} else { // the last item: delete the comma before it
		before := start
		for before > 0 && blank(t.data[before-1]) {
			before--
		}
		if before > 0 && t.data[before-1] == ',' {
			start = before - 1
		}
	}
	t.addEdit(start, end, "")
	return true
}

// flowEnd returns the end of a value in brackets.
func (t *Text) flowEnd(n *yaml.Node) (end int, ok bool) {
	switch {
	case n.Kind == yaml.ScalarNode:
		_, end, ok = t.scalarRange(n, true, 0)
		return end, ok
	case len(n.Content) == 0: // {} or []
		start, ok := t.Offset(n)
		if !ok {
			return 0, false
		}
		i := bytes.IndexAny(t.data[start:], "]}")
		return start + i + 1, i > 0
	}
	if end, ok = t.flowEnd(n.Content[len(n.Content)-1]); !ok {
		return 0, false
	}
	for ; end < len(t.data); end++ {
		switch b := t.data[end]; {
		case b == ']' || b == '}':
			return end + 1, true
		case b == '#':
			rest, _, _ := bytes.Cut(t.data[end:], []byte("\n"))
			end += len(rest)
		case b != ',' && b != ' ' && b != '\t' && b != '\r' && b != '\n':
			return 0, false
		}
	}
	return 0, false
}
