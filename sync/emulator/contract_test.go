package emulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

const (
	fullToken = "full-token"
	readToken = "read-token"
)

// contract checks requests and responses against the vendor's document.
type contract struct {
	t      *testing.T
	router routers.Router
	base   string
	token  string
}

func newContract(t *testing.T, base string) *contract {
	t.Helper()
	data, err := os.ReadFile("testdata/mkio-webhooks.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: base}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &contract{t: t, router: router, base: base, token: fullToken}
}

// call sends a request, checks its status, and validates both sides.
func (c *contract) call(method, path string, body any, want int) map[string]any {
	c.t.Helper()
	var sent []byte
	if body != nil {
		sent, _ = json.Marshal(body)
	}
	req, err := http.NewRequest(method, c.base+"/api/v1/projects/"+path, bytes.NewReader(sent))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	route, params, err := c.router.FindRoute(req)
	if err != nil {
		c.t.Fatalf("%s %s is not in the document: %v", method, path, err)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		// Responses contain masked values under authentication, which the
		// document's write-only properties would forbid.
		Options: &openapi3filter.Options{ExcludeWriteOnlyValidations: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if want < 400 {
		if err := openapi3filter.ValidateRequest(c.t.Context(), input); err != nil {
			c.t.Errorf("%s %s: the request is not as documented: %v", method, path, err)
		}
	}
	req.Body = io.NopCloser(bytes.NewReader(sent))
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != want {
		c.t.Errorf("%s %s: %d, want %d\n%s", method, path, resp.StatusCode, want, got)
	}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: input.Options}
	answer.SetBodyBytes(got)
	if err := openapi3filter.ValidateResponse(c.t.Context(), answer); err != nil {
		c.t.Errorf("%s %s: the answer is not as documented: %v\n%s", method, path, err, got)
	}
	var out map[string]any
	if len(got) > 0 {
		if err := json.Unmarshal(got, &out); err != nil {
			c.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return out
}

func putBody() map[string]any {
	return map[string]any{"spec": map[string]any{
		"url": "https://hooks.example.com/", "enabled": true, "events": []string{"MediaKind.JobFinished", "MediaKind.JobStarted"},
		"headers": map[string]string{"X-Source": "mkio"}, "queryParams": map[string]string{"a": "b"},
		"authentication": map[string]any{"headers": map[string]string{"X-Secret": "s3cr3t"}, "queryParams": map[string]string{"code": "s3cr3t"}},
	}}
}

// suite sends every kind of request and checks the responses. It runs against
// any service whose project has no rules that begin with "conformance-".
func suite(t *testing.T, c *contract, project string, paging bool) {
	rules := project + "/webhook/rules"
	one := rules + "/conformance-one"
	c.call("DELETE", one, nil, 204)
	c.call("GET", one, nil, 404)
	made := c.call("PUT", one, putBody(), 201)
	spec, _ := made["spec"].(map[string]any)
	auth, _ := spec["authentication"].(map[string]any)
	headers, _ := auth["headers"].(map[string]any)
	if len(headers) != 1 {
		t.Errorf("the auth headers read back as %v", headers)
	}
	for name, v := range headers { // the service may change the case
		if mask := fmt.Sprint(v); !strings.EqualFold(name, "X-Secret") || mask == "" || strings.Trim(mask, "*") != "" {
			t.Errorf("%s reads back as %q, expected a mask", name, mask)
		}
	}
	// A PUT replaces the whole spec: omitted fields are deleted.
	c.call("PUT", one, map[string]any{"spec": map[string]any{"url": "https://hooks.example.com/2", "enabled": false, "events": []string{"MediaKind.JobFinished"}}}, 200)
	spec, _ = c.call("GET", one, nil, 200)["spec"].(map[string]any)
	for _, name := range []string{"headers", "queryParams", "authentication"} {
		if text := fmt.Sprint(spec[name]); strings.Contains(text, "X-S") || strings.Contains(text, "code") || strings.Contains(text, "a:b") {
			t.Errorf("%s is still %v after a PUT without it", name, text)
		}
	}
	c.call("GET", one+"/events", nil, 200)
	c.call("PUT", one, map[string]any{"spec": map[string]any{"url": "https://hooks.example.com/"}}, 400)
	c.call("PUT", one, map[string]any{"spec": map[string]any{"url": "https://hooks.example.com/", "enabled": true, "events": []string{"MediaKind.Nothing"}}}, 400)
	list := c.call("GET", rules, nil, 200)
	if value, _ := list["value"].([]any); len(value) == 0 {
		t.Error("the list does not hold the rule")
	}
	if paging {
		c.call("PUT", rules+"/conformance-two", putBody(), 201)
		page := c.call("GET", rules+"?$top=1", nil, 200)
		link, _ := page["@odata.nextLink"].(string)
		if value, _ := page["value"].([]any); len(value) != 1 || !strings.HasPrefix(link, c.base) {
			t.Fatalf("a page of one: %v", page)
		}
		c.call("GET", strings.TrimPrefix(link, c.base+"/api/v1/projects/"), nil, 200)
		c.call("DELETE", rules+"/conformance-two", nil, 200)
	}
	c.call("DELETE", one, nil, 200)
	c.call("GET", one+"/events", nil, 404)

	c.token = "a-wrong-token"
	c.call("GET", rules, nil, 401)
	c.token = fullToken
	c.call("GET", "no-such-project/webhook/rules", nil, 404)
}

// TestContract runs the suite on the emulator in each behaviour that the
// document leaves open. Maps that read back as null are excluded: the document
// has no null, so only the client's tests have them.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]emulator.Options{
		"plain": {}, "list paging": {ListPaging: true}, "empty maps": {EmptyMaps: "empty"},
		"sorted events": {EventOrder: "sorted"}, "lower headers": {HeaderCase: "lower"}, "long masks": {Mask: emulator.MaskSameLength},
		"extra fields": {ExtraFields: map[string]any{"retryPolicy": map[string]any{"attempts": 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Project = "demo"
			o.Tokens = map[string][]emulator.Capability{fullToken: emulator.AllCapabilities(), readToken: {emulator.CanGet}}
			h := httptest.NewServer(emulator.New(o))
			t.Cleanup(h.Close)
			suite(t, newContract(t, h.URL), "demo", true)
		})
	}
}

// TestRealService runs the suite on MK.IO itself, in a project that is reserved
// for it.
func TestRealService(t *testing.T) {
	base, project, token := os.Getenv("MKHOOKS_CONFORMANCE_URL"), os.Getenv("MKHOOKS_CONFORMANCE_PROJECT"), os.Getenv("MKHOOKS_CONFORMANCE_TOKEN")
	if base == "" || project == "" || token == "" {
		t.Skip("set MKHOOKS_CONFORMANCE_URL, _PROJECT and _TOKEN to run this on the real service; it makes and deletes rules named conformance-*")
	}
	c := newContract(t, base)
	c.token = token
	suite(t, c, project, false)
}

// TestErrors: every error response has the documented form.
func TestErrors(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	s := emulator.New(emulator.Options{
		Project: "demo", Now: func() time.Time { return now }, Limits: &emulator.Limits{Get: 3, Write: 1},
		Tokens: map[string][]emulator.Capability{fullToken: emulator.AllCapabilities(), readToken: {emulator.CanGet}},
	})
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	c := newContract(t, h.URL)
	rules := "demo/webhook/rules"
	c.call("PUT", rules+"/a", putBody(), 201)
	c.call("PUT", rules+"/a", putBody(), 429)
	for range 3 {
		c.call("GET", rules, nil, 200)
	}
	c.call("GET", rules, nil, 429)
	now = now.Add(time.Minute)
	c.call("GET", rules, nil, 200)
	c.token = readToken
	c.call("DELETE", rules+"/a", nil, 403)
	now = now.Add(time.Minute)
	s.Fault(emulator.Fault{Status: 500})
	c.call("GET", rules, nil, 500)
}

// TestMaskBecomesTheSecret: each sent value is stored, also a mask, as in the
// real service. So a client must never send a mask.
func TestMaskBecomesTheSecret(t *testing.T) {
	t.Parallel()
	s := emulator.New(emulator.Options{Project: "demo", Tokens: map[string][]emulator.Capability{fullToken: emulator.AllCapabilities()}})
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	c := newContract(t, h.URL)
	body := putBody()
	c.call("PUT", "demo/webhook/rules/a", body, 201)
	got := c.call("GET", "demo/webhook/rules/a", nil, 200)
	c.call("PUT", "demo/webhook/rules/a", map[string]any{"spec": got["spec"]}, 200)
	r, _ := s.Rule("a")
	if v := r.Auth()["headers.X-Secret"]; strings.Trim(v, "*") != "" || v == "" {
		t.Errorf("stored %q", v)
	}
}

// TestHistory: records are newest first by default. A history is deleted with
// its rule, and a disabled rule gets no records.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := emulator.New(emulator.Options{Project: "demo", MaxTop: 2, Tokens: map[string][]emulator.Capability{fullToken: emulator.AllCapabilities()}})
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	c := newContract(t, h.URL)
	c.call("PUT", "demo/webhook/rules/a", putBody(), 201)
	for range 3 {
		s.Deliver("MediaKind.JobFinished", emulator.Sent)
	}
	page := c.call("GET", "demo/webhook/rules/a/events", nil, 200)
	if value, _ := page["value"].([]any); len(value) != 2 || page["@odata.nextLink"] == nil {
		t.Errorf("page %v", page)
	}
	body := putBody()
	body["spec"].(map[string]any)["enabled"] = false
	c.call("PUT", "demo/webhook/rules/a", body, 200)
	if told := s.Deliver("MediaKind.JobFinished", emulator.Sent); len(told) > 0 {
		t.Errorf("a paused rule was told: %v", told)
	}
	c.call("DELETE", "demo/webhook/rules/a", nil, 200)
	c.call("PUT", "demo/webhook/rules/a", putBody(), 201)
	if page := c.call("GET", "demo/webhook/rules/a/events", nil, 200); len(page["value"].([]any)) != 0 {
		t.Errorf("a rule made anew has a history: %v", page)
	}
}

// TestSeed: seeds are strict, and an invalid seed adds nothing.
func TestSeed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, says string }{
		"unknown key":  {`{"rules":[{"metadata":{"name":"a"},"specs":{}}]}`, "specs"},
		"no name":      {`{"rules":[{"spec":{}}]}`, "rule 1 has no metadata.name"},
		"wrong spec":   {`{"rules":[{"metadata":{"name":"a"},"spec":{"url":"https://a.example/"}}]}`, `rule "a": spec.enabled`},
		"wrong time":   {"rules:\n- metadata: {name: a}\n  spec: {url: 'https://a.example/', enabled: true, events: [MediaKind.JobFinished]}\n  history: {count: 3, since: 2026-01-01T00:00:00Z, every: often}", "history.every"},
		"good, YAML":   {"rules:\n- metadata: {name: a}\n  spec: {url: 'https://a.example/', enabled: true, events: [MediaKind.JobFinished]}\n  history: {count: 3, since: 2026-01-01T00:00:00Z, every: 1m, failedEvery: 3}", ""},
		"not a seed":   {"- a", "no list of rules"},
		"no rules yet": {"{}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := emulator.New(emulator.Options{Project: "demo"})
			err := s.LoadSeed(strings.NewReader(test.text))
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
			if r, ok := s.Rule("a"); ok != (name == "good, YAML") || ok && (len(r.Events) != 3 || r.Events[2].Status != emulator.Failed || r.Events[1].Status != emulator.Sent) {
				t.Errorf("rule %+v, %t", r, ok)
			}
		})
	}
}
