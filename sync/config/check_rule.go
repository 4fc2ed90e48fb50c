package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// buildRule checks a document and builds its rule. The result is valid only if no problem
// is an error.
func (f *file) buildRule(root *yaml.Node, data []byte) *Rule {
	f.reportEncryptedOutside(root)
	r, spec := f.buildBody(root)
	f.readAuthentication(root, spec, r, data)
	f.traceOrigins(root, r)
	r.Placeholders = f.placeholders
	r.reencrypt = f.reencrypt
	return r
}

// buildBody checks a document and builds its rule without authentication.
func (f *file) buildBody(root *yaml.Node) (r *Rule, spec *yaml.Node) {
	f.checkShape(root)
	_, spec = child(root, "spec")
	nameNode := nameOf(root)
	r = &Rule{}
	r.File = f.name
	if nameNode != nil && isText(nameNode) {
		if !f.sealed[nameNode] {
			r.Name = nameNode.Value
		}
		r.Line, r.column = nameNode.Line, nameNode.Column
		f.checkRuleName(nameNode)
	}
	f.readSpec(spec, &r.Spec)
	return r, spec
}

// nameOf returns the node of metadata.name, or nil.
func nameOf(root *yaml.Node) *yaml.Node {
	_, metadata := child(root, "metadata")
	_, name := child(metadata, "name")
	return name
}

func isText(n *yaml.Node) bool { return n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!str" }

// checkShape checks a document against the JSON Schema. It reports violations in its own
// words.
func (f *file) checkShape(root *yaml.Node) {
	for _, v := range schema.CheckRule(jsonOf(root)) {
		key, node := f.findPath(root, v.Path)
		secret := len(v.Path) > 1 && v.Path[0] == "spec" && v.Path[1] == "authentication"
		at := "the file"
		if len(v.Path) > 0 {
			at = dottedPath(v.Path, secret)
		}
		inAuth := secret && len(v.Path) > 2
		if f.isReportedElsewhere(root, node, v) {
			continue
		}
		switch v.Kind {
		case schema.Missing:
			if key == nil {
				key = node
			}
			for _, name := range v.Names {
				where := name
				if len(v.Path) > 0 {
					where = at + "." + name
				}
				f.reportMissing(key, append(slices.Clip(v.Path), name), where)
			}
		case schema.Unknown:
			f.reportUnknownKeys(node, v, at, secret)
		case schema.WrongType:
			f.reportWrongType(node, v, at, inAuth)
		case schema.NotListed:
			f.reportUnknownEvent(node, v, at)
		case schema.Empty:
			f.reportEmpty(node, at, inAuth)
		case schema.Repeated:
			f.reportRepeatedEvents(node, at)
		case schema.Forbidden: // checkHeaderNames reports it
		default:
			f.fail(node, "mkhooks schema rule says what a rule file holds", "%s does not fit the schema", at)
		}
	}
}

// isReportedElsewhere reports whether the check of references reports the violation at a
// node.
func (f *file) isReportedElsewhere(root, node *yaml.Node, v schema.Violation) bool {
	if len(v.Path) >= 4 && isAuthValue(v.Path[:4]) {
		_, value := f.findPath(root, v.Path[:4])
		return value.Kind == yaml.MappingNode
	}
	key, _ := child(node, secretKey)
	return key != nil && (v.Kind == schema.WrongType || v.Kind == schema.Unknown && slices.Equal(v.Names, []string{secretKey}))
}

// reportMissing reports a required field that is absent.
func (f *file) reportMissing(key *yaml.Node, path []string, where string) {
	if r := f.layers.findRemoval(path); r != nil {
		f.fail(r.key, "remove the line, or give it a value", "%s is removed by null, and a rule must have it", where)
		return
	}
	hint := ""
	if f.missing != nil {
		hint = f.missing()
	}
	f.fail(key, cmp.Or(hint, "mkhooks schema rule says what a rule file holds"), "%s is missing", where)
}

// dottedPath formats a path for messages.
func dottedPath(path []string, secret bool) string {
	var b strings.Builder
	for i, p := range path {
		switch {
		case len(path) > 1 && i > 0 && path[i-1] == "events":
			fmt.Fprintf(&b, "[%s]", p)
		case i > 0:
			b.WriteString("." + printableKey(p, secret))
		default:
			b.WriteString(shorten(p))
		}
	}
	return b.String()
}

func (f *file) reportUnknownKeys(node *yaml.Node, v schema.Violation, at string, secret bool) {
	for _, name := range v.Names {
		key, _ := f.findPath(node, []string{name})
		if key == nil {
			key = node
		}
		hint := ""
		if near := schema.Nearest(name, v.Allowed); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		} else if home, ok := f.kind.homes[name]; ok {
			hint = fmt.Sprintf("%q belongs under %s", name, home)
		}
		in := " in " + at
		if len(v.Path) == 0 {
			in = " at the top level"
		}
		f.fail(key, hint, "unknown key %q%s; expected %s", printableKey(name, secret), in, joinAlternatives(v.Allowed))
	}
}

func joinAlternatives(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// typeWords are the schema's types in words.
var typeWords = map[string]string{"object": "a mapping", "string": "text", "boolean": "true or false", "array": "a list", "null": ""}

func (f *file) reportWrongType(node *yaml.Node, v schema.Violation, at string, inAuth bool) {
	var want []string
	for _, t := range v.Allowed {
		if w := typeWords[t]; w != "" && !(inAuth && len(v.Path) == 4 && t == "object") {
			want = append(want, w)
		}
	}
	hint := ""
	scalar := node.Kind == yaml.ScalarNode
	switch {
	case inAuth && scalar && node.Tag == "!!null":
		hint = "give it a value and encrypt the file, or remove the name"
	case inAuth && scalar:
		hint = "quote the value, and encrypt it"
	case slices.Contains(v.Allowed, "boolean") && scalar:
		hint = "write true or false, without quotes"
	case slices.Contains(v.Allowed, "string") && scalar && node.Tag != "!!null":
		hint = "quote it"
		if value := webhook.RedactValue(v.Path[len(v.Path)-1], node.Value); value != webhook.Redacted {
			hint = fmt.Sprintf("quote it: %q", shorten(value))
		}
	case f.options.Layered && node.Tag == "!!null":
		hint = "null takes a key out in a later layer only"
	case slices.Contains(v.Allowed, "array"):
		hint = f.kind.lists
	}
	expected := strings.Join(want, " or ")
	if before := f.layers.replacedValue(node); before != nil && !isNull(before) && kindOf(before) != kindOf(node) {
		expected += " as " + f.describePosition(before, node)
	}
	f.fail(node, hint, "%s is %s, expected %s", at, kindOf(node), expected)
}

func (f *file) reportUnknownEvent(node *yaml.Node, v schema.Violation, at string) {
	if !isText(node) {
		return // the schema check reports the wrong type
	}
	hint := "one of " + strings.Join(v.Allowed, ", ")
	if near := schema.Nearest(node.Value, v.Allowed); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	f.fail(node, hint, "%s is %q, which is no event type", at, shorten(webhook.RedactValue("", node.Value)))
}

func (f *file) reportEmpty(node *yaml.Node, at string, inAuth bool) {
	switch {
	case node.Kind == yaml.SequenceNode:
		f.fail(node, "name at least one event; to pause a rule, say enabled: false", "%s is empty", at)
	case inAuth:
		f.fail(node, "give it a value and encrypt the file, or remove the name", "%s is empty", at)
	default:
		f.fail(node, "", "%s is empty", at)
	}
}

// reportRepeatedEvents reports every repeated event. The schema library stops at the first
// pair.
func (f *file) reportRepeatedEvents(list *yaml.Node, at string) {
	seen := map[string]int{}
	for _, n := range list.Content {
		if first, ok := seen[n.Value]; ok && isText(n) {
			f.fail(n, "remove one of them", "%s lists %q twice, first on line %d", at, shorten(webhook.RedactValue("", n.Value)), first)
			continue
		}
		seen[n.Value] = n.Line
	}
}

// jsonOf converts nodes to the values that encoding/json would return. A value that
// is not text, boolean, number or null becomes a number, so a schema that expects
// text rejects it.
func jsonOf(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = jsonOf(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			list = append(list, jsonOf(c))
		}
		return list
	}
	switch n.Tag {
	case "!!str":
		return n.Value
	case "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
	case "!!null":
		return nil
	}
	return float64(0)
}

// reportEncryptedOutside reports, once, a file that is encrypted outside authentication: a
// reviewer could not read its changes.
func (f *file) reportEncryptedOutside(root *yaml.Node) {
	var first *yaml.Node
	var at []string
	sealed := map[*yaml.Node]bool{}
	var walk func(n *yaml.Node, path []string)
	walk = func(n *yaml.Node, path []string) {
		if n.Kind == yaml.ScalarNode && secrets.LooksSealed(n.Value) {
			if first == nil {
				first, at = n, slices.Clone(path)
			}
			sealed[n] = true
		}
		for i, c := range n.Content {
			switch {
			case n.Kind != yaml.MappingNode:
				walk(c, path)
			case i%2 == 0:
				walk(c, nil) // a key
			case len(path) == 0 && n.Content[i-1].Value == "sops":
			case len(path) == 1 && path[0] == "spec" && n.Content[i-1].Value == "authentication":
			default:
				walk(c, append(path, n.Content[i-1].Value))
			}
		}
	}
	walk(root, nil)
	if first == nil {
		return
	}
	_, metadata := child(root, "sops")
	hint := diag.Hint{Text: "SOPS reads no value that was encrypted elsewhere: write it in clear here, or anew under spec.authentication"}
	if covers, ok := selectorCoverage(metadata); ok && covers(at...) {
		hint = f.encryptAgainCommand(metadata)
	}
	f.fail(first, "", "is encrypted outside spec.authentication; expected only that, so that a change can be read in review").SetHint(hint)
	f.sealed = sealed
}

// eachEntry calls do for every key of a mapping.
func eachEntry(n *yaml.Node, do func(key, value *yaml.Node)) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		do(n.Content[i], n.Content[i+1])
	}
}
