// Package config reads rule files: YAML into the rules that a project is to
// have, with every problem of every file at its line and column.
//
// Files are read once, with positions, by the same YAML library that SOPS
// uses, so that nobody reads a value differently. It needs neither network nor
// key, and decrypts nothing.
package config

import (
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
	// KeyServices are the cloud key services that may open a file, beside age
	// and PGP: awskms, gcpkms, azkv, hcvault, hckms.
	KeyServices []string
	// VaultAddr is the only address at which hcvault may be called.
	VaultAddr string
}

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
	type parsed struct {
		rule     *Rule
		problems []schema.Problem
	}
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
				r, p := readRule(files[i], o, recipients)
				results[i] = parsed{r, p}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	out := &Rules{Files: len(files)}
	for _, r := range results {
		problems = append(problems, r.problems...)
		if r.rule != nil {
			out.Rules = append(out.Rules, *r.rule)
		}
	}
	if len(files) == 0 && len(problems) == 0 {
		problems = append(problems, schema.Problem{
			Position: schema.Position{File: strings.Join(paths, ", ")}, Severity: schema.Warning,
			Message: "no rule file (.yaml, .yml) found",
			Hint:    "check the path; a rule file holds metadata.name and spec",
		})
	}
	problems = append(problems, duplicates(out.Rules)...)
	slices.SortStableFunc(out.Rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	schema.SortProblems(problems)
	return out, problems, nil
}

// maxFile is the most bytes of a rule file. It is checked before parsing: 5 MB
// of commas take the YAML library a minute.
const maxFile = 1 << 20

// readRule reads one file, no more of it than is allowed.
func readRule(file string, o Options, recipients *recipients) (*Rule, []schema.Problem) {
	f, err := os.Open(file)
	if err != nil {
		return nil, []schema.Problem{fileProblem(file, "can't be read: "+reason(err), "")}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, []schema.Problem{fileProblem(file, "can't be read: "+reason(err), "")}
	}
	r, problems := parseRule(file, data, o, recipients)
	return r, problems
}

// duplicates names both places of every name that two files use. rules are in
// the order of their files.
func duplicates(rules []Rule) []schema.Problem {
	first := make(map[string]*Rule, len(rules))
	var problems []schema.Problem
	for i := range rules {
		r := &rules[i]
		if f, ok := first[r.Name]; ok {
			problems = append(problems, schema.Problem{
				Position: schema.Position{File: r.File, Line: r.Line, Column: r.column}, Severity: schema.Error,
				Message: fmt.Sprintf("rule %q is also defined at %s", r.Name, schema.Position{File: f.File, Line: f.Line, Column: f.column}),
				Hint:    "one rule a name: rename one of them, or remove a file",
			})
			continue
		}
		first[r.Name] = r
	}
	return problems
}

func fileProblem(file, message, hint string) schema.Problem {
	return schema.Problem{Position: schema.Position{File: file}, Message: message, Hint: hint, Severity: schema.Error}
}
