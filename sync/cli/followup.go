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

// ownFlags are those that say how one run is shown or recorded; a command line
// for the next step leaves them out.
var ownFlags = []string{"base", "color", "decrypt", "detailed-exitcode", "expect", "format", "out", "plan", "report", "verbose", "yes"}

// nextCommand is the command line of another command for the same rules: with
// the flags of this run that it has, too, then extra and args, as they are
// given. It can be pasted into a shell.
func nextCommand(cmd *cobra.Command, name string, extra []string, args ...string) string {
	target, _, err := cmd.Root().Find(strings.Fields(name))
	if err != nil {
		panic("there is no command " + name)
	}
	words := append([]string{"mkhooks"}, strings.Fields(name)...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(ownFlags, f.Name) || target.Flags().Lookup(f.Name) == nil ||
			name == "show-rule" && f.Name == "rules" || // it is asked for a rule's layers, which the config file names
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

// patternWords are [ruleWords] for a command that takes patterns.
func patternWords(rule string) []string { return ruleWords(plan.Pattern(rule)) }

// ruleWords are a rule's name as an argument that is no flag.
func ruleWords(rule string) []string {
	if strings.HasPrefix(rule, "-") {
		return []string{"--", shell.Word(rule)}
	}
	return []string{shell.Word(rule)}
}

// flagWords is a flag as it was given. Of drift's --only, the word that is no
// rule stays away.
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

// guidance is what a plan or drift report says beside its document: how the
// whole of it is shown, what is to be done next, and for each rule of a drift
// report the commands that bring it back or take it over.
func (o *runOptions) guidance(a *app, cmd *cobra.Command, p *plan.Plan, args []string) report.MarkdownOptions {
	out := report.MarkdownOptions{Drift: cmd.Name() == "drift", Show: nextCommand(cmd, cmd.Name(), nil, args...)}
	var saved []string
	if a.out != "" {
		out.Show = "mkhooks show " + quotePaths([]string{a.out})
		saved = []string{"--plan", shell.Path(a.out)}
	}
	ambiguous := o.ambiguous(cmd, len(p.Projects))
	if out.Drift {
		out.Commands = report.Commands{
			Apply: func(project, rule string) string {
				return nextCommand(cmd, "apply", []string{"--only", shell.Word(plan.PatternIn(project, rule, ambiguous))}, args...)
			},
			Import: func(project, rule string) string {
				where := projectFlag(project, ambiguous)
				for _, path := range args {
					if len(args) == 1 && filepath.Clean(path) == "rules" && o.file == nil {
						break // where import looks by itself
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
	if canDo(p) {
		out.Next = []string{nextCommand(cmd, "apply", saved, args...)}
	} else {
		out.Next = unblock(p)
	}
	if project, rule, ok := mostFailing(p); ok {
		out.Next = append(out.Next, nextCommand(cmd, "history", append(projectFlag(project, ambiguous), patternWords(rule)...)))
	}
	return out
}

// ambiguous reports whether a rule's name alone could be that of rules in several
// projects, for a command like this one, which is about so many: also where
// paths or --only narrow this run to one of those in the config file.
func (o *runOptions) ambiguous(cmd *cobra.Command, projects int) bool {
	return projects > 1 || o.file != nil && len(o.file.Projects) > 1 && !cmd.Flags().Changed("project")
}

// mostFailing is the rule with the longest run of failed deliveries.
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

// projectFlag are the words that pick one of several projects, for a command that is
// for one.
func projectFlag(project string, several bool) []string {
	if !several {
		return nil
	}
	return []string{"-p", shell.Word(plan.Pattern(project))}
}

// unblock returns the command that supplies the first missing value, if there is
// one. It never returns a command that lifts a guard, for the reasons given at
// [plan.Blocked]: the flag stands beside the change.
func unblock(p *plan.Plan) []string {
	for _, project := range p.Projects {
		for _, c := range project.Changes {
			if c.Blocked != nil && c.Blocked.Guard == plan.GuardSecret && c.File != "" {
				return []string{"mkhooks secret set " + shell.Path(c.File)}
			}
		}
	}
	return nil
}

// canDo reports whether there is a change that no guard holds back.
func canDo(p *plan.Plan) bool {
	for _, project := range p.Projects {
		if slices.ContainsFunc(project.Changes, func(c plan.Change) bool { return c.Blocked == nil }) {
			return true
		}
	}
	return false
}

// afterApply is what is to be done after an apply that left something: run
// again what failed, since that converges; look at what is no longer the same.
func (o *runOptions) afterApply(cmd *cobra.Command, args []string, p *plan.Plan, r *apply.Result) report.Advice {
	switch s := r.Summary; {
	case s.Failed > 0 || r.Outcome == apply.Interrupted:
		return report.Advice{Next: []string{nextCommand(cmd, "apply", nil, args...)}}
	case s.Unverified+s.Stale > 0:
		return report.Advice{Next: []string{nextCommand(cmd, "plan", nil, args...)}}
	case s.Blocked > 0:
		return report.Advice{Next: unblock(p)}
	}
	return report.Advice{}
}

// afterRelease is what is to be done where a rule could not be released: what
// differs from its file is applied first.
func afterRelease(cmd *cobra.Command, p *plan.Plan) report.Advice {
	for _, c := range p.Projects[0].Changes {
		switch {
		case c.Blocked == nil:
		case c.Blocked.Guard == plan.GuardRelease:
			return report.Advice{Next: []string{nextCommand(cmd, "apply", []string{"--only", shell.Word(plan.Pattern(c.Rule))}, rulesOf(cmd)...)}}
		case c.Blocked.Guard == plan.GuardMissingAuth:
			return report.Advice{Next: []string{nextCommand(cmd, "import", append([]string{"--out", "rules"}, patternWords(c.Rule)...))}}
		}
	}
	return report.Advice{}
}

// rulesOf are the paths that a command was given by --rules.
func rulesOf(cmd *cobra.Command) []string {
	paths, _ := cmd.Flags().GetStringArray("rules") // none where it has no such flag
	return paths
}
