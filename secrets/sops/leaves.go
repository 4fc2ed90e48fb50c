package sops

import (
	"fmt"
	"maps"
	"slices"

	"github.com/getsops/sops/v3"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
)

// leaves is the content of a tree: values by path, and comments.
type leaves struct {
	values   map[string]string
	comments []string
}

func (l leaves) equal(other leaves) bool {
	return maps.Equal(l.values, other.values) && slices.Equal(slices.Sorted(slices.Values(l.comments)), slices.Sorted(slices.Values(other.comments)))
}

func leavesOf(tree *sops.Tree) leaves {
	l := leaves{values: map[string]string{}}
	visitLeaves(tree.Branches[0], nil, func(path []string, item sops.TreeItem) {
		if c, ok := item.Key.(sops.Comment); ok {
			l.comments = append(l.comments, c.Value)
			return
		}
		l.values[joinKeys(path...)] = fmt.Sprint(item.Value)
	})
	return l
}

// visitLeaves visits every comment, with the path of its mapping, and every other
// value that is not a mapping, with the path of the value.
func visitLeaves(branch sops.TreeBranch, path []string, visit func([]string, sops.TreeItem)) {
	for _, item := range branch {
		name, isName := item.Key.(string)
		if !isName {
			visit(path, item)
			continue
		}
		below := append(slices.Clone(path), name)
		switch value := item.Value.(type) {
		case sops.TreeBranch:
			visitLeaves(value, below, visit)
		case nil: // same as an empty mapping: its first entry replaces no value
		default:
			visit(below, item)
		}
	}
}

// withoutEntry returns a branch without the entry of a name.
func withoutEntry(branch sops.TreeBranch, name string) sops.TreeBranch {
	return slices.DeleteFunc(slices.Clone(branch), func(item sops.TreeItem) bool { return item.Key == name })
}

// withoutReferences returns a rule file without the references to shared
// secrets ($secret: FILE#KEY). SOPS would have encrypted them, so they were
// written by hand, and no MAC ever covered them.
func withoutReferences(branch sops.TreeBranch) sops.TreeBranch {
	return editEntry(branch, "spec", func(spec sops.TreeBranch) sops.TreeBranch {
		return editEntry(spec, "authentication", func(auth sops.TreeBranch) sops.TreeBranch {
			for _, part := range []string{"headers", "queryParams"} {
				auth = editEntry(auth, part, func(values sops.TreeBranch) sops.TreeBranch {
					return slices.DeleteFunc(values, isReference)
				})
			}
			return auth
		})
	})
}

// editEntry applies change to the mapping of a name in a branch.
func editEntry(branch sops.TreeBranch, name string, change func(sops.TreeBranch) sops.TreeBranch) sops.TreeBranch {
	for i, item := range branch {
		if next, ok := item.Value.(sops.TreeBranch); ok && item.Key == name {
			branch[i].Value = change(next)
		}
	}
	return branch
}

// isReference reports whether a value contains only a plaintext $secret.
func isReference(item sops.TreeItem) bool {
	mapping, _ := item.Value.(sops.TreeBranch)
	found := 0
	for _, inner := range mapping {
		if _, isComment := inner.Key.(sops.Comment); isComment {
			continue
		}
		if text, isText := inner.Value.(string); inner.Key != "$secret" || !isText || isSealed(text) {
			return false
		}
		found++
	}
	return found == 1
}

// dropPlaintext deletes the value at a path from a branch, if it is plaintext.
func dropPlaintext(branch sops.TreeBranch, keys []string) sops.TreeBranch {
	if len(keys) == 1 {
		return slices.DeleteFunc(branch, func(item sops.TreeItem) bool { return item.Key == keys[0] && !isSealed(item.Value) })
	}
	return editEntry(branch, keys[0], func(next sops.TreeBranch) sops.TreeBranch { return dropPlaintext(next, keys[1:]) })
}

func isSealed(v any) bool {
	s, ok := v.(string)
	return ok && secrets.LooksSealed(s)
}

// metadataNode converts the metadata that SOPS keeps in a file to YAML nodes.
func metadataNode(v any) *yaml.Node {
	switch v := v.(type) {
	case sops.TreeBranch:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, item := range v {
			n.Content = append(n.Content, metadataNode(item.Key), metadataNode(item.Value))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			n.Content = append(n.Content, metadataNode(item))
		}
		return n
	}
	n := &yaml.Node{}
	_ = n.Encode(v) // never fails for texts, numbers and booleans
	return n
}

// setFlow sets a node to the flow style: in brackets, on one line.
func setFlow(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n.Style = 0
		if n.Tag == "!!str" {
			n.Style = yaml.DoubleQuotedStyle
		}
	} else {
		n.Style = yaml.FlowStyle
	}
	for _, c := range n.Content {
		setFlow(c)
	}
}
