package sops

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
		l.values[place(path...)] = fmt.Sprint(item.Value)
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
		if next, ok := item.Value.(sops.TreeBranch); ok && len(next) > 0 {
			walk(next, below, visit)
			continue
		}
		// A mapping or null that gets its first entry is no value that is lost.
		if next, ok := item.Value.(sops.TreeBranch); item.Value == nil || ok && len(next) == 0 {
			continue
		}
		visit(below, item)
	}
}

// without is a branch without the entry of a name.
func without(branch sops.TreeBranch, name string) sops.TreeBranch {
	return slices.DeleteFunc(slices.Clone(branch), func(item sops.TreeItem) bool { return item.Key == name })
}

// dropClear takes the value at a path out of a tree where it stands in clear.
func dropClear(tree *sops.Tree, path string) {
	part, name, _ := strings.Cut(path, "/")
	branch := tree.Branches[0]
	for _, key := range []string{"spec", "authentication"} {
		i := slices.IndexFunc(branch, func(item sops.TreeItem) bool { return item.Key == key })
		if i < 0 {
			return
		}
		next, ok := branch[i].Value.(sops.TreeBranch)
		if !ok {
			return
		}
		branch = next
	}
	i := slices.IndexFunc(branch, func(item sops.TreeItem) bool { return item.Key == part })
	if i < 0 {
		return
	}
	values, ok := branch[i].Value.(sops.TreeBranch)
	if !ok {
		return
	}
	j := slices.IndexFunc(values, func(item sops.TreeItem) bool { return item.Key == name })
	if j < 0 || isSealed(values[j].Value) {
		return
	}
	branch[i].Value = slices.Delete(slices.Clone(values), j, j+1)
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
