package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// Flags select rules by patterns, with the prefix PROJECT/ if there are several
// projects. This file assigns patterns to projects, and reports patterns
// without a match.

// keepOwnFlags drops flag values that name another project. A lifted guard is
// lifted only in the named project.
func (t *projectSettings) keepOwnFlags() {
	for _, list := range []*[]string{&t.only, &t.dropAuth, &t.takeOver, &t.adopt} {
		*list = slices.DeleteFunc(slices.Clone(*list), t.namesOtherProject)
	}
}

// namesOtherProject reports whether a pattern PROJECT/RULE names another
// project of the config file.
func (t *projectSettings) namesOtherProject(pattern string) bool {
	project, _, ok := strings.Cut(pattern, "/")
	return ok && project != t.name && t.file != nil && slices.Contains(t.file.Names(), project)
}

// unmatchedPatterns returns the patterns that match no rule of the project,
// each with a suggestion.
func (t *projectSettings) unmatchedPatterns(patterns []string, names func() []string) map[string]string {
	if len(patterns) == 0 {
		return nil
	}
	all, out := names(), map[string]string{}
	for _, p := range patterns {
		switch {
		case t.namesOtherProject(p):
			out[p] = ""
		case !matchesAny(p, t.name, all):
			out[p] = t.suggestPattern(p, all)
		}
	}
	return out
}

// suggestPattern suggests a pattern for a pattern without a match, or "". If the pattern
// names a project, so does the suggestion: it must not match more rules.
func (t *projectSettings) suggestPattern(pattern string, names []string) string {
	if !strings.Contains(pattern, "/") {
		return plan.Pattern(schema.Nearest(pattern, names))
	}
	full := make([]string, 0, len(names))
	for _, n := range names {
		full = append(full, t.name+"/"+n)
	}
	_, rule, ok := strings.Cut(schema.Nearest(pattern, full), "/")
	if !ok {
		return ""
	}
	return plan.PatternIn(t.name, rule, true)
}

// warnOfMisses warns about patterns of protect in the config file that match
// nothing. Otherwise a misspelt pattern would go unnoticed until the rule is
// deleted.
func (g *projectInput) warnOfMisses(misses map[string]string) {
	project := &g.plan.Projects[0]
	for _, pattern := range g.fileProtect {
		near, missed := misses[pattern]
		if !missed {
			continue
		}
		text := fmt.Sprintf("protect: no rule is named %q, in files or live", pattern)
		if near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		}
		project.Warnings = append(project.Warnings, text)
	}
}

// nearestUnmatched returns a suggestion for a pattern that matches no rule of
// any project. An unreadable project could have a match, so it leaves missed
// false.
func (s *multiPlan) nearestUnmatched(pattern string) (near string, missed bool) {
	for _, f := range s.results {
		n, misses := f.misses[pattern]
		if !misses {
			return "", false
		}
		near = cmp.Or(near, n)
	}
	return near, true
}

// checkPatterns refuses a name or pattern of --only that matches no rule of any
// project: usually it is misspelt. For other flags it only warns.
func (s *multiPlan) checkPatterns(a *app) error {
	o := s.flags
	for _, pattern := range o.only {
		near, missed := s.nearestUnmatched(pattern)
		if !missed {
			continue
		}
		hint := "mkhooks plan names the rules"
		if near != "" {
			hint = "did you mean " + o.ruleLabel() + shell.Word(near)
		}
		return invalidf(hint, o.ruleLabel()+"%q: neither a file nor a live rule has this name", pattern)
	}
	for _, list := range []struct {
		flag     string
		patterns []string
	}{{"protect", o.protect}, {"drop-auth", o.dropAuth}, {"take-over", o.takeOver}, {"adopt", o.adopt}} {
		for _, pattern := range list.patterns {
			if near, missed := s.nearestUnmatched(pattern); missed {
				text := fmt.Sprintf("--%s %q: neither a file nor a live rule has this name", list.flag, pattern)
				if near != "" {
					text += "; did you mean " + shell.Word(near) + "?"
				}
				a.warn("%s", text)
			}
		}
	}
	return nil
}

// firstUnmatched reports whether every pattern matches a name. Otherwise it returns
// the first pattern without a match and a suggestion, or "".
func firstUnmatched(patterns []string, project string, names []string) (pattern, near string, all bool) {
	for _, p := range patterns {
		if !matchesAny(p, project, names) {
			return p, schema.Nearest(p, names), false
		}
	}
	return "", "", true
}

// matchesAny reports whether a pattern matches a rule of the project.
func matchesAny(pattern, project string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return plan.MatchRule([]string{pattern}, project, n) })
}
