package config

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
)

// Layers: if several paths define a rule with the same name, the files are merged in
// path order. The result is checked as if it were one file. The merge works on YAML
// nodes, so every message still names the file, line and column of the value. Each
// file is checked separately for its form, its SOPS metadata and the encryption of
// its secrets.

// layeredRule is a rule and the files that define it, one per layer, first layer
// first.
type layeredRule struct {
	name string // empty if its only file has no name
	docs []document
	// layers are the layer indexes of docs.
	layers []int
	// first is the first position of the rule's name.
	first schema.Position
}

// loadLayers reads the files of several layers and merges the files of each rule.
func loadLayers(ctx context.Context, sources []sourceFile, o Options, recipients *recipients) ([]parsed, error) {
	docs := make([]document, len(sources))
	err := inParallel(ctx, len(sources), func(i int) { docs[i] = readDocument(sources[i].file, o, recipients) })
	if err != nil {
		return nil, err
	}
	stacks, results := groupByRule(docs, sources, o)
	docs = nil
	near := &layerSuggester{stacks: stacks}
	from := len(results)
	results = append(results, make([]parsed, len(stacks))...)
	err = inParallel(ctx, len(stacks), func(i int) {
		results[from+i] = stacks[i].checkRule(near)
		stacks[i].docs = nil // a tree is much larger than its rule
	})
	return results, err
}

// groupByRule groups files by rule. A second file in the same layer is not part of the
// rule: twice contains the problems of such files.
func groupByRule(docs []document, sources []sourceFile, o Options) (stacks []layeredRule, twice []parsed) {
	// Sort by layer; files of a layer keep their order.
	order := make([]int, len(docs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return sources[a].layer - sources[b].layer })
	of := make(map[string]int, len(docs))
	stacks = make([]layeredRule, 0, len(docs))
	for _, i := range order {
		d, layer := docs[i], sources[i].layer
		name, at := d.ruleName()
		n, known := of[name]
		switch {
		case !known || name == "":
			of[name] = len(stacks)
			stacks = append(stacks, layeredRule{name: name, docs: []document{d}, layers: []int{layer}, first: at})
		case stacks[n].layers[len(stacks[n].layers)-1] == layer:
			of := stacks[n].docs[len(stacks[n].docs)-1]
			_, first := of.ruleName()
			problems := append(d.checkAlone(), duplicateProblem(name, at, first, oneRule+"; files are merged where they lie below different paths of a project", o))
			if !o.matters(name) {
				demoteToWarnings(problems)
			}
			if o.matters(name) || !o.Silent {
				twice = append(twice, parsed{problems: problems})
			}
		default:
			stacks[n].docs = append(stacks[n].docs, d)
			stacks[n].layers = append(stacks[n].layers, layer)
		}
	}
	return stacks, twice
}

// checkRuleName returns the name of the file's rule and its position. The name is empty
// if it is absent or can't be read.
func (d document) ruleName() (string, schema.Position) {
	n := nameOf(d.root)
	if !isText(n) || secrets.LooksSealed(n.Value) {
		return "", schema.Position{File: d.name}
	}
	return n.Value, d.positionOf(n)
}

// checkAlone runs the per-file checks for a file that is not part of a rule.
func (d document) checkAlone() []schema.Problem {
	var out parsed
	func() {
		defer recoverPanic(&out, d.name)
		d.reportEncryptedOutside(d.root)
		d.authValues(d.root, nil)
		out.problems = d.sortedProblems()
	}()
	return out.problems
}

// checkRule builds the rule of a stack.
func (s *layeredRule) checkRule(near *layerSuggester) parsed {
	last := s.docs[len(s.docs)-1]
	if len(s.docs) == 1 {
		if s.name != "" {
			last.missing = func() string { return near.hint(s) }
		}
		return last.checkRule()
	}
	return s.mergeFiles(last)
}

// mergeFiles builds one rule from the files of several layers.
func (s *layeredRule) mergeFiles(last document) (out parsed) {
	defer recoverPanic(&out, last.name)
	l := newMergeSources(last.file)
	f := &file{kind: ruleFile, name: last.name, options: last.options, layers: l, sealed: map[*yaml.Node]bool{}}
	f.missing = func() string { return "none of its layers says it: " + s.fileNames() }
	for _, d := range s.docs {
		d.reportEncryptedOutside(d.root)
		for n := range d.sealed {
			f.sealed[n] = true
		}
		l.addDocument(d.file, d.root)
	}
	root := withoutSOPS(s.docs[0].root)
	for _, d := range s.docs[1:] {
		root = f.mergeMappings(root, withoutSOPS(d.root), nil)
	}
	r, spec := f.buildBody(root)
	f.reportTypeChanges()
	f.readLayeredAuth(s.docs, spec, r)
	f.traceOrigins(root, r)
	for i, d := range s.docs {
		if i < len(s.docs)-1 {
			r.Over = append(r.Over, d.name)
		}
		r.Placeholders = append(r.Placeholders, d.placeholders...)
		out.problems = append(out.problems, d.sortedProblems()...)
	}
	r.Placeholders = append(r.Placeholders, f.placeholders...)
	slices.Sort(r.Placeholders)
	out.rule, out.problems = r, append(out.problems, f.sortedProblems()...)
	return out
}

// fileNames joins the names of the files, in layer order.
func (s *layeredRule) fileNames() string {
	var names []string
	for _, d := range s.docs {
		names = append(names, d.name)
	}
	return joinAlternatives(names)
}

// readLayeredAuth reads the auth values and the SOPS metadata of each file separately.
// Only the values that remain in the merged rule are in force.
func (f *file) readLayeredAuth(docs []document, spec *yaml.Node, r *Rule) {
	_, auth := child(spec, "authentication")
	inForce := map[*yaml.Node]bool{}
	for _, part := range authParts {
		_, n := child(auth, part)
		eachEntry(n, func(_, value *yaml.Node) { inForce[value] = true })
	}
	var sources []authSource
	for _, d := range docs {
		if _, m := child(d.root, "sops"); m != nil && m.Kind != yaml.MappingNode {
			d.fail(m, "", "sops is %s, expected a mapping", kindOf(m))
		}
		values := d.authValues(d.root, func(n *yaml.Node) bool { return inForce[n] })
		values = slices.DeleteFunc(values, func(v authValue) bool { return !inForce[v.node] })
		sources = append(sources, authSource{d.file, d.data, values})
	}
	r.Spec.Auth = authNames(auth)
	r.setAuth(sources)
}

// layerSuggester finds, for an incomplete rule, the rule that it was probably meant to be a
// layer of.
type layerSuggester struct {
	stacks []layeredRule
	asked  atomic.Int32
}

// hint returns the hint for a rule that lacks a field, or "".
func (n *layerSuggester) hint(s *layeredRule) string {
	const most = 100 // each compares all names
	if n.asked.Add(1) > most {
		return ""
	}
	var names []string
	for i := range n.stacks {
		if other := &n.stacks[i]; other.name != "" && other.name != s.name && !slices.Contains(other.layers, s.layers[0]) {
			names = append(names, other.name)
		}
	}
	near := schema.Nearest(s.name, names)
	switch {
	case near != "":
	case s.layers[0] == 0:
		return "" // a rule of the first layer needs no other
	default:
		return fmt.Sprintf("no other layer has rule %q, so this file must say all of it; was the other's file removed, or its rule renamed?", shorten(s.name))
	}
	i := slices.IndexFunc(n.stacks, func(other layeredRule) bool { return other.name == near })
	return fmt.Sprintf("no other layer has rule %q; did you mean %q, as at %s?", shorten(s.name), shorten(near), n.stacks[i].first)
}
