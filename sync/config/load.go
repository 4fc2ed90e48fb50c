// Package config parses rule files: YAML into the desired rules of a project. It
// reports every problem of every file with its line and column.
//
// Files are read once, with positions, by the YAML library that SOPS uses, so both
// read a value alike. The package needs neither network nor key, and decrypts
// nothing.
package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Options define what rule files may contain. The zero value is the strictest.
type Options struct {
	// AllowPlaintextAuth accepts plaintext auth values.
	AllowPlaintextAuth bool
	// AllowOddSecrets accepts plaintext auth values that do not look like a secret.
	AllowOddSecrets bool
	// AllowPlainCredentials turns plain values that look like a credential into
	// warnings.
	AllowPlainCredentials bool
	// AllowPlaceholders turns placeholders for secrets, and for plain values that look
	// like a secret, into warnings. [webhook.Desired.Placeholders] then marks the rule,
	// which must not be sent.
	AllowPlaceholders bool
	// KeyServices are the cloud key services that may decrypt a file, besides age and
	// PGP: awskms, gcpkms, azkv, hcvault, hckms.
	KeyServices []string
	// VaultAddr is the only address at which hcvault may be called.
	VaultAddr string
	// CheckForm returns the problems that prevent decrypting a document, as far as no
	// key is needed to find them. root is the document's mapping. If CheckForm is nil,
	// only this package's own checks run.
	CheckForm func(file string, root *yaml.Node) []secrets.FormProblem
	// Layered makes each path a layer, as in a config file. Otherwise all paths form one
	// layer, in which a rule has one file.
	Layered bool
	// Trace is the name of the rule whose [Rule.Origins] are kept.
	Trace string
	// Only selects the rules that matter; nil selects all. Problems in the file of
	// another rule become warnings. If not even the rule's name can be read, the file
	// could belong to any rule: its problems stay errors.
	Only func(rule string) bool
	// Silent omits these warnings.
	Silent bool
	// AllowEmpty turns a path without a rule file into a warning. Otherwise it is an
	// error: an empty path may be a missing submodule, a failed mount or a sparse
	// checkout. Its rules would be deleted.
	AllowEmpty bool
}

// matters reports whether a problem in the rule's file stops a run.
func (o Options) matters(rule string) bool { return o.Only == nil || rule == "" || o.Only(rule) }

// Rule is a rule as its file defines it, with its sealed authentication.
type Rule struct {
	// Desired.File is the file of the last layer that contains the rule.
	webhook.Desired
	Sealed secrets.Sealed
	// Origins are the rule's fields and where each is defined, in schema order. They are
	// set only if [Options.Trace] names the rule.
	Origins []Origin
	// column is the column of the name, for messages.
	column int
	// references are the values that shared secrets files define. clear reports whether
	// a value is plaintext. Both are used until the references are resolved.
	references []reference
	clear      bool
	reencrypt  diag.Hint // as of its file
}

// Files returns the files that define the rule, one per layer, first layer first.
func (r *Rule) Files() []string {
	return append(slices.Clone(r.Over), r.File)
}

// Rules are the rules of all files.
type Rules struct {
	// Rules are sorted by name.
	Rules []Rule
	// Files is the number of rule files, invalid files included.
	Files int
}

// LoadRules reads every .yaml and .yml file below paths, which are files or
// directories. With [Options.Layered] each path is a layer. Files that define the
// same rule are then merged, later paths over earlier paths, as a JSON Merge Patch
// (RFC 7396).
//
// It returns the valid rules and all problems of all files, sorted. If a problem is
// an error, rules may be missing. The returned error is the context's.
func LoadRules(ctx context.Context, paths []string, o Options) (*Rules, []schema.Problem, error) {
	files, problems := collect(paths, &strictness{layered: o.Layered, allowEmpty: o.AllowEmpty})
	recipients := newRecipients()
	problems = append(problems, recipients.checkConfigs(files)...)
	var results []parsed
	var err error
	if o.Layered && len(paths) > 1 {
		results, err = loadLayers(ctx, files, o, recipients)
	} else {
		results = make([]parsed, len(files))
		err = inParallel(ctx, len(files), func(i int) { results[i] = readRule(files[i].file, o, recipients) })
		problems = append(problems, findDuplicates(results, files, o)...)
	}
	if err != nil {
		return nil, nil, err
	}
	shared, used := resolveReferences(results, paths, o, recipients)
	problems = append(problems, shared...)
	problems = append(problems, pathsWithoutRules(paths, files, results, used, o)...)
	out := &Rules{Files: len(files), Rules: make([]Rule, 0, len(results))}
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
			demoteToWarnings(r.problems)
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

// inParallel calls do for 0 to n-1 on all processors. The error is the context's.
func inParallel(ctx context.Context, n int, do func(i int)) error {
	group, ctx := parallel.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	// Each goroutine takes several files: starting one costs more than reading some of
	// the files.
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

// demoteToWarnings turns problems into warnings.
func demoteToWarnings(problems []schema.Problem) {
	for i := range problems {
		problems[i].Severity = schema.Warning
	}
}

// maxFile limits a rule file, in bytes. It is checked before parsing: 5 MB of commas
// keep the YAML library busy for a minute.
const maxFile = 1 << 20

// readRule reads and checks one file, up to maxFile.
func readRule(file string, o Options, recipients *recipients) parsed {
	return readDocument(file, o, recipients).checkRule()
}

// readDocument reads one file without checking its rule.
func readDocument(name string, o Options, recipients *recipients) document {
	data, err := readLimited(name)
	if err != nil {
		return document{file: &file{name: name, problems: []schema.Problem{fileProblem(name, "can't be read: "+readErrorReason(err), "")}}}
	}
	return openRule(name, data, o, recipients)
}

// readLimited reads at most maxFile+1 bytes of a file. The extra byte shows that the
// file is too large.
func readLimited(file string) ([]byte, error) {
	info, err := os.Stat(file) // opening a named pipe would wait for ever
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// A rule keeps its file, so the buffer has no more room than the read that finds
	// the end of the file needs.
	data := make([]byte, 0, min(info.Size(), maxFile)+1)
	for r := io.LimitReader(f, maxFile+1); ; {
		n, err := r.Read(data[len(data):cap(data)])
		switch data = data[:len(data)+n]; {
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return data, err
		case len(data) == cap(data): // the file has grown since
			data = append(data, 0)[:len(data)]
		}
	}
}

var (
	errNotRegular = errors.New("is not a regular file")
	errTooLarge   = errors.New("is larger than 1 MiB")
)

// ReadSmall reads a regular file of at most 1 MiB, such as .sops.yaml.
func ReadSmall(file string) ([]byte, error) {
	data, err := readLimited(file)
	if err == nil && len(data) > maxFile {
		return nil, errTooLarge
	}
	return data, err
}

// findDuplicates reports both positions of every name that two files use, also if the
// files have other problems. files are in order.
func findDuplicates(files []parsed, sources []sourceFile, o Options) []schema.Problem {
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
		problems = append(problems, duplicateProblem(r.Name, r.namePosition(), f.rule.namePosition(), hint, o))
	}
	return problems
}

// oneRule is the hint for a name that two files use.
const oneRule = "one rule a name: rename one of them, or remove a file"

// duplicateProblem returns the problem of a rule that two files define.
func duplicateProblem(name string, at, first schema.Position, hint string, o Options) schema.Problem {
	p := schema.Problem{Position: at, Severity: schema.Error, Hint: hint,
		Message: fmt.Sprintf("rule %q is also defined at %s", shorten(name), first)}
	if !o.matters(name) {
		p.Severity = schema.Warning
	}
	return p
}

// namePosition returns the position of the rule's name.
func (r *Rule) namePosition() schema.Position {
	return schema.Position{File: r.File, Line: r.Line, Column: r.column}
}

func fileProblem(file, message, hint string) schema.Problem {
	return schema.Problem{Position: schema.Position{File: file}, Message: message, Hint: hint, Severity: schema.Error}
}
