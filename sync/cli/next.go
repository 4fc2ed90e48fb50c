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
var ownFlags = []string{"base", "color", "decrypt", "detailed-exitcode", "expect", "format", "only", "out", "plan", "report", "verbose", "yes"}

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
		if slices.Contains(ownFlags, f.Name) || target.Flags().Lookup(f.Name) == nil {
			return
		}
		words = append(words, flagWords(f)...)
	})
	words = append(words, extra...)
	for _, a := range args {
		words = append(words, shell.Path(a))
	}
	return strings.Join(words, " ")
}

// ruleWords are a rule's name as an argument that is no flag.
func ruleWords(rule string) []string {
	if strings.HasPrefix(rule, "-") {
		return []string{"--", shell.Word(rule)}
	}
	return []string{shell.Word(rule)}
}

// ruleArg is [ruleWords] in one text.
func ruleArg(rule string) string { return strings.Join(ruleWords(rule), " ") }

// flagWords is a flag as it was given.
func flagWords(f *pflag.Flag) []string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var words []string
		for _, v := range list.GetSlice() {
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
	if out.Drift {
		out.Commands = report.Commands{
			Apply: func(_, rule string) string {
				return nextCommand(cmd, "apply", []string{"--only", shell.Word(rule)}, args...)
			},
			Import: func(_, rule string) string {
				var where []string
				for _, path := range args {
					if len(args) == 1 && filepath.Clean(path) == "rules" && o.file == nil {
						break // where import looks by itself
					}
					where = append(where, "--rules", shell.Path(path))
				}
				return nextCommand(cmd, "import", append(where, ruleWords(rule)...))
			},
		}
	}
	if canDo(p) {
		out.Next = []string{nextCommand(cmd, "apply", saved, args...)}
	}
	if failing := p.Projects[0].Failing; len(failing) > 0 {
		out.Next = append(out.Next, nextCommand(cmd, "history", ruleWords(failing[0].Rule)))
	}
	return out
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
func afterApply(cmd *cobra.Command, args []string, r *apply.Result) report.Advice {
	switch s := r.Summary; {
	case s.Failed > 0 || r.Outcome == apply.Interrupted:
		return report.Advice{Next: []string{nextCommand(cmd, "apply", nil, args...)}}
	case s.Unverified+s.Stale > 0:
		return report.Advice{Next: []string{nextCommand(cmd, "plan", nil, args...)}}
	}
	return report.Advice{}
}
