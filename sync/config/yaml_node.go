package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// printableKey returns a key in a form that messages may contain. Under
// authentication a slip ({X-Secret:hunter2}, no space) makes a value part of a key.
// So only a prefix that can be a name is shown there.
func printableKey(name string, secret bool) string {
	if secret {
		if webhook.IsCredentialValue(name) {
			return webhook.Redacted
		}
		if i := strings.IndexFunc(name, func(r rune) bool { return !isTokenRune(r) && r != '[' && r != ']' }); i >= 0 {
			name = name[:i] + "…"
		}
	}
	return shorten(name)
}

// shorten cuts a name to 80 characters for messages.
func shorten(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

// kindOf describes the type of a node, never its value.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!str":
		return "text"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!null":
		return "null"
	case "!!timestamp":
		return "a date"
	case "!!binary":
		return "binary data"
	}
	return "something else"
}

// child returns the key and the value of a name in a mapping, or nil if it is
// absent.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// findPath follows names through mappings and lists as far as they lead. It returns the
// last key and value on the path.
func (f *file) findPath(root *yaml.Node, path []string) (key, value *yaml.Node) {
	value = root
	for _, name := range path {
		if value.Kind == yaml.SequenceNode {
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(value.Content) {
				return key, value
			}
			key, value = nil, value.Content[i]
			continue
		}
		if value.Kind != yaml.MappingNode {
			return key, value
		}
		at := f.keyFinder(value)(name)
		if at == len(value.Content) {
			return key, value
		}
		key, value = value.Content[at], value.Content[at+1]
	}
	return key, value
}
