package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const importLong = `Import updates rule files from the live rules. It sends only GET requests and
needs no key.

With --out DIR, it writes a file for each live rule without a file, or for the
given rules. It creates DIR if needed. The service does not show secrets, so the
file contains placeholders. "mkhooks secret set" replaces them. Until then,
validate refuses the file, and plan --allow-placeholders shows the rule as
blocked.

With names or patterns of rules, it writes drift into their existing files. It
changes URL, enabled, events, plain headers and parameters. Comments, order and
encrypted values stay unchanged. It reports differences in auth but cannot
import them. It refuses to change a rule that several layers define, and shows
the differences.

It writes nothing until it has read everything. If a file changes meanwhile,
import reads it again and keeps those changes.

Exit codes: 0 done, 1 failed (5 if files were written), 3 invalid input and
nothing was written, 4 a live difference could not be imported.`

type importOptions struct {
	configOptions
	connectOptions
	rules  []string
	out    string
	dryRun bool
	layers []string // the project's paths in the config file
}

func newImportCommand(a *app) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import [RULE...]",
		Short: "Write live rules or drift to rule files",
		Long:  importLong,
		Example: "  mkhooks import --out rules\n" +
			"  mkhooks import -p my-project --rules rules/prod job-notifications",
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error { return runImport(a, o, cmd, args) }
	o.AddFlags(cmd.Flags())
	return cmd
}

func (o *importOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	o.connectOptions.AddFlags(f)
	addRules(f, &o.rules)
	addOut(f, &o.out, &o.dryRun)
}

// addOut adds the flags of commands that write new rule files.
func addOut(f *pflag.FlagSet, out *string, dryRun *bool) {
	f.StringVar(out, "out", "", "`DIR`: write new rule files to this directory")
	f.BoolVar(dryRun, "dry-run", false, "report changes without writing files")
}

func runImport(a *app, o importOptions, cmd *cobra.Command, patterns []string) error {
	if o.out == "" && (len(patterns) == 0 || cmd.Flags().Changed("out")) {
		return usagef("mkhooks import --out rules", "import: expected --out DIR for new files, or names of rules that have a file")
	}
	ctx, cancel := a.readContext()
	defer cancel()
	if err := o.resolveSettings(a, cmd); err != nil {
		return err
	}
	w := &ruleWriter{a: a, cmd: cmd, config: o.file, layers: o.layers, dryRun: o.dryRun}
	if err := w.openDirs(o.out, o.rules); err != nil {
		return err
	}
	client, err := o.projectClient(a, o.projects[0], true)
	if err != nil {
		return err
	}
	live, err := client.ListRules(ctx)
	if err != nil {
		return failed(err)
	}
	live = slices.DeleteFunc(live, func(r webhook.Rule) bool {
		held := client.Reveals(r.Name)
		if held {
			a.warn("a rule is not imported: its name is withheld, because it holds a part of the token or of an auth value")
		}
		return held
	})
	client.Mask(&live)
	slices.SortFunc(live, func(x, y webhook.Rule) int { return strings.Compare(x.Name, y.Name) })
	w.project = client.Project()
	release, err := w.lockOutput(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := w.checkNamed(patterns, live); err != nil {
		return err
	}
	for _, r := range live {
		if len(patterns) > 0 && !plan.MatchRule(patterns, client.Project(), r.Name) {
			continue
		}
		if err := o.importRule(w, r, patterns); err != nil {
			return err
		}
	}
	return w.writeAll(ctx)
}

// resolveSettings fills in the settings that no flag sets from the config file.
func (o *importOptions) resolveSettings(a *app, cmd *cobra.Command) error {
	if err := o.readConfig(a, cmd.Flags()); err != nil {
		return err
	}
	p, err := o.resolveProject(a, &o.configOptions)
	if err != nil || p == nil {
		return err
	}
	o.layers = o.file.Paths(p)
	if len(o.rules) == 0 {
		o.rules = o.file.Paths(p)
		if o.out != "" { // the first import creates the directory
			o.rules = existingPaths(o.rules)
		}
	}
	return nil
}

// importRule decides whether one live rule is written to a file, updated, refused
// or left alone.
func (o *importOptions) importRule(w *ruleWriter, r webhook.Rule, patterns []string) error {
	switch files := w.files[r.Name]; {
	case len(files) > 0 && len(patterns) > 0:
		return w.updateFile(r, files)
	case len(files) > 0:
		w.addMessage("%s: has rule %q already", files[0].File, r.Name)
	case o.out != "":
		if err := w.addRule(r); err != nil {
			w.a.warn("live rule %q can't have a file: %v; it is left as it is", shortName(r.Name), err)
			w.incomplete = true
		}
	case slices.Contains(patterns, r.Name) || slices.Contains(patterns, w.project+"/"+r.Name):
		w.addRefusal(fmt.Errorf("rule %q has no file below %s", r.Name, quotePaths(w.paths)), w.importCommand(directoryOf(w.paths[0]), r.Name))
	default:
		w.addMessage("rule %q has no file", r.Name)
	}
	return nil
}

// shortName limits the name of a live rule to 80 characters.
func shortName(name string) string {
	if r := []rune(name); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return name
}

// checkNamed refuses a name or pattern that matches no live rule.
func (w *ruleWriter) checkNamed(patterns []string, live []webhook.Rule) error {
	var names []string
	for _, r := range live {
		names = append(names, r.Name)
	}
	pattern, near, all := firstUnmatched(patterns, w.project, names)
	if all {
		return nil
	}
	hint := "see the names with " + nextCommand(w.cmd, "import", []string{"--out", "rules", "--dry-run"})
	if files := w.files[pattern]; len(files) > 0 {
		hint = "if it is gone for good: git rm " + shell.Path(files[0].File)
	} else if near != "" {
		hint = "did you mean: " + w.importCommand(w.dir, near)
	}
	return invalidf(hint, "there is no live rule %q in project %s", pattern, w.project)
}

// importCommand returns the command that imports one rule. Characters that a
// terminal can't show safely become the wildcard ?.
func (w *ruleWriter) importCommand(dir, rule string) string {
	words := ruleWords(pastablePattern(plan.Pattern(rule)))
	if dir != "" {
		words = append([]string{"--out", shell.Path(dir)}, words...)
	}
	return nextCommand(w.cmd, "import", words)
}

// pastablePattern turns a rule name into a pattern that is safe to print and paste.
func pastablePattern(rule string) string {
	var b strings.Builder
	for _, r := range rule {
		if s := string(r); report.Escape(s) == s {
			b.WriteString(s)
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}

// ruleFiles lists the rule files below paths by rule name. It fails on an
// unreadable file, because that file could define any rule.
func ruleFiles(paths []string) (map[string][]config.RuleFile, error) {
	found, problems := config.Scan(paths)
	for _, p := range problems {
		if info, err := os.Stat(p.File); p.Severity == schema.Error || err == nil && !info.IsDir() {
			return nil, invalidFile(p)
		}
	}
	files := map[string][]config.RuleFile{}
	for _, f := range found {
		if f.Name != "" {
			files[f.Name] = append(files[f.Name], f)
		}
	}
	return files, nil
}

// directoryOf returns the directory of a path of rule files, for another rule
// file.
func directoryOf(path string) string {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return filepath.Dir(path)
	}
	return path
}

// existingPaths returns the paths that exist.
func existingPaths(paths []string) []string {
	return slices.DeleteFunc(paths, func(p string) bool {
		_, err := os.Lstat(p)
		return errors.Is(err, os.ErrNotExist)
	})
}

// defaultRules returns the given paths, or else the directory rules if it
// exists.
func defaultRules(rules []string) []string {
	if len(rules) > 0 {
		return rules
	}
	if info, err := os.Stat("rules"); err == nil && info.IsDir() {
		return []string{"rules"}
	}
	return nil
}
