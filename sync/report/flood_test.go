package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Texts that a reader must see in every document.
const (
	evilHost    = "evil.example.net"
	evilRule    = "zz-moved"
	evilBlocked = "zz-blocked"
	evilDelete  = "zz-deleted"
	evilWarning = "the one that matters"
)

// sends returns a change that sends a secret to a host. Without from it is a
// create.
func sends(rule, from, to string) plan.Change {
	c := plan.Change{
		Rule: rule, Action: plan.Create, Direction: plan.DirNew, Auth: plan.AuthAdded, File: "rules/" + rule + ".yaml",
		SecretTo: to, After: live("https://"+to+"/x", true), Fields: []plan.Field{add("spec.url", "https://"+to+"/x")},
	}
	if from != "" {
		c.Action, c.Direction, c.Auth, c.Before = plan.Update, plan.DirPending, plan.AuthUnchanged, live("https://"+from+"/x", true)
		c.Fields = []plan.Field{replace("spec.url", "https://"+from+"/x", "https://"+to+"/x")}
	}
	return c
}

func harmless(rule string) plan.Change {
	return plan.Change{
		Rule: rule, Action: plan.Create, Direction: plan.DirNew, Auth: plan.AuthNone, File: "rules/" + rule + ".yaml", After: live(hooks, true),
		Fields: []plan.Field{add("spec.enabled", true), add("spec.events", "MediaKind.JobFinished"), add("spec.url", hooks)},
	}
}

// flooded returns a plan with the important changes at its end, after a flood.
func flooded(flood ...plan.Change) *plan.Plan {
	blocked := sends(evilBlocked, "hooks.example.com", "blocked.example.net")
	blocked.Blocked = &plan.Blocked{Guard: plan.GuardMissingAuth, Reason: "would drop what matters", Lift: "--drop-auth " + evilBlocked}
	gone := plan.Change{Rule: evilDelete, Action: plan.Delete, Direction: plan.DirGone, Before: live(hooks, true), Auth: plan.AuthNone}
	p := project(append(flood, blocked, gone, sends(evilRule, "hooks.example.com", evilHost))...)
	p.Warnings = []string{evilWarning}
	doc := document(p)
	doc.Base = &plan.Base{Commit: strings.Repeat("a", 40), Compared: true, Loosened: []plan.Loosening{{What: "destinations", Text: `"*" was added`}}}
	return doc
}

// times returns a flood of n changes.
func times(n int, change func(i int) plan.Change) []plan.Change {
	var out []plan.Change
	for i := range n {
		out = append(out, change(i))
	}
	return out
}

func blockedAs(c plan.Change, g plan.Guard, reason string) plan.Change {
	c.Blocked = &plan.Blocked{Guard: g, Reason: reason, Lift: "--adopt x"}
	return c
}

// floods returns plans that contain very much of one thing.
func floods() map[string]*plan.Plan {
	id := func(i int) string { return fmt.Sprintf("a-%06d", i) }
	long := strings.Repeat("\u200b", 255)
	wide := strings.Repeat("x", 250)
	out := map[string]*plan.Plan{
		"creates":          flooded(times(1500, func(i int) plan.Change { return harmless(id(i)) })...),
		"updates":          flooded(times(1500, func(i int) plan.Change { c := harmless(id(i)); c.Action = plan.Update; return c })...),
		"secrets to one":   flooded(times(1500, func(i int) plan.Change { return sends(id(i), "", "hooks.example.com") })...),
		"rotations":        flooded(times(1500, func(i int) plan.Change { return sends(id(i), "hooks.example.com", "hooks.example.com") })...),
		"secrets to hosts": flooded(times(5000, func(i int) plan.Change { return sends(id(i), "", id(i)+".example.com") })...),
		"secrets to long":  flooded(times(2000, func(i int) plan.Change { return sends(id(i), "", id(i)+wide+".example.com") })...),
		"deletes": flooded(times(1500, func(i int) plan.Change {
			return plan.Change{Rule: id(i), Action: plan.Delete, Direction: plan.DirGone, Before: live(hooks, true)}
		})...),
		"blocked":          flooded(times(1500, func(i int) plan.Change { return blockedAs(harmless(id(i)), plan.GuardAdopt, "because") })...),
		"blocked for each": flooded(times(1500, func(i int) plan.Change { return blockedAs(harmless(id(i)), plan.GuardAdopt, "because of "+id(i)+long) })...),
		"blocked hosts": flooded(times(5000, func(i int) plan.Change {
			return blockedAs(sends(id(i), "", id(i)+".example.com"), plan.GuardDestination, "would send to "+id(i))
		})...),
		"hidden characters":  flooded(times(300, func(i int) plan.Change { return sends(id(i)+long, "", "hooks.example.com") })...),
		"hidden, blocked":    flooded(times(300, func(i int) plan.Change { return blockedAs(harmless(id(i)+long), plan.GuardEmpty, long+id(i)) })...),
		"long names of file": flooded(times(300, func(i int) plan.Change { c := harmless(id(i)); c.File = strings.Repeat(id(i), 500); return c })...),
		"long URLs": flooded(times(300, func(i int) plan.Change {
			c := sends(id(i), "hooks.example.com", "hooks.example.com")
			c.Fields = []plan.Field{replace("spec.url", hooks+strings.Repeat("a", 4000), hooks+strings.Repeat("b", 4000))}
			return c
		})...),
	}
	many := flooded()
	for i := range 3000 {
		n := fmt.Sprintf("spec.headers.A%04d", i)
		many.Projects[0].Changes[2].Fields = append(many.Projects[0].Changes[2].Fields, add(n, strings.Repeat("v", 200)), add("spec.authentication.headers.B"+id(i), nil))
	}
	slices.SortFunc(many.Projects[0].Changes[2].Fields, func(a, b plan.Field) int { return strings.Compare(a.Path, b.Path) })
	out["fields of it"] = many
	warned := flooded()
	for i := range 3000 {
		warned.Projects[0].Warnings = append(warned.Projects[0].Warnings, fmt.Sprintf("rule %q looks like a rename of %q%s", id(i), id(i+1), "; it is left alone"))
	}
	warned.Projects[0].Warnings = append(warned.Projects[0].Warnings[1:], evilWarning)
	out["warnings"] = warned
	loosened := flooded()
	for i := range 3000 {
		loosened.Base.Loosened = append(loosened.Base.Loosened, plan.Loosening{What: "protect", Text: id(i) + long + " was removed"})
	}
	loosened.Base.Loosened = append(loosened.Base.Loosened[1:], loosened.Base.Loosened[0])
	out["loosenings"] = loosened
	readers := flooded()
	for i := range 300 {
		readers.Base.Loosened = append(readers.Base.Loosened, plan.Loosening{What: fmt.Sprintf("rules/%s/.sops.yaml", id(i)),
			Text: fmt.Sprintf("is new, and says who can read new secrets in rules/%s, in place of .sops.yaml", id(i))})
	}
	readers.Base.Loosened = append(readers.Base.Loosened, readers.Base.Loosened[0])
	readers.Base.Loosened = readers.Base.Loosened[1:]
	out["new .sops.yaml files"] = readers
	left := flooded()
	for i := range 500 {
		left.Projects[0].Unmanaged = append(left.Projects[0].Unmanaged, plan.Unmanaged{Rule: id(i) + long, Reason: plan.ReasonUnmanaged})
		left.Projects[0].Uncertain = append(left.Projects[0].Uncertain, plan.Uncertain{Rule: id(i) + long, Unknown: []string{long, wide}})
		left.Projects[0].Failing = append(left.Projects[0].Failing, plan.Failing{Rule: id(i) + long, Records: 1})
	}
	out["rules left alone"] = left
	others := flooded()
	for i := range 200 {
		other := project(times(50, func(j int) plan.Change { return harmless(id(j)) })...)
		other.Name = id(i)
		others.Projects = append([]plan.Project{other}, others.Projects...)
	}
	out["projects"] = others
	return out
}

// TestFloodHidesNothing: an author of files can't push important parts out of a
// document by adding much of anything else.
func TestFloodHidesNothing(t *testing.T) {
	t.Parallel()
	for name, doc := range floods() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for form, write := range map[string]func(io.Writer) error{
				"markdown": func(w io.Writer) error { return PlanMarkdown(w, doc, MarkdownOptions{}) },
				"drift markdown": func(w io.Writer) error {
					return PlanMarkdown(w, doc, MarkdownOptions{Drift: true, Advice: Advice{Next: []string{"a", "b"}}})
				},
				"text":  func(w io.Writer) error { return PlanText(w, doc, TextOptions{}) },
				"drift": func(w io.Writer) error { return PlanText(w, doc, TextOptions{Drift: true, Width: 80}) },
			} {
				var out bytes.Buffer
				if err := write(&out); err != nil {
					t.Fatal(err)
				}
				checkFlood(t, form, out.String(), name)
			}
		})
	}
}

// checkFlood looks for the important parts in a plan.
func checkFlood(t *testing.T, form, text, flood string) {
	t.Helper()
	markdown := strings.HasSuffix(form, "markdown")
	if markdown {
		checkMarkdown(t, byGoldmark, text)
		if len(text) > MaxMarkdown {
			t.Errorf("%s: %d bytes", form, len(text))
		}
	}
	head := text
	for _, end := range []string{"\nProject ", "#### Project "} {
		head, _, _ = strings.Cut(head, end)
	}
	for what, words := range map[string][2]string{
		"the host": {head, evilHost}, "the host of the blocked change": {head, "blocked.example.net"},
		"what is loosened": {head, "destinations"}, "the change": {text, evilRule}, "the blocked change": {text, evilBlocked}, "the delete": {text, evilDelete},
		"the warning": {strings.NewReplacer("\n│ ", " ").Replace(text), evilWarning}, "what lifts it": {text, "--drop-auth"},
	} {
		if what == "the delete" && flood == "deletes" && markdown {
			continue // one of very many similar changes
		}
		if !strings.Contains(words[0], words[1]) {
			t.Errorf("%s does not show %s, %q", form, what, words[1])
		}
	}
	if !markdown {
		return
	}
	// The fields of the change are also present, including its host.
	_, detail, found := strings.Cut(text, "<code>~ update</code> <b><code>"+evilRule+"</code>")
	detail, _, _ = strings.Cut(detail, "</details>")
	if !found || !strings.Contains(detail, "https://"+evilHost+"/x") {
		t.Errorf("%s does not show the fields of %s: %.300s", form, evilRule, detail)
	}
	row := strings.Index(text, "| `"+evilRule+"`")
	if first := strings.Index(text, "| `a-0"); flood != "projects" && first >= 0 && first < row {
		t.Errorf("%s shows another change before %s", form, evilRule)
	}
}

// TestHostsThatAreNotNamed: of very many hosts, those with the most at stake
// come first, and the rest is counted.
func TestHostsThatAreNotNamed(t *testing.T) {
	t.Parallel()
	doc := floods()["secrets to hosts"]
	var out bytes.Buffer
	if err := PlanMarkdown(&out, doc, MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	line := ""
	for l := range strings.Lines(out.String()) {
		if strings.HasPrefix(l, "**Secrets go to**: ") {
			line = l
		}
	}
	named, said := strings.Count(line, "(1 rule"), leftOut(line, "more host", "more hosts")
	if !strings.HasPrefix(line, "**Secrets go to**: `"+evilHost+"` (1 rule, instead of another host), ") || named < 100 || named+said != 5001 || !strings.Contains(line, "not named here") {
		t.Errorf("%d named, %d said not to be: %.200s … %s", named, said, line, line[max(0, len(line)-100):])
	}
	// Destinations separate expected hosts from unexpected hosts.
	doc = document(project(sends("b", "", "b.example.com"), sends("a", "", "a.media.example.org"), sends("c", "c.example.com", "c.example.com")))
	doc.Projects[0].Guards.Settings.Destinations = []string{"*.media.example.org", "c.example.com"}
	if got, want := strings.Join(planReceivers(doc).hostLines(planHostWords, 0, Escape), "\n"), "Secrets go to: b.example.com (1 rule, not in destinations), a.media.example.org (1 rule), c.example.com (1 rule)."; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	// The end of a long host shows its owner.
	doc = document(project(sends("long", "", "hooks.example.com."+strings.Repeat("a.", 4000)+evilHost)))
	out.Reset()
	if err := PlanMarkdown(&out, doc, MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Count(text, evilHost+"`") != 2 || !strings.Contains(text, "characters left out") {
		t.Errorf("the end of a long host is not shown: %.600s", text)
	}
}

// TestFloodOfResults: successful changes hide neither problems nor the
// receivers of secrets.
func TestFloodOfResults(t *testing.T) {
	t.Parallel()
	status := func(rule string, s apply.Status, to string, why *apply.Error) apply.Change {
		return apply.Change{Project: "demo", Rule: rule, Action: plan.Update, Status: s, SecretTo: to, Attempts: 1, Error: why}
	}
	bad := []apply.Change{
		status(evilRule, apply.StatusApplied, evilHost, nil),
		status("zz-failed", apply.StatusFailed, "failed.example.net", &apply.Error{Kind: apply.KindNetwork, Message: "no answer"}),
		status("zz-stale", apply.StatusStale, "stale.example.net", &apply.Error{Kind: apply.KindStale, Message: "moved"}),
		{Project: "demo", Rule: evilDelete, Action: plan.Delete, Status: apply.StatusApplied},
		{Project: "demo", Rule: evilBlocked, Action: plan.Update, Status: apply.StatusBlocked, SecretTo: "blocked.example.net", Blocked: &plan.Blocked{Guard: plan.GuardMissingAuth, Reason: "matters"}},
	}
	flood := func(n int, c func(i int) apply.Change) []apply.Change {
		var out []apply.Change
		for i := range n {
			out = append(out, c(i))
		}
		return append(out, bad...)
	}
	long := strings.Repeat("\u202e", 255)
	for name, changes := range map[string][]apply.Change{
		"applied": flood(600, func(i int) apply.Change { return status(fmt.Sprint("a", i), apply.StatusApplied, "", nil) }),
		"done":    flood(600, func(i int) apply.Change { return status(fmt.Sprint("a", i), apply.StatusDone, "done.example.com", nil) }),
		"secrets": flood(600, func(i int) apply.Change {
			return status(fmt.Sprint("a", i), apply.StatusApplied, "hooks.example.com", nil)
		}),
		"hosts": flood(500, func(i int) apply.Change {
			return status(fmt.Sprint("a", i), apply.StatusApplied, fmt.Sprint("h", i, ".example.com"), nil)
		}),
		"blocked": flood(600, func(i int) apply.Change {
			return apply.Change{Project: "demo", Rule: fmt.Sprint("a", i), Action: plan.Create, Status: apply.StatusBlocked, Blocked: &plan.Blocked{Guard: plan.GuardAdopt, Reason: long + fmt.Sprint(i)}}
		}),
		"failed": flood(600, func(i int) apply.Change {
			return status(fmt.Sprint("a", i)+long, apply.StatusFailed, "", &apply.Error{Kind: apply.KindService, Message: long, Hint: long})
		}),
	} {
		r := &apply.Result{Outcome: apply.Partial, Changes: changes, Summary: apply.Summary{Applied: 1}, Digest: digestOf("a")}
		for range 300 {
			r.Warnings = append(r.Warnings, `update of rule "a" wrote over a rule`+long)
		}
		r.Warnings = append(r.Warnings, evilWarning)
		var markdown, text bytes.Buffer
		if err := ResultMarkdown(&markdown, r, MarkdownOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := ResultText(&text, r, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		checkMarkdown(t, byGoldmark, markdown.String())
		if markdown.Len() > MaxMarkdown {
			t.Errorf("%s: %d bytes", name, markdown.Len())
		}
		for form, got := range map[string]string{"markdown": markdown.String(), "text": text.String()} {
			for _, want := range []string{evilHost, "failed.example.net", "stale.example.net", "blocked.example.net", evilRule, "zz-failed", "zz-stale", evilDelete, evilBlocked, evilWarning} {
				if name == "hosts" && want == evilRule {
					continue // its row is among very many similar rows
				}
				if !strings.Contains(got, want) {
					t.Errorf("%s, %s: %s is not shown", name, form, want)
				}
			}
		}
	}
}

// TestFloodOfProblems: warnings do not hide an error, and no kind of problem or
// file hides another.
func TestFloodOfProblems(t *testing.T) {
	t.Parallel()
	var problems []schema.Problem
	for i := range 5000 {
		at := schema.Position{File: fmt.Sprintf("rules/a%02d.yaml", i%50), Line: i + 1, Column: 1}
		problems = append(problems, schema.Problem{Position: at, Message: fmt.Sprintf("spec.headers.X%d is %q", i, "odd"), Severity: schema.Warning},
			schema.Problem{Position: at, Message: fmt.Sprintf("unknown key %q", fmt.Sprint("k", i)), Severity: schema.Error})
	}
	const matters = "the file is encrypted for other keys than the nearest .sops.yaml names"
	problems = append(problems,
		schema.Problem{Position: schema.Position{File: "rules/z.yaml", Line: 1, Column: 1}, Message: matters, Severity: schema.Warning},
		schema.Problem{Position: schema.Position{File: "rules/z.yaml", Line: 2, Column: 1}, Message: "sops.mac is damaged", Severity: schema.Error})
	var markdown, annotations bytes.Buffer
	if err := ProblemsMarkdown(&markdown, problems, MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := Annotations(&annotations, problems, AnnotationOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(markdown.String(), "`sops.mac` is damaged") || markdown.Len() > MaxMarkdown || !strings.Contains(markdown.String(), "Left out") {
		t.Errorf("an error is left out of %d bytes of Markdown", markdown.Len())
	}
	for _, want := range []string{matters, "sops.mac is damaged"} {
		if !strings.Contains(annotations.String(), want) {
			t.Errorf("no annotation says %s", want)
		}
	}
}

// TestFloodOfHistories: a failing rule is not hidden behind rules that deliver.
func TestFloodOfHistories(t *testing.T) {
	t.Parallel()
	doc := noHistory()
	for i := range 3000 {
		doc.Rules = append(doc.Rules, history.Rule{
			Rule: fmt.Sprint("a", i), State: history.StateSent, Enabled: true, LastStatus: webhook.Sent,
			Archive: &history.Archive{Location: strings.Repeat("p", 500) + fmt.Sprint(i)},
		})
	}
	doc.Rules = append(doc.Rules, history.Rule{Rule: evilRule, State: history.StateUnreadable, Enabled: true, Error: "matters"})
	var out bytes.Buffer
	if err := HistoryMarkdown(&out, doc, MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Count(text, evilRule) != 2 || out.Len() > MaxMarkdown {
		t.Errorf("%s is shown %d times in %d bytes, want its row and its error", evilRule, strings.Count(text, evilRule), out.Len())
	}
}
