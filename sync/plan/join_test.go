package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// threePlans returns the plans of three projects, the second of which can't be read.
func threePlans() []*Plan {
	a, b, c := baseInput(), baseInput(), baseInput()
	a.Project, b.Project, c.Project = "a", "b", "c"
	c.Desired = c.Desired[:1]
	return []*Plan{New(a), NewUnreadable(b, "GET rules: 500"), New(c)}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	all := threePlans()
	p := Join(all)
	if len(p.Projects) != 3 || p.Projects[0].Name != "a" || p.Projects[1].Name != "b" || p.Projects[2].Name != "c" {
		t.Fatalf("projects: %+v", p.Projects)
	}
	var want Summary
	doable := 0
	for _, part := range all {
		want.Create += part.Summary.Create
		want.Update += part.Summary.Update
		want.Delete += part.Summary.Delete
		want.Blocked += part.Summary.Blocked
		want.InSync += part.Summary.InSync
		want.Unmanaged += part.Summary.Unmanaged
		doable += part.CountUnblocked()
	}
	if diff := cmp.Diff(want, p.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if p.CountUnblocked() != doable || doable == 0 {
		t.Errorf("doable: got %d, want %d", p.CountUnblocked(), doable)
	}
	if got := p.UnreadableProjects(); len(got) != 1 || got[0].Name != "b" || got[0].Unreadable != "GET rules: 500" {
		t.Errorf("unreadable: %+v", got)
	}
	if alone := Join(all[:1]); alone.Digest != all[0].Digest {
		t.Errorf("one project joined has digest %s, the project's own is %s", alone.Digest, all[0].Digest)
	}
}

// TestUnreadableIsNotEmpty: a project that can't be read and a project without
// changes must have different digests.
func TestUnreadableIsNotEmpty(t *testing.T) {
	t.Parallel()
	in := baseInput()
	in.Desired, in.Live = nil, nil
	in.Options.AllowEmpty = true
	read, unread := New(in), NewUnreadable(in, "no answer")
	if read.HasDifferences() || unread.HasDifferences() {
		t.Fatal("neither has a difference")
	}
	if read.Digest == unread.Digest {
		t.Error("a project that could not be read has the digest of an empty one")
	}
	if again := NewUnreadable(in, "another reason"); again.Digest != unread.Digest {
		t.Error("the reason is in the digest")
	}
}

func TestNarrowUnreadable(t *testing.T) {
	t.Parallel()
	in := baseInput()
	saved := New(in)
	got, moved, unreviewed := Narrow(saved, NewUnreadable(in, "no answer"), nil)
	if len(got.Projects[0].Changes) != 0 || unreviewed != 0 || len(moved) != len(saved.Projects[0].Changes) {
		t.Fatalf("kept %d, moved %d of %d", len(got.Projects[0].Changes), len(moved), len(saved.Projects[0].Changes))
	}
	for _, m := range moved {
		if m.Done || !strings.Contains(m.Why, "could not be read") {
			t.Errorf("rule %s: done %v, why %q", m.Change.Rule, m.Done, m.Why)
		}
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	p := New(baseInput())
	if len(p.Projects[0].InSyncRules) == 0 {
		t.Fatal("nothing is settled")
	}
	before := p.Digest
	p.DropInSync()
	if p.Projects[0].InSyncRules != nil || p.Digest != before {
		t.Error("a plan forgets its settled rules, and nothing else")
	}
}
