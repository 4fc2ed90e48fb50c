package config

import (
	"cmp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/diag"
)

// checkForm reports the decryption problems that need no key to be found. It comes
// last: this package finds most of them itself and describes them better.
func (f *file) checkForm(root, key *yaml.Node, again diag.Hint) {
	if f.options.CheckForm == nil || schema.HasErrors(f.problems) {
		return
	}
	for _, p := range f.options.CheckForm(f.name, root) {
		_, node := f.findPath(root, p.Path)
		if len(p.Path) < 2 {
			node = key
		}
		message, hint := p.Message, cmp.Or(diag.Hint{Text: p.Hint, Command: p.Command}, again)
		if len(p.Path) > 0 {
			message = formatMetadataPath(p.Path) + " " + message
		}
		if node.Tag == "!!timestamp" {
			hint = diag.Hint{Text: quoteDate(node)}
		}
		f.fail(node, "", "%s", message).SetHint(hint)
	}
}

// formatMetadataPath formats a path in metadata, or to a value, for messages.
func formatMetadataPath(path []string) string {
	if path[0] != "sops" {
		return dottedPath(path, true)
	}
	var b strings.Builder
	for i, p := range path {
		switch _, err := strconv.Atoi(p); {
		case err == nil:
			b.WriteString("[" + p + "]")
		case i > 0:
			b.WriteString("." + shorten(p))
		default:
			b.WriteString(p)
		}
	}
	return b.String()
}

// quoteDate returns the hint for a date that a YAML 1.2 tool wrote without quotes.
// SOPS expects text.
func quoteDate(n *yaml.Node) string { return "quote it: " + strconv.Quote(n.Value) }
