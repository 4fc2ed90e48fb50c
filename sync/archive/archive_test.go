package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// records returns n records, the newest first, as the service lists them.
func records(n int) []webhook.Event {
	var out []webhook.Event
	for i := range n {
		out = append(out, webhook.Event{
			Created: start.Add(time.Duration(n-i) * time.Second), Source: fmt.Sprintf("/jobs/%d", n-i), Type: "MediaKind.JobFinished", Status: webhook.Sent,
		})
	}
	return out
}

// pages cuts events into pages of size.
func pages(events []webhook.Event, size, total int) []Page {
	var out []Page
	for i := 0; i == 0 || i < len(events); i += size {
		p := Page{Total: total, HasTotal: true}
		for _, e := range events[i:min(i+size, len(events))] {
			raw, err := json.Marshal(e)
			if err != nil {
				panic(err)
			}
			p.Events, p.Raw = append(p.Events, e), append(p.Raw, raw)
		}
		p.More = i+size < len(events)
		out = append(out, p)
	}
	return out
}

// whole returns the pages of a history at rest.
func whole(events []webhook.Event, size int) []Page { return pages(events, size, len(events)) }

// source returns, on its nth call, the pages of at(n). Every complete reading is
// two calls: the reading and the check behind it.
type source struct {
	at    func(call int) []Page
	calls int
}

func (s *source) read(_ context.Context, each func(Page) error) error {
	s.calls++
	for _, p := range s.at(s.calls) {
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

func still(p []Page) *source { return &source{at: func(int) []Page { return p }} }

// patient waits as often as it may, and no time passes.
func patient() *Patience {
	return NewPatience(30*time.Second, func(context.Context, time.Duration) bool { return true })
}

func request() Request {
	return Request{
		Project: "demo", BaseURL: "https://app.mk.io",
		Rule: webhook.Rule{ID: "7f3a", Name: "jobs", Spec: webhook.Spec{URL: "https://hooks.example.com/x", Enabled: true, Events: []webhook.EventType{"MediaKind.JobFinished"}}},
		When: start, WasEnabled: true, By: "ada", Host: "ci-1", Commit: "c0ffee", PlanDigest: "00112233445566778899aabbccddeeff", Tool: "mkhooks dev",
	}
}

func open(t *testing.T, dir string) Store {
	t.Helper()
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := store.(*directory); ok {
		t.Cleanup(f.closeRoot)
	}
	return store
}

// names lists a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func unzip(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestSave(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "archive")
	history := whole(records(3), 2)
	history[0].Raw[0] = json.RawMessage("{\n \"created\": \"2026-03-01T12:00:03Z\", \"newField\": {\"a\": 1.50}\n}")
	got, err := Save(t.Context(), open(t, dir), request(), still(history).read, patient())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"created":"2026-03-01T12:00:03Z","newField":{"a":1.50}}` + "\n" + string(history[0].Raw[1]) + "\n" + string(history[1].Raw[0]) + "\n"
	if diff := cmp.Diff(want, unzip(t, got.Receipt.Location)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	m, err := Verify(t.Context(), got.Receipt.Location)
	if err != nil {
		t.Fatal(err)
	}
	first, last := start.Add(time.Second), start.Add(3*time.Second)
	r := request()
	wantManifest := Manifest{
		FormatVersion: 1, Project: "demo", BaseURL: "https://app.mk.io", Rule: r.Rule, WasEnabled: true,
		RecordsFile: filepath.Base(got.Receipt.Location), Records: 3, First: &first, Last: &last, SHA256: got.Receipt.SHA256,
		When: start, By: "ada", Host: "ci-1", Commit: "c0ffee", PlanDigest: r.PlanDigest, Tool: "mkhooks dev",
		Sum: got.Receipt.Manifest, Checksum: m.Checksum,
	}
	if len(m.Checksum) != 64 {
		t.Errorf("the manifest says the checksum %q", m.Checksum)
	}
	if len(m.Sum) != 64 {
		t.Errorf("the manifest's checksum is %q", m.Sum)
	}
	if diff := cmp.Diff(wantManifest, m); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if got.Receipt.Records != 3 || len(got.Receipt.SHA256) != 64 {
		t.Errorf("receipt %+v, want 3 records and a SHA-256", got.Receipt)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]os.FileMode{
		filepath.Dir(dir): 0o700, dir: 0o700, got.Receipt.Location: 0o600,
		strings.TrimSuffix(got.Receipt.Location, recordsSuffix) + manifestSuffix: 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("mode of %s is %v, want %v", path, info.Mode().Perm(), want)
		}
	}
}

func TestSaveOfNoRecords(t *testing.T) {
	t.Parallel()
	got, err := Save(t.Context(), open(t, t.TempDir()), request(), still(whole(nil, 10)).read, patient())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Verify(t.Context(), got.Receipt.Location)
	if err != nil {
		t.Fatal(err)
	}
	if m.Records != 0 || m.First != nil || m.Last != nil || got.Receipt.Records != 0 || unzip(t, got.Receipt.Location) != "" {
		t.Errorf("manifest %+v of an empty history, want no records and no times", m)
	}
}

func TestManifestHoldsNoCredential(t *testing.T) {
	t.Parallel()
	r := request()
	r.Rule.Spec.Headers = map[string]string{"Authorization": "Bearer abcdefgh12345678", webhook.MarkerHeader: "v=1;owner=video"}
	r.Rule.Spec.URL = "https://hooks.example.com/x?token=abcdefgh12345678"
	r.Rule.Spec.Unknown = map[string]json.RawMessage{"authentication.oauth": json.RawMessage(`{"id":"abcdefgh12345678"}`)}
	r.Rule.Spec.Auth.Headers = []string{"X-Secret"}
	got, err := Save(t.Context(), open(t, t.TempDir()), r, still(whole(nil, 10)).read, patient())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(strings.TrimSuffix(got.Receipt.Location, recordsSuffix) + manifestSuffix)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "abcdefgh12345678") {
		t.Errorf("the manifest holds a credential:\n%s", data)
	}
	for _, want := range []string{"v=1;owner=video", "X-Secret"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the manifest lacks %q:\n%s", want, data)
		}
	}
}

// TestSaveOfMovingHistory changes the history from one reading to the next.
func TestSaveOfMovingHistory(t *testing.T) {
	t.Parallel()
	old, newer := records(5), records(6)
	retried := records(5)
	retried[1].Status = webhook.Failed
	// shifted are the pages if a record comes between two pages: one record is read
	// twice, and the total grows.
	shifted := append(whole(old, 2)[:1:1], whole(newer, 2)[1:]...)
	// swapped are the pages if a record comes and the oldest record is deleted.
	swapped := append(whole(old, 2)[:1:1], whole(newer[:5], 2)[1:]...)
	tests := map[string]struct {
		at    func(call int) []Page
		calls int
		want  string // of the error; empty for success
	}{
		"at rest": {func(int) []Page { return whole(old, 2) }, 2, ""},
		"a record between two pages": {func(call int) []Page {
			if call == 1 {
				return shifted
			}
			return whole(newer, 2)
		}, 5, ""},
		"one comes and one goes between two pages": {func(call int) []Page {
			if call == 1 {
				return swapped
			}
			return whole(newer[:5], 2)
		}, 6, ""},
		"a record after the last page": {func(call int) []Page {
			if call == 1 {
				return whole(old, 2)
			}
			return whole(newer, 2)
		}, 6, ""},
		"a status after the last page": {func(call int) []Page {
			if call == 1 {
				return whole(old, 2)
			}
			return whole(retried, 2)
		}, 6, ""},
		"a page lost": {func(call int) []Page {
			if call == 1 {
				return whole(old, 2)[:1]
			}
			return whole(old, 2)
		}, 6, ""},
		"pages of another length on the second look": {func(call int) []Page {
			if call == 2 {
				return whole(old, 1)
			}
			return whole(old, 3)
		}, 2, ""},
		"moving for ever":        {func(call int) []Page { return whole(records(call+3), 2) }, 22, "could not be read whole in 1 reading (waiting at most 30s): records came or changed meanwhile"},
		"shifting for ever":      {func(int) []Page { return shifted }, 13, "the total went from 5 to 6 meanwhile"},
		"less than the total":    {func(int) []Page { return pages(old, 2, 100) }, 18, "the service counts 100 records and lists 5; if the rest may be lost, delete the rule by hand"},
		"more than the total":    {func(int) []Page { return pages(old, 2, 3) }, 13, "the service counts 3 records and lists more"},
		"no total":               {func(int) []Page { return []Page{{}} }, 1, "does not say how many records the history has"},
		"no total on a page":     {func(int) []Page { return append(pages(old[:2], 2, 5), Page{}) }, 1, "does not say how many records the history has"},
		"no page":                {func(int) []Page { return nil }, 1, "gave no page"},
		"total and nothing else": {func(int) []Page { return pages(nil, 2, 3) }, 18, "counts 3 records and lists 0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			src := &source{at: tt.at}
			got, err := Save(t.Context(), open(t, dir), request(), src.read, patient())
			if src.calls != tt.calls {
				t.Errorf("the history was begun %d times, want %d", src.calls, tt.calls)
			}
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				m, err := Verify(t.Context(), got.Receipt.Location)
				if err != nil {
					t.Fatal(err)
				}
				lines := ""
				for _, p := range tt.at(src.calls - 1) {
					for _, raw := range p.Raw {
						lines += string(raw) + "\n"
					}
				}
				if diff := cmp.Diff(lines, unzip(t, got.Receipt.Location)); diff != "" || m.Records != strings.Count(lines, "\n") {
					t.Errorf("%d records, stored (-want +got):\n%s", m.Records, diff)
				}
				return
			}
			var notWhole *IncompleteError
			if !errors.As(err, &notWhole) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want a NotWholeError with %q", err, tt.want)
			}
			if left := names(t, dir); left != nil {
				t.Errorf("the folder holds %q, want nothing", left)
			}
		})
	}
}

func TestSaveWaitsForNobody(t *testing.T) {
	t.Parallel()
	events := records(3)
	events[0].Status, events[2].Status = webhook.Retrying, "Queued" // a status of a later version
	dir := t.TempDir()
	store := open(t, dir)
	_, err := Save(t.Context(), store, request(), still(whole(events, 2)).read, patient())
	var active *ActiveError
	if !errors.As(err, &active) || *active != (ActiveError{Active: 2, Records: 3}) {
		t.Fatalf("error %v, want 2 of 3 records on their way", err)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("the folder holds %q, want nothing", left)
	}
	r := request()
	r.AllowActive = true
	got, err := Save(t.Context(), store, r, still(whole(events, 2)).read, patient())
	if err != nil || got.Receipt.Records != 3 {
		t.Fatalf("Save with AllowActive: %v, %v", got, err)
	}
}

func TestUnchanged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		now  []Page
		want bool
	}{
		"the same":          {whole(records(3), 2), true},
		"a shorter page":    {whole(records(3), 1), true},
		"one more":          {whole(records(4), 2), false},
		"another status":    {func() []Page { e := records(3); e[0].Status = webhook.Failed; return whole(e, 2) }(), false},
		"no total any more": {[]Page{{Events: records(3)[:2]}}, false},
		"emptied":           {pages(nil, 2, 3), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Save(t.Context(), open(t, t.TempDir()), request(), still(whole(records(3), 2)).read, patient())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.IsUnchanged(t.Context(), still(tt.now).read); got != tt.want || err != nil {
				t.Errorf("Unchanged is %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestSaveReturnsTheErrorOfTheSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, at := range []int{1, 2} {
		dir := t.TempDir()
		calls := 0
		_, err := Save(t.Context(), open(t, dir), request(), func(_ context.Context, each func(Page) error) error {
			if calls++; calls == at {
				return broken
			}
			return each(whole(records(1), 2)[0])
		}, patient())
		if !errors.Is(err, broken) {
			t.Errorf("call %d broken: error %v", at, err)
		}
		if left := names(t, dir); left != nil {
			t.Errorf("call %d broken: the folder holds %q, want nothing", at, left)
		}
	}
}
