package cli

import (
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/audit"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
)

type auditShowOptions struct {
	configOptions
	rules []string
	since string
	steps bool
}

func (o *auditShowOptions) AddFlags(f *pflag.FlagSet) {
	o.addConfig(f)
	f.StringArrayVar(&o.rules, "rule", nil, "`RULE`: show only rules that match this name or pattern (repeatable)")
	f.StringVar(&o.since, "since", "", "`TIME`: show only runs since this time: "+sinceForms)
	f.BoolVar(&o.steps, "steps", false, "show every step of each change")
}

func runAuditShow(a *app, o auditShowOptions, f *pflag.FlagSet, args []string) error {
	args, err := o.auditFiles(a, f, args)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return usagef("mkhooks audit show audit/applies.jsonl", "audit show: expected one audit file, got %d", len(args))
	}
	var from time.Time
	if o.since != "" {
		if from, err = parseSince(o.since, a.Now()); err != nil {
			return err
		}
	}
	chain, err := readChain(args[0])
	if err != nil {
		return invalidf(auditFileHint(args[0], err), "%s can't be read: %w", args[0], fileErrorReason(err))
	}
	if len(chain.Faults) > 0 {
		f := chain.Faults[0]
		return usagef("mkhooks audit verify "+quotePaths(args), "%s:%d: %s", args[0], f.Line, f.Message)
	}
	runs := o.filterRuns(chain.Runs(), from)
	record := report.AuditLog{File: args[0], Head: chain.Head, Runs: runs, Steps: o.steps}
	return a.writeDocument(document{
		text:     func(w io.Writer, t report.TextOptions) error { return report.AuditLogText(w, record, t) },
		json:     func(w io.Writer) error { return report.AuditLogJSON(w, record) },
		markdown: func(w io.Writer) error { return report.AuditLogMarkdown(w, record, report.MarkdownOptions{}) },
	})
}

// filterRuns keeps the runs since from, and only the writes of the selected rules.
func (o *auditShowOptions) filterRuns(runs []audit.Run, from time.Time) []audit.Run {
	var out []audit.Run
	for _, r := range runs {
		if at := r.StartTime(); at.Before(from) {
			continue
		}
		if len(o.rules) > 0 {
			var writes []audit.LoggedWrite
			for _, w := range r.Writes {
				if plan.MatchRule(o.rules, w.Subject().Project, w.Subject().Rule) {
					writes = append(writes, w)
				}
			}
			if len(writes) == 0 {
				continue
			}
			r.Writes = writes
		}
		out = append(out, r)
	}
	return out
}
