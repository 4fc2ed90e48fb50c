package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/fair"
)

// maxProblems limits the problems listed per file.
const maxProblems = 100

// fileKind contains the texts of messages about a type of file.
type fileKind struct {
	nothing string // message: no content
	holds   string // hint: the expected content
	size    string // hint: the file is too large
	depth   string // hint: the file is nested too deeply
	expect  string // the expected keys of its mapping
	second  string // message and hint: a second document
	secondHint,
	alias string // hint: aliases are not allowed
	lists string // hint: write a list in one line
	// shared reports whether the file is a shared secrets file.
	shared bool
	// homes maps a known key to the key that it belongs under.
	homes map[string]string
}

var ruleFile = fileKind{
	nothing: "holds no rule",
	holds:   "a rule file holds metadata.name and spec: mkhooks schema rule",
	size:    "a rule file is some kilobytes; is this one?",
	depth:   "a rule has five levels at most", expect: "metadata and spec",
	second: "a second document begins here; expected one rule a file", secondHint: "put it into a file of its own",
	alias: "write the value out: what a rule says must be readable where it stands",
	lists: "write a list: [MediaKind.JobFinished]",
	homes: map[string]string{
		"name": "metadata", "id": "metadata", "url": "spec", "enabled": "spec", "events": "spec", "headers": "spec", "queryParams": "spec",
		"authentication": "spec", "metadata": "the top level", "spec": "the top level", "sops": "the top level",
	},
}

// file is the state of parsing and checking one file.
type file struct {
	kind       fileKind
	name       string
	options    Options
	recipients *recipients
	problems   []schema.Problem
	// sealed are the encrypted values outside authentication. One problem reports them
	// all; no other problem is reported at their nodes.
	sealed map[*yaml.Node]bool
	// reencrypt is the hint that encrypts authentication alone, if the MAC also
	// covers clear values.
	reencrypt diag.Hint
	// placeholders are the paths of missing values.
	placeholders []string
	// wide indexes the keys of mappings with at least manyKeys keys.
	wide map[*yaml.Node]map[string]int
	// secretKeys are all $secret keys. placed contains the secretKeys that take the
	// place of a value.
	secretKeys []*yaml.Node
	placed     map[*yaml.Node]bool
	// uncovered reports whether SOPS would leave part of a shared secrets file in
	// plaintext.
	uncovered bool
	// layers are the sources of a merged document. They are nil for a single file.
	layers *mergeSources
	// missing returns a more specific hint for a rule that lacks a field. It may be nil.
	missing func() string
}

// ParseRule parses one file's content. The rule is nil if a problem is an error.
// ParseRule reads nothing but data, so it does not compare recipients with a
// .sops.yaml.
func ParseRule(name string, data []byte, o Options) (*Rule, []schema.Problem) {
	r := parseRule(name, data, o, nil)
	if schema.HasErrors(r.problems) {
		return nil, r.problems
	}
	return r.rule, r.problems
}

// parsed is the result of reading one file. If a problem is an error, rule contains
// the readable parts, or is nil.
type parsed struct {
	rule     *Rule
	problems []schema.Problem
	// secrets is the file if it may be a shared secrets file. rule is nil if it
	// certainly is.
	secrets *document
	// broken: a shared file that the rule needs is invalid. That file's problems report
	// it.
	broken bool
}

func parseRule(name string, data []byte, o Options, recipients *recipients) parsed {
	p := openRule(name, data, o, recipients).checkRule()
	if p.rule == nil && p.secrets != nil {
		p.problems = append(p.problems, fileProblem(name, "is a shared secrets file, expected a rule file", ruleFile.holds))
	}
	return p
}

// document is a file whose YAML was read, but whose rule was not checked yet.
type document struct {
	*file
	root *yaml.Node // nil if the file can't be read
	data []byte
}

func openRule(name string, data []byte, o Options, recipients *recipients) (d document) {
	d = document{file: &file{kind: ruleFile, name: name, options: o, recipients: recipients}, data: data}
	defer func() {
		if recover() != nil {
			d.root, d.problems = nil, unreadableProblem(name)
		}
	}()
	d.root = d.parseDocument(data)
	return d
}

// checkRule builds the rule of a file, if no other layer defines the rule.
func (d document) checkRule() (out parsed) {
	defer recoverPanic(&out, d.name)
	if d.root != nil && isShared(d.root) {
		out.secrets = &d
		if hasMetadata(d.root) {
			return out
		}
	}
	if d.root != nil {
		out.rule = d.buildRule(d.root, d.data)
	}
	out.problems = d.sortedProblems()
	return out
}

// recoverPanic turns a panic of the YAML library into a problem.
func recoverPanic(out *parsed, name string) {
	if recover() != nil {
		*out = parsed{problems: unreadableProblem(name)}
	}
}

// unreadableProblem returns the only problem reported if the YAML library panics, as
// it does for some inputs. The panic's text is omitted: it could contain part of the
// file.
func unreadableProblem(name string) []schema.Problem {
	return []schema.Problem{fileProblem(name, "can't be read as YAML", "look for odd characters in it")}
}

// sortedProblems returns the problems in order. If there are more than maxProblems, it keeps
// errors before warnings. Among errors, and among warnings, it keeps a problem of
// each kind before repeating a kind.
func (f *file) sortedProblems() []schema.Problem {
	schema.SortProblems(f.problems)
	failed := schema.HasErrors(f.problems) // even if the limit cuts off the errors
	if n := len(f.problems); n > maxProblems {
		f.problems = fair.Order(f.problems, func(p schema.Problem) string { return fair.Shape(p.Message) })
		slices.SortStableFunc(f.problems, func(a, b schema.Problem) int { return cmp.Compare(warningLast(a), warningLast(b)) })
		schema.SortProblems(f.problems[:maxProblems])
		last := f.problems[maxProblems-1]
		more := schema.Problem{Position: last.Position, Severity: schema.Warning, Message: fmt.Sprintf("and %d more problems in this file", n-maxProblems)}
		if failed {
			more.Severity = schema.Error
		}
		f.problems = append(f.problems[:maxProblems], more)
	}
	return f.problems
}

func warningLast(p schema.Problem) int {
	if p.Severity == schema.Warning {
		return 1
	}
	return 0
}

func (f *file) positionOf(n *yaml.Node) schema.Position {
	return schema.Position{File: f.fileOf(n), Line: max(n.Line, 1), Column: max(n.Column, 1)}
}

// fileOf returns the file that contains a node.
func (f *file) fileOf(n *yaml.Node) string {
	if f.layers != nil {
		return f.layers.fileOf(n).name
	}
	return f.name
}

// describePosition describes a node's position for a message at the node from.
func (f *file) describePosition(n, from *yaml.Node) string {
	if file := f.fileOf(n); file != f.fileOf(from) {
		return fmt.Sprintf("at %s:%d", file, max(n.Line, 1))
	}
	return fmt.Sprintf("on line %d", n.Line)
}

// fail records an error at a node. hint may be empty.
func (f *file) fail(n *yaml.Node, hint, format string, args ...any) *schema.Problem {
	return f.report(schema.Error, n, hint, format, args...)
}

// warn records a warning at a node.
func (f *file) warn(n *yaml.Node, hint, format string, args ...any) *schema.Problem {
	return f.report(schema.Warning, n, hint, format, args...)
}

// report records a problem and returns it, valid until the next one, to add a
// command to its hint.
func (f *file) report(severity schema.Severity, n *yaml.Node, hint, format string, args ...any) *schema.Problem {
	if f.sealed[n] {
		return &schema.Problem{}
	}
	f.problems = append(f.problems, schema.Problem{Position: f.positionOf(n), Message: fmt.Sprintf(format, args...), Hint: hint, Severity: severity})
	return &f.problems[len(f.problems)-1]
}

// failAt records an error at a line and column.
func (f *file) failAt(line, column int, hint, message string) *schema.Problem {
	f.problems = append(f.problems, schema.Problem{
		Position: schema.Position{File: f.name, Line: line, Column: column}, Message: message, Hint: hint, Severity: schema.Error})
	return &f.problems[len(f.problems)-1]
}

// lfsPointer is the beginning of a file that Git LFS has not fetched.
const lfsPointer = "version https://git-lfs.github.com/spec/"

// parseDocument reads a file's only document and returns its mapping, or nil.
func (f *file) parseDocument(data []byte) *yaml.Node {
	if len(data) > maxFile {
		f.failAt(1, 1, f.kind.size, "is larger than 1 MiB")
		return nil
	}
	if i := invalidUTF8(data); i >= 0 {
		line, column := lineAndColumn(data, i)
		f.failAt(line, column, "save the file as UTF-8", "is not UTF-8")
		return nil
	}
	if bytes.HasPrefix(data, []byte(lfsPointer)) {
		f.failAt(1, 1, "", "is a Git LFS pointer, expected the file that it stands for").Run("git lfs pull")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		f.failAt(1, 1, f.kind.holds, f.kind.nothing)
		return nil
	case err != nil:
		f.reportSyntax(data)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		f.failAt(max(second.Line, 1), 1, f.kind.secondHint, f.kind.second)
		return nil
	} else if !errors.Is(err, io.EOF) {
		f.reportSyntax(data)
		return nil
	}
	root := doc.Content[0]
	if isNull(root) {
		f.failAt(1, 1, f.kind.holds, f.kind.nothing)
		return nil
	}
	if root.Kind != yaml.MappingNode {
		f.fail(root, f.kind.holds, "is %s, expected a mapping with %s", kindOf(root), f.kind.expect)
		return nil
	}
	if !f.checkStructure(root, 1, false) {
		return nil
	}
	return root
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// maxDepth limits the nesting of mappings and lists in a file.
const maxDepth = 64

// checkStructure rejects YAML features that rule files may not use. It reports whether
// the tree can be read further. secret: n is below authentication.
func (f *file) checkStructure(n *yaml.Node, depth int, secret bool) bool {
	if depth > maxDepth {
		f.fail(n, f.kind.depth, "is nested deeper than %d levels", maxDepth)
		return false
	}
	ok := true
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		f.fail(n, f.kind.alias, "anchors and aliases are not allowed")
		ok = n.Kind != yaml.AliasNode
	}
	if n.Style&yaml.TaggedStyle != 0 {
		f.fail(n, "remove the tag, and put text in quotes", "a YAML tag is not allowed")
	}
	if n.Kind == yaml.MappingNode {
		f.checkKeys(n, secret)
		for i := 0; i+1 < len(n.Content); i += 2 {
			ok = f.checkStructure(n.Content[i+1], depth+1, secret || n.Content[i].Value == "authentication") && ok
		}
		return ok
	}
	for _, c := range n.Content {
		ok = f.checkStructure(c, depth+1, secret) && ok
	}
	return ok
}

// checkKeys checks that the keys of a mapping are text and unique.
func (f *file) checkKeys(n *yaml.Node, secret bool) {
	first := f.keyFinder(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Value == secretKey {
			f.secretKeys = append(f.secretKeys, key)
		}
		switch {
		case key.Kind == yaml.ScalarNode && key.Tag == "!!merge":
			f.fail(key, "write the keys out", "merge keys (<<) are not allowed")
			continue
		case key.Kind != yaml.ScalarNode || key.Tag != "!!str":
			f.fail(key, "put the key in quotes", "a key is %s, expected text", kindOf(key))
			continue
		case key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			f.fail(key, "write the key alone", "anchors and tags are not allowed on a key")
		}
		if j := first(key.Value); j < i {
			f.fail(key, "remove one of them", "key %q stands twice in this mapping, first on line %d", printableKey(key.Value, secret), n.Content[j].Line)
		}
	}
}

// manyKeys is the number of keys from which a mapping is indexed. Below it a linear
// search is faster; far above it a linear search would take minutes.
const manyKeys = 32

// keyFinder returns a function that finds the first occurrence of a text key. Its
// result is an index into Content, or len(Content) if the key is absent.
func (f *file) keyFinder(n *yaml.Node) func(name string) int {
	if len(n.Content) < 2*manyKeys {
		return func(name string) int {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if key := n.Content[i]; key.Kind == yaml.ScalarNode && key.Value == name {
					return i
				}
			}
			return len(n.Content)
		}
	}
	index, ok := f.wide[n]
	if !ok {
		index = make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i]; key.Kind == yaml.ScalarNode {
				if _, ok := index[key.Value]; !ok {
					index[key.Value] = i
				}
			}
		}
		if f.wide == nil {
			f.wide = map[*yaml.Node]map[string]int{}
		}
		f.wide[n] = index
	}
	return func(name string) int {
		if i, ok := index[name]; ok {
			return i
		}
		return len(n.Content)
	}
}
