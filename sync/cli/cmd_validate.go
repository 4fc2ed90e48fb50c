package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/report"
)

const validateLong = `Validate checks the config file and rule files: structure, names, URLs, events,
headers, and that every auth value is encrypted by SOPS. Without --decrypt, it
uses no network and no key. It reports all problems in all files, each as
file:line:column: message.

With a config file, it checks the files of all projects, or of those that -p
selects. If a file is a layer of a rule, validate also checks the other layers.

Exit codes: 0 no problems (warnings are allowed), 3 problems found.`

type validateOptions struct {
	configOptions
	ruleOptions
	projects []string
	decrypt  bool
}

func newValidateCommand(a *app) *cobra.Command {
	var o validateOptions
	cmd := &cobra.Command{
		Use:     "validate [PATH...]",
		Short:   "Check the config file and rule files",
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
	addProjects(f, &o.projects, "`PROJECT`: check only projects that match this name or pattern (repeatable; default all)")
	o.ruleOptions.AddFlags(f)
	f.BoolVar(&o.decrypt, "decrypt", false, "also check that every secret can be decrypted")
}

func runValidate(a *app, o validateOptions, cmd *cobra.Command, args []string) error {
	sets, err := o.fileSets(a, cmd, args)
	if err != nil {
		return err
	}
	ctx, cancel := a.readContext()
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
	problems = a.withholdProblems(problems)
	doc := problemsDocument(problems)
	if !bad {
		list := doc.text
		doc.text = func(w io.Writer, t report.TextOptions) error {
			return errors.Join(list(w, t), writeLine(w, o.validSummary(rules, opened)))
		}
	}
	var verdict error
	if bad {
		verdict = invalid(errors.New(countNoun(countErrors(problems), "problem", "problems") + " in the rule files"))
	}
	return a.worstError(verdict, a.writeDocument(doc), a.printAnnotations(problems))
}

// validSummary returns the last line of a report without problems.
func (o *validateOptions) validSummary(rules *config.Rules, opened int) string {
	line := fmt.Sprintf("%s in %s", countNoun(len(rules.Rules), "valid rule", "valid rules"), countNoun(rules.Files, "file", "files"))
	if o.decrypt {
		line += fmt.Sprintf("; %s opened", countNoun(opened, "file with secrets", "files with secrets"))
	}
	return line
}

func writeLine(w io.Writer, line string) error {
	_, err := fmt.Fprintln(w, line)
	return err
}
