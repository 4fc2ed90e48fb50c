//go:build unix

package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mkhooks/mkhooks/sync/audit"
)

// row is the result of a cell.
type row struct {
	fault, at, command, exit, told, changed, recorded string
}

// faultCommands are the commands of the matrix, in the order of the table.
var faultCommands = []string{"plan", "drift", "apply", "import", "history"}

// row collects the results of a run.
func (w *faulty) row(got, usual outcome) row {
	w.t.Helper()
	r := row{fault: w.fault, at: w.at, command: w.command, exit: strconv.Itoa(got.code), told: w.messagesOf(got, usual)}
	switch got.code {
	case usual.code:
		r.exit = "as ever"
	case -1:
		r.exit = "killed"
	}
	r.changed = w.changedRules()
	r.recorded = "nothing"
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

// changedRules returns the changes of this run: on the service, or for import in the
// files.
func (w *faulty) changedRules() string {
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
			if !rules["created"][r.Rule] { // repeated after a lost response
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

// chain reads the audit log of the cell; nil if there is none.
func (w *faulty) chain() *audit.Chain {
	w.t.Helper()
	f, err := os.Open(filepath.Join(w.dir, w.in("audit.jsonl")))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
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

// recordedRow describes the audit log. It checks that there is an intent for
// every write that reached the service.
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

// recordedWhole checks that the chain is complete after the fault has ended and
// the next run is done.
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

// faultTable prints the rows. It merges rows that differ only in command, place
// or fault.
func faultTable(rows []row) string {
	rows = mergeRows(rows, func(r *row) *string { return &r.command })
	rows = mergeRows(rows, func(r *row) *string { return &r.at })
	rows = mergeRows(rows, func(r *row) *string { return &r.fault })
	var out strings.Builder
	out.WriteString("| fault | at | command | exit | told | changed | recorded |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s |\n", r.fault, r.at, r.command, r.exit, cmp.Or(r.told, "—"), r.changed, cmp.Or(r.recorded, "—"))
	}
	return out.String()
}

// mergeRows merges rows that differ in only one field.
func mergeRows(rows []row, field func(*row) *string) []row {
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
