package apply_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const token = "token-9f2c"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a service with an archive, and the files of one owner.
type world struct {
	t       *testing.T
	service *emulator.Server
	url     string
	// archive is the archive's directory.
	archive string
	owner   string
	desired []apply.Rule
	options plan.Options
	deps    apply.Deps
	client  mkio.Options
	spec    map[string]any // of a rule that another client creates
}

func newWorld(t *testing.T, o emulator.Options) *world {
	t.Helper()
	o.Tokens = map[string][]emulator.Capability{token: emulator.AllCapabilities()}
	service := emulator.New(o)
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	w := &world{
		t: t, service: service, url: server.URL, archive: t.TempDir(), owner: "video",
		options: plan.Options{Prune: plan.PruneOwned, MaxDeletes: plan.Limit{Count: 100}, AllowEmpty: true, ArchiveSet: true},
		// A request that fails once is retried; a request that always fails ends
		// soon.
		client: mkio.Options{RetryFor: 900 * time.Millisecond},
	}
	store, err := archive.Open(w.archive)
	if err != nil {
		t.Fatal(err)
	}
	w.deps = apply.Deps{Archive: store, Secrets: opener{}, Now: func() time.Time { return now }, By: "ada", After: atOnce}
	return w
}

// atOnce is a clock on which no wait takes time.
func atOnce(time.Duration) <-chan time.Time {
	passed := make(chan time.Time, 1)
	passed <- now
	return passed
}

// opener decrypts the results of sealed.
type opener struct{}

func (opener) Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error) {
	if err := ctx.Err(); err != nil {
		return secrets.Auth{}, err
	}
	var auth secrets.Auth
	var errs []error
	for _, source := range s.Sources {
		var values map[string]string
		if err := json.Unmarshal(source.Document, &values); err != nil {
			errs = append(errs, errors.New(source.File+": is damaged"))
		}
		for name, v := range values {
			auth.Add("headers/"+name, secrets.NewString(v))
		}
	}
	return auth, errors.Join(errs...)
}

// rule returns a file; edits change it.
func rule(name string, edits ...func(*apply.Rule)) apply.Rule {
	r := apply.Rule{}
	r.Name, r.File = name, "rules/"+name+".yaml"
	r.Spec = webhook.Spec{URL: "https://hooks.example.com/" + name, Enabled: true, Events: []webhook.EventType{"MediaKind.JobFinished"}}
	r.AuthDigest = webhook.AuthDigest(nil)
	for _, edit := range edits {
		edit(&r)
	}
	return r
}

func url(u string) func(*apply.Rule) { return func(r *apply.Rule) { r.Spec.URL = u } }

// sealed gives a rule one encrypted header.
func sealed(value string) func(*apply.Rule) {
	return func(r *apply.Rule) {
		const name = "X-Webhook-Secret"
		r.Spec.Auth.Headers = []string{name}
		r.AuthDigest = webhook.AuthDigest([]webhook.SealedValue{{Path: "headers/" + name, Ciphertext: "sealed " + value}})
		document, err := json.Marshal(map[string]string{name: value})
		if err != nil {
			panic(err)
		}
		r.Sealed = secrets.Sealed{File: r.File, Sources: []secrets.Source{{File: r.File, Document: document}}}
	}
}

func (w *world) newClient() *mkio.Client {
	w.t.Helper()
	o := w.client
	o.BaseURL, o.Project, o.Token = w.url, "demo", secrets.NewString(token)
	c, err := mkio.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// files replaces the rule files.
func (w *world) files(rules ...apply.Rule) { w.desired = rules }

func (w *world) plan() (*plan.Plan, error) {
	live, err := w.newClient().ListRules(context.Background())
	if err != nil {
		return nil, err
	}
	in := plan.Input{
		Project: "demo", BaseURL: w.url, Owner: w.owner, Live: live, Options: w.options, Now: now,
		Tool: plan.Tool{Name: "mkhooks", Version: "test"},
	}
	for _, r := range w.desired {
		in.Desired = append(in.Desired, r.Desired)
	}
	return plan.New(in), nil
}

func (w *world) mustPlan() *plan.Plan {
	w.t.Helper()
	p, err := w.plan()
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) prepare(p *plan.Plan) *apply.Prepared {
	w.t.Helper()
	deps := w.deps
	deps.Client = w.newClient()
	prepared, err := apply.Prepare(context.Background(), p, w.desired, deps)
	if err != nil {
		w.t.Fatal(err)
	}
	return prepared
}

// apply plans and applies.
func (w *world) apply() *apply.Result {
	w.t.Helper()
	p := w.mustPlan()
	return w.prepare(p).Run(context.Background(), nil, p)
}

// settle applies and expects success; then it forgets the requests.
func (w *world) settle(rules ...apply.Rule) {
	w.t.Helper()
	w.files(rules...)
	if r := w.apply(); r.Outcome != apply.Applied {
		w.t.Fatalf("setting up: %s", show(r))
	}
	w.service.ResetRequests()
}

// inSync expects a plan without a difference.
func (w *world) inSync() {
	w.t.Helper()
	if p := w.mustPlan(); p.HasDifferences() {
		w.t.Errorf("not in sync: %+v", p.Projects[0].Changes)
	}
}

// writes returns the requests that write, in order: "PUT a", "DELETE b".
func (w *world) writes() []string {
	var out []string
	for _, r := range w.service.Requests() {
		if r.Method != "GET" {
			out = append(out, r.Method+" "+r.Rule)
		}
	}
	return out
}

// body returns the body of the nth PUT of a rule, from 1.
func (w *world) body(name string, n int) map[string]any {
	w.t.Helper()
	for _, r := range w.service.Requests() {
		if r.Method != "PUT" || r.Rule != name {
			continue
		}
		if n--; n == 0 {
			var body struct{ Spec map[string]any }
			if err := json.Unmarshal(r.Body, &body); err != nil {
				w.t.Fatal(err)
			}
			return body.Spec
		}
	}
	w.t.Fatalf("no such PUT of rule %q", name)
	return nil
}

// there reports whether a rule exists.
func (w *world) there(name string) bool {
	_, ok := w.service.Rule(name)
	return ok
}

// stored returns the verified archives of a rule.
func (w *world) stored(name string) []archive.Manifest {
	w.t.Helper()
	paths, err := filepath.Glob(filepath.Join(w.archive, "*.manifest.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	var out []archive.Manifest
	for _, path := range paths {
		m, err := archive.Verify(w.t.Context(), path)
		if err != nil {
			w.t.Errorf("archive: %v", err)
		}
		if m.Rule.Name == name {
			out = append(out, m)
		}
	}
	return out
}

// records returns the sources of the stored records, sorted.
func (w *world) records(m archive.Manifest) []string {
	w.t.Helper()
	f, err := os.Open(filepath.Join(w.archive, m.RecordsFile))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for lines := bufio.NewScanner(zip); lines.Scan(); {
		var e webhook.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, e.Source)
	}
	slices.Sort(out)
	return out
}

// sources returns the sources of events, sorted.
func sources(events []emulator.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Source)
	}
	slices.Sort(out)
	return out
}

// events returns n records with different sources.
func events(n int, from string) []emulator.Event {
	var out []emulator.Event
	for i := range n {
		out = append(out, emulator.Event{Created: now.Add(time.Duration(i) * time.Second), Source: fmt.Sprintf("/%s/%04d", from, i)})
	}
	return out
}

// show formats a result for a message.
func show(r *apply.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Outcome)
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "\n  %s %s: %s", c.Action, c.Rule, c.Status)
		if c.Error != nil {
			fmt.Fprintf(&b, ": %s: %s", c.Error.Kind, c.Error.Message)
		}
		if c.Blocked != nil {
			fmt.Fprintf(&b, ": %s: %s", c.Blocked.Guard, c.Blocked.Reason)
		}
		if c.Left != nil {
			fmt.Fprintf(&b, "; left %+v", *c.Left)
		}
	}
	for _, w := range r.ProjectWarnings {
		fmt.Fprintf(&b, "\n  warning: %s", w.Text)
	}
	return b.String()
}

// statuses returns the statuses of a result, by rule: "a applied, b stale".
func statuses(r *apply.Result) string {
	var out []string
	for _, c := range r.Changes {
		out = append(out, c.Rule+" "+string(c.Status))
	}
	return strings.Join(out, ", ")
}

// want checks the outcome and the statuses.
func want(t *testing.T, r *apply.Result, outcome apply.Outcome, all string) {
	t.Helper()
	if r.Outcome != outcome || statuses(r) != all {
		t.Errorf("want %s: %s\ngot %s", outcome, all, show(r))
	}
	doc, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range schema.CheckDocument(schema.ResultDocument, doc) {
		t.Errorf("the document does not fit its schema: %s", v.Message())
	}
}

// change returns the change of a rule.
func change(t *testing.T, r *apply.Result, name string) apply.Change {
	t.Helper()
	i := slices.IndexFunc(r.Changes, func(c apply.Change) bool { return c.Rule == name })
	if i < 0 {
		t.Fatalf("no change of rule %q in %s", name, show(r))
	}
	return r.Changes[i]
}

// says checks the words of a change that is not simply applied.
func says(t *testing.T, c apply.Change, kind string, words ...string) {
	t.Helper()
	got, text := "", ""
	if c.Error != nil {
		got, text = string(c.Error.Kind), c.Error.Message
	}
	if c.Blocked != nil {
		got, text = string(c.Blocked.Guard), c.Blocked.Reason+" "+c.Blocked.Lift
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s %s says %q, want it to say %q", c.Action, c.Rule, text, word)
		}
	}
	if got != kind {
		t.Errorf("%s %s is of kind %q, want %q", c.Action, c.Rule, got, kind)
	}
}

// leaves checks the state that a delete reports as left behind; the zero value
// means nothing.
func leaves(t *testing.T, c apply.Change, want apply.Left) {
	t.Helper()
	var got apply.Left
	if c.Left != nil {
		got = *c.Left
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s %s is %s and leaves (-want +got):\n%s", c.Action, c.Rule, c.Status, diff)
	}
}

// isPaused is the state after a delete that paused the doomed rule.
var isPaused = apply.Left{AuthRemoved: []string{"headers.X-Webhook-Secret"}}

// live returns the spec of a rule on the service.
func (w *world) live(name string) map[string]any {
	w.t.Helper()
	r, ok := w.service.Rule(name)
	if !ok {
		w.t.Fatalf("there is no rule %q; there are %q", name, slices.Sorted(maps.Keys(w.service.Rules())))
	}
	return r.Spec
}
