package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// forgedDocument returns a document as edited by a person who recomputes digest and
// checksum.
func forgedDocument(t *testing.T, doc any) []byte {
	t.Helper()
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var p Plan
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&p) != nil {
		return raw // another shape, which Read reports
	}
	object, ok := jsonValue(doc).(map[string]any)
	if !ok {
		return raw
	}
	object["digest"] = string(planDigest(p.Projects))
	delete(object, "checksum")
	if raw, err = json.Marshal(object); err != nil {
		t.Fatal(err)
	}
	sum, err := checksumOf(raw)
	if err != nil {
		t.Fatal(err)
	}
	object["checksum"] = sum
	if raw, err = json.Marshal(object); err != nil {
		t.Fatal(err)
	}
	return raw
}

// everyChange returns an input whose plan has every member that a document may
// have.
func everyChange(t *testing.T) Input {
	secret := func(name, url string) shortRule {
		r := baseRule()
		r.Name, r.URL, r.AuthHeaders, r.Auth = name, url, []string{"X-Secret"}, "of-"+name
		return r
	}
	plain := func(name string) shortRule {
		r := baseRule()
		r.Name, r.URL, r.Headers, r.QueryParams = name, "https://hooks.example.com/"+name, map[string]string{"X-Source": "a"}, map[string]string{"v": "1"}
		return r
	}
	live := func(r shortRule, set func(*shortRule)) shortRule {
		r.Marker = &shortMarker{}
		if set != nil {
			set(&r)
		}
		return r
	}
	before := plain("before")
	after := before
	after.Name = "after"
	desired := []shortRule{
		secret("create", "https://hooks.example.com/c"), secret("update", "https://hooks.example.com/u"), plain("drift"), plain("kept"), after,
		secret("blocked", "https://evil.example/b"), secret("adopt", "https://hooks.example.com/a"),
	}
	lives := []shortRule{
		live(desired[1], func(r *shortRule) { r.Marker.Auth = "earlier" }),
		live(desired[2], func(r *shortRule) {
			r.Headers, r.Enabled = map[string]string{"X-Source": "b"}, false
			r.Unknown = map[string]json.RawMessage{"limits": json.RawMessage(`{"n": 12345678901234567890, "f": 1.50, "s": "<\u2028ü"}`)}
		}),
		live(desired[3], nil), live(before, nil), live(plain("gone"), nil), live(desired[5], func(r *shortRule) { r.URL = "https://hooks.example.com/b" }),
		desired[6], plain("unmanaged"),
	}
	in := caseInput(t, desired, lives, caseOptions{Owner: "video", FormerOwners: []string{"former"}, Options: Options{
		Prune: PruneOwned, ArchiveSet: true, Archive: "s3://bucket/x", DropUnknown: true, Adopt: []string{"adopt"}, Protect: []string{"billing-*"}, KeyServices: []string{"awskms"},
	}})
	in.Warnings, in.Now = []string{"a warning"}, time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return in
}

// plannedAll returns the plan of an input with the data that a run adds.
func plannedAll(in Input) *Plan {
	p := New(in)
	p.SetHistory(in.Project, "gone", History{Records: 7, Pending: 1}, true)
	p.SetHistory(in.Project, "before", History{Records: 3}, true)
	return p
}

// unblockedRules returns the changes that a narrowed plan would carry out.
func unblockedRules(p *Plan) []string {
	var out []string
	for _, project := range p.Projects {
		for _, c := range project.Changes {
			if c.Blocked == nil {
				out = append(out, c.Rule)
			}
		}
	}
	return out
}

// TestEditedPlan edits each value of a saved plan in turn, adds to each list
// and mapping, and recomputes digest and checksum. A reader of the edited
// document would see other changes than the run makes. So Read must refuse the
// document, or the edited change must not be carried out. The test lists the
// parts that an apply does not use.
func TestEditedPlan(t *testing.T) {
	t.Parallel()
	in := everyChange(t)
	p := plannedAll(in)
	data := savedDocument(t, p)
	all := unblockedRules(p)
	if len(all) < 6 || p.Summary.Blocked == 0 || p.Summary.Blocked == len(all) {
		t.Fatalf("changes %v, %d blocked: the plan shows too little", all, p.Summary.Blocked)
	}
	free := func(place string) bool {
		for _, part := range []string{"/createdAt", "/tool", "/source", "/checksum", "/digest"} {
			if strings.HasPrefix(place, part) {
				return true // time, tool and origin
			}
		}
		for _, part := range []string{"paths", "only", "unmanaged", "unsettled", "failing", "warnings", "history", "fromHistory"} {
			if strings.Contains(place, "/"+part) {
				return true // facts about other rules, and members that change by themselves
			}
		}
		return false
	}
	fresh := plannedAll(in)
	tried, refused, stale, told := 0, 0, 0, 0
	for i := range places(t, data) {
		for _, edit := range []string{"other", "remove", "more"} {
			var doc any
			if err := json.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			place := forgeAt(doc, i, edit)
			if place == "" || free(place) {
				continue
			}
			tried++
			q, err := Read(forgedDocument(t, doc))
			if err != nil {
				refused++
				continue
			}
			narrowed, moved, _ := Narrow(q, fresh, nil)
			if strings.Contains(place, "/changes/") {
				var n int
				if _, err := fmt.Sscanf(place, "/projects/0/changes/%d/", &n); err != nil {
					if _, err := fmt.Sscanf(place, "/projects/0/changes/%d", &n); err != nil {
						t.Fatalf("%s: %v", place, err)
					}
				}
				rule := p.Projects[0].Changes[n].Rule
				if slices.Contains(unblockedRules(narrowed), rule) && slices.Contains(all, rule) {
					t.Errorf("%s of %s: %s is carried out, and the saved plan shows something else", edit, place, rule)
				}
				if len(moved) > 0 {
					stale++
				}
				continue
			}
			// An edit of the project: its changes are the reviewed changes, and
			// the run reports the differing guards.
			if len(GuardDifferences(q, fresh)) > 0 {
				told++
				continue
			}
			if got := unblockedRules(narrowed); len(got) > 0 {
				t.Errorf("%s of %s passes: %v are carried out, and nothing is told", edit, place, got)
			}
		}
	}
	if tried < 300 || refused == 0 || stale < 50 || told == 0 {
		t.Errorf("%d edits tried, %d refused, %d stale, %d told: too few of one", tried, refused, stale, told)
	}
}

// forgeAt changes value number i of a document to another value of the same
// type, removes it, or adds to it. It returns "" if there is nothing to add to.
func forgeAt(doc any, i int, edit string) (place string) {
	n := 0
	visit(doc, func(set func(any), remove func(), path string) bool {
		if n++; n <= i {
			return false
		}
		place = path
		switch {
		case edit == "remove":
			remove()
			return true
		case edit == "more":
			place = addItem(valueAt(doc, path), set, path)
			return true
		}
		switch v := valueAt(doc, path).(type) { // already empty
		case []any:
			if len(v) == 0 {
				place = ""
			}
		case map[string]any:
			if len(v) == 0 {
				place = ""
			}
		}
		set(otherValue(valueAt(doc, path)))
		return true
	}, "")
	return place
}

// valueAt returns the value at a path in the form that visit makes.
func valueAt(doc any, path string) any {
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[part]
		case []any:
			var i int
			fmt.Sscan(part, &i)
			doc = v[i]
		}
	}
	return doc
}

func otherValue(v any) any {
	others := map[string]string{
		"create": "update", "update": "delete", "delete": "update", "new": "drift", "drift": "new", "pending": "drift", "adopt": "pending", "gone": "unknown",
		"added": "none", "changed": "unchanged", "unchanged": "changed", "none": "added", "unverifiable": "unchanged", "add": "replace", "replace": "remove", "remove": "add",
		"owned": "all",
	}
	switch v := v.(type) {
	case string:
		if other, ok := others[v]; ok {
			return other
		}
		if len(v) == 32 && strings.Trim(v, "0123456789abcdef") == "" {
			return "0123456789abcdef0123456789abcdef"
		}
		return v + "x"
	case bool:
		return !v
	case float64:
		return v + 1
	case []any:
		return []any{}
	case map[string]any:
		return map[string]any{}
	}
	return "x"
}

// addItem adds an item to a list, or a member to a mapping.
func addItem(v any, set func(any), path string) string {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			set([]any{"x"})
		} else {
			set(append(slices.Clone(v), v[0]))
		}
	case map[string]any:
		v["more"] = "x"
	default:
		return ""
	}
	return path
}

// TestReadFindsContradictions: facts that a document contains twice must agree.
func TestReadFindsContradictions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit func(*Plan)
		want string
	}{
		"the summary":     {func(p *Plan) { p.Summary.Delete = 0 }, "summary"},
		"guards in force": {func(p *Plan) { p.Projects[0].Guards.InForce = p.Projects[0].Guards.InForce[1:] }, "guards in force"},
		"a guard more": {func(p *Plan) {
			p.Projects[0].Guards.InForce = append(p.Projects[0].Guards.InForce, "destination (only a)")
		}, "guards in force"},
		"a limit": {func(p *Plan) { p.Projects[0].Guards.InForce[0] = "too many deletes (limit 0)" }, "guards in force"},
		"a change twice": {func(p *Plan) {
			p.Projects[0].Changes = append(p.Projects[0].Changes, p.Projects[0].Changes[0])
			p.updateTotals()
		}, "twice"},
		"a project twice":   {func(p *Plan) { p.Projects = append(p.Projects, p.Projects[0]); p.updateTotals() }, "twice"},
		"an unread project": {func(p *Plan) { p.Projects[0].InSync = 9 }, "summary"},
	} {
		p := plannedAll(everyChange(t))
		tt.edit(p)
		p.Digest = planDigest(p.Projects)
		if _, err := Read(savedDocument(t, p)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
		}
	}
	// Programs differ in how they read a member that occurs twice, or in another
	// case.
	p := plannedAll(everyChange(t))
	for _, edit := range [][2]string{
		{`"direction": "new"`, `"Direction": "drift", "direction": "new"`},
		{`"after": {`, `"after": {"headers": {"X-More": "1"}}, "after": {`},
		{`"warnings": [`, `"remark": "fine", "warnings": [`},
	} {
		p.Checksum = ""
		raw := strings.Replace(string(savedDocument(t, p)), edit[0], edit[1], 1)
		sum, err := checksumOf([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		i := strings.Index(raw, `"checksum": "`) + len(`"checksum": "`)
		raw = raw[:i] + sum + raw[i+64:]
		if _, err := Read([]byte(raw)); err == nil {
			t.Errorf("a document with %s is read", edit[1])
		}
	}
}

// TestRenameRunsAgain: if half of a rename is done, the other half still runs,
// unless the reviewed plan does not show the rename.
func TestRenameRunsAgain(t *testing.T) {
	t.Parallel()
	in := everyChange(t)
	p := plannedAll(in)
	created := *p
	created.Projects = slices.Clone(p.Projects)
	created.Projects[0].Changes = slices.DeleteFunc(slices.Clone(p.Projects[0].Changes), func(c Change) bool { return c.Rule != "after" })
	since := afterApply(in, &created)
	review, err := Read(savedDocument(t, p))
	if err != nil {
		t.Fatal(err)
	}
	narrowed, moved, _ := Narrow(review, plannedAll(since), nil)
	if !slices.Contains(unblockedRules(narrowed), "gone") && !slices.ContainsFunc(narrowed.Projects[0].Changes, func(c Change) bool { return c.Rule == "before" }) {
		t.Errorf("the delete of the old name is not left: %+v", moved)
	}
	for _, m := range moved {
		if m.Change.Rule == "before" || m.Change.Rule == "after" && !m.Done {
			t.Errorf("%s is stale: %s", m.Change.Rule, m.Why)
		}
	}
	// The reviewed plan does not show a rename.
	for _, rule := range []string{"before", "after"} {
		review, err := Read(savedDocument(t, p))
		if err != nil {
			t.Fatal(err)
		}
		for i := range review.Projects[0].Changes {
			if c := &review.Projects[0].Changes[i]; c.Rule == rule {
				c.RenameOf = ""
			}
		}
		narrowed, _, _ := Narrow(review, plannedAll(in), nil)
		if slices.Contains(unblockedRules(narrowed), rule) {
			t.Errorf("%s is carried out, and was not shown as a rename", rule)
		}
	}
	// The reviewed plan shows a rename that does not exist.
	review, err = Read(savedDocument(t, p))
	if err != nil {
		t.Fatal(err)
	}
	for i := range review.Projects[0].Changes {
		if c := &review.Projects[0].Changes[i]; c.Rule == "gone" {
			c.RenameOf = "kept"
		}
	}
	narrowed, _, _ = Narrow(review, plannedAll(in), nil)
	if slices.Contains(unblockedRules(narrowed), "gone") {
		t.Error("a delete is carried out that was shown as a rename")
	}
}

// TestDoneIsWhatWasShown: a change that an edited plan shows with another spec
// does not count as done.
func TestDoneIsWhatWasShown(t *testing.T) {
	t.Parallel()
	in := everyChange(t)
	p := plannedAll(in)
	done := plannedAll(afterApply(in, p))
	for _, edited := range []bool{false, true} {
		review, err := Read(savedDocument(t, p))
		if err != nil {
			t.Fatal(err)
		}
		for i := range review.Projects[0].Changes {
			if c := &review.Projects[0].Changes[i]; edited && c.After != nil {
				c.After.URL = "https://shown.example/"
			}
		}
		_, moved, _ := Narrow(review, done, nil)
		for _, m := range moved {
			if m.Change.Action != Delete && m.Change.Rule != "blocked" && m.Done == edited {
				t.Errorf("%s: done is %t, edited is %t: %s", m.Change.Rule, m.Done, edited, m.Why)
			}
		}
	}
}

// TestMaskedPlan: a reviewed plan in which a secret was masked by its value equals
// the fresh plan, if this run knows the secret, too. A mask over any other text
// makes its change stale.
func TestMaskedPlan(t *testing.T) {
	t.Parallel()
	const value = "acme-account-1"
	in := everyChange(t)
	for i := range in.Desired {
		d := &in.Desired[i]
		switch d.Name {
		case "update", "kept", "after":
			d.Spec.Headers = map[string]string{"X-Account": value}
		case "create":
			d.Spec.URL += "/" + value
		}
	}
	scrubber := secrets.NewScrubber(secrets.NewString(value))
	mask := func(c *Change) int { return scrubber.Mask(c, webhook.Redacted) }
	fresh := plannedAll(in)
	all := unblockedRules(fresh)
	before := savedDocument(t, fresh)
	masked := plannedAll(in)
	if scrubber.Mask(masked, webhook.Redacted) < 4 {
		t.Fatal("too little is masked")
	}
	data := savedDocument(t, masked)
	if strings.Contains(string(data), value) {
		t.Fatalf("not masked: %s", data)
	}
	review, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	if !Masks(review, fresh, nil) || Masks(review, fresh, mask) {
		t.Error("the masked plan is not recognized")
	}
	unmasked, err := Read(before)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*Plan{"masked": review, "not masked": unmasked} {
		narrowed, moved, _ := Narrow(p, fresh, mask)
		if got := unblockedRules(narrowed); !slices.Equal(got, all) {
			t.Errorf("%s: %v are carried out, want %v: %+v", name, got, all, moved)
		}
	}
	if got := unblockedRules(fresh); !slices.Equal(got, all) || !bytes.Equal(before, savedDocument(t, fresh)) {
		t.Error("comparing changed the fresh plan")
	}
	narrowed, _, _ := Narrow(review, fresh, nil)
	if slices.Contains(unblockedRules(narrowed), "update") {
		t.Error("a masked change is carried out, and nothing shows that the mask is right")
	}

	tried := 0
	for i := range places(t, data) {
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		place, n := "", 0
		visit(doc, func(set func(any), _ func(), path string) bool {
			if n++; n <= i {
				return false
			}
			if text, ok := valueAt(doc, path).(string); ok && text != webhook.Redacted {
				place = path
				set(webhook.Redacted)
			}
			return true
		}, "")
		var change int
		if _, err := fmt.Sscanf(place, "/projects/0/changes/%d/", &change); err != nil || strings.Contains(place, "/blocked/") {
			continue
		}
		tried++
		q, err := Read(forgedDocument(t, doc))
		if err != nil {
			continue
		}
		narrowed, _, _ := Narrow(q, fresh, mask)
		rule := fresh.Projects[0].Changes[change].Rule
		if slices.Contains(all, rule) && slices.Contains(unblockedRules(narrowed), rule) {
			t.Errorf("a mask over %s of %s: the change is carried out", place, rule)
		}
	}
	if tried < 50 {
		t.Errorf("%d masks tried: too few", tried)
	}
}
