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

	"golang.org/x/sync/errgroup"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Options say what is accepted in rule files. The zero value is the strictest.
type Options struct {
	// AllowPlaintextAuth accepts authentication values in clear text.
	AllowPlaintextAuth bool
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
	// Only says which rules matter; nil means all. What is wrong with a file of
	// another rule is a warning then. A file of which not even the rule's name
	// can be read could be any rule's: that stays an error.
	Only func(rule string) bool
}

// matters reports whether what is wrong with the rule's file stops a run.
func (o Options) matters(rule string) bool { return o.Only == nil || rule == "" || o.Only(rule) }

// Rule is a rule as its file asks for it, with its sealed authentication.
type Rule struct {
	webhook.Desired
	Sealed secrets.Sealed
	// column of the name, for messages.
	column int
}

// Rules are the rules of all files.
type Rules struct {
	// Rules are sorted by name.
	Rules []Rule
	// Files is how many rule files there are, invalid ones included.
	Files int
}

// LoadRules reads every .yaml and .yml file below paths, which are files or
// folders. It returns the rules that are valid and all problems of all files,
// sorted; where one is an error, the rules are not all there are. The error is
// the context's.
func LoadRules(ctx context.Context, paths []string, o Options) (*Rules, []schema.Problem, error) {
	files, problems := collect(paths)
	results := make([]parsed, len(files))
	recipients := newRecipients()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	// Files go to the workers in runs: a goroutine a file costs more than
	// some files do.
	const run = 16
	for from := 0; from < len(files); from += run {
		group.Go(func() error {
			for i := from; i < min(from+run, len(files)); i++ {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				results[i] = readRule(files[i], o, recipients)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	out := &Rules{Files: len(files)}
	for _, r := range results {
		if r.rule != nil && !schema.HasErrors(r.problems) {
			out.Rules = append(out.Rules, *r.rule)
		} else if r.rule != nil && !o.matters(r.rule.Name) {
			warnOnly(r.problems)
		}
		problems = append(problems, r.problems...)
	}
	if len(paths) == 0 {
		problems = append(problems, schema.Problem{Message: "no rule path is given", Hint: "name a file or folder of rule files", Severity: schema.Warning})
	}
	problems = append(problems, duplicates(results, o)...)
	slices.SortStableFunc(out.Rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	schema.SortProblems(problems)
	return out, problems, nil
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
	data, err := readSome(file)
	if err != nil {
		return parsed{problems: []schema.Problem{fileProblem(file, "can't be read: "+reason(err), "")}}
	}
	return parseRule(file, data, o, recipients)
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
func duplicates(files []parsed, o Options) []schema.Problem {
	first := make(map[string]*Rule, len(files))
	var problems []schema.Problem
	for _, file := range files {
		r := file.rule
		if r == nil || r.Name == "" {
			continue
		}
		if f, ok := first[r.Name]; ok {
			p := schema.Problem{
				Position: schema.Position{File: r.File, Line: r.Line, Column: r.column}, Severity: schema.Error,
				Message: fmt.Sprintf("rule %q is also defined at %s", shortened(r.Name), schema.Position{File: f.File, Line: f.Line, Column: f.column}),
				Hint:    "one rule a name: rename one of them, or remove a file",
			}
			if !o.matters(r.Name) {
				p.Severity = schema.Warning
			}
			problems = append(problems, p)
			continue
		}
		first[r.Name] = r
	}
	return problems
}

func fileProblem(file, message, hint string) schema.Problem {
	return schema.Problem{Position: schema.Position{File: file}, Message: message, Hint: hint, Severity: schema.Error}
}
