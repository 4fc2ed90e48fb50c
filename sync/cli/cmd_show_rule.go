package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/shell"
)

const showRuleLong = `Show-rule prints a rule as its files define it. Layers are merged, and each
field shows the file and line that define it. It needs no network and no key,
and never prints secrets.

The rule is PROJECT/RULE. The project is optional if the config file has only
one project, or with -p.

Exit codes: 0 done; 3 there is no such rule, or its files are invalid.`

type showRuleOptions struct {
	configOptions
	ruleOptions
	projects []string
	rules    []string
	project  string // the selected project of the config file
}

func newShowRuleCommand(a *app) *cobra.Command {
	var o showRuleOptions
	cmd := &cobra.Command{
		Use:     "show-rule [PROJECT/]RULE",
		Short:   "Print a rule and the source of each field",
		Long:    showRuleLong,
		Example: "  mkhooks show-rule prod/job-notifications\n  mkhooks show-rule job-notifications --format json",
		RunE:    func(cmd *cobra.Command, args []string) error { return runShowRule(a, o, cmd, args) },
	}
	o.AddFlags(cmd.Flags())
	a.addFormat(cmd.Flags())
	return cmd
}

func (o *showRuleOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	addProjects(f, &o.projects, "`PROJECT`: select this project of the config file (default $MKIO_PROJECT, then the only project)")
	addRules(f, &o.rules)
	o.ruleOptions.AddFlags(f)
}

func runShowRule(a *app, o showRuleOptions, cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("mkhooks show-rule PROJECT/RULE", "show-rule: expected one rule, got %d", len(args))
	}
	if err := o.readConfig(a, cmd.Flags()); err != nil {
		return err
	}
	rule, paths, err := o.selectRule(a, args[0])
	if err != nil {
		return err
	}
	ctx, cancel := a.readContext()
	defer cancel()
	o.about, o.silent = func(name string) bool { return name == rule }, true
	o.trace, o.allowPlaceholders = rule, true // allowed, because nothing is sent
	rules, problems, err := o.loadRules(ctx, a, paths)
	if err != nil {
		return err
	}
	if err := a.printProblems(problems); err != nil {
		return err
	}
	if schema.HasErrors(problems) {
		return &codeError{
			code: exitInvalid, problems: problems,
			err: fmt.Errorf("%s in the rule files", countNoun(countErrors(problems), "problem", "problems")),
		}
	}
	i := slices.IndexFunc(rules.Rules, func(r config.Rule) bool { return r.Name == rule })
	if i < 0 {
		return o.unknownRuleError(cmd, rule, paths)
	}
	return a.writeDocument(originsDocument(o.ruleOrigins(&rules.Rules[i])))
}

// selectRule returns the rule and the rule paths of its project.
func (o *showRuleOptions) selectRule(a *app, arg string) (rule string, paths []string, err error) {
	if o.file == nil {
		paths = defaultRules(o.rules)
		if len(paths) == 0 {
			return "", nil, invalidf("name the folder with --rules PATH", "there is no folder rules here to look for rule files in")
		}
		return arg, paths, nil
	}
	if len(o.rules) > 0 {
		return "", nil, invalidf("--config '' leaves the config file out", "--rules: %s says where the rule files are", o.file.Name)
	}
	o.addKeyServices(o.file)
	o.layersOf = o.file
	project, rule := o.splitRule(arg)
	wanted := o.projects
	if project != "" {
		wanted = []string{plan.Pattern(project)}
	}
	p, err := o.pickProject(a, wanted)
	if err != nil {
		return "", nil, err
	}
	o.project = p.Name
	return rule, o.file.Paths(p), nil
}

// splitRule separates PROJECT/RULE. A rule name may also contain slashes, so the
// longest matching project name wins.
func (o *showRuleOptions) splitRule(arg string) (project, rule string) {
	for _, name := range o.file.Names() {
		if rest, ok := strings.CutPrefix(arg, name+"/"); ok && rest != "" && len(name) > len(project) {
			project, rule = name, rest
		}
	}
	if project != "" && (len(o.projects) == 0 || slices.Contains(o.projects, project)) {
		return project, rule
	}
	if project, rule, ok := strings.Cut(arg, "/"); ok && len(o.projects) == 0 && len(o.file.Projects) > 1 {
		return project, rule // fails later as an unknown project
	}
	return "", arg
}

// unknownRuleError returns the error for an absent rule, with a suggestion.
func (o *showRuleOptions) unknownRuleError(cmd *cobra.Command, rule string, paths []string) error {
	found, _ := config.Scan(paths) // unreadable files caused no error earlier
	var names []string
	for _, f := range found {
		names = append(names, f.Name)
	}
	hint := nextCommand(cmd, "validate", nil, paths...)
	if o.file != nil {
		hint = nextCommand(cmd, "validate", nil)
	}
	if near := schema.Nearest(rule, names); near != "" {
		if o.project != "" && !cmd.Flags().Changed("project") {
			near = o.project + "/" + near
		}
		hint = "did you mean: " + nextCommand(cmd, "show-rule", []string{shell.Word(near)})
	}
	return invalidf(hint, "there is no rule %q in %s", rule, quotePaths(paths))
}

// ruleOrigins returns the printable parts of a rule.
func (o *showRuleOptions) ruleOrigins(r *config.Rule) report.Origins {
	out := report.Origins{Rule: r.Name, Files: r.Files()}
	if o.file != nil {
		out.Project = o.project
	}
	for _, f := range r.Origins {
		out.Fields = append(out.Fields, report.OriginField{Path: f.Path, Value: f.Value, File: f.File, Line: f.Line})
	}
	return out
}

func originsDocument(o report.Origins) document {
	return document{
		text:     func(w io.Writer, t report.TextOptions) error { return report.OriginsText(w, o, t) },
		json:     func(w io.Writer) error { return report.OriginsJSON(w, o) },
		markdown: func(w io.Writer) error { return report.OriginsMarkdown(w, o, report.MarkdownOptions{}) },
	}
}
