// Package config reads rule files: YAML into the rules that a project is to
// have, with every problem of every file at its line and column.
//
// Files are read once, with positions, by the same YAML library that SOPS
// uses, so that nobody reads a value differently. It needs neither network nor
// key, and decrypts nothing.
package config

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Options say what is accepted in rule files. The zero value is the strictest.
type Options struct {
	// AllowPlaintextAuth accepts authentication values in clear text.
	AllowPlaintextAuth bool
	// AllowOddSecrets accepts, among values in clear text, what only looks like
	// no secret.
	AllowOddSecrets bool
	// AllowPlainCredentials turns plain values that look like a credential
	// into warnings.
	AllowPlainCredentials bool
	// AllowPlaceholders turns placeholders, where secrets and plain values that
	// look like one are still to come, into warnings. The rule is marked by
	// [webhook.Desired.Placeholders] and must not be sent.
	AllowPlaceholders bool
	// KeyServices are the cloud key services that may open a file, beside age
	// and PGP: awskms, gcpkms, azkv, hcvault, hckms.
	KeyServices []string
	// VaultAddr is the only address at which hcvault may be called.
	VaultAddr string
	// CheckForm says what keeps an encrypted document, of which root is the
	// mapping, from being opened, as far as that takes no key; nil checks only
	// what this package does.
	CheckForm func(file string, root *yaml.Node) []secrets.FormProblem
	// Layered says that each path is a layer, as in a config file. Otherwise
	// all paths are one, in which a rule has one file.
	Layered bool
	// Trace is the name of the rule of which [Rule.Origins] are kept.
	Trace string
	// Only says which rules matter; nil means all. What is wrong with a file of
	// another rule is a warning then. A file of which not even the rule's name
	// can be read could be any rule's: that stays an error.
	Only func(rule string) bool
	// Silent leaves these warnings out.
	Silent bool
	// AllowEmpty turns a path without a rule file into a warning. Otherwise it
	// is an error: a submodule that was not checked out, a failed mount and a
	// sparse checkout look like that, and rules would be deleted.
	AllowEmpty bool
}

// matters reports whether what is wrong with the rule's file stops a run.
func (o Options) matters(rule string) bool { return o.Only == nil || rule == "" || o.Only(rule) }

// Rule is a rule as its file asks for it, with its sealed authentication.
type Rule struct {
	// Desired's file is the last one of the layers that hold the rule.
	webhook.Desired
	Sealed secrets.Sealed
	// Origins are its fields and where they come from, in the order of the
	// schema, if [Options.Trace] asked for them.
	Origins []Origin
	// column of the name, for messages.
	column int
	// references are the values that other files have, and clear says that one
	// stands in clear text: until the references are resolved.
	references []reference
	clear      bool
}

// Files are the files that hold the rule, one for each layer, first to last.
func (r *Rule) Files() []string {
	return append(slices.Clone(r.Over), r.File)
}

// Rules are the rules of all files.
type Rules struct {
	// Rules are sorted by name.
	Rules []Rule
	// Files is how many rule files there are, invalid ones included.
	Files int
}

// LoadRules reads every .yaml and .yml file below paths, which are files or
// folders. With [Options.Layered] each path is a layer, and files that hold a
// rule of one name are merged, later paths over earlier ones, as a JSON Merge
// Patch (RFC 7396). It returns the rules that are valid and all problems of all files,
// sorted; where one is an error, the rules are not all there are. The error is
// the context's.
func LoadRules(ctx context.Context, paths []string, o Options) (*Rules, []schema.Problem, error) {
	files, problems := collect(paths, &strictness{layered: o.Layered, allowEmpty: o.AllowEmpty})
	recipients := newRecipients()
	problems = append(problems, recipients.check(files)...)
	var results []parsed
	var err error
	if o.Layered && len(paths) > 1 {
		results, err = loadLayers(ctx, files, o, recipients)
	} else {
		results = make([]parsed, len(files))
		err = inParallel(ctx, len(files), func(i int) { results[i] = readRule(files[i].file, o, recipients) })
		problems = append(problems, duplicates(results, files, o)...)
	}
	if err != nil {
		return nil, nil, err
	}
	shared, used := resolve(results, paths, o, recipients)
	problems = append(problems, shared...)
	problems = append(problems, withoutRules(paths, files, results, used, o)...)
	out := &Rules{Files: len(files)}
	for _, r := range results {
		if r.secrets != nil && r.rule == nil {
			out.Files--
		}
		if r.rule != nil && !r.broken && !schema.HasErrors(r.problems) {
			out.Rules = append(out.Rules, *r.rule)
		} else if r.rule != nil && !o.matters(r.rule.Name) {
			if o.Silent {
				continue
			}
			warnOnly(r.problems)
		}
		problems = append(problems, r.problems...)
	}
	if len(paths) == 0 {
		problems = append(problems, schema.Problem{Message: "no rule path is given", Hint: "name a file or folder of rule files", Severity: schema.Warning})
	}
	slices.SortStableFunc(out.Rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	schema.SortProblems(problems)
	return out, problems, nil
}

// inParallel calls do for 0 to n-1 on all processors. The error is the
// context's.
func inParallel(ctx context.Context, n int, do func(i int)) error {
	group, ctx := parallel.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	// Files go to the workers in runs: a goroutine a file costs more than
	// some files do.
	const run = 16
	for from := 0; from < n; from += run {
		group.Go(func() error {
			for i := from; i < min(from+run, n); i++ {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				do(i)
			}
			return nil
		})
	}
	return group.Wait()
}

// warnOnly makes warnings of problems.
func warnOnly(problems []schema.Problem) {
	for i := range problems {
		problems[i].Severity = schema.Warning
	}
}

// maxFile is the most bytes of a rule file. It is checked before parsing: 5 MB
// of commas take the YAML library a minute.
const maxFile = 1 << 20

// readRule reads one file, no more of it than is allowed.
func readRule(file string, o Options, recipients *recipients) parsed {
	return readDocument(file, o, recipients).checkRule()
}

// readDocument reads one file and does not look into it yet.
func readDocument(name string, o Options, recipients *recipients) document {
	data, err := readSome(name)
	if err != nil {
		return document{file: &file{name: name, problems: []schema.Problem{fileProblem(name, "can't be read: "+reason(err), "")}}}
	}
	return openRule(name, data, o, recipients)
}

// readSome reads a file up to the first byte that is too many.
func readSome(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(info.Size(), maxFile)+bytes.MinRead))
	_, err = buf.ReadFrom(io.LimitReader(f, maxFile+1))
	return buf.Bytes(), err
}

// duplicates names both places of every name that two files use, files with
// other problems included. files are in order.
func duplicates(files []parsed, sources []source, o Options) []schema.Problem {
	type place struct {
		rule  *Rule
		layer int
	}
	first := make(map[string]place, len(files))
	var problems []schema.Problem
	for i, file := range files {
		r := file.rule
		if r == nil || r.Name == "" {
			continue
		}
		f, ok := first[r.Name]
		if !ok {
			first[r.Name] = place{r, sources[i].layer}
		}
		if !ok || o.Silent && !o.matters(r.Name) {
			continue
		}
		hint := oneRule
		if f.layer != sources[i].layer && !o.Layered {
			hint += "; layers, which are merged, are the paths of a project in " + FileName
		}
		problems = append(problems, duplicate(r.Name, r.namePosition(), f.rule.namePosition(), hint, o))
	}
	return problems
}

// oneRule is what to do about a name that two files use.
const oneRule = "one rule a name: rename one of them, or remove a file"

// duplicate says that a rule is defined at two places.
func duplicate(name string, at, first schema.Position, hint string, o Options) schema.Problem {
	p := schema.Problem{Position: at, Severity: schema.Error, Hint: hint,
		Message: fmt.Sprintf("rule %q is also defined at %s", shortened(name), first)}
	if !o.matters(name) {
		p.Severity = schema.Warning
	}
	return p
}

// namePosition is where the rule's name stands.
func (r *Rule) namePosition() schema.Position {
	return schema.Position{File: r.File, Line: r.Line, Column: r.column}
}

func fileProblem(file, message, hint string) schema.Problem {
	return schema.Problem{Position: schema.Position{File: file}, Message: message, Hint: hint, Severity: schema.Error}
}
