package sops

import (
	"slices"
	"strings"

	"github.com/getsops/sops/v3"
	"go.yaml.in/yaml/v3"
)

// A tree is built from YAML nodes as SOPS's YAML store builds it. That store
// can't be imported here: it adds the clients of all stores, which are 22 MB.
// The order of comments and values matters, because the MAC is a hash over the
// values in order. Tests compare the tree with files from the real command.

// convertDocument converts a document to a tree. ok is false for any document but a
// mapping. It is also false if the document contains aliases, which rule files
// must not use.
func convertDocument(doc *yaml.Node) (sops.TreeBranch, bool) {
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, false
	}
	branch := appendComments(nil, false, doc.HeadComment, doc.LineComment)
	branch, ok := appendMapping(branch, doc.Content[0], false)
	return append(branch, appendComments(nil, false, doc.FootComment)...), ok
}

// appendComments appends the lines of comments as items of a mapping.
func appendComments(branch sops.TreeBranch, inline bool, texts ...string) sops.TreeBranch {
	for _, text := range texts {
		for line := range strings.SplitSeq(text, "\n") {
			if line != "" {
				branch = append(branch, sops.TreeItem{Key: sops.Comment{Value: line[1:], Inline: inline}})
			}
		}
	}
	return branch
}

// appendMapping appends the items of a mapping. handled means that the caller has
// already added the comments of the node.
func appendMapping(branch sops.TreeBranch, node *yaml.Node, handled bool) (sops.TreeBranch, bool) {
	if !handled {
		branch = appendComments(branch, false, node.HeadComment, node.LineComment)
	}
	names := map[any]bool{}
	for pair := range slices.Chunk(node.Content, 2) {
		key, value := pair[0], pair[1]
		branch = appendComments(branch, false, key.HeadComment, key.LineComment)
		scalar := value.Kind == yaml.ScalarNode
		if scalar {
			branch = appendComments(branch, false, value.HeadComment)
			branch = appendComments(branch, true, value.LineComment)
		}
		var name any
		if key.Kind != yaml.ScalarNode || key.Decode(&name) != nil || names[name] {
			return nil, false // SOPS also refuses duplicate names
		}
		names[name] = true
		v, ok := convertNode(value, scalar)
		if !ok {
			return nil, false
		}
		branch = append(branch, sops.TreeItem{Key: name, Value: v})
		if scalar {
			branch = appendComments(branch, false, value.FootComment)
		}
		branch = appendComments(branch, false, key.FootComment)
	}
	if !handled {
		branch = appendComments(branch, false, node.FootComment)
	}
	return branch, true
}

// convertNode converts a node to a SOPS value.
func convertNode(node *yaml.Node, handled bool) (any, bool) {
	switch node.Kind {
	case yaml.MappingNode:
		branch, ok := appendMapping(sops.TreeBranch{}, node, handled)
		return branch, ok
	case yaml.SequenceNode:
		return convertSequence(node, handled)
	case yaml.ScalarNode:
		var v any
		err := node.Decode(&v)
		return v, err == nil
	}
	return nil, false
}

func convertSequence(node *yaml.Node, handled bool) ([]any, bool) {
	var list []any
	add := func(inline bool, texts ...string) {
		for _, item := range appendComments(nil, inline, texts...) {
			list = append(list, item.Key)
		}
	}
	if !handled {
		add(false, node.HeadComment, node.LineComment)
	}
	for _, item := range node.Content {
		add(false, item.HeadComment)
		add(true, item.LineComment)
		v, ok := convertNode(item, true)
		if !ok {
			return nil, false
		}
		list = append(list, v)
		add(false, item.FootComment)
	}
	if !handled {
		add(false, node.FootComment)
	}
	return list, true
}
