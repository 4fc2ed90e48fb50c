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

// Flags name rules by patterns, with PROJECT/ before them where there are
// several projects. This file says which project a pattern is for, and what is
// said of one that fits nothing.

// keepOwnFlags leaves out what flags say of the rules of another project: what a
// flag lifts is in force where it was meant to be, and nowhere else.
func (t *projectSettings) keepOwnFlags() {
	for _, list := range []*[]string{&t.only, &t.dropAuth, &t.takeOver, &t.adopt} {
		*list = slices.DeleteFunc(slices.Clone(*list), t.namesOtherProject)
	}
}

// namesOtherProject reports whether a pattern of a rule names another project of the
// config file: PROJECT/RULE.
func (t *projectSettings) namesOtherProject(pattern string) bool {
	project, _, ok := strings.Cut(pattern, "/")
	return ok && project != t.name && t.file != nil && slices.Contains(t.file.Names(), project)
}

// unmatchedPatterns are the patterns that fit no rule of the project, with the name that
// was probably meant.
func (t *projectSettings) unmatchedPatterns(patterns []string, names func() []string) map[string]string {
	if len(patterns) == 0 {
		return nil
	}
	all, out := names(), map[string]string{}
	for _, p := range patterns {
		switch {
		case t.namesOtherProject(p):
			out[p] = ""
		case !fits(p, t.name, all):
			out[p] = t.meant(p, all)
		}
	}
	return out
}

// meant is the pattern that was probably meant by one that fits no rule, or "":
// where a project was named, one is again, so that no more rules fit.
func (t *projectSettings) meant(pattern string, names []string) string {
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

// warnOfMisses says which patterns of protect, in the config file, protect
// nothing: a misspelt one would show on the day when the rule is deleted.
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

// nearestUnmatched is the name that was probably meant by a pattern that fits no rule of
// any project. Of one that could not be read, nothing is known.
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

// checkPatterns refuses a name or pattern of --only that fits no rule of any
// project: it is more often misspelt than meant. Of flags that a run can do
// without it only warns.
func (s *multiPlan) checkPatterns(a *app) error {
	o := s.flags
	for _, pattern := range o.only {
		near, missed := s.nearestUnmatched(pattern)
		if !missed {
			continue
		}
		hint := "mkhooks plan names the rules"
		if near != "" {
			hint = "did you mean " + o.askedRule() + shell.Word(near)
		}
		return invalidf(hint, o.askedRule()+"%q: neither a file nor a live rule has this name", pattern)
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

// matched reports whether all patterns fit a name; otherwise the first that
// does not, and the name that was probably meant, or "".
func matched(patterns []string, project string, names []string) (pattern, near string, all bool) {
	for _, p := range patterns {
		if !fits(p, project, names) {
			return p, schema.Nearest(p, names), false
		}
	}
	return "", "", true
}

// fits reports whether a pattern fits one of the project's rules.
func fits(pattern, project string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return plan.MatchRule([]string{pattern}, project, n) })
}
