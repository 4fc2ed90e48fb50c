package plan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MatchRule reports whether any pattern matches the rule of the project. A
// pattern is a rule name, or contains * (any characters, including a slash) and
// ? (one character). A backslash before such a character makes it literal.
// PROJECT/ may precede the pattern.
func MatchRule(patterns []string, project, rule string) bool {
	return matchingPattern(patterns, project, rule) != ""
}

// Match reports whether a pattern matches a name, see [MatchRule].
func Match(pattern, name string) bool { return matchesPattern(pattern, name) }

// matchingPattern returns the first pattern that matches the rule, or "".
func matchingPattern(patterns []string, project, rule string) string {
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

// matchesPattern reports whether a pattern equals or matches the rule's name. A
// name with a lone backslash may be used verbatim. An escape sequence is never
// verbatim, because it would match two rules.
func matchesPattern(pattern, rule string) bool {
	return pattern == rule && !strings.Contains(pattern, `\\`) && !strings.Contains(pattern, `\*`) && !strings.Contains(pattern, `\?`) ||
		glob(pattern, rule)
}

// Pattern returns the pattern that matches only this rule. It escapes the
// special characters of a name.
func Pattern(rule string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(rule)
}

// PatternIn returns [Pattern], with the project before it if several projects
// may have a rule of that name.
func PatternIn(project, rule string, several bool) string {
	if several {
		return project + "/" + Pattern(rule)
	}
	return Pattern(rule)
}

// patternRune is a literal character of a pattern, or a * or ? with its special
// meaning.
type patternRune struct {
	r          rune
	many, once bool
}

// parsePattern parses a pattern. A backslash makes the next character literal.
func parsePattern(pattern string) []patternRune {
	var out []patternRune
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			out, escaped = append(out, patternRune{r: r}), false
		case r == '\\':
			escaped = true
		default:
			out = append(out, patternRune{r: r, many: r == '*', once: r == '?'})
		}
	}
	if escaped {
		out = append(out, patternRune{r: '\\'})
	}
	return out
}

// glob matches * and ?. Its time is at most proportional to pattern × name,
// because another person may have written the pattern.
func glob(pattern, name string) bool {
	p, n := parsePattern(pattern), []rune(name)
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

// ParseLimit parses a limit of deletes: a count ("12") or a share ("30%").
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

// countOf returns the limit among n rules. It rounds a share up, except for the
// binary error of a decimal fraction.
func (l Limit) countOf(n int) int {
	if l.Percent > 0 {
		return int(math.Ceil(l.Percent*float64(n)/100 - 1e-9))
	}
	return l.Count
}

// String returns the limit in the form of --max-deletes.
func (l Limit) String() string {
	if l.Percent > 0 {
		return strconv.FormatFloat(l.Percent, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(l.Count)
}
