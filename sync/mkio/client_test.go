package mkio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const token = "t0ken-of-the-client-tests"

// serve starts an emulator over HTTP and a client for it that gives up soon.
func serve(t *testing.T, o emulator.Options, change ...func(*mkio.Options)) (*emulator.Server, *mkio.Client) {
	t.Helper()
	o.Project = "demo"
	o.Tokens = map[string][]emulator.Capability{token: emulator.AllCapabilities(), "reader-token": {emulator.CanGet}}
	s := emulator.New(o)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, client(t, h.URL, change...)
}

func client(t *testing.T, url string, change ...func(*mkio.Options)) *mkio.Client {
	t.Helper()
	o := mkio.Options{BaseURL: url, Project: "demo", Token: secrets.NewString(token), RetryFor: 10 * time.Millisecond, Timeout: 5 * time.Second}
	for _, c := range change {
		c(&o)
	}
	c, err := mkio.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// patient retries until a fault has passed.
func patient(o *mkio.Options) { o.RetryFor = 20 * time.Second }

func spec(auth map[string]any) map[string]any {
	out := map[string]any{"url": "https://hooks.example.com/", "enabled": true, "events": []any{"MediaKind.JobFinished"}}
	if auth != nil {
		out["authentication"] = map[string]any{"headers": auth}
	}
	return out
}

// names need escapes in a path.
var names = []string{"plain", "with space", "a/b", "..", ".", "100%", "%2F", "q?x=1#y", "ünï-✓", "semi;colon", "a+b"}

// TestNames checks that a rule is one segment of the path, whatever its name.
func TestNames(t *testing.T) {
	t.Parallel()
	s, c := serve(t, emulator.Options{})
	for _, name := range names {
		if _, err := c.Put(t.Context(), name, webhook.Spec{URL: "https://hooks.example.com/", Events: []webhook.EventType{"MediaKind.JobFinished"}}, secrets.Auth{}, mkio.Precheck{}); err != nil {
			t.Errorf("PUT %q: %v", name, err)
			continue
		}
		if _, ok := s.Rule(name); !ok {
			t.Errorf("rule %q is not there", name)
		}
		r, err := c.ReadRule(t.Context(), name)
		if err != nil || r == nil || r.Name != name {
			t.Errorf("GET %q: %v, %v", name, r, err)
		}
		if _, err := c.ReadEventPage(t.Context(), name); err != nil {
			t.Errorf("events of %q: %v", name, err)
		}
	}
	rules, err := c.ListRules(t.Context())
	if err != nil || len(rules) != len(names) {
		t.Errorf("%d rules, %v", len(rules), err)
	}
	for _, name := range names {
		if res, err := c.Delete(t.Context(), name, mkio.Precheck{Run: func(context.Context) error { return nil }}); err != nil || !res.Existed {
			t.Errorf("DELETE %q: %+v, %v", name, res, err)
		}
	}
}

// TestListing checks that all pages come, in few requests, in every shape that the
// service leaves open.
func TestListing(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]emulator.Options{
		"plain": {}, "with totals": {ListPaging: true}, "whole": {WholeList: true},
		"null maps": {EmptyMaps: "null"}, "empty maps": {EmptyMaps: "empty"}, "other mask": {Mask: emulator.MaskSameLength},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.MaxTop = 100
			s, c := serve(t, o)
			for i := range 250 {
				s.Put(fmt.Sprintf("rule-%03d", i), spec(map[string]any{"X-Secret": "s3cr3t-value"}))
			}
			rules, err := c.ListRules(t.Context())
			if err != nil || len(rules) != 250 {
				t.Fatalf("%d rules, %v", len(rules), err)
			}
			if n := len(s.Requests()); n > 3 {
				t.Errorf("%d requests for 250 rules in pages of 100", n)
			}
			want := webhook.AuthNames{Headers: []string{"X-Secret"}}
			if r := rules[7]; r.ID == "" || r.Spec.URL == "" || !cmp.Equal(r.Spec.Auth, want) || r.Spec.Headers != nil {
				t.Errorf("rule %+v", r)
			}
		})
	}
}

// TestUnreadableLists checks that a list that contradicts itself or leads elsewhere
// is a clear error. Absent differs from unreadable.
func TestUnreadableLists(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault emulator.Fault
		says  string
	}{
		"a page twice":         {emulator.Fault{Link: emulator.LinkRepeat}, "is listed twice"},
		"a page dropped":       {emulator.Fault{Link: emulator.LinkSkip}, "listed"},
		"a link lost":          {emulator.Fault{Link: emulator.LinkLost}, "the service says there are 30"},
		"a link to itself":     {emulator.Fault{Link: emulator.LinkItself}, "read before"},
		"a link elsewhere":     {emulator.Fault{Link: emulator.LinkElsewhere}, "another place"},
		"cut short":            {emulator.Fault{Cut: 10}, "cut short"},
		"HTML":                 {emulator.Fault{Body: "<html><body>Welcome</body></html>"}, `begins with "<html>`},
		"not JSON to its end":  {emulator.Fault{Body: `{"value": [`}, "not JSON, or only the beginning"},
		"nothing":              {emulator.Fault{Status: 200, Body: " "}, "not JSON"},
		"a list":               {emulator.Fault{Body: `[]`}, "is a list, expected an object"},
		"no value":             {emulator.Fault{Body: `{}`}, "value is missing, expected a list"},
		"a name of a number":   {emulator.Fault{Body: `{"value":[{"metadata":{"id":"x","name":7},"spec":{}}]}`}, "metadata.name is a number, expected text"},
		"no spec":              {emulator.Fault{Body: `{"value":[{"metadata":{"id":"x","name":"a"}}]}`}, `rule "a": spec is missing`},
		"a header of a number": {emulator.Fault{Body: `{"value":[{"metadata":{"id":"x","name":"a"},"spec":{"url":"u","enabled":true,"events":[],"headers":{"X":1}}}]}`}, "spec.headers.X is a number"},
		"another case":         {emulator.Fault{Body: `{"value":[{"metadata":{"id":"x","name":"a"},"spec":{"URL":"u","enabled":true,"events":[]}}]}`}, "spec.url is missing"},
		"a field twice":        {emulator.Fault{Body: `{"value":[{"metadata":{"id":"x","name":"a"},"spec":{"url":"u","url":"v","enabled":true,"events":[]}}]}`}, `the field "url" twice`},
		"too deep":             {emulator.Fault{Body: strings.Repeat(`{"value":`, 20000)}, "deeper than 64 levels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := serve(t, emulator.Options{ListPaging: true, MaxTop: 10})
			for i := range 30 {
				s.Put(fmt.Sprintf("rule-%02d", i), spec(nil))
			}
			test.fault.Kind = emulator.List
			s.Fault(test.fault)
			rules, err := c.ListRules(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "list the rules: ") || rules != nil {
				t.Errorf("%d rules, error %v, want one that says %q", len(rules), err, test.says)
			}
			for _, r := range s.Requests() {
				if r.Path != "/api/v1/projects/demo/webhook/rules" {
					t.Errorf("went to %s", r.Path)
				}
			}
		})
	}
	t.Run("an empty page on the way", func(t *testing.T) {
		t.Parallel()
		s, c := serve(t, emulator.Options{ListPaging: true, MaxTop: 10})
		for i := range 30 {
			s.Put(fmt.Sprintf("rule-%02d", i), spec(nil))
		}
		s.Fault(emulator.Fault{Kind: emulator.List, Link: emulator.LinkEmpty, Nth: 2})
		if rules, err := c.ListRules(t.Context()); err != nil || len(rules) != 30 {
			t.Errorf("%d rules, %v", len(rules), err)
		}
	})
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		s, c := serve(t, emulator.Options{}, func(o *mkio.Options) { o.MaxBody = 1 << 20 })
		s.Fault(emulator.Fault{Kind: emulator.List, Body: `{"value":["` + strings.Repeat("x", 2<<20)})
		if _, err := c.ListRules(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
			t.Errorf("error %v", err)
		}
	})
}

// TestUnknownFields checks that unknown fields are kept, by their path.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	s, c := serve(t, emulator.Options{ExtraFields: map[string]any{"retryPolicy": map[string]any{"attempts": 3}, "nothing": nil}})
	auth := spec(map[string]any{"X-Secret": "s3cr3t-value"})
	auth["authentication"].(map[string]any)["oauth"] = map[string]any{"client": "x"}
	s.Put("a", auth)
	r, err := c.ReadRule(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for path, raw := range r.Spec.Unknown {
		got[path] = string(raw)
	}
	want := map[string]string{"retryPolicy": `{"attempts":3}`, "authentication.oauth": `{"client":"x"}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unknown fields (-want +got):\n%s", diff)
	}
}

// TestRefusals checks the service's text, the ref for its support, and the hint.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault      emulator.Fault
		says, hint string
	}{
		"wrong token":      {emulator.Fault{Status: 401}, "401 Unauthorized", "MKIO_TOKEN"},
		"no capability":    {emulator.Fault{Status: 403}, "403 Forbidden", "webhooks.config.get"},
		"unknown project":  {emulator.Fault{Status: 404}, "404 Not Found", `no project "demo"`},
		"bad request":      {emulator.Fault{Status: 400}, "400 Bad Request", ""},
		"broken":           {emulator.Fault{Status: 500}, "500 Internal Server Error", "tell MK.IO's support the ref"},
		"proxy page":       {emulator.Fault{Status: 502, Body: "<html>Bad\ngateway</html>"}, `begins with "<html>Bad gateway</html>"`, ""},
		"busy":             {emulator.Fault{Status: 429}, "429 Too Many Requests", "rate limit"},
		"redirect":         {emulator.Fault{Status: 302, Header: map[string]string{"Location": "https://elsewhere.example/login?x=1"}}, "redirect to host elsewhere.example", "not that of the API"},
		"connection reset": {emulator.Fault{Drop: emulator.DropBefore}, "", "check the base URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := serve(t, emulator.Options{})
			test.fault.Kind = emulator.List
			s.Fault(test.fault)
			_, err := c.ListRules(t.Context())
			var e *mkio.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.says) || !strings.Contains(e.Hint(), test.hint) {
				t.Fatalf("error %v, want one that says %q with the hint %q", err, test.says, test.hint)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("the error has control characters: %q", err)
			}
			if e.Status > 0 && test.fault.Body == "" && e.Status != 302 && e.Ref == "" {
				t.Error("no ref")
			}
			if e.Status != 429 && e.Status/100 == 4 && len(s.Requests()) != 1 {
				t.Errorf("%d requests for a refusal", len(s.Requests()))
			}
		})
	}
}

// TestRetries checks that a fault that passes is not an error, for every kind of
// request.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]emulator.Fault{
		"500": {Status: 500}, "503": {Status: 503}, "429": {Status: 429},
		"429, wait none":    {Status: 429, Header: map[string]string{"Retry-After": "0"}},
		"lost before":       {Drop: emulator.DropBefore},
		"lost after effect": {Drop: emulator.DropAfter},
		"cut":               {Cut: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := serve(t, emulator.Options{}, patient)
			fault.Times, fault.Nth = 1, 1
			once := func(k emulator.Kind) {
				f := fault
				f.Kind = k
				s.Fault(f)
			}
			once(emulator.Put)
			res, err := c.Put(t.Context(), "a", webhook.Spec{URL: "https://hooks.example.com/", Events: []webhook.EventType{"MediaKind.JobFinished"}}, secrets.Auth{}, mkio.Precheck{})
			if err != nil || res.Attempts < 2 || res.Rule.Name != "a" {
				t.Errorf("PUT: %+v, %v", res, err)
			}
			once(emulator.List)
			if rules, err := c.ListRules(t.Context()); err != nil || len(rules) != 1 {
				t.Errorf("list: %v, %v", rules, err)
			}
			if fault.Cut > 0 {
				return // the response to a DELETE has no body to cut
			}
			once(emulator.Delete)
			asked := 0
			del, err := c.Delete(t.Context(), "a", mkio.Precheck{Run: func(context.Context) error { asked++; return nil }})
			if err != nil || !del.Existed || asked != del.Attempts || asked < 2 {
				t.Errorf("DELETE: %+v, asked %d times, %v", del, asked, err)
			}
		})
	}
}

// TestDelete checks that two cases differ: a DELETE finds no rule at first, or it
// finds none because an earlier attempt took effect.
func TestDelete(t *testing.T) {
	t.Parallel()
	go404 := func(on bool) emulator.Options { return emulator.Options{DeleteMissing404: on} }
	for _, on := range []bool{false, true} {
		_, c := serve(t, go404(on), patient)
		if res, err := c.Delete(t.Context(), "nothing", mkio.Precheck{}); err != nil || res.Existed || res.Attempts != 1 {
			t.Errorf("%+v, %v", res, err)
		}
	}
	s, c := serve(t, emulator.Options{}, patient)
	s.Put("a", spec(nil))
	s.Fault(emulator.Fault{Kind: emulator.Delete, Status: 503, Nth: 1, Times: 1})
	stop := errors.New("changed")
	n := 0
	_, err := c.Delete(t.Context(), "a", mkio.Precheck{Run: func(context.Context) error {
		if n++; n == 2 {
			return stop
		}
		return nil
	}})
	if _, live := s.Rule("a"); !errors.Is(err, stop) || !live {
		t.Errorf("error %v, still live %t", err, live)
	}
}

// TestReadOnly checks that a client for reading cannot write.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s, c := serve(t, emulator.Options{}, func(o *mkio.Options) { o.ReadOnly = true })
	if _, err := c.Put(t.Context(), "a", webhook.Spec{URL: "https://a.example/"}, secrets.Auth{}, mkio.Precheck{}); err == nil {
		t.Error("a PUT went through")
	}
	if _, err := c.Delete(t.Context(), "a", mkio.Precheck{}); err == nil {
		t.Error("a DELETE went through")
	}
	if _, err := c.ListRules(t.Context()); err != nil || len(s.Requests()) != 1 {
		t.Errorf("%d requests, %v", len(s.Requests()), err)
	}
}

// TestMaskIsNeverSent tests the last line of defence.
func TestMaskIsNeverSent(t *testing.T) {
	t.Parallel()
	s, c := serve(t, emulator.Options{})
	for _, v := range []string{"********", "REPLACE_ME", "", " padded "} {
		_, err := c.Put(t.Context(), "a", webhook.Spec{URL: "https://a.example/"}, secrets.Auth{Headers: map[string]secrets.String{"X-Secret": secrets.NewString(v)}}, mkio.Precheck{})
		if err == nil || !strings.Contains(err.Error(), "spec.authentication.headers.X-Secret") || v != "" && strings.Contains(err.Error(), v) {
			t.Errorf("value %q: error %v", v, err)
		}
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// TestEchoes checks that the text of a service that repeats a sent value is
// withheld, whichever request fails later.
func TestEchoes(t *testing.T) {
	t.Parallel()
	const secret = `s3cr3t/"quoted"+<tag>&Ünï%41`
	s, c := serve(t, emulator.Options{EchoErrors: true})
	auth := secrets.Auth{Headers: map[string]secrets.String{"X-Secret": secrets.NewString(secret)}}
	s.Fault(emulator.Fault{Kind: emulator.Put, Status: 400})
	_, err := c.Put(t.Context(), "a", webhook.Spec{URL: "https://a.example/"}, auth, mkio.Precheck{})
	if err == nil || !strings.Contains(err.Error(), "withheld") || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), token) {
		t.Errorf("error %v", err)
	}
	s.Fault(emulator.Fault{Kind: emulator.List, Status: 500, Body: "<p>someone sent s3cr3t/&quot;quoted&quot;+&lt;tag&gt;&amp;Ünï%41</p>"})
	if _, err := c.ListRules(t.Context()); err == nil || !strings.Contains(err.Error(), "withheld") {
		t.Errorf("error %v", err)
	}
}

func TestCheckBaseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://app.mk.io": "https://app.mk.io", "https://app.mk.io/": "https://app.mk.io", "https://App.mk.io:8443": "https://App.mk.io:8443",
		"http://127.0.0.1:8080": "http://127.0.0.1:8080", "http://localhost": "http://localhost", "http://[::1]:1": "http://[::1]:1",
		"": "", "app.mk.io": "", "https:/app.mk.io": "", "https//app.mk.io": "", "ftp://app.mk.io": "", "http://app.mk.io": "", "https://app.mk.io/api/v1": "",
		"https://user:pa55@app.mk.io": "", "https://app.mk.io?x": "", "https://app.mk.io#x": "", "https://": "", "https://app..mk.io": "", "https://app,mk.io": "",
		"https://app.mk.io\\@evil.example": "", " https://app.mk.io": "",
	} {
		got, err := mkio.CheckBaseURL(raw)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("CheckBaseURL(%q) = %q, %v", raw, got, err)
		}
		var e *mkio.BaseURLError
		if err != nil && (!errors.As(err, &e) || e.Hint() == "" || strings.Contains(err.Error(), "pa55")) {
			t.Errorf("CheckBaseURL(%q): error %v", raw, err)
		}
	}
}

func TestTokenExpiry(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3OTk5OTk5OTl9.sig" // {"exp":1799999999}
	if at, ok := mkio.TokenExpiry(secrets.NewString(jwt)); !ok || at.Unix() != 1799999999 {
		t.Errorf("%v, %t", at, ok)
	}
	for _, other := range []string{"", "abc", "a.b.c", "eyJhbGciOiJub25lIn0.e30.sig", "eyJhbGciOiJub25lIn0.eyJleHAiOiJ4In0.sig"} {
		if at, ok := mkio.TokenExpiry(secrets.NewString(other)); ok {
			t.Errorf("%q ends at %v", other, at)
		}
	}
}

// TestLog checks that each attempt has a line, without query, body or header.
func TestLog(t *testing.T) {
	t.Parallel()
	var lines []string
	s, c := serve(t, emulator.Options{}, patient, func(o *mkio.Options) {
		o.Log = func(l mkio.RequestLog) {
			lines = append(lines, fmt.Sprintf("%s %s %d #%d %t", l.Method, l.Path, l.Status, l.Attempt, l.Ref != ""))
		}
	})
	s.Fault(emulator.Fault{Kind: emulator.List, Status: 500, Times: 1, Nth: 1})
	if _, err := c.ListRules(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /api/v1/projects/demo/webhook/rules 500 #1 true", "GET /api/v1/projects/demo/webhook/rules 200 #2 false"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestStall checks that a response that does not come ends with the timeout.
func TestStall(t *testing.T) {
	t.Parallel()
	s, c := serve(t, emulator.Options{}, func(o *mkio.Options) { o.Timeout = 50 * time.Millisecond })
	s.Fault(emulator.Fault{Kind: emulator.List, Stall: true})
	var e *mkio.Error
	if _, err := c.ListRules(t.Context()); !errors.As(err, &e) || !e.IsNetwork() || !strings.Contains(err.Error(), "no answer in time (50ms)") || !strings.Contains(e.Hint(), "--timeout") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	c = client(t, c.BaseURL())
	if _, err := c.ListRules(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
