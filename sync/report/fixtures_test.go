package report

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// The documents behind the goldens. They are written by hand and not by package
// plan, so that a change of its wording does not change them.

// setTo returns guard settings with a limit of deletes and protected rules.
func setTo(limit string, protect ...string) plan.Settings {
	return plan.Settings{
		FormerOwners: []string{}, MaxDeletes: limit, Protect: append([]string{}, protect...), Destinations: []string{}, KeyServices: []string{},
	}
}

func digestOf(c string) webhook.Digest { return webhook.Digest(strings.Repeat(c, 32)) }

func document(projects ...plan.Project) *plan.Plan {
	p := &plan.Plan{
		FormatVersion: plan.FormatVersion, Digest: "1f3c9a0b5d7e42c68811a0b2c3d4e5f6",
		CreatedAt: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC),
		Tool:      plan.Tool{Name: "mkhooks", Version: "v0.1.0"}, Source: plan.Source{Commit: "7b1e0c2"},
		Projects: projects,
	}
	for i, project := range projects {
		p.Projects[i].Guards.InForce = nil
		for _, g := range project.Guards.GuardsInForce() {
			p.Projects[i].Guards.InForce = append(p.Projects[i].Guards.InForce, g.String())
		}
		for _, c := range project.Changes {
			switch c.Action {
			case plan.Create:
				p.Summary.Create++
			case plan.Update:
				p.Summary.Update++
			case plan.Delete:
				p.Summary.Delete++
			}
			if c.Blocked != nil {
				p.Summary.Blocked++
			}
		}
		p.Summary.InSync += project.InSync
		p.Summary.Unmanaged += len(project.Unmanaged)
	}
	return p
}

func project(changes ...plan.Change) plan.Project {
	for i := range changes {
		c := &changes[i]
		c.DesiredDigest, c.LiveDigest = digestOf("d"), digestOf("e")
		if c.Fields == nil {
			c.Fields = []plan.Field{}
		}
		if c.SecretTo != "" && c.After == nil {
			c.After = live(hooks, true)
		}
	}
	return plan.Project{
		Name: "demo", BaseURL: "https://app.mk.io", Owner: "video-platform", Paths: []string{"rules/"},
		Guards:  plan.Guards{Prune: plan.PruneOwned, Lifted: []string{}, Settings: setTo("30%", "billing-*")},
		Changes: changes, Unmanaged: []plan.Unmanaged{}, Uncertain: []plan.Uncertain{}, Warnings: []string{},
		InSync: 41,
	}
}

func live(url string, enabled bool, unknown ...string) *webhook.Spec {
	s := &webhook.Spec{URL: url, Enabled: enabled, Events: []webhook.EventType{"MediaKind.JobFinished"}}
	for _, u := range unknown {
		if s.Unknown == nil {
			s.Unknown = map[string]json.RawMessage{}
		}
		s.Unknown[u] = json.RawMessage(`{"max":3}`)
	}
	return s
}

func add(path string, v any) plan.Field { return plan.Field{Path: path, Op: plan.OpAdd, After: v} }
func remove(path string, v any) plan.Field {
	return plan.Field{Path: path, Op: plan.OpRemove, Before: v}
}
func replace(path string, a, b any) plan.Field {
	return plan.Field{Path: path, Op: plan.OpReplace, Before: a, After: b}
}

const hooks = "https://hooks.example.com/mkio"

// creates returns new rules, with a field of every kind.
func creates() []plan.Change {
	return []plan.Change{
		{
			Rule: "channel-alerts", Action: plan.Create, Direction: plan.DirNew, Auth: plan.AuthAdded,
			File: "rules/channel-alerts.yaml", SecretTo: "hooks.example.com", After: live(hooks, true),
			Fields: []plan.Field{
				add("spec.authentication.headers.X-Webhook-Secret", nil),
				add("spec.authentication.queryParams.sig", nil),
				add("spec.enabled", true),
				add("spec.events", "MediaKind.ChannelInstanceError"),
				add("spec.events", "MediaKind.ChannelInstanceStarted"),
				add("spec.events", "MediaKind.ChannelInstanceStopped"),
				add("spec.headers.X-Source", "mkio"),
				add(`spec.headers["X Team!"]`, "video platform"),
				add("spec.queryParams.v", ""),
				add("spec.url", hooks+"/channels"),
			},
		},
		{
			Rule: "job-done", Action: plan.Create, Direction: plan.DirNew, Auth: plan.AuthNone, RenameOf: "job-finished",
			File: "rules/job-done.yaml", After: live(hooks, true),
			Fields: []plan.Field{add("spec.enabled", true), add("spec.events", "MediaKind.JobFinished"), add("spec.url", hooks)},
		},
	}
}

// updates returns changes with every direction and every state of
// authentication.
func updates() []plan.Change {
	long := hooks + "/" + strings.Repeat("segment/", 60)
	return []plan.Change{
		{
			Rule: "adopt me", Action: plan.Update, Direction: plan.DirAdopt, Auth: plan.AuthUnverifiable,
			File: "rules/adopt me.yaml", SecretTo: "hooks.example.com", Before: live(hooks, false),
		},
		{
			Rule: "billing-fees", Action: plan.Update, Direction: plan.DirBoth, Auth: plan.AuthUnchanged,
			File: "rules/billing-fees.yaml", SecretTo: "hooks.example.com", Before: live(hooks, true),
			Fields: []plan.Field{
				replace("spec.enabled", true, false),
				remove("spec.events", "MediaKind.JobStarted"),
				add("spec.events", "MediaKind.JobFinished"),
				remove("spec.headers.X-Debug", "1"),
				replace("spec.headers.X-Token", webhook.Redacted, webhook.Redacted),
				add("spec.queryParams.v", "2"),
				replace("spec.url", long+"old?x=1", long+"new?x=1"),
			},
		},
		{
			Rule: "job-notifications", Action: plan.Update, Direction: plan.DirDrift, Auth: plan.AuthUnchanged,
			File: "rules/job-notifications.yaml", SecretTo: "hooks.example.com", Before: live(hooks, true),
			Fields: []plan.Field{replace("spec.url", "https://staging.hooks.example.com/mkio", hooks)},
		},
		{
			Rule: "locators", Action: plan.Update, Direction: plan.DirPending, Auth: plan.AuthChanged,
			File: "rules/locators.yaml", SecretTo: "hooks.example.com", Before: live(hooks, true),
		},
		{
			Rule: "names", Action: plan.Update, Direction: plan.DirPending, Auth: plan.AuthChanged,
			File: "rules/names.yaml", SecretTo: "hooks.example.com", Before: live(hooks, true),
			Fields: []plan.Field{
				remove("spec.authentication.headers.X-Old", nil),
				add("spec.authentication.headers.X-New", nil),
			},
		},
		{
			Rule: "open", Action: plan.Update, Direction: plan.DirPending, Auth: plan.AuthRemoved,
			File: "rules/open.yaml", Before: live(hooks, true),
			Fields:  []plan.Field{remove("spec.authentication.headers.X-Old", nil)},
			Blocked: &plan.Blocked{Guard: plan.GuardMissingAuth, Reason: "would drop authentication.headers.X-Old, which was not set by the last apply", Lift: "--drop-auth open"},
		},
		{
			Rule: "retries", Action: plan.Update, Direction: plan.DirPending, Auth: plan.AuthNone,
			File: "rules/retries.yaml", Over: []string{"common/retries.yaml", "common/eu/retries.yaml"}, Before: live(hooks, true, "retryPolicy", "authentication.oauth"),
			Fields: []plan.Field{
				remove("spec.authentication.oauth", "hunter2"),
				remove("spec.retryPolicy", map[string]any{"max": 3}),
				replace("spec.headers.X-Source", "mkio", "mk.io"),
			},
			Blocked: &plan.Blocked{Guard: plan.GuardUnknown, Reason: "this version does not know spec.authentication.oauth, spec.retryPolicy, and a PUT would drop it", Lift: "--drop-unknown"},
		},
	}
}

func deletes() []plan.Change {
	limit := &plan.Blocked{Guard: plan.GuardDeletes, Reason: `14 rules would be deleted, the limit is 13, 30% of the 41 rules that "video-platform" owns`, Lift: `--max-deletes 14`}
	gone := func(rule string, h *plan.History, b *plan.Blocked) plan.Change {
		return plan.Change{
			Rule: rule, Action: plan.Delete, Direction: plan.DirGone, Auth: plan.AuthRemoved,
			Before: live("https://old.example.com/"+rule, rule != "paused"), History: h, Blocked: b,
		}
	}
	finished := gone("job-finished", &plan.History{Records: 1203, Pending: 2}, nil)
	finished.RenameOf = "job-done"
	return []plan.Change{
		gone("billing-eu", &plan.History{Records: 1}, &plan.Blocked{Guard: plan.GuardProtect, Reason: `protected by "billing-*", never deleted while that stands`}),
		finished,
		gone("paused", &plan.History{}, nil),
		gone("unread", nil, nil),
		gone("y1", &plan.History{Records: 10}, limit),
		gone("y2", &plan.History{Records: 20}, limit),
	}
}

// blockedByEach returns a change for every guard.
func blockedByEach() []plan.Change {
	var out []plan.Change
	for _, b := range []plan.Blocked{
		{Guard: plan.GuardEmpty, Reason: "the files hold no rule at all, which is more often a wrong path than meant", Lift: "--allow-empty"},
		{Guard: plan.GuardForeign, Reason: `the live rule belongs to owner "playout"`, Lift: `--take-over rule-2`},
		{Guard: plan.GuardDestination, Reason: "would send the secret to https://evil.example.net instead of https://hooks.example.com; confirm the host with those who run it, then list it in destinations (for one run: --allow-destination)"},
		{Guard: plan.GuardAdopt, Reason: "the rule was made elsewhere, and adopting it would change 2 fields", Lift: "--adopt rule-4"},
		{Guard: plan.GuardActive, Reason: "2 records of the newest page are still on their way; apply waits for them", Lift: "--delete-active"},
		{Guard: plan.GuardArchive, Reason: "there is no place for the delivery history, which the delete destroys; pass --archive DIR"},
		{Guard: plan.GuardDependence, Reason: `deletes wait until every create is done, and the create of "rule-1" is blocked`},
	} {
		c := plan.Change{
			Rule: "rule-" + formatCount(len(out)+1), Action: plan.Delete, Direction: plan.DirUnknown, Auth: plan.AuthNone,
			Before: live(hooks, true), Blocked: &b,
		}
		if b.Guard == plan.GuardForeign || b.Guard == plan.GuardDestination || b.Guard == plan.GuardAdopt {
			c.Action, c.Direction = plan.Update, plan.DirAdopt
			c.Fields = []plan.Field{replace("spec.url", hooks, hooks+"/2")}
		}
		out = append(out, c)
	}
	return out
}

func mixedPlan() *plan.Plan {
	p := project(append(append(creates(), updates()...), deletes()...)...)
	p.Guards.Lifted = []string{"take-over=legacy-*", "delete-active"}
	p.Unmanaged = []plan.Unmanaged{
		{Rule: "copied-rule", Reason: plan.ReasonCopied},
		{Rule: "legacy-1", Reason: plan.ReasonUnmanaged},
		{Rule: "legacy-2", Reason: plan.ReasonUnmanaged},
		{Rule: "legacy-3", Reason: plan.ReasonUnmanaged},
		{Rule: "legacy-4", Reason: plan.ReasonUnmanaged},
		{Rule: "legacy-5", Reason: plan.ReasonUnmanaged},
		{Rule: "legacy-6", Reason: plan.ReasonUnmanaged},
		{Rule: "legacy-7", Reason: plan.ReasonUnmanaged},
		{Rule: "ours-kept", Reason: plan.ReasonKept},
		{Rule: "playout-main", Reason: plan.ReasonForeign},
	}
	p.Uncertain = []plan.Uncertain{
		{Rule: "clear-secret", Auth: true},
		{Rule: "new-api", Unknown: []string{"spec.retryPolicy"}},
	}
	p.Warnings = []string{
		`rule "copied-rule" carries a marker that was made for another rule or project; it is left alone`,
		`rule "job-done" looks like a rename of "job-finished": a rename starts a new delivery history, the old one goes to the archive`,
	}
	return document(p)
}

func guardsPlan() *plan.Plan {
	p := project(blockedByEach()...)
	p.Owner, p.BaseURL, p.InSync = "", "http://127.0.0.1:8080", 0
	p.Guards = plan.Guards{Prune: plan.PruneAll, Lifted: []string{"allow-empty", "drop-unknown"}, Settings: setTo("12")}
	p.Guards.Settings.Destinations = []string{"*.example.com"}
	return document(p)
}

func quietPlan() *plan.Plan { return document(project()) }

func emptyPlan() *plan.Plan {
	p := project()
	p.InSync, p.Paths = 0, nil
	return document(p)
}

// smallPlan returns a typical plan.
func smallPlan() *plan.Plan {
	all := updates()
	return document(project(all[2], all[3]))
}

func twoProjects() *plan.Plan {
	other := project(deletes()[1])
	other.Name, other.InSync, other.Only = "staging", 3, []string{"job-*"}
	return document(project(updates()[2]), other)
}

// someSettings returns the settings of two projects whose names come from a
// file.
func someSettings() *Settings {
	return &Settings{
		FormatVersion: 1, Config: "mkhooks.yaml",
		Settings: []Setting{
			{Name: "base URL", Value: "https://app.mk.io", From: []string{"default"}},
			{Name: "archiveIsDurable", Value: false, From: []string{"default"}},
			{Name: "destinations", Value: []string{"hooks.example.com", "*.media.example.com"}, From: []string{"mkhooks.yaml:2"}},
			{Name: "parallel", Value: 8, From: []string{"--parallel"}},
		},
		Projects: []ProjectSettings{
			{Name: "prod", Settings: []Setting{
				{Name: "protect", Value: []string{"billing-*", "vip-*"}, From: []string{"mkhooks.yaml:11", "--protect"}},
				{Name: "token", Value: "MKIO_TOKEN_PROD (not set)", From: []string{"mkhooks.yaml:10"}},
			}},
			{Name: "::add-path::x", Settings: []Setting{{Name: "protect", Value: []string{}, From: []string{"default"}}}},
		},
	}
}

// unreadPlan returns a plan of seven projects. The first has a change, the
// second can't be read, and five have nothing to report.
func unreadPlan() *plan.Plan {
	none := []plan.Change{}
	gone := project(none...)
	gone.Name, gone.Unreadable = "staging", "list rules: GET /api/v1/projects/staging/webhook/rules: 503 Service Unavailable: upstream connect error (ref 7f3a)"
	all := []plan.Project{project(updates()[2]), gone}
	for _, name := range []string{"alpha", "beta", "gamma", "delta", "epsilon"} {
		still := project(none...)
		still.Name, still.InSync = name, 2
		all = append(all, still)
	}
	return document(all...)
}

// unreadResult returns the result of such a plan.
func unreadResult() *apply.Result {
	r := mixedResult()
	r.Changes = r.Changes[:1]
	r.Summary = apply.Summary{Applied: 1}
	r.Warnings = []string{}
	r.Unreadable = []apply.Unreadable{{Project: "staging", Message: "list rules: 503 Service Unavailable: upstream connect error (ref 7f3a)"}}
	return r
}

// someAdvice returns the additions of a command to a plan.
func someAdvice() Advice {
	return Advice{
		Commands: Commands{
			Apply: func(project, rule string) string {
				return "mkhooks apply -p " + project + " rules/ --only " + shell.Word(rule)
			},
			Import: func(project, rule string) string {
				return "mkhooks import -p " + project + " --out rules/ " + shell.Word(rule)
			},
		},
		Next: []string{"mkhooks apply -p demo rules/ --expect 1f3c9a0b5d7e42c68811a0b2c3d4e5f6"},
	}
}

// loosenedPlan returns the plan of a pull request that also loosens guards.
func loosenedPlan() *plan.Plan {
	p := smallPlan()
	p.Base = &plan.Base{Compared: true, Commit: "0123456789abcdef0123456789abcdef01234567", Loosened: []plan.Loosening{
		{What: "destinations", Text: `"*.example.net" was added`}, {Project: "demo", What: "maxDeletes", Text: "30% became 100%"},
	}}
	return p
}

func mixedResult() *apply.Result {
	return &apply.Result{
		FormatVersion: apply.FormatVersion, Digest: digestOf("a"), Outcome: apply.Partial,
		Changes: []apply.Change{
			{Project: "demo", Rule: "channel-alerts", Action: plan.Create, Status: apply.StatusApplied, HTTPStatus: 201, Attempts: 1},
			{Project: "demo", Rule: "job-done", Action: plan.Create, Status: apply.StatusDone, Attempts: 0},
			{Project: "demo", Rule: "job-notifications", Action: plan.Update, Status: apply.StatusApplied, HTTPStatus: 200, Ref: "aa11", Attempts: 3},
			{Project: "demo", Rule: "locators", Action: plan.Update, Status: apply.StatusUnverified, HTTPStatus: 200, Attempts: 1,
				Error: &apply.Error{Kind: apply.KindUnverified, Message: "the service kept something else: spec.url", Hint: "mkhooks plan shows what differs"}},
			{Project: "demo", Rule: "names", Action: plan.Update, Status: apply.StatusFailed, HTTPStatus: 503, Ref: "7f3a", Attempts: 6,
				Error: &apply.Error{Kind: apply.KindService, Message: "PUT rule \"names\": 503 Service Unavailable: upstream connect error or disconnect/reset before headers (ref 7f3a)", Hint: "try again later; give the ref to the service's support"}},
			{Project: "demo", Rule: "timeouts", Action: plan.Update, Status: apply.StatusFailed, Attempts: 2,
				Error: &apply.Error{Kind: apply.KindNetwork, Message: "PUT rule \"timeouts\": no answer\nread tcp 10.0.0.1:443: i/o timeout"}},
			{Project: "demo", Rule: "open", Action: plan.Update, Status: apply.StatusBlocked,
				Blocked: updates()[5].Blocked},
			{Project: "demo", Rule: "moved", Action: plan.Update, Status: apply.StatusStale,
				Error: &apply.Error{Kind: apply.KindStale, Message: "the rule changed since the plan was shown", Hint: "run mkhooks plan again and look at what moved"}},
			{Project: "demo", Rule: "moved-too", Action: plan.Update, Status: apply.StatusStale,
				Error: &apply.Error{Kind: apply.KindStale, Message: "the rule changed since the plan was shown", Hint: "run mkhooks plan again and look at what moved"}},
			{Project: "demo", Rule: "job-finished", Action: plan.Delete, Status: apply.StatusApplied, HTTPStatus: 200, Attempts: 1,
				Archive: &archive.Receipt{Location: "archive/demo/job-finished-3f2a.jsonl.gz", Records: 1203, SHA256: strings.Repeat("ab", 32)}},
			{Project: "demo", Rule: "kept", Action: plan.Delete, Status: apply.StatusFailed, HTTPStatus: 403, Ref: "b0b0", Attempts: 1,
				Archive: &archive.Receipt{Location: "archive/demo/kept-77aa.jsonl.gz", Records: 7, SHA256: strings.Repeat("cd", 32)},
				Error:   &apply.Error{Kind: apply.KindService, Message: "delete rule \"kept\": 403 Forbidden (ref b0b0)", Hint: "the token needs webhooks.config.delete"}},
			{Project: "demo", Rule: "later", Action: plan.Delete, Status: apply.StatusSkipped},
		},
		Summary:  apply.Summary{Applied: 3, Done: 1, Unverified: 1, Failed: 3, Blocked: 1, Stale: 2, Skipped: 1},
		Warnings: []string{"the token expires on 2026-03-09"},
	}
}

// leftResult returns deletes that paused their rules and did not delete them,
// with every state that a rule can have then.
func leftResult() *apply.Result {
	names := []string{"headers.X-Webhook-Secret", "queryParams.key"}
	left := func(rule string, status apply.Status, l apply.Left) apply.Change {
		c := apply.Change{Project: "demo", Rule: rule, Action: plan.Delete, Status: status, Left: &l}
		if status == apply.StatusBlocked {
			c.Blocked = &plan.Blocked{Guard: plan.GuardActive, Reason: "2 of 7 records are still on their way after 30s; run it again later, or lift with --delete-active"}
			return c
		}
		c.Error = &apply.Error{Kind: apply.KindService, Message: "503 Service Unavailable (ref 7f3a)"}
		return c
	}
	lost := left("lost", apply.StatusFailed, apply.Left{AuthRemoved: names, Uncertain: apply.StepDelete})
	lost.Attempts, lost.HTTPStatus = 1, 503
	return &apply.Result{
		FormatVersion: apply.FormatVersion, Digest: digestOf("a"), Outcome: apply.Partial,
		Changes: []apply.Change{
			left("busy", apply.StatusBlocked, apply.Left{AuthRemoved: names}),
			left("earlier", apply.StatusBlocked, apply.Left{AuthRemoved: names, Earlier: true}),
			lost,
			left("maybe", apply.StatusFailed, apply.Left{AuthRemoved: names, Uncertain: apply.StepPause}),
			left("plain", apply.StatusBlocked, apply.Left{AuthRemoved: []string{}}),
			left("resumed", apply.StatusStale, apply.Left{Enabled: true, AuthRemoved: names}),
			left("restored", apply.StatusStale, apply.Left{Enabled: true, AuthRemoved: []string{}}),
		},
		Summary:  apply.Summary{Failed: 2, Blocked: 3, Stale: 2},
		Warnings: []string{},
	}
}

func someProblems() []schema.Problem {
	at := func(file string, line, column int) schema.Position {
		return schema.Position{File: file, Line: line, Column: column}
	}
	return []schema.Problem{
		{Position: at("rules", 0, 0), Message: "holds no rule file (.yaml or .yml), expected at least one", Severity: schema.Warning},
		{Position: at("rules/a.yaml", 5, 12), Message: `spec.events[0]: unknown event "MediaKind.JobFinish"; expected one of the ten event types`, Hint: `did you mean "MediaKind.JobFinished"?`, Severity: schema.Error},
		{Position: at("rules/a.yaml", 9, 3), Message: "spec.authentication is not encrypted", Hint: "sops encrypt --in-place rules/a.yaml", Command: "sops encrypt --in-place rules/a.yaml", Severity: schema.Error},
		{Position: at("rules/b.yaml", 1, 1), Message: "mac_only_encrypted is missing", Hint: "a hand edit of url breaks the file's MAC without it", Severity: schema.Warning},
		{Message: "a problem of no file", Severity: schema.Error},
	}
}
