package sops

import (
	"slices"
	"time"

	"github.com/getsops/sops/v3/stores"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
)

// hasUsualForm reports whether a document is a rule file in exactly the form
// that SOPS writes for age keys, and nothing prevents its decryption. If it is
// false, the document may still be valid: [Decrypter.checkAnyForm] decides.
//
// It works on the nodes. Conversion to a tree and SOPS's own parser take several
// times as long. Its rules are therefore strict: it accepts no document that
// checkAnyForm refuses.
func hasUsualForm(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode || !hasPlainValues(root, 0) {
		return false
	}
	spec := valueAt(root, "spec")
	if spec == nil || spec.Kind != yaml.MappingNode {
		return false
	}
	auth, metadata := valueAt(spec, "authentication"), valueAt(root, stores.SopsMetadataKey)
	return auth != nil && auth.Kind == yaml.MappingNode && hasSealedTexts(valueAt(auth, "headers")) && hasSealedTexts(valueAt(auth, "queryParams")) &&
		metadata != nil && metadata.Kind == yaml.MappingNode && hasUsualMetadata(metadata)
}

// Limits of the usual form. They bound the time for the search of a key.
const (
	usualKeys  = 32
	usualDepth = 8
)

// hasPlainValues reports whether a node consists of mappings with unique text
// keys, lists, texts, true and false. Each of them can be converted to a tree.
func hasPlainValues(n *yaml.Node, depth int) bool {
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || depth > usualDepth {
		return false
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Tag == "!!str" || n.Tag == "!!bool" && (n.Value == "true" || n.Value == "false")
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if !hasPlainValues(item, depth+1) {
				return false
			}
		}
		return true
	case yaml.MappingNode:
		if len(n.Content) > 2*usualKeys {
			return false
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Tag != "!!str" || !hasPlainValues(key, depth+1) || !hasPlainValues(n.Content[i+1], depth+1) {
				return false
			}
			for j := 0; j < i; j += 2 {
				if n.Content[j].Value == key.Value {
					return false
				}
			}
		}
		return true
	}
	return false
}

// valueAt returns the value of a key in a mapping, or nil.
func valueAt(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// hasSealedTexts reports whether n is absent, or a mapping of valid encrypted
// texts.
func hasSealedTexts(n *yaml.Node) bool {
	if n == nil {
		return true
	}
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if value := n.Content[i+1]; value.Tag != "!!str" || secrets.SealedProblem(value.Value) != "" {
			return false
		}
	}
	return true
}

// emptyLists are the lists of keys that some versions of SOPS write empty if a
// file has only age keys.
var emptyLists = []string{"kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp"}

// hasUsualMetadata reports whether metadata contains undamaged age keys, and all
// other fields as SOPS writes them beside age keys.
func hasUsualMetadata(metadata *yaml.Node) bool {
	if hasComment(metadata) {
		return false
	}
	keys, dated, selectors := 0, false, 0
	for i := 0; i+1 < len(metadata.Content); i += 2 {
		key, value := metadata.Content[i], metadata.Content[i+1]
		switch name := key.Value; {
		case name == "age" && value.Kind == yaml.SequenceNode:
			for _, k := range value.Content {
				if !isUsualKey(k) {
					return false
				}
			}
			keys = len(value.Content)
		case name == "lastmodified" && value.Tag == "!!str":
			_, err := time.Parse(time.RFC3339, value.Value)
			if dated = err == nil; !dated {
				return false
			}
		case name == "mac_only_encrypted" && value.Tag == "!!bool":
		case (name == "mac" || name == "version") && value.Tag == "!!str":
		case (name == "encrypted_regex" || name == "unencrypted_suffix") && value.Tag == "!!str":
			selectors++
		case slices.Contains(emptyLists, name) && value.Kind == yaml.SequenceNode && len(value.Content) == 0:
		default:
			return false
		}
	}
	return keys > 0 && dated && selectors <= 1
}

// isUsualKey reports whether n is a copy of the data key for an age recipient.
func isUsualKey(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode || len(n.Content) != 4 {
		return false
	}
	recipient, enc := valueAt(n, "recipient"), valueAt(n, "enc")
	return recipient != nil && recipient.Tag == "!!str" && enc != nil && enc.Tag == "!!str" && enc.Value != "" && ageDamage([]byte(enc.Value)) == nil
}

// hasComment reports whether a node or a node below it has a comment. SOPS reads
// comments as items of mappings and lists.
func hasComment(n *yaml.Node) bool {
	return n.HeadComment != "" || n.LineComment != "" || n.FootComment != "" || slices.ContainsFunc(n.Content, hasComment)
}
