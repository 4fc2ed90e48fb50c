package cli

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/manual"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/report"
)

const rootLong = `mkhooks keeps the webhook rules of an MK.IO project in sync with YAML files. It
compares the files with the live rules, shows a plan and applies it. Before it
deletes a rule, it archives the rule's delivery history.

To begin (a read-only token is enough until apply):

  mkhooks init -p my-project --age
  export MKIO_TOKEN=...
  mkhooks validate
  mkhooks plan
  mkhooks apply

The config file, mkhooks.yaml, sets the owner of the rules, the guards and the
paths of the rule files. Flags take precedence over the environment, and the
environment over the config file.

Environment:
  MKIO_TOKEN         token for the API (or --token-file)
  MKIO_PROJECT       project, if -p is not given
  MKIO_BASE_URL      base URL, if --base-url is not given (https://app.mk.io)
  SOPS_AGE_KEY_FILE  file of age keys; SOPS also reads its other variables
  NO_COLOR           no colour on a terminal

Exit codes:
  0    done, or nothing to do
  1    failed (network, service, I/O), and nothing was applied
  2    differences found (drift, plan --detailed-exitcode, history --fail-on)
  3    invalid input; nothing was sent
  4    refused: a change is blocked or stale, or the answer was no
  5    partial: some changes were applied, and some failed or are unverified
  130  interrupted`

// runCommand finds and runs the command, and maps its error to an exit code. It
// reports a panic without its value, which could be a secret.
func (a *app) runCommand() (code int) {
	a.suspects = findSuspects(a.Args)
	for _, name := range []string{"MKIO_BASE_URL", "MKIO_PROJECT"} {
		a.suspects = append(a.suspects, findSuspects(strings.FieldsFunc(a.Getenv(name), isURLDelimiter))...)
	}
	a.Stderr = withholdingWriter{a.Stderr, a.suspects, a.scrubber}
	root := a.newRootCommand()
	a.rootCommand = root
	defer a.closeSinks()
	defer func() {
		a.progress.Close()
		code = a.writeMetrics(code)
	}()
	defer func() {
		if r := recover(); r != nil {
			trace := stackWithoutValues(r)
			code = a.finishPanic()
			fmt.Fprintln(a.Stderr, trace)
		}
	}()
	root.SetArgs(append([]string{}, a.Args...))
	err := a.refuseMisplaced()
	if err == nil {
		err = root.Execute()
	}
	var e *codeError
	if err != nil && !errors.As(err, &e) && !a.started {
		// cobra's errors are all about the command line.
		err = a.usageError(root, err)
	}
	return a.reportError(err)
}

// stackWithoutValues returns the stack trace without arguments. A string's
// address is not a secret, but the values in neighbouring registers may be.
func stackWithoutValues(r any) string {
	stack := debug.Stack()
	if p, ok := r.(*parallel.Panic); ok { // from another goroutine
		stack = p.Stack
	}
	var b strings.Builder
	for l := range strings.Lines(string(stack)) {
		if i := strings.LastIndexByte(l, '('); i > 0 && !strings.HasPrefix(l, "\t") {
			l = l[:i] + "(...)\n"
		}
		b.WriteString("mkhooks: | " + l)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (a *app) newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "mkhooks",
		Short:             "Manage webhook rules of MK.IO with files in Git",
		Long:              rootLong,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		// Suggestions need cobra's check of the arguments, so Args is not set
		// here.
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.CompletionOptions.HiddenDefaultCmd = false
	f := root.PersistentFlags()
	f.StringVar(&a.color, "color", "auto", "`WHEN`: use colour: auto, always or never")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log each request on stderr, without headers and bodies")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "hide progress, but not warnings and errors")
	root.SetUsageFunc(writeUsage)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return a.flagError(cmd, err) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		a.started = true
		if !slices.Contains([]string{"auto", "always", "never"}, a.color) {
			return invalidf("", "--color %q: expected auto, always or never", a.color)
		}
		if a.quiet && a.verbose {
			return invalidf("", "-q and -v: expected one of them: -q shows less, -v more")
		}
		a.startProgress()
		if err := refuseEmptyFlags(cmd.Flags()); err != nil {
			return err
		}
		if err := a.checkFormat(cmd); err != nil {
			return err
		}
		if err := a.openSinks(a.out); err != nil {
			return err
		}
		return a.meter.openFile(a.Now())
	}
	root.AddCommand(
		newValidateCommand(a),
		newPlanCommand(a),
		newApplyCommand(a),
		newDriftCommand(a),
		newConfigCommand(a),
		newHistoryCommand(a),
		newShowCommand(a),
		newShowRuleCommand(a),
		newReleaseCommand(a),
		newInitCommand(a),
		newImportCommand(a),
		newRestoreCommand(a),
		newSecretCommand(a),
		newAuditCommand(a),
		newEmulateCommand(a),
		newSchemaCommand(a),
		newVersionCommand(a),
		newManCommand(a),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(root.Name())
	if isCompletion(a.Args) {
		a.addCompletions(root)
	}
	makeGroupsStrict(root)
	return root
}

// refuseEmptyFlags refuses flags with an empty value. Usually a variable was not set,
// and --expect "" would check nothing. Only --config has a meaning for the
// empty value.
func refuseEmptyFlags(f *pflag.FlagSet) (err error) {
	f.Visit(func(f *pflag.Flag) {
		empty := f.Value.Type() == "string" && f.Value.String() == "" && f.Name != "config"
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = slices.Contains(list.GetSlice(), "")
		}
		if empty && err == nil {
			err = invalidf("is a variable not set? leave the flag out where it is not meant", "--%s: expected a value, got nothing", f.Name)
		}
	})
	return err
}

// makeGroupsStrict makes "help nonsense" and "completion tcsh" errors: cobra prints
// help for both and exits with 0.
func makeGroupsStrict(root *cobra.Command) {
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short = "Print the help of a command"
			c.Long = "Help prints the help of any command: mkhooks help COMMAND."
			c.RunE = func(_ *cobra.Command, args []string) error {
				target, rest, err := root.Find(args)
				if err != nil || target == nil || len(rest) > 0 {
					return usagef("mkhooks help", "help: there is no command %q", strings.Join(args, " "))
				}
				target.InitDefaultHelpFlag()
				return target.Help()
			}
			c.Run = nil
		case "completion":
			c.RunE = func(_ *cobra.Command, args []string) error {
				if len(args) == 0 {
					return usagef("mkhooks completion bash", "completion: expected a shell: bash, fish, powershell or zsh")
				}
				return usagef("mkhooks completion bash", "completion: there is no script for %q; expected bash, fish, powershell or zsh", args[0])
			}
			c.Args = cobra.ArbitraryArgs
			c.Short = "Print the completion script for a shell"
			c.Long = "Completion prints the completion script for a shell. The help of each shell\nshows how to load the script."
			for _, shell := range c.Commands() {
				shell.Short = "Print the completion script for " + shell.Name()
				shell.Long = strings.Replace(shell.Long, "If it is not installed already, you can install it via your OS's", "If it is absent, install it with your OS's", 1)
				if shell.Name() == "fish" {
					shell.RunE = writeFish
				}
			}
		}
	}
}

// usageError rewrites cobra's errors about the command line.
func (a *app) usageError(root *cobra.Command, err error) error {
	cmd, _, ferr := root.Find(a.Args)
	if ferr != nil || cmd == root {
		name := ""
		for _, arg := range a.Args {
			if !strings.HasPrefix(arg, "-") {
				name = arg
				break
			}
		}
		if name != "" {
			hint := "mkhooks help"
			if s := root.SuggestionsFor(name); len(s) > 0 {
				hint = "did you mean: mkhooks " + s[0]
			}
			return invalidf(hint, "there is no command %q", name)
		}
		return usage("mkhooks help", err)
	}
	return usage(helpCommand(cmd), err)
}

// helpCommand returns the help command for cmd.
func helpCommand(cmd *cobra.Command) string {
	return strings.TrimSpace("mkhooks help " + strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "mkhooks"), " "))
}

// flagError rewrites pflag's errors: they repeat the whole argument, which may
// contain a token ("-tSECRET"), and have no suggestions.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	path := cmd.CommandPath()
	help := helpCommand(cmd)
	var unknown *pflag.NotExistError
	var invalidValue *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return invalidf(help, "%s has no flag -%s", path, name)
		}
		if strings.HasPrefix(name, "token") {
			return invalidf("export MKIO_TOKEN=..., or --token-file FILE",
				"%s has no %s: a token is never a flag's value, because a command line is visible to others", path, shownFlag(name))
		}
		if near := nearestFlag(cmd, name); near != "" {
			help = "did you mean --" + near
		}
		return invalidf(help, "%s has no %s", path, shownFlag(name))
	case errors.As(err, &invalidValue):
		f := invalidValue.GetFlag()
		found := "" // any other value may be a secret
		if v := invalidValue.GetValue(); len(v) <= 8 && strings.Trim(v, "0123456789-.smh") == "" {
			found = fmt.Sprintf(" %q", v)
		}
		return invalidf(help, "--%s%s: expected %s", f.Name, found, expectedValue(f))
	case errors.As(err, &missing):
		value, text := manual.FlagText(missing.GetFlag())
		return invalidf(help, "--%s needs a value: %s (%s)", missing.GetFlag().Name, value, text)
	case errors.As(err, &syntax):
		return invalidf(help, "an argument of %s is no flag: expected --name or --name=value", path)
	}
	return invalid(errors.New(report.Escape(err.Error())), help)
}

func expectedValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return "a time such as 30s or 2m"
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	}
	_, text := manual.FlagText(f)
	return text
}

// nearestFlag returns the flag of cmd with the most similar name; "" if no name
// is similar enough.
func nearestFlag(cmd *cobra.Command, name string) string {
	var names []string
	begins := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		names = append(names, f.Name)
		if begins == "" && name != "" && strings.HasPrefix(f.Name, name) {
			begins = f.Name
		}
	})
	if begins != "" {
		return begins
	}
	return schema.Nearest(name, names)
}
