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

const validateLong = `Validate checks rule files without network and without a key: shape, names,
URLs, events, headers, and that every authentication value is encrypted as
SOPS does it. All problems of all files are reported at once, each as
file:line:column: message.

Exit codes: 0 no problem (warnings aside), 3 a problem was found.`

type validateOptions struct {
	ruleOptions
	decrypt    bool
	allowEmpty bool
}

func newValidateCommand(a *app) *cobra.Command {
	var o validateOptions
	cmd := &cobra.Command{
		Use:     "validate PATH...",
		Short:   "Check rule files",
		Long:    validateLong,
		Example: "  mkhooks validate rules/\n  mkhooks validate --decrypt rules/",
		RunE:    func(_ *cobra.Command, args []string) error { return runValidate(a, o, args) },
	}
	o.AddFlags(cmd.Flags())
	a.addFormat(cmd.Flags())
	return cmd
}

func (o *validateOptions) AddFlags(f *pflag.FlagSet) {
	o.ruleOptions.AddFlags(f)
	f.BoolVar(&o.decrypt, "decrypt", false, "also prove that every secret can be decrypted")
	f.BoolVar(&o.allowEmpty, "allow-empty", false, "a path without a rule file is no problem")
}

func runValidate(a *app, o validateOptions, paths []string) error {
	ctx, cancel := a.context()
	defer cancel()
	rules, problems, err := o.read(ctx, a, paths)
	if err != nil {
		return err
	}
	if rules.Files == 0 && !o.allowEmpty {
		for i := range problems {
			problems[i].Severity = schema.Error
		}
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
