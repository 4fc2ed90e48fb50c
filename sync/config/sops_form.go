package config

import (
	"cmp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
)

// checkForm reports the decryption problems that need no key to be found. It comes
// last: this package finds most of them itself and describes them better.
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

// placeOf formats a path in metadata, or to a value, for messages.
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

// quoteDate returns the hint for a date that a YAML 1.2 tool wrote without quotes.
// SOPS expects text.
func quoteDate(n *yaml.Node) string { return "quote it: " + strconv.Quote(n.Value) }
