package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/report"
)

const validateLong = `Validate checks the config file and rule files without network and without a
key: shape, names, URLs, events, headers, and that every authentication value is
encrypted as SOPS does it. All problems of all files are reported at once, each
as file:line:column: message.

With a config file, all projects' files are checked, or those of -p.

Exit codes: 0 no problem (warnings aside), 3 a problem was found.`

type validateOptions struct {
	configOptions
	ruleOptions
	projects   []string
	decrypt    bool
	allowEmpty bool
}

func newValidateCommand(a *app) *cobra.Command {
	var o validateOptions
	cmd := &cobra.Command{
		Use:     "validate [PATH...]",
		Short:   "Check config file and rule files",
		Long:    validateLong,
		Example: "  mkhooks validate\n  mkhooks validate rules/\n  mkhooks validate --decrypt rules/",
		RunE:    func(cmd *cobra.Command, args []string) error { return runValidate(a, o, cmd, args) },
	}
	o.AddFlags(cmd.Flags())
	a.addFormat(cmd.Flags())
	return cmd
}

func (o *validateOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	addProjects(f, &o.projects, "`PROJECT` of the config file whose files are checked, a name or pattern (repeatable; default all)")
	o.ruleOptions.AddFlags(f)
	f.BoolVar(&o.decrypt, "decrypt", false, "also prove that every secret can be decrypted")
	f.BoolVar(&o.allowEmpty, "allow-empty", false, "a path without a rule file is no problem")
}

// sets are the paths to check, those of each project for themselves: a rule's
// name is unique in its project.
func (o *validateOptions) sets(a *app, cmd *cobra.Command, args []string) ([][]string, error) {
	if err := o.readConfig(a, cmd.Flags()); err != nil {
		return nil, err
	}
	if o.file == nil {
		if len(o.projects) > 0 {
			return nil, invalidf("name the rule files instead: mkhooks validate PATH...", "-p %s: there is no config file %s here to say what the project's files are", quotePaths(o.projects), config.FileName)
		}
		return [][]string{args}, nil
	}
	o.takeKeyServices(o.file)
	picked, err := o.picked(a)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && len(o.projects) > 0 {
		for _, arg := range args {
			if !slices.ContainsFunc(picked, func(p *config.Project) bool { return config.Within(arg, o.file.Paths(p)) }) {
				return nil, notWithin(o.file, picked, arg)
			}
		}
	}
	if len(args) > 0 {
		return [][]string{args}, nil
	}
	var sets [][]string
	for _, p := range picked {
		sets = append(sets, o.file.Paths(p))
	}
	return sets, nil
}

// picked are the projects that -p picks, or all: which one the environment
// means for the service is nothing to the files.
func (o *validateOptions) picked(a *app) ([]*config.Project, error) {
	if len(o.projects) > 0 {
		return o.pick(a, o.projects)
	}
	return o.pick(a, []string{"*"})
}

// readSets reads several sets of files; what two of them share counts once.
func (o *validateOptions) readSets(ctx context.Context, a *app, sets [][]string) (*config.Rules, []schema.Problem, error) {
	all := &config.Rules{}
	var problems []schema.Problem
	said, files := map[schema.Problem]bool{}, map[string]bool{}
	for _, paths := range sets {
		rules, more, err := o.read(ctx, a, paths)
		if err != nil {
			return nil, nil, err
		}
		if rules.Files == 0 && !o.allowEmpty {
			for i := range more {
				more[i].Severity = schema.Error
			}
		}
		for _, p := range more {
			if !said[p] {
				said[p] = true
				problems = append(problems, p)
			}
		}
		for _, r := range rules.Rules {
			if !files[r.File] {
				files[r.File] = true
				all.Rules = append(all.Rules, r)
			}
		}
		all.Files += rules.Files
	}
	if len(sets) > 1 {
		all.Files = len(files)
	}
	schema.SortProblems(problems)
	return all, problems, nil
}

func runValidate(a *app, o validateOptions, cmd *cobra.Command, args []string) error {
	sets, err := o.sets(a, cmd, args)
	if err != nil {
		return err
	}
	ctx, cancel := a.context()
	defer cancel()
	rules, problems, err := o.readSets(ctx, a, sets)
	if err != nil {
		return err
	}
	opened := 0
	if o.decrypt && !schema.HasErrors(problems) {
		more, n, err := o.proveSecrets(ctx, a, rules)
		if err != nil {
			return err
		}
		opened = n
		problems = append(problems, more...)
	}
	bad := schema.HasErrors(problems)
	doc := problemsDocument(problems)
	if !bad {
		list := doc.text
		doc.text = func(w io.Writer, t report.TextOptions) error {
			return errors.Join(list(w, t), writeLine(w, o.valid(rules, opened)))
		}
	}
	if err := a.write(doc); err != nil {
		return err
	}
	if err := a.annotate(problems); err != nil {
		return err
	}
	if bad {
		return &codeError{code: exitInvalid, err: errors.New(count(errorsAmong(problems), "problem", "problems") + " in the rule files")}
	}
	return nil
}

// valid is the last line where nothing is wrong.
func (o *validateOptions) valid(rules *config.Rules, opened int) string {
	line := fmt.Sprintf("%s in %s", count(len(rules.Rules), "valid rule", "valid rules"), count(rules.Files, "file", "files"))
	if o.decrypt {
		line += fmt.Sprintf("; %s opened", count(opened, "file with secrets", "files with secrets"))
	}
	return line
}

func writeLine(w io.Writer, line string) error {
	_, err := fmt.Fprintln(w, line)
	return err
}
