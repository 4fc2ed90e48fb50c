package sops_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets/sops"
)

// rootOf parses a document and returns its mapping, or nil.
func rootOf(text []byte) *yaml.Node {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

// TestUsualForm changes files that the real command encrypted, one node or one
// line at a time. The fast check must not accept a file that the complete check
// refuses.
func TestUsualForm(t *testing.T) {
	t.Parallel()
	// Older versions of SOPS write empty lists of all other keys.
	older := strings.Replace(seal(t, document, usual...), "sops:\n", "sops:\n    kms: []\n    gcp_kms: []\n    azure_kv: []\n    hc_vault: []\n    pgp: []\n", 1)
	files := map[string]struct {
		text  string
		usual bool // the fast check accepts the unchanged file
	}{
		"age":            {seal(t, document, usual...), true},
		"two keys":       {seal(t, document, append([]string{"--age", recipient + "," + second}, usual...)...), true},
		"older version":  {older, true},
		"all values":     {seal(t, document), true}, // config refuses it
		"key groups":     {sealGroups(t), false},
		"all keys":       {withAllKeys(t, seal(t, document, usual...)), false},
		"shared secrets": {seal(t, "one: first secret value\ntwo: second secret value\n"), false},
	}
	d := sops.New(sops.Options{})
	accepted := 0
	check := func(t *testing.T, what string, text []byte) {
		t.Helper()
		root := rootOf(text)
		if root == nil || !sops.HasUsualForm(root) {
			return
		}
		accepted++
		if problems := d.CheckAnyForm("rule.yaml", rootOf(text)); len(problems) > 0 {
			t.Errorf("%s: the fast check accepts it, the complete check says %v:\n%s", what, problems, text)
		}
	}
	for name, f := range files {
		if root := rootOf([]byte(f.text)); sops.HasUsualForm(root) != f.usual {
			t.Errorf("%s: the fast check accepts the unchanged file: %t, expected %t:\n%s", name, !f.usual, f.usual, f.text)
		}
		var paths []string
		nodesOf(rootOf([]byte(f.text)), "", func(path string) { paths = append(paths, path) })
		for _, path := range paths {
			for _, m := range formChanges {
				var doc yaml.Node
				if err := yaml.Unmarshal([]byte(f.text), &doc); err != nil {
					t.Fatal(err)
				}
				n, parent, i := nodeAt(doc.Content[0], path)
				if !m.change(n, parent, i) {
					continue
				}
				var b bytes.Buffer
				enc := yaml.NewEncoder(&b)
				if enc.Encode(&doc) != nil {
					continue
				}
				check(t, name+": "+path+" "+m.name, b.Bytes())
			}
		}
		lines := strings.SplitAfter(f.text, "\n")
		for i := range lines {
			for _, change := range [][]string{nil, {lines[i], lines[i]}, {"# comment\n", lines[i]}, {strings.TrimSuffix(lines[i], "\n") + " # comment\n"}, {"  " + lines[i]}} {
				check(t, name+": line "+lines[i], []byte(strings.Join(slices.Replace(slices.Clone(lines), i, i+1, change...), "")))
			}
		}
	}
	if accepted < 100 {
		t.Errorf("the fast check accepts %d changed files only, so this test compares little", accepted)
	}
}

// formChanges are the changes of one node in TestUsualForm. They return false if
// the node can't be changed so.
var formChanges = append(func() (out []formChange) {
	for _, m := range mutations {
		out = append(out, formChange{m.name, func(n, _ *yaml.Node, _ int) bool { m.change(n); return true }})
	}
	return out
}(),
	formChange{"removed", func(_, parent *yaml.Node, i int) bool {
		from := i
		if parent.Kind == yaml.MappingNode {
			from--
		}
		parent.Content = slices.Delete(parent.Content, from, i+1)
		return true
	}},
	formChange{"doubled", func(_, parent *yaml.Node, i int) bool {
		from := i
		if parent.Kind == yaml.MappingNode {
			from--
		}
		parent.Content = slices.Concat(parent.Content, parent.Content[from:i+1])
		return true
	}},
	formChange{"renamed", renamedTo("x")},
	formChange{"key is a number", renamedTo("12")},
	formChange{"key is sops", renamedTo("sops")},
	formChange{"key is enc", renamedTo("enc")},
	formChange{"key is age", renamedTo("age")},
	formChange{"key is pgp", renamedTo("pgp")},
	formChange{"key is shamir_threshold", renamedTo("shamir_threshold")},
	formChange{"key is encrypted_regex", renamedTo("encrypted_regex")},
	formChange{"key is unencrypted_suffix", renamedTo("unencrypted_suffix")},
	formChange{"key is spec", renamedTo("spec")},
	formChange{"key is headers", renamedTo("headers")},
	formChange{"key is merged", renamedTo("<<")},
	formChange{"anchored", func(n, parent *yaml.Node, _ int) bool {
		n.Anchor = "a"
		parent.Content = append(parent.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "other"}, &yaml.Node{Kind: yaml.AliasNode, Value: "a", Alias: n})
		return true
	}},
	formChange{"tagged", func(n, _ *yaml.Node, _ int) bool { n.Tag, n.Style = "!!binary", yaml.TaggedStyle; return true }},
	formChange{"own tag", func(n, _ *yaml.Node, _ int) bool { n.Tag, n.Style = "!own", yaml.TaggedStyle; return true }},
	formChange{"commented", func(n, _ *yaml.Node, _ int) bool { n.HeadComment = "# comment"; return true }},
	formChange{"reference", func(n, _ *yaml.Node, _ int) bool {
		*n = yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "$secret"}, {Kind: yaml.ScalarNode, Value: "shared.yaml#one"}}}
		return true
	}},
)

// formChange changes a node or its entry in the parent.
type formChange struct {
	name   string
	change func(n, parent *yaml.Node, i int) bool
}

// renamedTo changes the key of a node.
func renamedTo(name string) func(_, parent *yaml.Node, i int) bool {
	return func(_, parent *yaml.Node, i int) bool {
		if parent.Kind != yaml.MappingNode {
			return false
		}
		*parent.Content[i-1] = yaml.Node{Kind: yaml.ScalarNode, Value: name}
		return true
	}
}
