package plan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MatchRule reports whether any pattern names the rule of the project. A
// pattern is a rule's name or has * (any characters, a slash too) and ? (one
// character), a backslash before one of them that is meant as it is, and may have
// PROJECT/ before it.
func MatchRule(patterns []string, project, rule string) bool {
	return matching(patterns, project, rule) != ""
}

// Match reports whether a pattern is a name or fits it, as [MatchRule] reads
// patterns.
func Match(pattern, name string) bool { return matchesPattern(pattern, name) }

// matching returns the first pattern that names the rule, or "".
func matching(patterns []string, project, rule string) string {
	for _, p := range patterns {
		if matchesPattern(p, rule) {
			return p
		}
		if rest, ok := strings.CutPrefix(p, project+"/"); ok && matchesPattern(rest, rule) {
			return p
		}
	}
	return ""
}

// matchesPattern reports whether a pattern is the rule's name or fits it. A name with a
// lone backslash may stand as it is; one that escapes something may not, because
// it would name two rules.
func matchesPattern(pattern, rule string) bool {
	return pattern == rule && !strings.Contains(pattern, `\\`) && !strings.Contains(pattern, `\*`) && !strings.Contains(pattern, `\?`) ||
		glob(pattern, rule)
}

// Pattern is the pattern that names this rule and no other: a name may hold
// the characters that patterns give a meaning.
func Pattern(rule string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(rule)
}

// PatternIn is [Pattern] with the project before it where a name alone could
// be that of rules in several.
func PatternIn(project, rule string, several bool) string {
	if several {
		return project + "/" + Pattern(rule)
	}
	return Pattern(rule)
}

// wild is a character of a pattern: one of its own, or a * or ? that is meant.
type wild struct {
	r          rune
	many, once bool
}

// wilds reads a pattern; a backslash takes the meaning of what follows it.
func wilds(pattern string) []wild {
	var out []wild
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			out, escaped = append(out, wild{r: r}), false
		case r == '\\':
			escaped = true
		default:
			out = append(out, wild{r: r, many: r == '*', once: r == '?'})
		}
	}
	if escaped {
		out = append(out, wild{r: '\\'})
	}
	return out
}

// glob matches * and ?. It takes time in proportion to pattern × name at
// most: a pattern is text that someone else may have written.
func glob(pattern, name string) bool {
	p, n := wilds(pattern), []rune(name)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i].many:
			star, mark = i, j
			i++
		case i < len(p) && (p[i].once || p[i].r == n[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i].many {
		i++
	}
	return i == len(p)
}

// ParseLimit reads a limit of deletes: a count ("12") or a share ("30%").
func ParseLimit(s string) (Limit, error) {
	expected := errors.New("expected a count such as 12, or a share of 0% to 100%")
	if share, ok := strings.CutSuffix(s, "%"); ok {
		f, err := strconv.ParseFloat(share, 64)
		if err != nil || strings.Trim(share, "0123456789.") != "" || f > 100 {
			return Limit{}, fmt.Errorf("%q: %w", s, expected)
		}
		return Limit{Percent: f}, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || strings.Trim(s, "0123456789") != "" {
		return Limit{}, fmt.Errorf("%q: %w", s, expected)
	}
	return Limit{Count: n}, nil
}

// countOf is the limit among n rules; a share is rounded up, but not for what the
// binary form of a decimal fraction is off by.
func (l Limit) countOf(n int) int {
	if l.Percent > 0 {
		return int(math.Ceil(l.Percent*float64(n)/100 - 1e-9))
	}
	return l.Count
}

// String is the limit as --max-deletes takes it.
func (l Limit) String() string {
	if l.Percent > 0 {
		return strconv.FormatFloat(l.Percent, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(l.Count)
}
