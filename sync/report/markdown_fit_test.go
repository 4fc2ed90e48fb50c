package report

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// manyChanges returns a plan that does not fit in a comment.
func manyChanges(n int) *plan.Plan {
	var changes []plan.Change
	for i := range n {
		c := updates()[i%7]
		c.Rule = fmt.Sprintf("rule-%06d", i)
		changes = append(changes, c)
	}
	return document(project(changes...), project(changes[:n/2]...))
}

// TestMarkdownFits: a document fits in a comment whatever its plan, counts the
// omitted parts, and shows only complete parts.
func TestMarkdownFits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		changes, limit int
		left           string
	}{
		{7, 0, ""},
		{150, 0, "changes' details"},
		{400, 0, "rows of tables"},
		{5000, 0, "rows of tables"},
		{60, 6000, "rows of tables"},
	} {
		var out bytes.Buffer
		if err := PlanMarkdown(&out, manyChanges(tc.changes), MarkdownOptions{Limit: tc.limit, Show: "mkhooks show plan.json"}); err != nil {
			t.Fatal(err)
		}
		limit := tc.limit
		if limit == 0 {
			limit = MaxMarkdown
		}
		source := out.String()
		checkMarkdown(t, byGoldmark, source)
		if out.Len() > limit {
			t.Errorf("%d changes: %d bytes, want at most %d", tc.changes, out.Len(), limit)
		}
		if opened, closed := strings.Count(source, "<details"), strings.Count(source, "</details>"); opened != closed {
			t.Errorf("%d changes: %d details are opened, %d closed", tc.changes, opened, closed)
		}
		if left := strings.Contains(source, "Left out"); left != (tc.left != "") || !strings.Contains(source, tc.left) || left && !strings.Contains(source, "`mkhooks show plan.json`") {
			t.Errorf("%d changes: want that %q are left out, and how to see them: %.600s", tc.changes, tc.left, source)
		}
		all := tc.changes + tc.changes/2
		shown := strings.Count(source, "\n<summary>")
		if said := leftOut(source, "change's details", "changes' details"); tc.left != "" && said+shown != all {
			t.Errorf("%d changes: %d shown and %d said to be left out", all, shown, said)
		}
	}
}

// TestMarkdownOfMuchFits: a document fits, whatever there is too much of.
func TestMarkdownOfMuchFits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("漢 ", 2000)
	much := func(s string, n int) []string { return slices.Repeat([]string{s}, n) }
	p := loosenedPlan()
	p.Base.Loosened = slices.Repeat([]plan.Loosening{{Project: long, What: long, Text: long}}, 1000)
	p.Projects = slices.Repeat(p.Projects, 40)
	for i := range p.Projects {
		x := &p.Projects[i]
		x.Name, x.Owner, x.BaseURL, x.Paths, x.Only, x.Warnings = long, long, long, much(long, 5), much(long, 10), much(long, 100)
		x.Guards.Settings.Protect, x.Guards.Lifted = much(long, 100), much(long, 100)
		x.Unmanaged = slices.Repeat([]plan.Unmanaged{{Rule: long, Reason: plan.ReasonUnmanaged}}, 100)
		x.Uncertain = slices.Repeat([]plan.Uncertain{{Rule: long, Unknown: much(long, 10)}}, 100)
	}
	r := mixedResult()
	r.Warnings = much(long, 1000)
	r.Changes = slices.Repeat(r.Changes, 100)
	problems := slices.Repeat([]schema.Problem{{Message: long, Hint: long, Position: schema.Position{File: long}}}, 1000)
	o := MarkdownOptions{Advice: Advice{Next: much("mkhooks "+long[:1800], 100)}, Show: long}
	for name, write := range map[string]func(io.Writer) error{
		"plan":     func(w io.Writer) error { return PlanMarkdown(w, p, o) },
		"result":   func(w io.Writer) error { return ResultMarkdown(w, r, o) },
		"problems": func(w io.Writer) error { return ProblemsMarkdown(w, problems, o) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "Left out") {
			t.Errorf("%s does not say that something is left out", name)
		}
		checkMarkdown(t, byGoldmark, out.String())
	}
}

// leftOut returns the number of omitted parts according to a document.
func leftOut(source, one, many string) int {
	m := regexp.MustCompile(`([0-9,]+) (?:` + one + `|` + many + `)`).FindStringSubmatch(source)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
	return n
}
