package archive

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/archive/bucket/buckettest"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// pausing returns a rule before and after its pause.
func pausing() (r Request, paused webhook.Rule) {
	r = request()
	r.Rule.Spec.Auth = webhook.AuthNames{Headers: []string{"X-Secret"}, QueryParams: []string{"key"}}
	paused = r.Rule
	paused.Spec = r.Rule.Spec.Clone()
	paused.Spec.Enabled, paused.Spec.Auth = false, webhook.AuthNames{}
	return r, paused
}

// checkNotes checks everything that a store must do with notes about pauses.
func checkNotes(t *testing.T, store Store) {
	t.Helper()
	find := func(live webhook.Rule) *PauseNote {
		t.Helper()
		p, err := FindPauseNote(t.Context(), store, "demo", live)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	r, paused := pausing()
	if p := find(paused); p != nil {
		t.Fatalf("before there is any: %+v", p)
	}
	note := func(r Request) {
		t.Helper()
		if err := AddPauseNote(t.Context(), store, r, webhook.LiveDigest(&paused)); err != nil {
			t.Fatal(err)
		}
	}
	note(r)
	if p := find(paused); p == nil || !p.Enabled || p.By != "ada" {
		t.Errorf("found %+v", p)
	} else if diff := cmp.Diff(r.Rule.Spec.Auth, p.Auth); diff != "" {
		t.Errorf("auth (-want +got):\n%s", diff)
	}
	again := r
	again.Rule.Spec.Auth = webhook.AuthNames{Headers: []string{"X-Other"}}
	note(again) // the rule was restored with another secret, and is paused once more
	if p := find(paused); p == nil || !cmp.Equal(p.Auth, again.Rule.Spec.Auth) {
		t.Errorf("the second note: %+v", p)
	}
	for name, change := range map[string]func(r *webhook.Rule){
		"created anew":     func(r *webhook.Rule) { r.ID = "7f3b" },
		"another name":     func(r *webhook.Rule) { r.Name = "other" },
		"another url":      func(r *webhook.Rule) { r.Spec.URL = "https://hooks.example.com/y" },
		"another event":    func(r *webhook.Rule) { r.Spec.Events = []webhook.EventType{"MediaKind.JobStarted"} },
		"a header":         func(r *webhook.Rule) { r.Spec.Headers = map[string]string{"X-A": "b"} },
		"a marker":         func(r *webhook.Rule) { r.Spec = r.Spec.WithMarker(webhook.Marker{Owner: "video"}) },
		"in use":           func(r *webhook.Rule) { r.Spec.Enabled = true },
		"with auth":        func(r *webhook.Rule) { r.Spec.Auth.Headers = []string{"X-Secret"} },
		"an unknown field": func(r *webhook.Rule) { r.Spec.Unknown = map[string]json.RawMessage{"a": json.RawMessage("1")} },
	} {
		other := paused
		other.Spec = paused.Spec.Clone()
		change(&other)
		if p := find(other); p != nil {
			t.Errorf("%s: found %+v", name, p)
		}
	}
	if p, err := FindPauseNote(t.Context(), store, "prod", paused); p != nil || err != nil {
		t.Errorf("another project: found %+v, %v", p, err)
	}
}

func TestNotesInFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir)
	checkNotes(t, store)
	for _, name := range names(t, dir) {
		if IsArchive(name) || !strings.HasSuffix(name, ".paused.json") {
			t.Errorf("%s is stored", name)
		}
	}
}

func TestNotesInBuckets(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) { checkNotes(t, open(t, s.Location("mkhooks"))) })
}

// TestForgedNotes checks that a note whose content names another rule is ignored,
// and that an unreadable note is an error.
func TestForgedNotes(t *testing.T) {
	t.Parallel()
	r, paused := pausing()
	digest := webhook.LiveDigest(&paused)
	for name, change := range map[string]func(string) string{
		"cut":             func(s string) string { return s[:len(s)/2] },
		"empty":           func(string) string { return "" },
		"another project": func(s string) string { return strings.Replace(s, `"demo"`, `"prod"`, 1) },
		"another id":      func(s string) string { return strings.Replace(s, `"7f3a"`, `"7f3b"`, 1) },
		"another name":    func(s string) string { return strings.Replace(s, `"jobs"`, `"other"`, 1) },
		"another digest":  func(s string) string { return strings.Replace(s, string(digest), strings.Repeat("0", 32), 1) },
		"another version": func(s string) string { return strings.Replace(s, `"formatVersion": 1`, `"formatVersion": 2`, 1) },
		"auth values":     func(s string) string { return strings.Replace(s, `"X-Secret"`, `{"X-Secret": "v"}`, 1) },
	} {
		dir := t.TempDir()
		store := open(t, dir)
		for range 2 {
			if err := AddPauseNote(t.Context(), store, r, digest); err != nil {
				t.Fatal(err)
			}
		}
		forge := func(n int) {
			path := filepath.Join(dir, pauseNoteName("demo", paused, digest, n))
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(change(string(data))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		forge(2)
		if p, err := FindPauseNote(t.Context(), store, "demo", paused); p == nil || err != nil {
			t.Errorf("%s: the first note is not found: %+v, %v", name, p, err)
		}
		forge(1)
		if p, err := FindPauseNote(t.Context(), store, "demo", paused); p != nil || err != nil {
			t.Errorf("%s: found %+v, %v", name, p, err)
		}
	}

	dir := t.TempDir()
	store := open(t, dir)
	if err := os.Mkdir(filepath.Join(dir, pauseNoteName("demo", paused, digest, 1)), 0o700); err != nil {
		t.Fatal(err)
	}
	if p, err := FindPauseNote(t.Context(), store, "demo", paused); p != nil || err == nil {
		t.Errorf("a folder as a note: %+v, %v", p, err)
	}
	if p, err := FindPauseNote(t.Context(), refusing{store}, "demo", paused); p != nil || err != nil {
		t.Errorf("a store that refuses to say that there is nothing: %+v, %v", p, err)
	}
}

// refusing responds as S3 does to users who may read objects but not list them.
type refusing struct{ Store }

func (refusing) Open(context.Context, string) (io.ReadCloser, error) { return nil, fs.ErrPermission }
