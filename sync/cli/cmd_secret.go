package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/sync/atomicfile"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/git"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/shell"
)

const secretSetLong = `Set encrypts values into a rule file, as SOPS does; you do not need the sops
command. Values never appear in plaintext in a file, on a command line or on the
screen. PATH is headers.NAME or queryParams.NAME below spec.authentication.

On a terminal, set asks for each value twice, without echo. Without PATH, it
asks for every value that is a placeholder. Otherwise it reads values from
standard input. For one PATH, it reads all of the input and removes one line
end. For several PATHs, it reads one line each.

Set refuses values that do not look like a secret: an unresolved variable, null,
[REDACTED], the output of a failed command, the path of a file, or a value with
an invisible character. --allow-odd-secrets accepts these values. Set never
accepts masks, placeholders, private keys and the token of MK.IO.

RULE can also be the path of a shared secrets file, whose values rules use with
$secret: FILE#KEY. PATH is then a KEY in that file, and --add adds a new key.

A value is never an argument, because arguments appear in the shell history and
in the process list. Set refuses arguments that are not a PATH, and does not
repeat them.

A plaintext file is encrypted for the keys in the nearest .sops.yaml. Only their
public parts are needed. All values of the file are encrypted together, so that
no placeholder remains.

Each change of a file creates a new data key, because the author of the file may
know the old key. Set encrypts all values of the file again, so apply sends the
rules that use them again. To decrypt the other values, you need one of the
file's keys. Set refuses a file that has readers who are not in the nearest
.sops.yaml.

Exit codes: 0 done, 1 the file could not be written, 3 nothing was changed:
invalid input, or the file could not be decrypted.`

type secretOptions struct {
	configOptions
	ruleOptions
	rules []string
	add   bool

	cmd *cobra.Command
	// rule is the first argument: a rule name or a file.
	rule string
	// sharedKeys lists the keys of a shared secrets file, if rule is such a file.
	sharedKeys []string
	isShared   bool
}

func newSecretCommand(a *app) *cobra.Command {
	group := &cobra.Command{
		Use:   "secret",
		Short: "Encrypt secrets into rule files",
		Long:  "Secret encrypts secrets into rule files: mkhooks secret set RULE PATH.",
	}
	group.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return invalid(errors.New("secret: argument 1 is no command; expected set"), "mkhooks secret set RULE headers.NAME", exposedHint)
		}
		return group.Help()
	}
	group.Args = cobra.ArbitraryArgs
	var o secretOptions
	set := &cobra.Command{
		Use:   "set RULE [PATH...]",
		Short: "Set and encrypt secrets of a rule",
		Long:  secretSetLong,
		Example: "  mkhooks secret set job-notifications headers.X-Webhook-Secret\n" +
			"  openssl rand -hex 32 | mkhooks secret set my-rule headers.X-Webhook-Secret\n" +
			"  mkhooks secret set rules/shared.yaml webhookSecret",
		RunE: func(cmd *cobra.Command, args []string) error { return runSecretSet(a, o, cmd, args) },
	}
	o.AddFlags(set.Flags())
	group.AddCommand(set)
	return group
}

func (o *secretOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	addRules(f, &o.rules)
	f.StringArrayVar(&o.keyServices, "key-service", nil, "`SERVICE`: allow this cloud key service besides age and PGP: awskms, gcpkms, azkv, hcvault or hckms (repeatable)")
	o.addOddSecrets(f)
	f.BoolVar(&o.add, "add", false, "allow a name similar to an existing name, or a new key in a shared file")
}

func runSecretSet(a *app, o secretOptions, cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("mkhooks secret set RULE headers.NAME", "secret set: expected a rule and where its secret belongs")
	}
	o.cmd, o.rule = cmd, args[0]
	if err := o.checkKeyServices(); err != nil {
		return err
	}
	if err := o.readConfig(a, cmd.Flags()); err != nil {
		return err
	}
	if o.file != nil {
		o.addKeyServices(o.file)
	}
	ctx, cancel := a.readContext()
	defer cancel()
	set := &secretSetting{options: &o, args: args[1:]}
	// Each attempt reads the file again, so that it keeps concurrent edits.
	if err := atomicfile.Retry(ctx, func() error { return set.sealOnce(ctx, a) }); err != nil {
		return err
	}
	return a.printSealed(o, set.found, set.paths, set.sealed)
}

// secretSetting is one call of secret set. It asks for the values only once,
// even if the file changes meanwhile.
type secretSetting struct {
	options *secretOptions
	args    []string // the PATH arguments, as given

	found  config.RuleFile
	paths  []string
	values map[string]secrets.String
	sealed *sops.Sealing
}

// sealOnce seals the values into the current file. It returns
// [atomicfile.ErrChanged] if the file changes meanwhile.
func (s *secretSetting) sealOnce(ctx context.Context, a *app) (err error) {
	o := s.options
	if s.found, err = o.findRuleFile(s.args); err != nil {
		return err
	}
	file := s.found.File
	atomicfile.Sweep(filepath.Dir(file)) // even if the file already has the value
	document, err := readRuleFile(file)
	if err != nil {
		return err
	}
	r := sops.Request{File: file, Document: document, Now: a.Now()}
	if r.Config, r.ConfigPath, err = nearestSOPSConfig(file); err != nil {
		return err
	}
	if len(s.args) > 0 {
		s.paths, err = o.checkPaths(s.found, s.args)
	} else if s.values == nil {
		s.paths, err = o.missingValues(a, r, s.found)
	}
	if err != nil {
		return err
	}
	if s.values == nil {
		if s.values, err = a.askSecrets(ctx, s.found, s.paths, a.sharedDecrypter(&o.ruleOptions).Problem); err != nil {
			return err
		}
	}
	r.Values = s.values
	if s.sealed, err = a.sharedDecrypter(&o.ruleOptions).Seal(ctx, r); err != nil {
		return o.sealError(err, s.paths)
	}
	if err := o.checkSealed(a, file, document, s.sealed.Document); err != nil {
		return err
	}
	if len(s.sealed.Unchanged) == len(s.paths) {
		return nil
	}
	if err := atomicfile.Replace(file, document, s.sealed.Document); err != nil {
		return failed(fmt.Errorf("write the rule file: %w", err))
	}
	return nil
}

// commandLine returns this command line for a rule and PATHS, ready to paste.
func (o *secretOptions) commandLine(rule string, paths ...string) string {
	words := ruleWords(rule)
	for _, p := range paths {
		words = append(words, shell.Word(dottedPath(p)))
	}
	return nextCommand(o.cmd, "secret set", words)
}

// findRuleFile returns the only file of the rule. The rule argument is a rule
// name or a file.
func (o *secretOptions) findRuleFile(args []string) (config.RuleFile, error) {
	rule, paths := o.rule, o.rules
	if info, err := os.Stat(rule); err == nil && info.Mode().IsRegular() {
		if o.isSharedFile(rule) {
			return config.RuleFile{File: rule}, nil
		}
		paths = []string{rule}
	} else if len(paths) == 0 && o.file != nil {
		paths = o.file.AllPaths()
	} else if len(paths) == 0 {
		if info, err := os.Stat("rules"); err != nil || !info.IsDir() {
			return config.RuleFile{}, invalidf("name the folder with --rules PATH, or the rule's file instead of its name", "there is no directory rules here to look for the rule in")
		}
		paths = []string{"rules"}
	}
	all, problems := config.Scan(paths)
	if schema.HasErrors(problems) {
		return config.RuleFile{}, invalidFile(problems[0])
	}
	var names []string
	var hits []config.RuleFile
	for _, f := range all {
		names = append(names, f.Name)
		if f.Name == rule || f.File == rule {
			hits = append(hits, f)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		if near := schema.Nearest(rule, names); near != "" {
			return config.RuleFile{}, invalidf("did you mean: "+o.commandLine(near), "there is no rule %q in %s", rule, quotePaths(paths))
		}
		return config.RuleFile{}, invalid(fmt.Errorf("argument 1 is neither a rule in %s nor a file; expected the name of a rule, then the PATHs of its secrets", quotePaths(paths)),
			"mkhooks validate "+quotePaths(paths), exposedHint)
	}
	var files []string
	for _, h := range hits {
		files = append(files, h.File)
	}
	likely := o.likelyFile(hits, args)
	known := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return !slices.Contains(authPaths(likely.Auth), arg) })
	return config.RuleFile{}, usagef(o.commandLine(likely.File, known...),
		"rule %q is in several files, %s; expected the file that is meant", rule, joinNames(files))
}

// likelyFile guesses the intended file: the only file with a value at the PATHS,
// else the last file.
func (o *secretOptions) likelyFile(hits []config.RuleFile, args []string) config.RuleFile {
	var having []config.RuleFile
	for _, h := range hits {
		names := authPaths(h.Auth)
		if slices.ContainsFunc(args, func(arg string) bool { return slices.Contains(names, arg) }) {
			having = append(having, h)
		}
	}
	if len(having) == 1 {
		return having[0]
	}
	return hits[len(hits)-1]
}

// readRuleFile reads a rule file of at most 1 MiB. It refuses links, because it
// must not write through them.
func readRuleFile(file string) ([]byte, error) {
	const most = 1 << 20
	info, err := os.Lstat(file)
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		return nil, invalidf("name the file itself", "%s is a link or no file, and is not written through", file)
	case info.Size() > most:
		return nil, usagef("mkhooks validate "+shell.Path(file), "%s is larger than 1 MiB", file)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, invalid(fmt.Errorf("read the rule file: %w", err))
	}
	return data, nil
}

// nearestSOPSConfig reads .sops.yaml from the file's directory or the nearest
// parent that has it. It also returns the path of file relative to that
// directory; no data if there is no .sops.yaml.
func nearestSOPSConfig(file string) (data []byte, path string, err error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, "", failed(err)
	}
	top := git.FindTop(filepath.Dir(abs))
	for dir := filepath.Dir(abs); ; dir = filepath.Dir(dir) {
		outside := top != "" && !config.IsWithin(dir, []string{top}) // outside the repository, a link can lead anywhere
		name := filepath.Join(dir, ".sops.yaml")
		if !outside && config.IsLinkOutside(name) {
			return nil, "", invalidf("put the file itself in the place of the link", "%s %s", name, config.LinkOutside)
		}
		data, err := config.ReadSmall(name)
		if err == nil {
			rel, err := filepath.Rel(dir, abs)
			return data, filepath.ToSlash(rel), err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, "", invalid(fmt.Errorf("read the nearest .sops.yaml: %w", err))
		}
		if filepath.Dir(dir) == dir {
			return nil, "", nil
		}
	}
}

// missingValues returns the values of a rule that are still missing, for a call
// without a PATH.
func (o *secretOptions) missingValues(a *app, r sops.Request, found config.RuleFile) ([]string, error) {
	paths, err := sops.MissingValues(r.File, r.Document)
	switch {
	case err != nil:
		return nil, invalid(err)
	case len(paths) == 0 && o.isShared:
		return nil, usagef(o.commandLine(o.rule, "KEY"), "%s waits for no secret; expected the KEY of one to set", found.File)
	case len(paths) == 0:
		example := "headers.NAME"
		if names := authPaths(found.Auth); len(names) > 0 {
			example = names[0]
		}
		return nil, usagef(o.commandLine(o.rule, example), "rule %q waits for no secret; expected the PATH of one to set", found.Name)
	case !a.StdinTTY:
		return nil, usagef(o.commandLine(o.rule, paths...), "expected the PATH of the secret that comes on standard input")
	}
	return paths, nil
}

// sealError explains why values could not be sealed. Its hint is a command that
// sets all missing values at once.
func (o *secretOptions) sealError(err error, paths []string) error {
	var e *sops.Error
	if !errors.As(err, &e) {
		return err // interrupted
	}
	if e.Kind == sops.Unset {
		return invalid(err, o.commandLine(o.rule, append(slices.Clone(paths), e.UnsetPaths()...)...)+" takes a line of standard input for each, or asks for them on a terminal")
	}
	return invalid(err)
}

// checkSealed refuses a file with new problems. Examples: a header that must
// not be secret, or a header that is also plaintext.
func (o *secretOptions) checkSealed(a *app, file string, before, after []byte) error {
	problems := func(data []byte) []schema.Problem {
		_, list := config.ParseRule(file, data, o.parseOptions(a))
		if o.isShared {
			_, list, _ = config.ReadShared(file, data, o.parseOptions(a))
		}
		return list
	}
	if p := schema.FirstNewError(problems(before), problems(after)); p != nil {
		return invalid(errors.New(file+": "+p.Message), p.Hint)
	}
	return nil
}

// printSealed prints the encrypted values and a hint for the next command.
func (a *app) printSealed(o secretOptions, found config.RuleFile, paths []string, s *sops.Sealing) error {
	var set []string
	for _, p := range paths {
		if !slices.Contains(s.Unchanged, p) {
			set = append(set, dottedPath(p))
		}
	}
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(report.Escape(fmt.Sprintf(format, args...)) + "\n")
	}
	if len(set) > 0 {
		line("%s: %s set and encrypted", found.File, strings.Join(set, ", "))
	}
	for _, p := range s.Unchanged {
		line("%s: %s has this value already; nothing was changed", found.File, dottedPath(p))
	}
	for _, p := range s.Also {
		line("%s: %s stood in clear and is encrypted, too; if it was ever committed, it is no secret any more", found.File, dottedPath(p))
	}
	if n := len(s.Anew); n > 0 {
		line("%s: %s encrypted anew with a new data key, with the same values: the rules that use them are sent once more", found.File, countNoun(n, "other value", "other values"))
	}
	for _, r := range s.Recipients {
		line("  readable by %s", r)
	}
	if _, err := io.WriteString(a.Stdout, b.String()); err != nil {
		return failed(fmt.Errorf("write standard output: %w", err))
	}
	o.warnOfLayers(a, found, paths)
	if len(set) > 0 {
		a.printMessage("hint", "next: "+nextCommand(o.cmd, "plan", nil, o.nextPaths(found)...))
	}
	return nil
}

// nextPaths returns the paths for the next command.
func (o *secretOptions) nextPaths(found config.RuleFile) []string {
	switch {
	case len(o.rules) > 0:
		return o.rules
	case o.file != nil:
		return nil
	}
	if strings.HasPrefix(filepath.ToSlash(found.File), "rules/") {
		return []string{"rules"}
	}
	return []string{found.File}
}
