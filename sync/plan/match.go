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
// character), and may have PROJECT/ before it.
func MatchRule(patterns []string, project, rule string) bool {
	return matching(patterns, project, rule) != ""
}

// matching returns the first pattern that names the rule, or "".
func matching(patterns []string, project, rule string) string {
	for _, p := range patterns {
		if p == rule || glob(p, rule) {
			return p
		}
		if rest, ok := strings.CutPrefix(p, project+"/"); ok && (rest == rule || glob(rest, rule)) {
			return p
		}
	}
	return ""
}

// glob matches * and ?. It takes time in proportion to pattern × name at
// most: a pattern is text that someone else may have written.
func glob(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
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

// of is the limit among n rules; a share is rounded up, but not for what the
// binary form of a decimal fraction is off by.
func (l Limit) of(n int) int {
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
