package cli

import (
	"strings"
	"time"
)

// sinceForms lists the forms of --since for help texts.
const sinceForms = "24h, 7d, 2026-10-01 or 2026-10-01T00:00:00Z"

// parseSince parses a time, a day (its start in UTC) or an age.
func parseSince(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		t, err := time.Parse(layout, s)
		switch {
		case err != nil:
		case t.After(now):
			return t, invalidf("", "--since %s lies ahead: nothing can be of that time", s)
		default:
			return t.UTC(), nil
		}
	}
	unit, n := time.Duration(1), s
	if days, ok := strings.CutSuffix(s, "d"); ok { // time.ParseDuration does not know days
		unit, n = 24, days+"h"
	}
	d, err := time.ParseDuration(n)
	if err != nil || d <= 0 || d > 1<<62/unit {
		return time.Time{}, invalidf("", "--since %q: expected how long ago, such as 90m, 24h or 7d, or a day or time such as 2026-10-01 or 2026-10-01T00:00:00Z", s)
	}
	return now.Add(-d * unit).UTC(), nil
}
