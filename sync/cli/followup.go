package cli

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// ownFlags control the output and records of a single run. Follow-up commands
// omit them.
var ownFlags = []string{"base", "color", "decrypt", "detailed-exitcode", "expect", "format", "out", "plan", "report", "verbose", "yes"}

// nextCommand returns another command line for the same rules, ready to paste.
// It repeats the flags of this run that the command also has, then appends
// extra and args.
func nextCommand(cmd *cobra.Command, name string, extra []string, args ...string) string {
	target, _, err := cmd.Root().Find(strings.Fields(name))
	if err != nil {
		panic("there is no command " + name)
	}
	words := append([]string{"mkhooks"}, strings.Fields(name)...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(ownFlags, f.Name) || target.Flags().Lookup(f.Name) == nil ||
			name == "show-rule" && f.Name == "rules" || // show-rule takes layers from the config file
			f.Name == "only" && slices.Contains(extra, "--only") || f.Name == "project" && slices.Contains(extra, "-p") {
			return
		}
		words = append(words, flagWords(f, cmd.Name() == "drift")...)
	})
	words = append(words, extra...)
	for _, a := range args {
		words = append(words, shell.Path(a))
	}
	return strings.Join(words, " ")
}

// patternWords returns [ruleWords] for a command that takes patterns.
func patternWords(rule string) []string { return ruleWords(plan.Pattern(rule)) }

// ruleWords returns a rule name as arguments that can't be mistaken for a flag.
func ruleWords(rule string) []string {
	if strings.HasPrefix(rule, "-") {
		return []string{"--", shell.Word(rule)}
	}
	return []string{shell.Word(rule)}
}

// flagWords returns a flag as it was given. For drift it omits the --only value
// drift, which is not a rule.
func flagWords(f *pflag.Flag, drift bool) []string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var words []string
		for _, v := range list.GetSlice() {
			if drift && f.Name == "only" && v == liveSide {
				continue
			}
			words = append(words, name, shell.Word(v))
		}
		return words
	}
	if f.Value.Type() == "bool" {
		if f.Value.String() == "true" {
			return []string{name}
		}
		return []string{name + "=false"}
	}
	return []string{name, shell.Word(f.Value.String())}
}

// planAdvice returns the advice for a plan or drift report: the command that
// shows it in full, and the next steps. For each rule of a drift report it also
// gives the commands that restore or import it.
func (o *runOptions) planAdvice(a *app, cmd *cobra.Command, p *plan.Plan, args []string) report.MarkdownOptions {
	out := report.MarkdownOptions{Drift: cmd.Name() == "drift", Show: nextCommand(cmd, cmd.Name(), nil, args...)}
	var saved []string
	if a.out != "" {
		out.Show = "mkhooks show " + quotePaths([]string{a.out})
		saved = []string{"--plan", shell.Path(a.out)}
	}
	ambiguous := o.isAmbiguous(cmd, len(p.Projects))
	if out.Drift {
		out.Commands = report.Commands{
			Apply: func(project, rule string) string {
				return nextCommand(cmd, "apply", []string{"--only", shell.Word(plan.PatternIn(project, rule, ambiguous))}, args...)
			},
			Import: func(project, rule string) string {
				where := projectFlag(project, ambiguous)
				for _, path := range args {
					if len(args) == 1 && filepath.Clean(path) == "rules" && o.file == nil {
						break // import's default
					}
					where = append(where, "--rules", shell.Path(path))
				}
				return nextCommand(cmd, "import", append(where, patternWords(rule)...))
			},
			Origins: func(project, rule string) string {
				return nextCommand(cmd, "show-rule", append(projectFlag(project, ambiguous), ruleWords(rule)...))
			},
		}
	}
	if hasUnblocked(p) {
		out.Next = []string{nextCommand(cmd, "apply", saved, args...)}
	} else {
		out.Next = unblockCommands(p)
	}
	if project, rule, ok := mostFailing(p); ok {
		out.Next = append(out.Next, nextCommand(cmd, "history", append(projectFlag(project, ambiguous), patternWords(rule)...)))
	}
	return out
}

// isAmbiguous reports whether a rule name alone could match rules in several
// projects of a similar command. It counts all projects of the config file,
// even if paths or --only narrow this run.
func (o *runOptions) isAmbiguous(cmd *cobra.Command, projects int) bool {
	return projects > 1 || o.file != nil && len(o.file.Projects) > 1 && !cmd.Flags().Changed("project")
}

// mostFailing returns the rule with the longest run of failed deliveries.
func mostFailing(p *plan.Plan) (project, rule string, ok bool) {
	most := 0
	for _, pr := range p.Projects {
		for _, f := range pr.Failing {
			if f.Records > most {
				project, rule, most = pr.Name, f.Rule, f.Records
			}
		}
	}
	return project, rule, most > 0
}

// projectFlag returns the flag that selects a project, for a command that works
// on one project. It returns nil if there are not several projects.
func projectFlag(project string, several bool) []string {
	if !several {
		return nil
	}
	return []string{"-p", shell.Word(plan.Pattern(project))}
}

// unblockCommands returns the command that sets the first missing value, or nil. It
// never returns a command that lifts a guard, for the reasons at
// [plan.Blocked]. The report shows that flag next to the change.
func unblockCommands(p *plan.Plan) []string {
	for _, project := range p.Projects {
		for _, c := range project.Changes {
			if c.Blocked != nil && c.Blocked.Guard == plan.GuardSecret && c.File != "" {
				return []string{"mkhooks secret set " + shell.Path(c.File)}
			}
		}
	}
	return nil
}

// hasUnblocked reports whether any change is not blocked.
func hasUnblocked(p *plan.Plan) bool {
	for _, project := range p.Projects {
		if slices.ContainsFunc(project.Changes, func(c plan.Change) bool { return c.Blocked == nil }) {
			return true
		}
	}
	return false
}

// afterApply returns the next steps after an incomplete apply: repeat a failed
// apply, since it converges; plan again after stale or unverified changes.
func (o *runOptions) afterApply(cmd *cobra.Command, args []string, p *plan.Plan, r *apply.Result) report.Advice {
	switch s := r.Summary; {
	case s.Failed > 0 || r.Outcome == apply.Interrupted:
		return report.Advice{Next: []string{nextCommand(cmd, "apply", nil, args...)}}
	case s.Unverified+s.Stale > 0:
		return report.Advice{Next: []string{nextCommand(cmd, "plan", nil, args...)}}
	case s.Blocked > 0:
		return report.Advice{Next: unblockCommands(p)}
	}
	return report.Advice{}
}

// afterRelease returns the next steps if a rule could not be released.
// Differences from its file must be applied first.
func afterRelease(cmd *cobra.Command, p *plan.Plan) report.Advice {
	for _, c := range p.Projects[0].Changes {
		switch {
		case c.Blocked == nil:
		case c.Blocked.Guard == plan.GuardRelease:
			return report.Advice{Next: []string{nextCommand(cmd, "apply", []string{"--only", shell.Word(plan.Pattern(c.Rule))}, givenRules(cmd)...)}}
		case c.Blocked.Guard == plan.GuardMissingAuth:
			return report.Advice{Next: []string{nextCommand(cmd, "import", append([]string{"--out", "rules"}, patternWords(c.Rule)...))}}
		}
	}
	return report.Advice{}
}

// givenRules returns the values of --rules.
func givenRules(cmd *cobra.Command) []string {
	paths, _ := cmd.Flags().GetStringArray("rules") // nil if the command lacks the flag
	return paths
}
