package webhook

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// fullSpec returns a spec with everything that the canonical form changes.
func fullSpec() Spec {
	return Spec{
		URL:     "HTTPS://Hooks.Example.COM:443/Mkio?A=%7E",
		Enabled: true,
		Events:  []EventType{"MediaKind.JobStarted", "MediaKind.JobFinished", "MediaKind.JobStarted"},
		Headers: map[string]string{
			"X-Source":  " mkio\t",
			"x-NOTE":    "a \"b\" \\ \x01\x1f\b\t\n\f\rc",
			"x-mkHooks": "v=1;owner=someone",
		},
		QueryParams: map[string]string{"b": "Ünï \u2028 <&>\x7f😀", "B": "1"},
		Auth:        AuthNames{Headers: []string{"X-Webhook-Secret", "X-API-Key"}, QueryParams: []string{"Sig"}},
		Unknown:     map[string]json.RawMessage{"retryPolicy": json.RawMessage(`{"max":3}`)},
	}
}

const fullCanonical = `{"auth":{"headers":["x-api-key","x-webhook-secret"],"queryParams":["Sig"]},"enabled":true,` +
	`"events":["MediaKind.JobFinished","MediaKind.JobStarted"],` +
	`"headers":[["x-note","a \"b\" \\ \u0001\u001f\b\t\n\f\rc"],["x-source","mkio"]],` +
	`"queryParams":[["B","1"],["b","Ünï ` + "\u2028" + ` <&>` + "\x7f" + `😀"]],"url":"https://hooks.example.com/Mkio?A=%7E"}`

func TestCanonicalSpec(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		spec       Spec
	}{
		{"everything", fullCanonical, fullSpec()},
		{"nothing", `{"auth":{"headers":[],"queryParams":[]},"enabled":false,"events":[],"headers":[],"queryParams":[],"url":""}`, Spec{}},
		{"empty maps are absent", `{"auth":{"headers":[],"queryParams":[]},"enabled":false,"events":[],"headers":[],"queryParams":[],"url":""}`,
			Spec{Events: []EventType{}, Headers: map[string]string{}, QueryParams: map[string]string{}, Unknown: map[string]json.RawMessage{}}},
		{"a name in two spellings", `{"auth":{"headers":["x-a","x-a"],"queryParams":[]},"enabled":false,"events":[],"headers":[["x-a","1"],["x-a","2"]],"queryParams":[],"url":""}`,
			Spec{Headers: map[string]string{"X-A": "2", "x-a": "1"}, Auth: AuthNames{Headers: []string{"X-A", "x-a"}}}},
		{"order is that of what is written", `{"auth":{"headers":[],"queryParams":[]},"enabled":false,"events":["` + "\ufffd" + `","𐀀"],"headers":[],"queryParams":[["` + "\ufffd" + `",""],["𐀀",""]],"url":""}`,
			Spec{Events: []EventType{"𐀀", "\xff", "\xfe"}, QueryParams: map[string]string{"𐀀": "", "\xff": ""}}},
	}
	for _, tt := range tests {
		if got := string(CanonicalSpec(tt.spec)); got != tt.want {
			t.Errorf("%s: CanonicalSpec:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestDigestsArePinned compares digests with values that another program computed
// from the specification. Markers on live rules contain them: never update this test
// if it fails.
func TestDigestsArePinned(t *testing.T) {
	t.Parallel()
	two := []SealedValue{
		{Path: "queryParams/k", Ciphertext: "ENC[AES256_GCM,data:bb,type:str]"},
		{Path: "headers/X-A", Ciphertext: "ENC[AES256_GCM,data:aa,type:str]"},
	}
	live := Rule{ID: "0b9f", Name: "job", Spec: fullSpec()}
	delete(live.Spec.Headers, "x-mkHooks")
	live.Spec.Headers["X-MKHOOKS"] = "v=9"
	live.Spec.Unknown = map[string]json.RawMessage{"retryPolicy": json.RawMessage(`{ "b": {}, "a": [1, 2.50, null, true, "\u0078"] }`)}
	desired := Desired{Rule: Rule{Name: "job", Spec: fullSpec()}, AuthDigest: AuthDigest(two), File: "rules/job.yaml", Line: 2}

	for _, tt := range []struct {
		name      string
		got, want Digest
	}{
		{"spec", SpecDigest(fullSpec()), "a4762de1453774c95736bf4c11bc6490"},
		{"empty spec", SpecDigest(Spec{}), "da051c445c5e607e376915ad4be0f623"},
		{"no auth", AuthDigest(nil), "57a8322832b49d77008425adb5564351"},
		{"auth", AuthDigest(two), "4588d0a9cc328dd1392c512671c58c75"},
		{"desired", DesiredDigest(desired, "video"), "4aa9b94a86d8236929bd4d97f1e1b5eb"},
		{"live", LiveDigest(&live), "2b07716c11a8fdd574aab6ca6100645d"},
		{"absent", LiveDigest(nil), "absent"},
		{"list", DigestOfList("kind", []any{"a", []any{"b", []any{}}}), "ea81dc226d06a4d16cd8c0c56acaab86"},
		{"rule id", Digest(RuleID("demo", "job-notifications")), "f34cda559e867109"},
		{"rule id of another cut", Digest(RuleID("demojob", "-notifications")), "87d088c39c1fc8dc"},
	} {
		if tt.got != tt.want {
			t.Errorf("digest of %s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

func TestDigestsTellApart(t *testing.T) {
	t.Parallel()
	base := Rule{ID: "1", Name: "job", Spec: fullSpec()}
	change := map[string]func(*Rule){
		"id":             func(r *Rule) { r.ID = "2" },
		"marker":         func(r *Rule) { r.Spec.Headers["x-mkHooks"] = "v=2" },
		"unknown field":  func(r *Rule) { r.Spec.Unknown["retryPolicy"] = json.RawMessage(`{"max":4}`) },
		"unknown number": func(r *Rule) { r.Spec.Unknown["n"] = json.RawMessage(`9007199254740993`) },
		"other number":   func(r *Rule) { r.Spec.Unknown["n"] = json.RawMessage(`9007199254740992`) },
		"auth name":      func(r *Rule) { r.Spec.Auth.Headers = r.Spec.Auth.Headers[:1] },
		"enabled":        func(r *Rule) { r.Spec.Enabled = false },
		"path":           func(r *Rule) { r.Spec.URL += "/" },
	}
	seen := map[Digest]string{LiveDigest(&base): "nothing"}
	for _, name := range slices.Sorted(maps.Keys(change)) {
		r := Rule{ID: base.ID, Name: base.Name, Spec: base.Spec.Clone()}
		change[name](&r)
		d := LiveDigest(&r)
		if other, ok := seen[d]; ok {
			t.Errorf("LiveDigest does not tell %s from %s", name, other)
		}
		seen[d] = name
	}
	d := Desired{Rule: base, AuthDigest: AuthDigest(nil)}
	if DesiredDigest(d, "a") == DesiredDigest(d, "b") {
		t.Error("DesiredDigest does not tell owners apart")
	}
	other := d
	other.AuthDigest = AuthDigest([]SealedValue{{Path: "headers/X-A", Ciphertext: "x"}})
	if DesiredDigest(d, "a") == DesiredDigest(other, "a") {
		t.Error("DesiredDigest does not tell ciphertexts apart")
	}
	// The boundary between path and ciphertext must affect the digest.
	if AuthDigest([]SealedValue{{Path: "headers/ab", Ciphertext: "c"}}) == AuthDigest([]SealedValue{{Path: "headers/a", Ciphertext: "bc"}}) {
		t.Error("AuthDigest does not tell path from ciphertext")
	}
}

// FuzzCanonicalSpec checks that the canonical form hides differences in spelling
// that the service may introduce. The form must be JSON with the same content.
func FuzzCanonicalSpec(f *testing.F) {
	f.Add("https://hooks.example.com/a?b=c", true, "MediaKind.JobStarted\nMediaKind.JobFinished", "X-Source", " mkio ", "p", "v", "X-Secret\nx-api")
	f.Add("HTTPS://A:0443", false, "", "x-mkhooks", "v=1", "", "", "")
	f.Add("http://h:443:443", false, "\xff\n𐀀", "İ", "\x00\u2028", "\xff", "\xfe", "K\nk")
	f.Add("https://[::1]:443?x#y", true, "a\na", "X", "\t", "𐀀", "<&>", "A\na\nA")
	f.Fuzz(func(t *testing.T, url string, enabled bool, events, header, value, param, paramValue, authNames string) {
		s := Spec{
			URL: url, Enabled: enabled,
			Headers:     map[string]string{header: value, "X-Fixed": "1"},
			QueryParams: map[string]string{param: paramValue, "fixed": "2"},
			Auth:        AuthNames{Headers: strings.Split(authNames, "\n"), QueryParams: strings.Split(authNames, "\n")},
		}
		for _, e := range strings.Split(events, "\n") {
			s.Events = append(s.Events, EventType(e))
		}
		canonical := CanonicalSpec(s)
		if !utf8.Valid(canonical) {
			t.Fatalf("not UTF-8: %q", canonical)
		}
		read := readCanonical(t, canonical)
		if got := CanonicalSpec(read); string(got) != string(canonical) && !twice(s.Headers) {
			t.Errorf("not the same after a round trip:\n got %s\nfrom %s", got, canonical)
		}

		other := s.Clone()
		slices.Reverse(other.Events)
		other.Events = append(other.Events, other.Events[0])
		slices.Reverse(other.Auth.Headers)
		slices.Reverse(other.Auth.QueryParams)
		other.Headers = map[string]string{"x-fIXED": " 1\t", MarkerHeader: "v=1", flipCase(header): value}
		other.URL = CanonicalURL(url)
		other.Unknown = map[string]json.RawMessage{"x": nil}
		if len(other.Headers) == 3 && !twice(other.Headers) && !twice(s.Headers) && !IsMarkerHeader(header) {
			if got := CanonicalSpec(other); string(got) != string(canonical) {
				t.Errorf("another spelling has another form:\n got %s\nwant %s", got, canonical)
			}
		}
	})
}

// readCanonical parses the form with encoding/json.
func readCanonical(t *testing.T, canonical []byte) Spec {
	t.Helper()
	var doc struct {
		Auth                 struct{ Headers, QueryParams []string }
		Enabled              bool
		Events               []EventType
		Headers, QueryParams [][2]string
		URL                  string
	}
	if err := json.Unmarshal(canonical, &doc); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, canonical)
	}
	s := Spec{URL: doc.URL, Enabled: doc.Enabled, Events: doc.Events, Headers: map[string]string{}, QueryParams: map[string]string{},
		Auth: AuthNames{Headers: doc.Auth.Headers, QueryParams: doc.Auth.QueryParams}}
	for _, p := range doc.Headers {
		s.Headers[p[0]] = p[1]
	}
	for _, p := range doc.QueryParams {
		s.QueryParams[p[0]] = p[1]
	}
	return s
}

// twice reports whether a map contains two spellings of a header.
func twice(headers map[string]string) bool {
	seen := map[string]bool{}
	for name := range headers {
		if seen[HeaderKey(name)] {
			return true
		}
		seen[HeaderKey(name)] = true
	}
	return false
}

// flipCase swaps the case of ASCII letters and keeps all other bytes.
func flipCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

func TestSpecClone(t *testing.T) {
	t.Parallel()
	s, c := fullSpec(), fullSpec().Clone()
	if diff := cmp.Diff(s, c); diff != "" {
		t.Errorf("Clone differs (-spec +clone):\n%s", diff)
	}
	c.Events[0], c.Headers["X-Source"], c.QueryParams["b"], c.Auth.Headers[0], c.Auth.QueryParams[0] = "x", "x", "x", "x", "x"
	c.Unknown["retryPolicy"] = nil
	s2 := s.Clone()
	s2.Events[0] = "y"
	if diff := cmp.Diff(fullSpec(), s); diff != "" {
		t.Errorf("writing to a clone changed the spec (-want +got):\n%s", diff)
	}
}

func BenchmarkSpecDigest(b *testing.B) {
	s := fullSpec()
	for b.Loop() {
		SpecDigest(s)
	}
}
