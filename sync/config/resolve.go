package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// resolver resolves the references of rules with the shared secrets files of their
// layers.
type resolver struct {
	options     Options
	recipients  *recipients
	directories []string               // of the layers, last first
	files       map[string]*sharedFile // by real path
	order       []*sharedFile          // in the order of opening
	used        map[*sharedFile]bool
	taken       map[string]bool // real paths of files that a rule refers to
	// known are the shared files below the layers, for suggestions.
	known []string
}

// resolveReferences adds the values of shared secrets files to the rules that refer to them. A
// problem with a reference belongs to its rule. A problem in a shared file is
// returned, once. A rule that needs an invalid shared file is invalid. taken
// contains the real paths of the shared files that a rule refers to.
func resolveReferences(results []parsed, paths []string, o Options, recipients *recipients) (problems []schema.Problem, taken map[string]bool) {
	r := &resolver{options: o, recipients: recipients, files: map[string]*sharedFile{}, used: map[*sharedFile]bool{}, taken: map[string]bool{}}
	for _, p := range slices.Backward(paths) {
		if info, err := os.Stat(p); err == nil && !info.IsDir() {
			p = filepath.Dir(p)
		}
		if !slices.Contains(r.directories, p) {
			r.directories = append(r.directories, p)
		}
	}
	for i := range results {
		if d := results[i].secrets; d != nil && hasMetadata(d.root) {
			r.addSharedFile(realPath(d.name), d.checkSharedFile())
			r.known = append(r.known, d.name)
		}
	}
	for i := range results {
		if p := &results[i]; p.rule != nil && len(p.rule.references) > 0 {
			r.resolveRule(p)
		}
	}
	for i := 0; i < len(r.order); i++ { // a chain may lead to more
		r.reportChains(r.order[i])
	}
	for i := range results {
		d := results[i].secrets
		if d == nil {
			continue
		}
		// A file that a rule refers to is a shared file, whatever other problems it has.
		if shared := r.files[realPath(d.name)]; shared != nil {
			results[i] = parsed{secrets: d}
		}
	}
	for _, f := range r.order {
		if !r.used[f] && o.Only != nil {
			demoteToWarnings(f.problems)
		}
		if o.Silent && !r.used[f] {
			continue
		}
		problems = append(problems, f.problems...)
	}
	return problems, r.taken
}

func (r *resolver) addSharedFile(real string, f *sharedFile) {
	r.files[real] = f
	r.order = append(r.order, f)
}

// resolveRule resolves the references of one rule.
func (r *resolver) resolveRule(p *parsed) {
	rule := p.rule
	for _, ref := range rule.references {
		found, problem := r.findValue(ref)
		if problem != nil {
			p.problems = append(p.problems, *problem)
			continue
		}
		if r.options.matters(rule.Name) {
			r.used[found.file] = true
		}
		v := found.value
		switch {
		case v.isPlaceholder() && !v.invalid:
			rule.Placeholders = append(rule.Placeholders, "spec.authentication."+strings.Replace(ref.path, "/", ".", 1))
			fallthrough
		case v.kind == authClear && !v.invalid:
			rule.clear = true
			rule.Sealed.Plain.Add(ref.path, secrets.NewString(v.node.Value))
		case v.isUsable():
			rule.addShared(ref, found)
		default:
			p.problems = append(p.problems, *ref.newProblem(r.unusableHint(found, ref.key), "leads to %s at %s, which %s", ref, v.at, v.whyUnusable()))
		}
		if schema.HasErrors(found.file.problems) {
			p.broken = true
		}
	}
	slices.Sort(rule.Placeholders)
	rule.finishAuth()
}

// whyUnusable describes why a value can't be used.
func (v sharedValue) whyUnusable() string {
	switch {
	case v.next != nil:
		return "is a $secret itself; references don't chain"
	case v.kind == authClear:
		return "is not encrypted"
	}
	return "can't be used"
}

// unusableHint returns the hint for a value that can't be used. For a chain, it names the
// end of the chain. A circle has no end; chains reports it at the files on the
// circle.
func (r *resolver) unusableHint(t target, key string) diag.Hint {
	switch {
	case t.value.next == nil && t.value.kind == authClear:
		return diag.Hint{Command: "mkhooks secret set " + shell.Path(t.file.name) + " " + shell.Word(key)}
	case t.value.next != nil:
		if end := r.endOfChain(t.value); end != nil {
			return diag.Hint{Text: "write $secret: " + end.String()}
		}
	}
	return diag.Hint{Text: "mend that first"}
}

// endOfChain returns the reference to the value at the end of a chain, or nil if
// there is no end.
func (r *resolver) endOfChain(v sharedValue) *reference {
	seen := map[schema.Position]bool{}
	for next := v.next; !seen[v.at]; next = v.next {
		seen[v.at] = true
		t, problem := r.findValue(*next)
		if problem != nil {
			return nil
		}
		if v = t.value; v.next == nil {
			return next
		}
	}
	return nil
}

// addShared adds a sealed value of a shared file to the rule.
func (r *Rule) addShared(ref reference, t target) {
	r.Values = append(r.Values, webhook.SealedValue{Path: ref.path, Ciphertext: t.value.node.Value, Shared: true})
	i := slices.IndexFunc(r.Sealed.Sources, func(s secrets.Source) bool { return s.File == t.file.name })
	if i < 0 {
		i = len(r.Sealed.Sources)
		r.Sealed.Sources = append(r.Sealed.Sources, secrets.Source{File: t.file.name, Document: t.file.data, Take: map[string][]string{}})
	}
	r.Sealed.Sources[i].Take[ref.path] = []string{ref.key}
}

// target is the file and value that a reference leads to.
type target struct {
	file  *sharedFile
	value sharedValue
}

func (r reference) newProblem(hint diag.Hint, format string, args ...any) *schema.Problem {
	p := &schema.Problem{Position: r.at, Severity: schema.Error, Message: "$secret " + fmt.Sprintf(format, args...)}
	p.SetHint(hint)
	return p
}

// findValue finds the value of a reference in the last layer that has it.
func (r *resolver) findValue(ref reference) (target, *schema.Problem) {
	var looked []string // existing files
	var names []string  // their keys
	var places = map[string]string{}
	var absent []string
	var found *target
	for _, folder := range r.directories {
		name := filepath.Join(folder, filepath.FromSlash(ref.file))
		f, problem := r.openSharedFile(name, folder)
		if found != nil {
			continue // a file of this name in another layer is also a shared file
		}
		if problem != "" {
			return target{}, ref.newProblem(diag.Hint{Text: "name a shared secrets file: NAME: VALUE, encrypted with SOPS"}, "leads to %s, which %s", name, problem)
		}
		if f == nil {
			absent = append(absent, name)
			continue
		}
		if v, ok := f.values[ref.key]; ok {
			found = &target{f, v}
			continue
		}
		looked = append(looked, name)
		for _, n := range f.names {
			names = append(names, n)
			if places[n] == "" {
				places[n] = f.values[n].at.String()
			}
		}
	}
	if found != nil {
		return *found, nil
	}
	if looked == nil {
		hint := "write the file, or the path that it has below a layer"
		if near := r.suggestFile(ref.file); near != "" {
			hint = "did you mean $secret: " + near + "#" + printableKey(ref.key, true) + "?"
		}
		return target{}, ref.newProblem(diag.Hint{Text: hint}, "leads to a file that is not there: %s", joinAlternatives(absent))
	}
	hint := diag.Hint{Command: "mkhooks secret set " + shell.Path(looked[0]) + " " + shell.Word(printableKey(ref.key, true))}
	if near := schema.Nearest(ref.key, names); near != "" {
		hint = diag.Hint{Text: fmt.Sprintf("did you mean %q, at %s?", printableKey(near, true), places[near])}
	}
	return target{}, ref.newProblem(hint, "leads to the key %q, which is not in %s", printableKey(ref.key, true), strings.Join(looked, ", "))
}

// suggestFile returns the suggested shared file for a misspelled name, as a reference
// would write it, or "".
func (r *resolver) suggestFile(name string) string {
	bare := func(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }
	var names []string
	full := map[string]string{}
	for _, known := range r.known {
		for _, folder := range r.directories {
			if rel, err := filepath.Rel(folder, known); err == nil && filepath.IsLocal(rel) {
				rel = filepath.ToSlash(rel)
				names, full[bare(rel)] = append(names, bare(rel)), rel
			}
		}
	}
	return full[schema.Nearest(bare(name), names)]
}

// openSharedFile reads a shared secrets file of a layer, once. It returns nil if the
// file is absent. problem describes why the file is not a shared secrets file.
func (r *resolver) openSharedFile(name, folder string) (f *sharedFile, problem string) {
	info, err := os.Stat(name)
	if os.IsNotExist(err) {
		return nil, ""
	}
	if err != nil {
		return nil, "can't be read: " + readErrorReason(err)
	}
	real := realPath(name)
	switch {
	case !isBelow(real, realPath(folder)):
		return nil, "is a link that leads out of the layer"
	case !info.Mode().IsRegular():
		return nil, "is no regular file"
	}
	r.taken[real] = true
	if f, ok := r.files[real]; ok {
		return f, ""
	}
	d := readDocument(name, r.options, r.recipients)
	if d.root != nil && !isShared(d.root) {
		return nil, "is a rule file"
	}
	if d.root == nil {
		why := d.sortedProblems()[0]
		return nil, fmt.Sprintf("can't be read: line %d %s", why.Line, why.Message)
	}
	f = d.checkSharedFile()
	r.addSharedFile(real, f)
	return f, ""
}

// reportChains reports the references in a shared file. If a chain is circular, the
// message names the circle.
func (r *resolver) reportChains(f *sharedFile) {
	for _, name := range f.names {
		v := f.values[name]
		if v.next == nil {
			continue
		}
		hint := "write $secret: " + v.next.String() + " in the rule"
		way := []string{v.at.String()}
		message := "is a $secret in a shared secrets file; references don't chain"
		seen := map[string]bool{v.at.String(): true}
		for next := v.next; next != nil; {
			t, problem := r.findValue(*next)
			if problem != nil {
				break
			}
			at := t.value.at.String()
			if way = append(way, at); at == way[0] {
				message, hint = "goes round in a circle: "+strings.Join(way, " → "), "write a value at one of these places"
			}
			if seen[at] {
				break
			}
			seen[at] = true
			next = t.value.next
		}
		f.problems = append(f.problems, schema.Problem{Position: v.at, Severity: schema.Error, Hint: hint, Message: printableKey(name, true) + " " + message})
	}
}
