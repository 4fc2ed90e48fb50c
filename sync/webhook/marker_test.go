package webhook

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	specA = Digest("a4762de1453774c95736bf4c11bc6490")
	authA = Digest("4588d0a9cc328dd1392c512671c58c75")
	keptA = Digest("da051c445c5e607e376915ad4be0f623")
)

func markerA() Marker {
	return Marker{Owner: "video-platform", ID: RuleID("demo", "job"), Spec: specA, Auth: authA}
}

// TestMarkerStringIsPinned compares with the specified text: live rules carry it.
func TestMarkerStringIsPinned(t *testing.T) {
	t.Parallel()
	m := Marker{Owner: "video-platform", ID: "f34cda559e867109", Spec: specA, Auth: authA}
	const want = "v=1;owner=video-platform;id=f34cda559e867109;spec=a4762de1453774c95736bf4c11bc6490;auth=4588d0a9cc328dd1392c512671c58c75"
	if got := m.String(); got != want {
		t.Errorf("String:\n got %s\nwant %s", got, want)
	}
	m.Kept = keptA
	if got := m.String(); got != want+";kept="+string(keptA) {
		t.Errorf("String with kept: got %s", got)
	}
}

func TestParseMarker(t *testing.T) {
	t.Parallel()
	good := markerA().String()
	kept := markerA()
	kept.Kept = keptA
	for _, tt := range []struct {
		name, in string
		want     Marker
		ok       bool
	}{
		{"as written", good, markerA(), true},
		{"with kept", kept.String(), kept, true},
		{"outer white space", " \t" + good + " ", markerA(), true},
		{"empty", "", Marker{}, false},
		{"later version", strings.Replace(good, "v=1", "v=2", 1), Marker{}, false},
		{"no version", strings.TrimPrefix(good, "v=1;"), Marker{}, false},
		{"more after it", good + ";x=1", Marker{}, false},
		{"line end after it", good + "\n", Marker{}, false},
		{"second line", good + "\n" + good, Marker{}, false},
		{"two of a header, joined", good + ", " + good, Marker{}, false},
		{"capital digits", strings.ToUpper(good), Marker{}, false},
		{"short digest", good[:len(good)-1], Marker{}, false},
		{"short id", strings.Replace(good, "id="+markerA().ID, "id=0123456789abcde", 1), Marker{}, false},
		{"id that is no digest", strings.Replace(good, "id="+markerA().ID, "id=0123456789abcdeg", 1), Marker{}, false},
		{"long digest", good + "0", Marker{}, false},
		{"kept without digest", good + ";kept=", Marker{}, false},
		{"no owner", strings.Replace(good, "video-platform", "", 1), Marker{}, false},
		{"owner with a semicolon", strings.Replace(good, "video-platform", "a;b", 1), Marker{}, false},
		{"owner of 65", strings.Replace(good, "video-platform", strings.Repeat("a", 65), 1), Marker{}, false},
	} {
		m, ok := ParseMarker(tt.in)
		if ok != tt.ok {
			t.Errorf("%s: ok = %t, want %t", tt.name, ok, tt.ok)
		}
		if diff := cmp.Diff(tt.want, m); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// FuzzMarker checks that every parsed marker encodes to the same bytes and has a
// valid owner.
func FuzzMarker(f *testing.F) {
	f.Add(markerA().String())
	f.Add(markerA().String() + ";kept=" + string(keptA))
	f.Add(" " + markerA().String() + "\t")
	f.Add("v=2;owner=a;id=;spec=;auth=")
	f.Fuzz(func(t *testing.T, value string) {
		m, ok := ParseMarker(value)
		if !ok {
			if m != (Marker{}) {
				t.Errorf("ParseMarker(%q) is not ok and says %v", value, m)
			}
			return
		}
		if got := m.String(); got != HeaderValue(value) {
			t.Errorf("ParseMarker(%q).String() = %q", value, got)
		}
		if err := CheckOwner(m.Owner); err != nil {
			t.Errorf("ParseMarker(%q): %v", value, err)
		}
	})
}

func TestReadMarker(t *testing.T) {
	t.Parallel()
	good := markerA().String()
	for _, tt := range []struct {
		name, project, rule string
		headers             map[string]string
		want                MarkerState
	}{
		{"none", "demo", "job", map[string]string{"X-Source": "mkio"}, NoMarker},
		{"no headers", "demo", "job", nil, NoMarker},
		{"valid", "demo", "job", map[string]string{MarkerHeader: good}, ValidMarker},
		{"valid in another case", "demo", "job", map[string]string{"x-MKHOOKS": good}, ValidMarker},
		{"copied to another rule", "demo", "job2", map[string]string{MarkerHeader: good}, CopiedMarker},
		{"copied to another project", "demo2", "job", map[string]string{MarkerHeader: good}, CopiedMarker},
		{"malformed", "demo", "job", map[string]string{MarkerHeader: "v=1"}, ForeignMarker},
		{"empty", "demo", "job", map[string]string{MarkerHeader: ""}, ForeignMarker},
		{"later version", "demo", "job", map[string]string{MarkerHeader: strings.Replace(good, "v=1", "v=2", 1)}, ForeignMarker},
		{"twice", "demo", "job", map[string]string{MarkerHeader: good, "x-mkhooks": good}, ForeignMarker},
	} {
		m, state := ReadMarker(tt.project, Rule{Name: tt.rule, Spec: Spec{Headers: tt.headers}})
		if state != tt.want {
			t.Errorf("%s: state %q, want %q", tt.name, state, tt.want)
		}
		want := Marker{}
		if tt.want == ValidMarker || tt.want == CopiedMarker {
			want = markerA()
		}
		if m != want {
			t.Errorf("%s: marker %v, want %v", tt.name, m, want)
		}
	}
}

func TestMarkerApplied(t *testing.T) {
	t.Parallel()
	sent := fullSpec()
	kept := fullSpec()
	kept.URL = "https://hooks.example.com/Mkio/?A=~"
	other := fullSpec()
	other.Enabled = false
	m := markerA()
	m.Spec = SpecDigest(sent)
	check := func(m Marker, s Spec, wantSame, wantKept bool) {
		t.Helper()
		if same, k := m.Applied(s); same != wantSame || k != wantKept {
			t.Errorf("Applied(%s) of %v = %t, %t; want %t, %t", s.URL, m, same, k, wantSame, wantKept)
		}
	}
	check(m, sent, true, false)
	check(m, kept, false, false)
	m.Kept = SpecDigest(kept)
	check(m, sent, true, false)
	check(m, kept, true, true)
	check(m, other, false, false)
}

func TestWithMarker(t *testing.T) {
	t.Parallel()
	s := fullSpec()
	with := s.WithMarker(markerA())
	if got, want := with.Headers[MarkerHeader], markerA().String(); got != want {
		t.Errorf("WithMarker: header %q, want %q", got, want)
	}
	if _, old := with.Headers["x-mkHooks"]; old || len(with.Headers) != len(s.Headers) {
		t.Errorf("WithMarker left the old marker: %v", with.Headers)
	}
	if SpecDigest(with) != SpecDigest(s) || SpecDigest(with.WithoutMarker()) != SpecDigest(s) {
		t.Error("the marker is part of the spec's digest")
	}
	if diff := cmp.Diff(fullSpec(), s); diff != "" {
		t.Errorf("WithMarker changed its receiver (-want +got):\n%s", diff)
	}
	if got := (Spec{}).WithMarker(markerA()).Headers; len(got) != 1 {
		t.Errorf("WithMarker on no headers: %v", got)
	}
	for name := range with.WithoutMarker().Headers {
		if IsMarkerHeader(name) {
			t.Errorf("WithoutMarker left %q", name)
		}
	}
}

func TestCheckOwner(t *testing.T) {
	t.Parallel()
	for owner, ok := range map[string]bool{
		"video-platform": true, "a": true, "0a": true, "team/video.x_y": true, strings.Repeat("a", 64): true,
		"": false, "Video": false, "-a": false, "/a": false, "a b": false, "a;b": false, "é": false, "a\n": false, strings.Repeat("a", 65): false,
	} {
		if err := CheckOwner(owner); (err == nil) != ok {
			t.Errorf("CheckOwner(%q) = %v, want ok %t", owner, err, ok)
		}
	}
}

func TestIsMarkerHeader(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"X-Mkhooks": true, "x-mkhooks": true, "X-MKHOOKS": true,
		"X-Mkhooks ": false, "X-MKHOOK\u017f": false, "X-M\u212ahooks": false, "XMkhooks": false, "": false,
	} {
		if got := IsMarkerHeader(name); got != want {
			t.Errorf("IsMarkerHeader(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestStatusActive(t *testing.T) {
	t.Parallel()
	for status, want := range map[Status]bool{Pending: true, Retrying: true, "Queued": true, "": true, Failed: false, Sent: false} {
		if got := status.IsActive(); got != want {
			t.Errorf("%q.Active() = %t, want %t", status, got, want)
		}
	}
}

func TestAuthNamesWithout(t *testing.T) {
	t.Parallel()
	a := AuthNames{Headers: []string{"X-A", "X-B"}, QueryParams: []string{"k", "sig"}}
	b := AuthNames{Headers: []string{"x-a"}, QueryParams: []string{"K", "sig"}}
	want := AuthNames{Headers: []string{"X-B"}, QueryParams: []string{"k"}}
	if diff := cmp.Diff(want, a.Without(b)); diff != "" {
		t.Errorf("Without (-want +got):\n%s", diff)
	}
}

// TestLeftPaused checks that the remains of a pause are recognized. A rule that its
// file or a person disabled is different, and so is the rule of another owner.
func TestLeftPaused(t *testing.T) {
	t.Parallel()
	spec := Spec{URL: "https://hooks.example.com/", Enabled: true, Events: []EventType{"MediaKind.JobFinished"}}
	withAuth := spec.Clone()
	withAuth.Auth.Headers = []string{"X-Secret"}
	off := func(s Spec) Spec { s.Enabled = false; return s }
	none, some := AuthDigest(nil), AuthDigest([]SealedValue{{Path: "headers/X-Secret", Ciphertext: "c"}})
	kept := Marker{Owner: "video", Spec: "00000000000000000000000000000000", Kept: SpecDigest(spec), Auth: none}
	for name, test := range map[string]struct {
		applied Marker
		live    Spec
		rule    string
		want    bool
	}{
		"in use":                    {Marker{Spec: SpecDigest(spec), Auth: none}, spec, "a", false},
		"paused":                    {Marker{Spec: SpecDigest(spec), Auth: none}, off(spec), "a", true},
		"paused, with a spelling":   {kept, off(spec), "a", true},
		"paused, had a secret":      {Marker{Spec: SpecDigest(withAuth), Auth: some}, off(spec), "a", true},
		"disabled by its file":      {Marker{Spec: SpecDigest(off(spec)), Auth: none}, off(spec), "a", false},
		"disabled, with its secret": {Marker{Spec: SpecDigest(off(withAuth)), Auth: some}, off(withAuth), "a", false},
		"disabled by hand":          {Marker{Spec: SpecDigest(withAuth), Auth: some}, off(withAuth), "a", false},
		"changed and disabled":      {Marker{Spec: "00000000000000000000000000000000", Auth: none}, off(spec), "a", false},
		"copied":                    {Marker{Spec: SpecDigest(spec), Auth: none}, off(spec), "b", false},
	} {
		m := test.applied
		m.Owner, m.ID = "video", RuleID("demo", "a")
		if got := LeftPaused("demo", Rule{ID: "1", Name: test.rule, Spec: test.live.WithMarker(m)}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if LeftPaused("demo", Rule{Name: "a", Spec: off(spec)}) {
		t.Error("without a marker")
	}
}
