package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// readBack returns a plan as it is read back from its file.
func readBack(t *testing.T, p *Plan) *Plan {
	t.Helper()
	doc, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out Plan
	if err := json.Unmarshal(doc, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// narrowLines returns the result of Narrow in one line: + for kept changes, ! for
// kept and blocked changes, then the unmatched changes.
func narrowLines(p *Plan, moved []Unmatched) string {
	var lines []string
	for _, c := range p.Projects[0].Changes {
		if c.Blocked != nil {
			lines = append(lines, "! "+c.Rule+" "+string(c.Blocked.Guard))
		} else {
			lines = append(lines, "+ "+c.Rule)
		}
	}
	for _, m := range moved {
		state := "stale"
		if m.Done {
			state = "done"
		}
		lines = append(lines, state+" "+m.Change.Rule)
	}
	return strings.Join(lines, "; ")
}

func TestNarrow(t *testing.T) {
	t.Parallel()
	drop := func(in *Input, live string) {
		in.Live = slices.DeleteFunc(in.Live, func(r webhook.Rule) bool { return r.Name == live })
	}
	dropFile := func(in *Input, name string) {
		in.Desired = slices.DeleteFunc(in.Desired, func(d webhook.Desired) bool { return d.Name == name })
	}
	for _, tt := range []struct {
		name       string
		since      func(*Input) // changes since the review
		edit       func(*Plan)  // edits of the saved plan
		want       string
		unreviewed int
	}{
		{name: "nothing has changed", want: "+ gone; + moved; + new"},
		{name: "a live rule moved", since: func(in *Input) { in.Live[0].ID = "x" }, want: "+ gone; + new; stale moved"},
		{name: "all is done", since: func(in *Input) { *in = afterApply(*in, New(*in)) }, want: "done gone; done moved; done new"},
		{name: "a create was done", since: func(in *Input) {
			p := New(*in)
			p.Projects[0].Changes = p.Projects[0].Changes[2:]
			*in = afterApply(*in, p)
		}, want: "+ gone; + moved; done new"},
		{name: "the file of a create is gone", since: func(in *Input) { dropFile(in, "new") },
			want: "! gone dependence; + moved; stale new"},
		{name: "the file of a create changed", since: func(in *Input) { in.Desired[0].Spec.URL += "x" },
			want: "! gone dependence; + moved; stale new"},
		{name: "the file of a create changed, and was applied", since: func(in *Input) {
			in.Desired[0].Spec.URL += "x"
			p := New(*in)
			p.Projects[0].Changes = p.Projects[0].Changes[2:]
			*in = afterApply(*in, p)
		}, want: "! gone dependence; + moved; stale new"},
		{name: "the file of an update is gone", since: func(in *Input) { dropFile(in, "moved") },
			want: "+ gone; + new; stale moved", unreviewed: 0},
		{name: "the file of an update is gone, and nothing is pruned", since: func(in *Input) {
			dropFile(in, "moved")
			in.Options.Prune = PruneNone
		}, want: "+ new; stale gone; stale moved"},
		{name: "the rule of an update is gone", since: func(in *Input) { drop(in, "moved") }, want: "! gone dependence; + new; stale moved"},
		{name: "the rule of a delete is gone", since: func(in *Input) { drop(in, "gone") }, want: "+ moved; + new; done gone"},
		{name: "the file of a delete is back", since: func(in *Input) {
			d := in.Desired[0]
			d.Name, d.Spec = "gone", in.Live[2].Spec.WithoutMarker()
			in.Desired = append(in.Desired, d)
		}, want: "+ moved; + new; stale gone"},
		{name: "the rule of a delete has another owner", since: func(in *Input) {
			in.Live[2].Spec = in.Live[2].Spec.WithMarker(webhook.Marker{Owner: "audio", ID: webhook.RuleID("demo", "gone")})
		}, want: "+ moved; + new; stale gone"},
		{name: "another create came up", since: func(in *Input) {
			d := in.Desired[0]
			d.Name = "newer"
			in.Desired = append(in.Desired, d)
		}, want: "! gone dependence; + moved; + new", unreviewed: 1},
		{name: "another update came up", since: func(in *Input) { in.Live[1].Spec.URL += "x" }, want: "+ gone; + moved; + new", unreviewed: 1},
		{name: "a guard is in force now", since: func(in *Input) { in.Options.MaxDeletes = Limit{} }, want: "! gone too many deletes; + moved; + new"},
		{name: "the run looks at one rule", since: func(in *Input) { in.Options.Only = []string{"moved"} }, want: "+ moved; stale gone; stale new"},
		{name: "the run looks at one file", since: func(in *Input) { in.Options.Narrowed = map[string]bool{"new": true} }, want: "+ new; stale gone; stale moved"},
		{name: "another owner", since: func(in *Input) { in.Owner, in.FormerOwners = "audio", []string{"video"} }, want: "! gone dependence; stale moved; stale new"},
		{name: "a change was blocked at the review", edit: func(p *Plan) { p.Projects[0].Changes[0].Blocked = newBlocked(GuardProtect, "x") },
			want: "+ moved; + new; stale gone"},
		{name: "the history blocked a change at the review", edit: func(p *Plan) {
			p.Projects[0].Changes[0].Blocked = &Blocked{Guard: GuardArchive, Reason: "x", FromHistory: true}
		}, want: "! gone archive; + moved; + new"},
		{name: "a create was blocked at the review", edit: func(p *Plan) { p.Projects[0].Changes[2].Blocked = newBlocked(GuardDestination, "x") },
			want: "! gone dependence; + moved; stale new"},
		{name: "a change was edited out", edit: func(p *Plan) { p.Projects[0].Changes = p.Projects[0].Changes[:2] },
			want: "! gone dependence; + moved", unreviewed: 1},
		{name: "a change was edited in twice", edit: func(p *Plan) {
			p.Projects[0].Changes = append(p.Projects[0].Changes, p.Projects[0].Changes[0])
		}, want: "+ gone; + moved; + new"},
		{name: "an action was edited", edit: func(p *Plan) { p.Projects[0].Changes[1].Action = Delete }, want: "+ gone; + new; stale moved"},
		{name: "a digest was edited", edit: func(p *Plan) { p.Projects[0].Changes[1].LiveDigest = "x" }, want: "+ gone; + new; stale moved"},
		{name: "guards were edited away", since: func(in *Input) { in.Options.Protect = []string{"gone"} },
			edit: func(p *Plan) { p.Projects[0].Guards = Guards{} }, want: "! gone protect; + moved; + new"},
		{name: "another service", edit: func(p *Plan) { p.Projects[0].BaseURL = "https://elsewhere.example" },
			want: "stale gone; stale moved; stale new", unreviewed: 3},
	} {
		saved := readBack(t, New(baseInput()))
		if tt.edit != nil {
			tt.edit(saved)
		}
		in := baseInput()
		if tt.since != nil {
			tt.since(&in)
		}
		fresh := New(in)
		whole := document(t, fresh)
		got, moved, unreviewed := Narrow(saved, fresh, nil)
		moved = append(moved, UnmatchedElsewhere(saved, fresh)...)
		if told := narrowLines(got, moved); told != tt.want || unreviewed != tt.unreviewed {
			t.Errorf("%s:\n got %s, %d unreviewed\nwant %s, %d unreviewed", tt.name, told, unreviewed, tt.want, tt.unreviewed)
		}
		if diff := cmp.Diff(whole, document(t, fresh)); diff != "" {
			t.Errorf("%s: Narrow changed the fresh plan:\n%s", tt.name, diff)
		}
		for _, m := range moved {
			if m.Done != (m.Why == "") {
				t.Errorf("%s: %s is done: %v, why it is stale: %q", tt.name, m.Change.Rule, m.Done, m.Why)
			}
		}
		if want := summarize(got.Projects); got.Summary != want {
			t.Errorf("%s: summary %v, want %v", tt.name, got.Summary, want)
		}
	}
}

func TestNarrowSaysWhatMoved(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, rule string
		since      func(*Input)
		want       string
	}{
		{"live rule's URL edited", "moved", func(in *Input) { in.Live[0].Spec.URL += "y" }, "the live rule changed: spec.url (https://hooks.example.com/ → https://hooks.example.com/y)"},
		{"live rule made anew", "moved", func(in *Input) { in.Live[0].ID = "x" }, "the live rule changed; what can be seen of it did not"},
		{"live rule deleted", "moved", func(in *Input) { in.Live = in.Live[1:] }, "the live rule was deleted"},
		{"rule made by someone else", "new", func(in *Input) {
			in.Live = append(in.Live, webhook.Rule{ID: "y", Name: "new", Spec: in.Desired[0].Spec})
		}, "the rule exists by now"},
		{"another file", "new", func(in *Input) { in.Desired[0].Spec.URL += "x" }, "the file changed: spec.url (https://hooks.example.com/ → https://hooks.example.com/x)"},
		{"another owner", "new", func(in *Input) { in.Owner = "audio" }, "the file changed: another secret, or another owner"},
		{"run that looks elsewhere", "gone", func(in *Input) { in.Options.Only = []string{"new"} }, "this run does not look at the rule"},
		{"file gone", "moved", func(in *Input) { in.Desired = in.Desired[:1] }, "no file names the rule any more"},
	} {
		in := baseInput()
		saved := readBack(t, New(in))
		tt.since(&in)
		_, moved, _ := Narrow(saved, New(in), nil)
		i := slices.IndexFunc(moved, func(m Unmatched) bool { return m.Change.Rule == tt.rule })
		if i < 0 {
			t.Errorf("%s: rule %s did not move", tt.name, tt.rule)
		} else if moved[i].Why != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, moved[i].Why, tt.want)
		}
	}
}

// TestWhy: each way in which a reviewed change can become stale has its own
// message.
func TestWhy(t *testing.T) {
	t.Parallel()
	const one, two = webhook.Digest("1"), webhook.Digest("2")
	there := &webhook.Desired{}
	change := func(action Action, desired, live webhook.Digest) *Change {
		return &Change{Rule: "a", Action: action, DesiredDigest: desired, LiveDigest: live}
	}
	for want, tt := range map[string]struct {
		fresh    Project
		old, now *Change
	}{
		"this run does not look at the rule":                    {Project{InSyncRules: map[string]*webhook.Desired{"a": nil}}, change(Update, one, one), nil},
		"a file names the rule again":                           {Project{InSyncRules: map[string]*webhook.Desired{"a": there}}, change(Delete, webhook.Absent, one), nil},
		"the file changed, and the live rule is as it says now": {Project{InSyncRules: map[string]*webhook.Desired{"a": there}}, change(Update, one, one), nil},
		"this run does not delete the rule":                     {Project{Unmanaged: []Unmanaged{{Rule: "a"}}}, change(Delete, webhook.Absent, one), nil},
		"no file names the rule any more":                       {Project{Unmanaged: []Unmanaged{{Rule: "a"}}}, change(Update, one, one), nil},
		"neither a file nor a live rule has this name any more": {Project{}, change(Delete, webhook.Absent, one), nil},
		"the rule exists by now":                                {Project{}, change(Create, one, webhook.Absent), change(Update, one, two)},
		"the live rule was deleted":                             {Project{}, change(Update, one, one), change(Create, one, webhook.Absent)},
		"the live rule changed; what can be seen of it did not": {Project{}, change(Update, one, one), change(Update, one, two)},
		"no file names the rule any more ":                      {Project{}, change(Update, one, one), change(Delete, webhook.Absent, one)},
		"a file names the rule again ":                          {Project{}, change(Delete, webhook.Absent, one), change(Update, one, one)},
		"the file changed: another secret, or another owner":    {Project{}, change(Update, one, one), change(Update, two, one)},
	} {
		got := newNarrowing(tt.fresh, nil).staleReason(Unmatched{Change: *tt.old, Now: tt.now})
		if got != strings.TrimSpace(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
