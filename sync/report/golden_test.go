package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/audit"
	"github.com/mkhooks/mkhooks/sync/plan"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

// documents maps the names of the goldens to functions that write them.
var documents = map[string]func(io.Writer) error{
	"plan-mixed-0":         func(w io.Writer) error { return PlanText(w, mixedPlan(), TextOptions{}) },
	"plan-mixed-80":        func(w io.Writer) error { return PlanText(w, mixedPlan(), TextOptions{Width: 80}) },
	"plan-mixed-120":       func(w io.Writer) error { return PlanText(w, mixedPlan(), TextOptions{Width: 120}) },
	"plan-mixed-80-color":  func(w io.Writer) error { return PlanText(w, mixedPlan(), TextOptions{Width: 80, Color: true}) },
	"plan-mixed-120-color": func(w io.Writer) error { return PlanText(w, mixedPlan(), TextOptions{Width: 120, Color: true}) },
	"plan-mixed-verbose":   func(w io.Writer) error { return PlanText(w, mixedPlan(), TextOptions{Verbose: true}) },
	"plan-mixed-json":      func(w io.Writer) error { return PlanJSON(w, mixedPlan()) },
	"plan-guards-80":       func(w io.Writer) error { return PlanText(w, guardsPlan(), TextOptions{Width: 80}) },
	"plan-small-80":        func(w io.Writer) error { return PlanText(w, smallPlan(), TextOptions{Width: 80}) },
	"plan-quiet-80":        func(w io.Writer) error { return PlanText(w, quietPlan(), TextOptions{Width: 80}) },
	"plan-empty-80":        func(w io.Writer) error { return PlanText(w, emptyPlan(), TextOptions{Width: 80}) },
	"plan-projects-80":     func(w io.Writer) error { return PlanText(w, twoProjects(), TextOptions{Width: 80}) },
	"drift-mixed-80": func(w io.Writer) error {
		return PlanText(w, mixedPlan(), TextOptions{Width: 80, Drift: true, Advice: someAdvice()})
	},
	"drift-guards-80": func(w io.Writer) error { return PlanText(w, guardsPlan(), TextOptions{Width: 80, Drift: true}) },
	"drift-quiet-80":  func(w io.Writer) error { return PlanText(w, quietPlan(), TextOptions{Width: 80, Drift: true}) },
	"drift-failing-80": func(w io.Writer) error {
		return PlanText(w, failingPlan(), TextOptions{Width: 80, Drift: true, Color: true})
	},
	"drift-failing-md":   func(w io.Writer) error { return PlanMarkdown(w, failingPlan(), MarkdownOptions{Drift: true}) },
	"drift-failing-json": func(w io.Writer) error { return PlanJSON(w, failingPlan()) },
	"result-mixed-0":     func(w io.Writer) error { return ResultText(w, mixedResult(), TextOptions{}) },
	"result-mixed-80":    func(w io.Writer) error { return ResultText(w, mixedResult(), TextOptions{Width: 80}) },
	"result-mixed-120":   func(w io.Writer) error { return ResultText(w, mixedResult(), TextOptions{Width: 120, Color: true}) },
	"result-mixed-json":  func(w io.Writer) error { return ResultJSON(w, mixedResult()) },
	"result-outcomes-80": func(w io.Writer) error {
		return everyOutcome(func(r *apply.Result) error { return ResultText(w, r, TextOptions{Width: 80}) })
	},
	"result-outcomes-md": func(w io.Writer) error {
		return everyOutcome(func(r *apply.Result) error { return ResultMarkdown(w, r, MarkdownOptions{}) })
	},
	"result-left-80":   func(w io.Writer) error { return ResultText(w, leftResult(), TextOptions{Width: 80}) },
	"result-left-md":   func(w io.Writer) error { return ResultMarkdown(w, leftResult(), MarkdownOptions{}) },
	"result-left-json": func(w io.Writer) error { return ResultJSON(w, leftResult()) },
	"plan-mixed-md":    func(w io.Writer) error { return PlanMarkdown(w, mixedPlan(), MarkdownOptions{}) },
	"plan-guards-md":   func(w io.Writer) error { return PlanMarkdown(w, guardsPlan(), MarkdownOptions{}) },
	"plan-small-md":    func(w io.Writer) error { return PlanMarkdown(w, smallPlan(), MarkdownOptions{}) },
	"plan-quiet-md":    func(w io.Writer) error { return PlanMarkdown(w, quietPlan(), MarkdownOptions{}) },
	"plan-empty-md":    func(w io.Writer) error { return PlanMarkdown(w, emptyPlan(), MarkdownOptions{}) },
	"plan-projects-md": func(w io.Writer) error { return PlanMarkdown(w, twoProjects(), MarkdownOptions{}) },
	"drift-mixed-md": func(w io.Writer) error {
		return PlanMarkdown(w, mixedPlan(), MarkdownOptions{Drift: true, Advice: someAdvice()})
	},
	"result-mixed-md":  func(w io.Writer) error { return ResultMarkdown(w, mixedResult(), MarkdownOptions{}) },
	"problems-md":      func(w io.Writer) error { return ProblemsMarkdown(w, someProblems(), MarkdownOptions{}) },
	"problems-none-md": func(w io.Writer) error { return ProblemsMarkdown(w, nil, MarkdownOptions{}) },
	"problems-text":    func(w io.Writer) error { return ProblemsText(w, someProblems(), TextOptions{Width: 80}) },
	"problems-color":   func(w io.Writer) error { return ProblemsText(w, someProblems(), TextOptions{Width: 80, Color: true}) },
	"problems-json":    func(w io.Writer) error { return ProblemsJSON(w, someProblems()) },
	"plan-advice-80": func(w io.Writer) error {
		return PlanText(w, loosenedPlan(), TextOptions{Width: 80, Advice: someAdvice()})
	},
	"plan-advice-md": func(w io.Writer) error { return PlanMarkdown(w, loosenedPlan(), MarkdownOptions{Advice: someAdvice()}) },
	"history-80":     func(w io.Writer) error { return HistoryText(w, someHistory(), false, TextOptions{Width: 80}) },
	"history-120-color": func(w io.Writer) error {
		return HistoryText(w, someHistory(), false, TextOptions{Width: 120, Color: true})
	},
	"history-40-ascii": func(w io.Writer) error {
		return HistoryText(w, someHistory(), false, TextOptions{Width: 40, ASCII: true})
	},
	"history-0":      func(w io.Writer) error { return HistoryText(w, someHistory(), false, TextOptions{}) },
	"history-all-80": func(w io.Writer) error { return HistoryText(w, someHistory(), true, TextOptions{Width: 80}) },
	"history-all-80-ascii": func(w io.Writer) error {
		return HistoryText(w, someHistory(), true, TextOptions{Width: 80, ASCII: true})
	},
	"history-all-120-color": func(w io.Writer) error {
		return HistoryText(w, someHistory(), true, TextOptions{Width: 120, Color: true})
	},
	"history-all-0":   func(w io.Writer) error { return HistoryText(w, someHistory(), true, TextOptions{}) },
	"history-none-80": func(w io.Writer) error { return HistoryText(w, noHistory(), true, TextOptions{Width: 80}) },
	"history-json":    func(w io.Writer) error { return HistoryJSON(w, someHistory()) },
	"history-csv":     func(w io.Writer) error { return HistoryCSV(w, someHistory()) },
	"history-md":      func(w io.Writer) error { return HistoryMarkdown(w, someHistory(), MarkdownOptions{}) },
	"history-records": func(w io.Writer) error { return writeRecords(w, Text, someHistory(), TextOptions{Color: true}) },
	"history-records-json": func(w io.Writer) error {
		return writeRecords(w, JSON, someHistory(), TextOptions{})
	},
	"history-records-csv": func(w io.Writer) error { return writeRecords(w, CSV, someHistory(), TextOptions{}) },
	"annotations":         func(w io.Writer) error { return Annotations(w, someProblems(), AnnotationOptions{}) },
	"record-80":           func(w io.Writer) error { return AuditLogText(w, someRecord(), TextOptions{Width: 80}) },
	"record-120-color":    func(w io.Writer) error { return AuditLogText(w, someRecord(), TextOptions{Width: 120, Color: true}) },
	"record-steps": func(w io.Writer) error {
		r := someRecord()
		r.Steps = true
		return AuditLogText(w, r, TextOptions{})
	},
	"settings-80":   func(w io.Writer) error { return SettingsText(w, someSettings(), TextOptions{Width: 80}) },
	"settings-md":   func(w io.Writer) error { return SettingsMarkdown(w, someSettings(), MarkdownOptions{}) },
	"settings-json": func(w io.Writer) error { return SettingsJSON(w, someSettings()) },
	"plan-unread":   func(w io.Writer) error { return PlanText(w, unreadPlan(), TextOptions{Width: 100}) },
	"drift-unread": func(w io.Writer) error {
		p := unreadPlan()
		p.Projects = p.Projects[1:]
		p.Summary = plan.Summary{InSync: 3}
		return PlanText(w, p, TextOptions{Drift: true})
	},
	"plan-unread-md":     func(w io.Writer) error { return PlanMarkdown(w, unreadPlan(), MarkdownOptions{}) },
	"plan-unread-json":   func(w io.Writer) error { return PlanJSON(w, unreadPlan()) },
	"result-unread":      func(w io.Writer) error { return ResultText(w, unreadResult(), TextOptions{}) },
	"result-unread-md":   func(w io.Writer) error { return ResultMarkdown(w, unreadResult(), MarkdownOptions{}) },
	"result-unread-json": func(w io.Writer) error { return ResultJSON(w, unreadResult()) },
	"record-md":          func(w io.Writer) error { return AuditLogMarkdown(w, someRecord(), MarkdownOptions{}) },
	"record-json":        func(w io.Writer) error { return AuditLogJSON(w, someRecord()) },
	"record-none-json":   func(w io.Writer) error { return AuditLogJSON(w, AuditLog{File: "a.jsonl", Head: audit.Genesis}) },
	"origins":            func(w io.Writer) error { return OriginsText(w, someOrigins(), TextOptions{}) },
	"origins-color":      func(w io.Writer) error { return OriginsText(w, someOrigins(), TextOptions{Width: 60, Color: true}) },
	"origins-json":       func(w io.Writer) error { return OriginsJSON(w, someOrigins()) },
	"origins-md":         func(w io.Writer) error { return OriginsMarkdown(w, someOrigins(), MarkdownOptions{}) },
	"problems-none-json": func(w io.Writer) error { return ProblemsJSON(w, nil) },
}

// everyOutcome writes the totals and the next step for each outcome of a run.
func everyOutcome(write func(*apply.Result) error) error {
	for _, r := range []apply.Result{
		{Outcome: apply.Applied, Summary: apply.Summary{Applied: 3, Done: 1}},
		{Outcome: apply.Nothing},
		{Outcome: apply.Partial, Summary: apply.Summary{Applied: 1, Unverified: 1}},
		{Outcome: apply.Refused, Summary: apply.Summary{Stale: 1}},
		{Outcome: apply.Refused, Summary: apply.Summary{Applied: 2, Blocked: 1}},
		{Outcome: apply.Refused, Summary: apply.Summary{Skipped: 4}},
		{Outcome: apply.Failed, Summary: apply.Summary{Failed: 1200}},
		{Outcome: apply.Interrupted, Summary: apply.Summary{Applied: 1, Skipped: 3}},
		{Outcome: apply.Interrupted, Summary: apply.Summary{Failed: 1}, Changes: []apply.Change{{
			Rule: "jobs", Action: plan.Create, Status: apply.StatusFailed, Attempts: 1,
			Error: &apply.Error{Kind: apply.KindInterrupted, Message: "the run was stopped while the request was under way: it may have taken effect"},
		}}},
	} {
		if err := write(&r); err != nil {
			return err
		}
	}
	return nil
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, write := range documents {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; -update writes it", err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		})
	}
}
