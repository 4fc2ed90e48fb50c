package config

import (
	"cmp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
)

// checkForm reports what opening the file would report without a key. Most of
// it this package finds itself, with better words, so it comes last.
func (f *file) checkForm(root, key *yaml.Node, again string) {
	if f.o.CheckForm == nil || schema.HasErrors(f.problems) {
		return
	}
	for _, p := range f.o.CheckForm(f.name, root) {
		_, node := f.find(root, p.Path)
		if len(p.Path) < 2 {
			node = key
		}
		message, hint := p.Message, cmp.Or(p.Hint, again)
		if len(p.Path) > 0 {
			message = placeOf(p.Path) + " " + message
		}
		if node.Tag == "!!timestamp" {
			hint = quoteDate(node)
		}
		f.fail(node, hint, "%s", message)
	}
}

// placeOf is a path in metadata, or to a value, as people write it.
func placeOf(path []string) string {
	if path[0] != "sops" {
		return dotted(path, true)
	}
	var b strings.Builder
	for i, p := range path {
		switch _, err := strconv.Atoi(p); {
		case err == nil:
			b.WriteString("[" + p + "]")
		case i > 0:
			b.WriteString("." + shortened(p))
		default:
			b.WriteString(p)
		}
	}
	return b.String()
}

// quoteDate is what to do about a date that a YAML 1.2 tool wrote without
// quotes: SOPS expects text.
func quoteDate(n *yaml.Node) string { return "quote it: " + strconv.Quote(n.Value) }
