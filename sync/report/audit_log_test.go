package report

import (
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/audit"
)

// someRecord returns a run in CI with every result that a change can have, and
// a local run that crashed.
func someRecord() AuditLog {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	seq := 0
	line := func(run string, e audit.Entry) *audit.Entry {
		seq++
		at = at.Add(321 * time.Millisecond)
		e.Seq, e.Time, e.Run, e.Prev = seq, at, run, audit.LineSum([]byte{byte(seq)})
		return &e
	}
	write := func(rule, action, step string) *audit.Write {
		return &audit.Write{Project: "demo", Rule: rule, Action: action, Step: step, Before: string(digestOf("b")), After: string(digestOf("a"))}
	}
	pause := func(rule string) *audit.Write {
		w := write(rule, "delete", "pause")
		w.AuthRemoved = []string{"headers.X-Secret"}
		return w
	}
	done := func(run string, w *audit.Write, r audit.Result) audit.LoggedWrite {
		d := audit.LoggedWrite{Intent: line(run, audit.Entry{Kind: audit.KindIntent, Write: w})}
		r.Of = d.Intent.Seq
		d.Result = line(run, audit.Entry{Kind: audit.KindResult, Write: w, Result: &r})
		return d
	}
	step := func(run string, w *audit.Write, r audit.Result) audit.LoggedWrite {
		return audit.LoggedWrite{Result: line(run, audit.Entry{Kind: audit.KindStep, Write: w, Result: &r})}
	}
	n := func(i int) *int { return &i }
	ci, home := "0123456789abcdef", "fedcba9876543210"
	first := audit.Run{ID: ci, Start: line(ci, audit.Entry{Kind: audit.KindStart, Start: &audit.Start{
		FormatVersion: 1, Command: "apply", Actor: "octocat", Host: "runner-7", Job: "https://github.com/acme/webhooks/actions/runs/42",
		Commit: "0123456789abcdef0123456789abcdef01234567", PlanDigest: string(digestOf("p")), Tool: "mkhooks v1.2.3",
		Project: "demo", BaseURL: "https://app.mk.io", Owner: "video-platform", Lifted: []string{"max-deletes=5"},
	}})}
	first.Writes = []audit.LoggedWrite{
		done(ci, write("jobs", "create", "put"), audit.Result{HTTPStatus: 201, Attempts: 1, Live: string(digestOf("l"))}),
		done(ci, write("channels", "update", "put"), audit.Result{HTTPStatus: 500, Attempts: 4, Ref: "7f3a", Error: &audit.Error{Kind: "service", Message: "500 Internal Server Error: try again (ref 7f3a)"}}),
		step(ci, write("old", "delete", "read"), audit.Result{Live: string(digestOf("b"))}),
		done(ci, write("old", "delete", "pause"), audit.Result{HTTPStatus: 200, Attempts: 1}),
		step(ci, write("old", "delete", "wait"), audit.Result{Records: n(1204), Active: n(2)}),
		step(ci, write("old", "delete", "history"), audit.Result{Records: n(1204)}),
		done(ci, write("old", "delete", "archive"), audit.Result{Archive: &audit.Archive{Location: "s3://audit/demo_old.jsonl.gz", Records: 1204, SHA256: strings.Repeat("ab", 32)}}),
		step(ci, write("old", "delete", "look"), audit.Result{}),
		done(ci, write("old", "delete", "delete"), audit.Result{HTTPStatus: 200, Attempts: 1}),
		step(ci, write("changed", "delete", "read"), audit.Result{Error: &audit.Error{Kind: "stale", Message: "someone changed the rule since the plan was made"}}),
		step(ci, write("gone", "delete", "read"), audit.Result{Live: "absent"}),
		done(ci, pause("held"), audit.Result{HTTPStatus: 200, Attempts: 1}),
		done(ci, write("held", "delete", "archive"), audit.Result{Error: &audit.Error{Kind: "guard", Message: "blocked by active: 2 of 7 records are still on their way"}}),
		step(ci, write("held", "delete", "left"), audit.Result{Left: &audit.Left{AuthRemoved: []string{"headers.X-Secret"}}}),
		// A delete that ends after its last write.
		done(ci, pause("moving"), audit.Result{HTTPStatus: 200, Attempts: 1}),
		done(ci, write("moving", "delete", "delete"), audit.Result{Error: &audit.Error{Kind: "stale", Message: "the history moved"}}),
		step(ci, write("moving", "delete", "archive"), audit.Result{Error: &audit.Error{Kind: "guard", Message: "blocked by archive: the history moved again and again"}}),
		step(ci, write("moving", "delete", "left"), audit.Result{Left: &audit.Left{AuthRemoved: []string{"headers.X-Secret"}, Earlier: true}}),
		step(ci, write("full", "delete", "archive"), audit.Result{Error: &audit.Error{Kind: "archive", Message: "write /var/archive/probe: no space left on device"}}),
	}
	first.End = line(ci, audit.Entry{Kind: audit.KindEnd, End: &audit.End{Outcome: "partial", Summary: map[string]int{"applied": 2, "failed": 1, "stale": 1}}})
	second := audit.Run{ID: home, Start: line(home, audit.Entry{Kind: audit.KindStart, Start: &audit.Start{
		FormatVersion: 1, Command: "release", Actor: "ada", Host: "desk", Commit: "abc", Dirty: true, PlanDigest: string(digestOf("q")), Tool: "mkhooks v1.2.3",
		Project: "demo", BaseURL: "https://app.mk.io", Lifted: []string{},
	}})}
	second.Writes = []audit.LoggedWrite{
		{Intent: line(home, audit.Entry{Kind: audit.KindIntent, Write: pause("killed")})},
		done(home, pause("killed-later"), audit.Result{HTTPStatus: 200, Attempts: 1}),
		{Intent: line(home, audit.Entry{Kind: audit.KindIntent, Write: write("killed-later", "delete", "delete")})},
		{Intent: line(home, audit.Entry{Kind: audit.KindIntent, Write: write("jobs", "update", "put")})},
		done(home, write("channels", "update", "put"), audit.Result{Attempts: 1, Error: &audit.Error{Kind: "interrupted", Message: "the run was stopped while the request was under way: it may have taken effect"}})}
	return AuditLog{File: "audit/applies.jsonl", Head: strings.Repeat("9f", 32), Runs: []audit.Run{first, second}}
}
