package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// secretWord appears wherever text that looks like a credential may be
// plaintext.
const secretWord = "s3cr3tValue"

// world makes random inputs from few values, so that rules often agree.
type world struct{ *rand.Rand }

func pick[T any](w world, from ...T) T { return from[w.IntN(len(from))] }

func (w world) spec() webhook.Spec {
	s := webhook.Spec{
		URL: pick(w, "https://hooks.example.com/a", "https://HOOKS.example.com:443/a", "https://other.example.com/a",
			"https://hooks.example.com/?token="+secretWord, "https://u:"+secretWord+"@hooks.example.com/", `https://hooks.example.com\@other.example.com/`),
		Enabled: pick(w, true, true, false),
		Events:  pick(w, []webhook.EventType{"a", "b"}, []webhook.EventType{"b", "a", "b"}, []webhook.EventType{"c"}, nil),
		Headers: pick(w, nil, map[string]string{}, map[string]string{"X-Source": "1"}, map[string]string{"x-source": " 1"},
			map[string]string{"X-Token": secretWord}, map[string]string{"X-A": "1", "x-a": "1"}, map[string]string{"X-A": "Bearer " + secretWord}),
		QueryParams: pick(w, nil, map[string]string{"sig": secretWord}, map[string]string{"a": "1", "b c": "2"}),
		Auth: pick(w, webhook.AuthNames{}, webhook.AuthNames{Headers: []string{"X-Secret"}}, webhook.AuthNames{Headers: []string{"x-secret"}},
			webhook.AuthNames{Headers: []string{"X-Other"}, QueryParams: []string{"sig"}}),
	}
	return s.Clone()
}

func (w world) auth(s webhook.Spec) webhook.Digest {
	if s.Auth.Len() == 0 {
		return webhook.AuthDigest(nil)
	}
	return pick(w, webhook.AuthUnknown, webhook.Digest(strings.Repeat("1", 32)), webhook.Digest(strings.Repeat("2", 32)))
}

func (w world) input(owner string) Input {
	in := Input{Project: project, BaseURL: "https://app.mk.io", Owner: owner, FormerOwners: []string{"former"}}
	for i := range 12 {
		name := fmt.Sprintf("rule-%d", i)
		d := webhook.Desired{Rule: webhook.Rule{Name: name, Spec: w.spec()}, File: name + ".yaml", Line: 1}
		d.AuthDigest = w.auth(d.Spec)
		live := webhook.Rule{ID: "id-" + name, Name: name, Spec: pick(w, d.Spec.Clone(), w.spec())}
		if w.IntN(4) == 0 {
			live.Spec.Unknown = map[string]json.RawMessage{"retry.secret": json.RawMessage(`"` + secretWord + `"`), "n": json.RawMessage(`1`)}
		}
		if w.IntN(4) > 0 {
			applied := pick(w, live.Spec, d.Spec, w.spec())
			m := webhook.Marker{Owner: pick(w, "video", "video", "former", "audio"), ID: webhook.RuleID(project, pick(w, name, name, name, "another")),
				Spec: webhook.SpecDigest(applied), Auth: pick(w, d.AuthDigest, w.auth(applied))}
			if w.IntN(4) == 0 {
				m.Kept = webhook.SpecDigest(live.Spec)
			}
			live.Spec = live.Spec.WithMarker(m)
		}
		switch w.IntN(4) {
		case 0:
			in.Desired = append(in.Desired, d)
		case 1:
			in.Live = append(in.Live, live)
		default:
			in.Desired, in.Live = append(in.Desired, d), append(in.Live, live)
		}
	}
	in.Options = Options{Prune: pick(w, PruneNone, PruneOwned, PruneAll), MaxDeletes: Limit{Count: 100}, ArchiveSet: true}
	if owner == "" && in.Options.Prune == PruneOwned {
		in.Options.Prune = PruneNone
	}
	return in
}

// liftEveryGuard lifts every guard that can be lifted.
func liftEveryGuard(in Input) Input {
	all := []string{"*"}
	in.Options.AllowEmpty, in.Options.DropUnknown = true, true
	in.Options.DropAuth, in.Options.TakeOver, in.Options.Adopt = all, all, all
	in.Options.AllowDestinations = []string{"*.example.com"}
	return in
}

// afterApply returns in after the unblocked changes of p.
func afterApply(in Input, p *Plan) Input {
	live := map[string]webhook.Rule{}
	for _, r := range in.Live {
		live[r.Name] = r
	}
	for _, c := range p.Projects[0].Changes {
		i := slices.IndexFunc(in.Desired, func(d webhook.Desired) bool { return d.Name == c.Rule })
		switch {
		case c.Blocked != nil:
		case c.Action == Delete:
			delete(live, c.Rule)
		default:
			d := in.Desired[i]
			r := webhook.Rule{ID: "new-" + d.Name, Name: d.Name, Spec: d.Spec.Clone()}
			if in.Owner != "" {
				r.Spec = r.Spec.WithMarker(webhook.Marker{Owner: in.Owner, ID: webhook.RuleID(in.Project, d.Name),
					Spec: webhook.SpecDigest(d.Spec), Auth: d.AuthDigest})
			}
			live[d.Name] = r
		}
	}
	in.Live = nil
	for _, r := range live {
		in.Live = append(in.Live, r)
	}
	return in
}

// eachWorld runs check on many random inputs, with and without an owner.
func eachWorld(t *testing.T, check func(t *testing.T, w world, in Input)) {
	t.Parallel()
	for seed := range uint64(200) {
		w := world{rand.New(rand.NewPCG(seed, 1))}
		in := w.input(pick(w, "video", "video", ""))
		check(t, w, in)
		if t.Failed() {
			t.Fatalf("at seed %d", seed)
		}
	}
}

func TestPlanOfAppliedIsEmpty(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ world, in Input) {
		in = liftEveryGuard(in)
		p := New(in)
		held := map[string]bool{}
		for _, c := range p.Projects[0].Changes {
			held[c.Rule] = c.Blocked != nil
			if c.Blocked != nil && c.Blocked.Guard != GuardDestination && c.Blocked.Guard != GuardDependence {
				t.Errorf("%s %s is blocked by %s with every guard lifted", c.Action, c.Rule, c.Blocked.Guard)
			}
		}
		second := New(afterApply(in, p))
		for _, c := range second.Projects[0].Changes {
			// Changes that no flag allows remain: an invalid host, and changes
			// that wait for it. A blocked change may be free now, if the rule that
			// holds its ciphertext has changed.
			if c.Blocked == nil && !held[c.Rule] {
				t.Errorf("second plan: %s %s: %s, auth %s, %v", c.Action, c.Rule, c.Direction, c.Auth, c.Fields)
			}
		}
	})
}

func TestOrderOfInputNeverShows(t *testing.T) {
	eachWorld(t, func(t *testing.T, w world, in Input) {
		if w.IntN(2) == 0 {
			in = liftEveryGuard(in)
		}
		before := document(t, New(in))
		shuffle := func(n int, swap func(i, j int)) { w.Shuffle(n, swap) }
		other := in
		other.Desired, other.Live = slices.Clone(in.Desired), slices.Clone(in.Live)
		shuffle(len(other.Desired), func(i, j int) { other.Desired[i], other.Desired[j] = other.Desired[j], other.Desired[i] })
		shuffle(len(other.Live), func(i, j int) { other.Live[i], other.Live[j] = other.Live[j], other.Live[i] })
		for i := range other.Live {
			other.Live[i].Spec = other.Live[i].Spec.Clone()
			events := other.Live[i].Spec.Events
			shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		}
		if after := document(t, New(other)); before != after {
			t.Errorf("another order of the input gives another document (-first +second):\n%s", cmp.Diff(before, after))
		}
	})
}

func document(t *testing.T, p *Plan) string {
	t.Helper()
	doc, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range schema.CheckDocument(schema.PlanDocument, doc) {
		t.Errorf("the document does not fit its schema: %s", v.Message())
	}
	return string(doc)
}

func TestDocumentHoldsNoCredentialAndNoNull(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ world, in Input) {
		doc := document(t, New(in))
		if strings.Contains(doc, secretWord) {
			t.Errorf("a credential shows:\n%s", doc)
		}
		for _, line := range strings.Split(doc, "\n") {
			if strings.HasSuffix(strings.TrimRight(line, ","), "null") &&
				!strings.Contains(line, `"before": null`) && !strings.Contains(line, `"after": null`) {
				t.Errorf("a list is null: %s", line)
			}
		}
		if strings.Contains(strings.ToLower(doc), `"x-mkhooks"`) {
			t.Errorf("the marker shows as a header:\n%s", doc)
		}
	})
}

// TestEveryRuleIsToldOnce: every rule appears once: as a change, in sync,
// unsettled or unmanaged.
func TestEveryRuleIsToldOnce(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ world, in Input) {
		p := New(in)
		project := p.Projects[0]
		both := 0
		for _, d := range in.Desired {
			if slices.ContainsFunc(in.Live, func(r webhook.Rule) bool { return r.Name == d.Name }) {
				both++
			}
		}
		s := p.Summary
		if got, want := s.Create, len(in.Desired)-both; got != want {
			t.Errorf("%d creates, want %d", got, want)
		}
		if got := s.Update + s.InSync + len(project.Uncertain); got != both {
			t.Errorf("%d updates, %d in sync and %d unsettled, want %d together", s.Update, s.InSync, len(project.Uncertain), both)
		}
		if got, want := s.Delete+s.Unmanaged, len(in.Live)-both; got != want {
			t.Errorf("%d deletes and %d unmanaged, want %d together", s.Delete, s.Unmanaged, want)
		}
		if got, want := len(project.InSyncRules), s.InSync+len(project.Uncertain); got != want {
			t.Errorf("%d settled, want %d", got, want)
		}
		if p.HasDifferences() != (len(project.Changes) > 0) {
			t.Errorf("HasDifferences() = %t with %d changes", p.HasDifferences(), len(project.Changes))
		}
	})
}

// TestNothingOfOthersIsTouched: with no guard lifted, a rule that this owner
// does not own stays unchanged.
func TestNothingOfOthersIsTouched(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ world, in Input) {
		for _, c := range New(in).Projects[0].Changes {
			i := slices.IndexFunc(in.Live, func(r webhook.Rule) bool { return r.Name == c.Rule })
			if c.Blocked != nil || i < 0 {
				continue
			}
			m, state := webhook.ReadMarker(in.Project, in.Live[i])
			ours := state == webhook.ValidMarker && in.Owner != "" && (m.Owner == in.Owner || m.Owner == "former")
			switch {
			case state == webhook.ForeignMarker, state == webhook.ValidMarker && !ours:
				t.Errorf("%s of %s, which is another owner's, is not blocked", c.Action, c.Rule)
			case state == webhook.CopiedMarker && c.Action == Delete:
				t.Errorf("delete of %s, whose marker was copied", c.Rule)
			case state == webhook.NoMarker && c.Action == Delete && in.Options.Prune != PruneAll:
				t.Errorf("delete of %s, which has no marker, with prune %s", c.Rule, in.Options.Prune)
			case c.Action == Update && len(in.Live[i].Spec.Unknown) > 0:
				t.Errorf("update of %s drops an unknown field", c.Rule)
			}
			if c.Direction == DirAdopt && len(c.Fields) > 0 {
				t.Errorf("adoption of %s changes %v", c.Rule, c.Fields)
			}
		}
	})
}

// TestCompareAgreesWithDigests: digests show that specs differ, compare shows
// where. Both must agree.
func TestCompareAgreesWithDigests(t *testing.T) {
	t.Parallel()
	w := world{rand.New(rand.NewPCG(7, 7))}
	for range 3000 {
		a, b := w.spec(), w.spec()
		fields := compare(&a, &b, webhook.Mask{})
		if same := webhook.SpecDigest(a) == webhook.SpecDigest(b); same != (len(fields) == 0) {
			t.Fatalf("digests equal: %t, but the differences are %v between\n%v\n%v", same, fields, a, b)
		}
		back := compare(&b, &a, webhook.Mask{})
		if len(back) != len(fields) {
			t.Fatalf("%d differences one way, %d the other, between\n%v\n%v", len(fields), len(back), a, b)
		}
		if again := compare(&a, &b, webhook.Mask{}); cmp.Diff(fields, again) != "" {
			t.Fatalf("two comparisons differ:\n%s", cmp.Diff(fields, again))
		}
	}
}

// TestInputIsLeftAlone: New must not change its input, because the specs are
// sent later.
func TestInputIsLeftAlone(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ world, in Input) {
		before, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		New(in)
		after, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, after) {
			t.Errorf("New changed its input:\n%s\n%s", before, after)
		}
	})
}

func BenchmarkInSync(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := Input{Project: project, Owner: "video"}
			for i := range n {
				name := fmt.Sprintf("rule-%d", i)
				spec := webhook.Spec{URL: "https://hooks.example.com/mkio", Enabled: true, Events: webhook.EventTypes()[:2],
					Headers: map[string]string{"X-Source": "mkio", "X-Rule": name}, Auth: webhook.AuthNames{Headers: []string{"X-Secret"}}}
				auth := webhook.AuthDigest([]webhook.SealedValue{{Path: "headers/X-Secret", Ciphertext: name}})
				in.Desired = append(in.Desired, webhook.Desired{Rule: webhook.Rule{Name: name, Spec: spec}, AuthDigest: auth})
				in.Live = append(in.Live, webhook.Rule{ID: name, Name: name, Spec: spec.WithMarker(webhook.Marker{
					Owner: "video", ID: webhook.RuleID(project, name), Spec: webhook.SpecDigest(spec), Auth: auth})})
			}
			b.ResetTimer()
			for b.Loop() {
				if p := New(in); p.Summary.InSync != n {
					b.Fatalf("%d in sync", p.Summary.InSync)
				}
			}
		})
	}
}
