//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/sync/apply"
)

// messagesOf returns the text that a person reads: errors, warnings, hints, and
// unusual parts of the document.
func (w *faulty) messagesOf(got, usual outcome) string {
	lines := w.messages(w.steady(got.stderr))
	was := w.messages(w.steady(usual.stderr))
	lines = slices.DeleteFunc(lines, func(l string) bool { return slices.Contains(was, l) })
	switch {
	case w.command == "apply":
		lines = append(lines, w.resultLines(got.stdout)...)
	case got.code == usual.code:
		lines = append(lines, documentLines(w.command, w.steady(got.stdout), w.steady(usual.stdout))...)
	}
	return strings.ReplaceAll(strings.Join(lines, "<br>"), "|", `\|`)
}

// messages returns the lines of stderr for people, each with its hints.
func (w *faulty) messages(stderr string) []string {
	var out []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		text, ok := strings.CutPrefix(line, "mkhooks: ")
		if !ok {
			continue // the plan of an apply that writes JSON
		}
		if hint, ok := strings.CutPrefix(text, "hint: "); ok && len(out) > 0 {
			out[len(out)-1] += " → " + hint
		} else if more, ok := strings.CutPrefix(text, "| "); ok && len(out) > 0 {
			out[len(out)-1] += " / " + more
		} else {
			out = append(out, strings.TrimPrefix(text, "error: "))
		}
	}
	return out
}

// resultLines describes the changes in a result that are not simply done. Equal
// changes share a line.
func (w *faulty) resultLines(stdout string) []string {
	var r apply.Result
	if json.Unmarshal([]byte(stdout), &r) != nil {
		return nil
	}
	type group struct{ key, text string }
	var order []group
	count := map[string]int{}
	for _, c := range r.Changes {
		text := string(c.Status)
		if c.Blocked != nil {
			text += " (" + string(c.Blocked.Guard) + "): " + c.Blocked.Reason
		}
		if c.Error != nil {
			text += ": " + c.Error.Message
			if c.Error.Hint != "" {
				text += " → " + c.Error.Hint
			}
		}
		if l := c.Left; l != nil {
			text += fmt.Sprintf(" ⇒ left %s without %s", map[bool]string{true: "enabled", false: "paused"}[l.Enabled], strings.Join(l.AuthRemoved, ", "))
			if l.Uncertain != "" {
				text += ", perhaps (" + string(l.Uncertain) + ")"
			}
		}
		if c.Error == nil && c.Blocked == nil && (c.Status == apply.StatusApplied) {
			continue
		}
		text = w.steady(string(c.Action) + " " + text)
		key := anyRule.ReplaceAllString(text, `rule "…"`)
		if count[key]++; count[key] == 1 {
			order = append(order, group{key, text})
		}
	}
	var out []string
	for _, g := range order {
		if n := count[g.key]; n > 1 {
			g.text = fmt.Sprintf("%d× %s", n, g.key)
		}
		out = append(out, g.text)
	}
	for _, warning := range r.Warnings {
		out = append(out, "warning: "+w.steady(warning))
	}
	return out
}

var anyRule = regexp.MustCompile(`rule "[^"]*"`)

// documentLines lists the parts where the document of a reading command differs
// from the usual document.
func documentLines(command, got, usual string) []string {
	var g, u map[string]any
	if json.Unmarshal([]byte(got), &g) != nil || json.Unmarshal([]byte(usual), &u) != nil {
		if got == usual {
			return nil
		}
		return []string{"(another output)"}
	}
	if command == "history" {
		var out []string
		if s, was := g["summary"], u["summary"]; !equalJSON(s, was) {
			out = append(out, "(other sums: "+sums(s, was)+")")
		}
		for _, r := range list0(g["rules"]) {
			if r, _ := r.(map[string]any); r["notWhole"] != nil {
				out = append(out, fmt.Sprintf("rule %q: %s", r["rule"], r["notWhole"]))
			}
		}
		return out
	}
	var out []string
	if s, was := g["summary"], u["summary"]; !equalJSON(s, was) {
		out = append(out, "(another plan: "+sums(s, was)+")")
	}
	p, was := firstProject(g), firstProject(u)
	for _, c := range list0(p["changes"]) {
		c, _ := c.(map[string]any)
		if b, ok := c["blocked"].(map[string]any); ok {
			out = append(out, fmt.Sprintf("%s of rule %q blocked (%s): %s", c["action"], c["rule"], b["guard"], b["reason"]))
		}
	}
	for _, warning := range list0(p["warnings"]) {
		if !slices.Contains(list0(was["warnings"]), warning) {
			out = append(out, fmt.Sprint("warning: ", warning))
		}
	}
	return out
}

func firstProject(doc map[string]any) map[string]any {
	for _, p := range list0(doc["projects"]) {
		out, _ := p.(map[string]any)
		return out
	}
	return nil
}

func list0(v any) []any {
	out, _ := v.([]any)
	return out
}

func equalJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// sums names the counts that differ.
func sums(got, usual any) string {
	g, _ := got.(map[string]any)
	u, _ := usual.(map[string]any)
	var out []string
	for name, n := range g {
		if _, nested := n.(map[string]any); !nested && !equalJSON(n, u[name]) {
			out = append(out, fmt.Sprintf("%s %v instead of %v", name, n, u[name]))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// unsteady matches text that differs from run to run.
var unsteady = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`\bref [0-9a-f]{12}\b`), "ref …"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "SERVICE"},
	{regexp.MustCompile(`after \d+ attempts?`), "after N attempts"},
	{regexp.MustCompile(`in \d+ readings`), "in N readings"}, // as many as a busy machine has time for
	{regexp.MustCompile(`\b(cell|usual)-\d+/`), ""},
	{regexp.MustCompile(`(demo_gone-[a-z]+)_[0-9A-Za-z_-]+`), "${1}_…"},
	{regexp.MustCompile(`\.mkhooks-[0-9A-Za-z]+`), ".mkhooks-…"},
	{regexp.MustCompile(`(probe|tmp)-[0-9a-f]{16}`), "$1-…"},
	{regexp.MustCompile(`(delivery history|that) of rule "(gone-[a-z]+|drifted|keep|rotate|update)"`), `$1 of rule "…"`},
}

// steady removes text that differs from run to run.
func (w *faulty) steady(text string) string {
	text = strings.ReplaceAll(text, w.dir+"/", "")
	for _, u := range unsteady {
		text = u.from.ReplaceAllString(text, u.to)
	}
	return text
}
