package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	yaml4 "go.yaml.in/yaml/v4"
)

// invalidUTF8 returns the index of the first byte that is not UTF-8, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// lineAndColumn returns the line and column of a byte.
func lineAndColumn(data []byte, i int) (line, column int) {
	before := data[:i]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[start:]) + 1
}

// syntaxWords rewords the parser's messages that contain none of the file's text.
// Any other message becomes a general message.
var syntaxWords = []struct{ has, message, hint string }{
	{"found character that cannot start any token", "a character that can't begin a value", "put the value in quotes"},
	{"found a tab character", "a tab character", "YAML is indented with spaces"},
	{"mapping values are not allowed", "a colon where no key can be", "check the indentation, or put the value in quotes"},
	{"did not find expected key", "a key was expected here", "check the indentation"},
	{"could not find expected ':'", "a colon is missing after a key", "write key: value"},
	{"did not find expected '-' indicator", "a list item was expected here", "check the indentation"},
	{"did not find expected ',' or ']'", "a list in brackets is not closed", "close it with ]"},
	{"did not find expected ',' or '}'", "a mapping in braces is not closed", "close it with }"},
	{"unexpected end of stream", "a quoted text is not closed", "close the quote"},
	{"unknown escape character", "an unknown escape in a quoted text", "use single quotes for text with backslashes"},
	{"control characters are not allowed", "a control character", "remove it"},
	{"block sequence entries are not allowed", "a list item where none can be", "check the indentation"},
	{"unknown anchor", "an alias without an anchor", "put the text in quotes: * and & are special in YAML"},
}

// reportSyntax reports the position of a YAML syntax error. A newer version of the library
// reads the file again, because only that version reports line and column.
func (f *file) reportSyntax(data []byte) {
	line, column, text := 1, 1, ""
	var v yaml4.Node
	dec := yaml4.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&v)
	if err == nil {
		err = dec.Decode(&v) // document read at most two documents
	}
	var load *yaml4.LoadError
	if errors.As(err, &load) {
		line, column, text = max(load.Mark.Line, 1), max(load.Mark.Column, 1), load.ContextMsg+": "+load.Message
	}
	if l, c, ok := findTabIndent(data); ok && (l <= line || line == 1) {
		f.failAt(l, c, "indent with spaces", "is not YAML: a tab character in the indentation")
		return
	}
	for _, w := range syntaxWords {
		if strings.Contains(text, w.has) {
			f.failAt(line, column, w.hint, "is not YAML: "+w.message)
			return
		}
	}
	f.failAt(line, column, "check the indentation and the quotes around here", "is not YAML")
}

// findTabIndent finds the first tab in the indentation of a line.
func findTabIndent(data []byte) (line, column int, found bool) {
	for l := range bytes.Lines(data) {
		line++
		if i := bytes.IndexFunc(l, func(r rune) bool { return r != ' ' }); i >= 0 && l[i] == '\t' && len(bytes.TrimSpace(l)) > 0 {
			return line, i + 1, true
		}
	}
	return 0, 0, false
}
