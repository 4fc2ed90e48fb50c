package sops

import (
	"fmt"
	"maps"
	"slices"

	"github.com/getsops/sops/v3"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
)

// leaves are what a tree says: values by path, and comments.
type leaves struct {
	values   map[string]string
	comments []string
}

func (l leaves) equal(other leaves) bool {
	return maps.Equal(l.values, other.values) && slices.Equal(slices.Sorted(slices.Values(l.comments)), slices.Sorted(slices.Values(other.comments)))
}

func leavesOf(tree *sops.Tree) leaves {
	l := leaves{values: map[string]string{}}
	walk(tree.Branches[0], nil, func(path []string, item sops.TreeItem) {
		if c, ok := item.Key.(sops.Comment); ok {
			l.comments = append(l.comments, c.Value)
			return
		}
		l.values[joinKeys(path...)] = fmt.Sprint(item.Value)
	})
	return l
}

// walk visits every comment with the path of its mapping, and every value that
// is no mapping with its own.
func walk(branch sops.TreeBranch, path []string, visit func([]string, sops.TreeItem)) {
	for _, item := range branch {
		name, isName := item.Key.(string)
		if !isName {
			visit(path, item)
			continue
		}
		below := append(slices.Clone(path), name)
		switch value := item.Value.(type) {
		case sops.TreeBranch:
			walk(value, below, visit)
		case nil: // as an empty mapping: its first entry takes the place of no value
		default:
			visit(below, item)
		}
	}
}

// without is a branch without the entry of a name.
func without(branch sops.TreeBranch, name string) sops.TreeBranch {
	return slices.DeleteFunc(slices.Clone(branch), func(item sops.TreeItem) bool { return item.Key == name })
}

// withoutReferences is a rule file without the values that stand in another
// file ($secret: FILE#KEY). SOPS would have encrypted them, so they were written
// by hand, and no MAC was ever over them.
func withoutReferences(branch sops.TreeBranch) sops.TreeBranch {
	return edited(branch, "spec", func(spec sops.TreeBranch) sops.TreeBranch {
		return edited(spec, "authentication", func(auth sops.TreeBranch) sops.TreeBranch {
			for _, part := range []string{"headers", "queryParams"} {
				auth = edited(auth, part, func(values sops.TreeBranch) sops.TreeBranch {
					return slices.DeleteFunc(values, isReference)
				})
			}
			return auth
		})
	})
}

// edited is a branch of which the mapping of a name was changed.
func edited(branch sops.TreeBranch, name string, change func(sops.TreeBranch) sops.TreeBranch) sops.TreeBranch {
	for i, item := range branch {
		if next, ok := item.Value.(sops.TreeBranch); ok && item.Key == name {
			branch[i].Value = change(next)
		}
	}
	return branch
}

// isReference reports whether a value is $secret and nothing else, in clear.
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

// dropClear takes the value that keys lead to out of a branch where it stands
// in clear.
func dropClear(branch sops.TreeBranch, keys []string) sops.TreeBranch {
	if len(keys) == 1 {
		return slices.DeleteFunc(branch, func(item sops.TreeItem) bool { return item.Key == keys[0] && !isSealed(item.Value) })
	}
	return edited(branch, keys[0], func(next sops.TreeBranch) sops.TreeBranch { return dropClear(next, keys[1:]) })
}

func isSealed(v any) bool {
	s, ok := v.(string)
	return ok && secrets.LooksSealed(s)
}

// nodeOf is the metadata that SOPS keeps in a file, as YAML nodes.
func nodeOf(v any) *yaml.Node {
	switch v := v.(type) {
	case sops.TreeBranch:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, item := range v {
			n.Content = append(n.Content, nodeOf(item.Key), nodeOf(item.Value))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			n.Content = append(n.Content, nodeOf(item))
		}
		return n
	}
	n := &yaml.Node{}
	_ = n.Encode(v) // texts, numbers and truths always have a node
	return n
}

// setFlow writes a node in brackets, on one line.
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
