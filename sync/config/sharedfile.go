package config

import (
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// sharedFile is a shared secrets file: names and encrypted values at its top level,
// and nothing else.
type sharedFile struct {
	name     string
	data     []byte
	values   map[string]sharedValue
	names    []string // in file order
	problems []schema.Problem
}

// readSharedValue is one value of a shared secrets file.
type sharedValue struct {
	kind authKind
	node *yaml.Node
	at   schema.Position
	// next is the reference if the value is a reference.
	next    *reference
	invalid bool // its problem was reported
}

var secretsFile = fileKind{
	nothing: ruleFile.nothing, holds: ruleFile.holds, size: ruleFile.size, depth: ruleFile.depth, expect: ruleFile.expect,
	second: ruleFile.second, secondHint: ruleFile.secondHint, alias: ruleFile.alias, lists: ruleFile.lists,
	shared: true,
}

// ReadShared parses a shared secrets file. It returns the names in file order, and
// the problems. ok is false if the content is not a shared secrets file.
func ReadShared(name string, data []byte, o Options) (names []string, problems []schema.Problem, ok bool) {
	d := openRule(name, data, o, nil)
	if d.root == nil || !isShared(d.root) {
		return nil, nil, false
	}
	f := d.checkSharedFile()
	return f.names, f.problems, true
}

// isShared reports whether a document has neither metadata nor spec, the two keys of
// every rule file.
func isShared(root *yaml.Node) bool {
	metadata, _ := child(root, "metadata")
	spec, _ := child(root, "spec")
	return metadata == nil && spec == nil
}

// hasMetadata reports whether a document was encrypted with SOPS.
func hasMetadata(root *yaml.Node) bool {
	key, _ := child(root, "sops")
	return key != nil
}

// checkSharedFile checks a shared secrets file. All its values are secret, so no message
// contains a value.
func (d document) checkSharedFile() *sharedFile {
	d.kind = secretsFile
	out := &sharedFile{name: d.name, data: d.data, values: map[string]sharedValue{}}
	sopsKey, metadata := child(d.root, "sops")
	if covers, ok := selectorCoverage(metadata); ok {
		eachEntry(d.root, func(key, _ *yaml.Node) { d.uncovered = d.uncovered || key.Value != "sops" && !covers(key.Value) })
	}
	var sealed []webhook.SealedValue
	var first *yaml.Node
	eachEntry(d.root, func(key, value *yaml.Node) {
		if key.Value == "sops" {
			return
		}
		out.names = append(out.names, key.Value)
		v := d.readSharedValue(key, value, metadata != nil)
		if v.kind == authSealed {
			sealed = append(sealed, webhook.SealedValue{Path: key.Value, Ciphertext: value.Value})
			if first == nil {
				first = key
			}
		}
		out.values[key.Value] = v
	})
	d.reportStrayReferences()
	switch {
	case metadata == nil && first != nil:
		d.fail(first, "bring the file back from Git, or write the values in clear and encrypt it",
			"is encrypted, but the file has no sops metadata to open it with").Run(d.encryptCommand())
	case metadata != nil && metadata.Kind != yaml.MappingNode:
		d.fail(metadata, "bring the file back from Git", "sops is %s, expected a mapping", kindOf(metadata))
	case metadata != nil:
		d.checkMetadata(d.root, sopsKey, metadata, sealed)
	}
	out.problems = d.sortedProblems()
	return out
}

// readSharedValue reads a value of a shared secrets file and reports its problems.
func (f *file) readSharedValue(key, n *yaml.Node, hasMetadata bool) sharedValue {
	at := printableKey(key.Value, true)
	before := len(f.problems)
	v := sharedValue{node: n, at: f.positionOf(n)}
	const form = "a shared secrets file holds NAME: VALUE and nothing else; a rule file holds metadata and spec"
	switch {
	case n.Kind == yaml.MappingNode:
		if at := f.readSharedReference(n, at); at != nil {
			v.next = at
			return v // the problem is the reference; chains reports it
		}
	case n.Kind != yaml.ScalarNode:
		f.fail(n, form, "%s is %s, expected text", at, kindOf(n))
	case !isText(n) || n.Value == "":
		what := "empty"
		if !isText(n) {
			what = kindOf(n)
		}
		f.fail(n, "give it a value in quotes, and encrypt the file", "%s is %s, expected text", at, what)
	default:
		text := authValue{node: n}
		f.classifyText(&text, at, hasMetadata, true)
		v.kind = text.kind
	}
	v.invalid = len(f.problems) > before && schema.HasErrors(f.problems[before:])
	return v
}

// readSharedReference reads a mapping in a shared secrets file.
func (f *file) readSharedReference(n *yaml.Node, at string) *reference {
	if key, _ := child(n, secretKey); key == nil {
		f.fail(n, "a shared secrets file holds NAME: VALUE and nothing else; a rule file holds metadata and spec", "%s is a mapping, expected text", at)
		return nil
	}
	return f.parseReference(n, at)
}

// encryptCommand returns the command that encrypts the file.
func (f *file) encryptCommand() string { return "sops encrypt --in-place " + shell.Path(f.name) }

// checkSharedSelector checks that SOPS would encrypt every value of a shared secrets file
// on the next edit.
func (f *file) checkSharedSelector(key, m *yaml.Node, sealed []webhook.SealedValue) {
	const set = "under sops, leave the selectors out: all of a shared secrets file is secret"
	at, name, covers := f.findSelector(key, m, set, "expected none of them: all of a shared secrets file is secret")
	if covers == nil {
		return
	}
	for _, v := range sealed {
		if !covers(v.Path) {
			hint := set
			if at == key {
				hint = "give it a name that does not end in _unencrypted"
			}
			f.fail(at, hint, "sops.%s does not cover %s, so SOPS would leave it in clear text", name, printableKey(v.Path, true))
			return
		}
	}
}

// isUsable reports whether a value can be sent.
func (v sharedValue) isUsable() bool { return !v.invalid && v.next == nil && v.kind != authOther }

// isPlaceholder reports whether the value is missing.
func (v sharedValue) isPlaceholder() bool {
	return v.kind == authClear && secrets.IsPlaceholder(v.node.Value)
}
