//go:build unix

package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/audit"
)

// row is what came of a cell.
type row struct {
	fault, at, command, exit, told, changed, recorded string
}

// faultCommands are the commands of the matrix, in the order of the table.
var faultCommands = []string{"plan", "drift", "apply", "import", "history"}

// row looks at what a run left behind.
func (w *faulty) row(got, usual outcome) row {
	w.t.Helper()
	r := row{fault: w.fault, at: w.at, command: w.command, exit: strconv.Itoa(got.code), told: w.told(got, usual)}
	if got.code == usual.code {
		r.exit = "as ever"
	}
	r.changed = w.changed()
	if w.command == "apply" {
		r.recorded = w.recordedRow()
	}
	for _, l := range leaks(got.stdout + got.stderr) {
		w.t.Errorf("wrote %s", l)
	}
	if strings.Contains(got.stderr, "goroutine ") {
		w.t.Errorf("broke down:\n%s", got.stderr)
	}
	return r
}

// told is what a person reads: errors, warnings and hints, and of the document
// what is not as ever.
func (w *faulty) told(got, usual outcome) string {
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

// messages are the lines of stderr for people, each with its hints.
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

// resultLines say what the document of an apply says of changes that are not
// simply done, like ones together.
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
	return append(out, r.Warnings...)
}

var anyRule = regexp.MustCompile(`rule "[^"]*"`)

// documentLines say in which parts the document of a command that reads is
// another one than ever.
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

// unsteady is what differs from run to run.
var unsteady = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`\bref [0-9a-f]{12}\b`), "ref …"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "SERVICE"},
	{regexp.MustCompile(`after \d+ attempts?`), "after N attempts"},
	{regexp.MustCompile(`\b(cell|usual)-\d+/`), ""},
	{regexp.MustCompile(`_[0-9a-zA-Z-]{8,}_[0-9a-f]{8,}`), "_…"},
	{regexp.MustCompile(`\.mkhooks-[0-9A-Za-z]+`), ".mkhooks-…"},
	{regexp.MustCompile(`(delivery history|that) of rule "(gone-[a-z]+|drifted|keep|rotate|update)"`), `$1 of rule "…"`},
}

// steady is text without what differs from run to run.
func (w *faulty) steady(text string) string {
	text = strings.ReplaceAll(text, w.dir+"/", "")
	for _, u := range unsteady {
		text = u.from.ReplaceAllString(text, u.to)
	}
	return text
}

// changed is what this run changed on the service, or for import in the files.
func (w *faulty) changed() string {
	rules := map[string]map[string]bool{}
	add := func(what, rule string) {
		if rules[what] == nil {
			rules[what] = map[string]bool{}
		}
		rules[what][rule] = true
	}
	for _, r := range w.s.Requests() {
		switch {
		case r.Method == http.MethodGet || r.Handled/100 != 2:
		case w.command != "apply":
			w.t.Errorf("%s sent %s %s", w.command, r.Method, r.Path)
		case r.Method == http.MethodDelete:
			if r.Handled != http.StatusNoContent {
				add("deleted", r.Rule)
			}
		case r.Handled == http.StatusCreated:
			add("created", r.Rule)
		case strings.HasPrefix(r.Rule, "gone-"):
			add("paused", r.Rule)
		default:
			if !rules["created"][r.Rule] { // once more after an answer that was lost
				add("updated", r.Rule)
			}
		}
	}
	for rule := range rules["deleted"] {
		delete(rules["paused"], rule)
	}
	var out []string
	for _, what := range []string{"created", "updated", "paused", "deleted"} {
		if n := len(rules[what]); n > 0 {
			out = append(out, fmt.Sprintf("%s %d", what, n))
		}
	}
	if n := w.imported(); n > 0 {
		out = append(out, fmt.Sprintf("%d files", n))
	}
	switch text := strings.Join(out, ", "); text {
	case "":
		return "nothing"
	case "created 2, updated 3, deleted 3", "3 files":
		return "all"
	default:
		return text
	}
}

// chain reads the record of the cell; nil where there is none.
func (w *faulty) chain() *audit.Chain {
	w.t.Helper()
	f, err := os.Open(filepath.Join(w.dir, w.in("audit.jsonl")))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	chain, err := audit.Read(f)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, fault := range chain.Faults {
		w.t.Errorf("the record, line %d: %s", fault.Line, fault.Message)
	}
	return chain
}

// recordedRow says what the record has, and wants an intent for every write
// that reached the service.
func (w *faulty) recordedRow() string {
	w.t.Helper()
	intents := map[string]bool{}
	writes, flying, out := 0, 0, []string{}
	chain := w.chain()
	if chain != nil {
		for _, run := range chain.Runs() {
			for _, d := range run.Writes {
				if d.Intent == nil || d.Intent.Write.Step == "archive" {
					continue
				}
				writes++
				method := http.MethodPut
				if d.Intent.Write.Step == "delete" {
					method = http.MethodDelete
				}
				intents[method+" "+d.Intent.Write.Rule] = true
				if d.InFlight() {
					flying++
				}
			}
			if run.End != nil {
				out = append(out, run.End.End.Outcome)
			}
			if run.End != nil && flying > 0 {
				w.t.Errorf("the run ended with %d writes without a result", flying)
			}
		}
	}
	for _, r := range w.s.Requests() {
		if r.Method != http.MethodGet && !intents[r.Method+" "+r.Rule] {
			w.t.Errorf("%s of %s left without an intent in the record", r.Method, r.Rule)
		}
	}
	switch {
	case chain == nil || len(chain.Entries) == 0:
		return "nothing"
	case writes == 0:
		return "no write, " + cmp.Or(strings.Join(out, ", "), "no end")
	}
	text := fmt.Sprintf("%d writes", writes)
	if flying > 0 {
		text += fmt.Sprintf(", %d without a result", flying)
	}
	if chain.Torn {
		text += ", a torn line"
	}
	return text + ", " + cmp.Or(strings.Join(out, ", "), "no end")
}

// recordedWhole wants the chain whole once the fault is gone and the next run
// has ended.
func (w *faulty) recordedWhole() {
	w.t.Helper()
	chain := w.chain()
	if chain == nil || chain.Torn {
		w.t.Fatal("there is no whole record")
	}
	runs := chain.Runs()
	if len(runs) == 0 || runs[len(runs)-1].End == nil {
		w.t.Error("the last run has no end in the record")
	}
}

// faultTable prints the rows; those that differ in the command, the place or
// the fault alone are one.
func faultTable(rows []row) string {
	rows = merged(rows, func(r *row) *string { return &r.command })
	rows = merged(rows, func(r *row) *string { return &r.at })
	rows = merged(rows, func(r *row) *string { return &r.fault })
	var out strings.Builder
	out.WriteString("| fault | at | command | exit | told | changed | recorded |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s |\n", r.fault, r.at, r.command, r.exit, cmp.Or(r.told, "—"), r.changed, cmp.Or(r.recorded, "—"))
	}
	return out.String()
}

// merged puts rows together that differ in one field alone.
func merged(rows []row, field func(*row) *string) []row {
	place := map[row]int{}
	var out []row
	for _, r := range rows {
		key := r
		*field(&key) = ""
		if i, ok := place[key]; ok {
			*field(&out[i]) += "; " + *field(&r)
			continue
		}
		place[key] = len(out)
		out = append(out, r)
	}
	return out
}
