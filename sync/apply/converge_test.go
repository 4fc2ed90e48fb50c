package apply_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// convergeCases is the number of random cases; convergeSeed is their seed.
const convergeCases, convergeSeed = 200, 7

// TestConverge checks the main property: the next run repairs everything, whatever
// the files and the live rules are, and whichever request fails. After it nothing
// differs, and the live rules match the files. Every destroyed history is complete
// in an archive, and no secret left except in the body of a PUT.
func TestConverge(t *testing.T) {
	t.Parallel()
	for n := range convergeCases {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			newCase(t, uint64(n)).run()
		})
	}
}

// convergence is one random case.
type convergence struct {
	*world
	r *rand.Rand

	mu sync.Mutex
	// destroyed are the sources of the records that existed at the last DELETE of a
	// rule, by its id.
	destroyed map[string][]string
	foreign   map[string]emulator.Rule
	results   []string
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func newCase(t *testing.T, n uint64) *convergence {
	r := rand.New(rand.NewPCG(convergeSeed, n))
	w := newWorld(t, emulator.Options{
		EmptyMaps:        pick(r, emulator.EmptyAbsent, emulator.EmptyNull, emulator.EmptyObject),
		EventOrder:       pick(r, emulator.EventsKept, emulator.EventsSorted, emulator.EventsReversed),
		HeaderCase:       pick(r, emulator.CaseKept, emulator.CaseLower, emulator.CaseCanonical),
		RecordOrder:      pick(r, emulator.NewestFirst, emulator.OldestFirst),
		SkipTokens:       pick(r, emulator.TokenOffset, emulator.TokenCursor),
		Mask:             pick(r, emulator.MaskFixed, emulator.MaskSameLength, emulator.MaskVaried()),
		MaxTop:           1 + r.IntN(5),
		ListPaging:       r.IntN(2) == 0,
		DeleteMissing404: r.IntN(2) == 0,
		NormaliseURL:     r.IntN(2) == 0,
		EchoErrors:       r.IntN(2) == 0,
	})
	w.options.Adopt, w.options.DropAuth = []string{"*"}, []string{"*"}
	w.options.AllowDestinations = []string{"hooks.example.com"}
	w.deps.Concurrency = 1 + r.IntN(4)
	w.deps.NoPause = r.IntN(5) == 0
	w.deps.Drain = time.Minute
	return &convergence{world: w, r: r, destroyed: map[string][]string{}}
}

var caseNames = []string{"a", "b", "c", "d", "e f/ü"}

// randomFiles returns files for some of the names.
func (c *convergence) randomFiles() []apply.Rule {
	var out []apply.Rule
	for _, name := range caseNames {
		if c.r.IntN(5) < 2 {
			continue
		}
		r := rule(name)
		r.Spec.URL = pick(c.r, "https://hooks.example.com/x", "https://HOOKS.example.com:443", "https://hooks.example.com/y?z=1")
		r.Spec.Enabled = c.r.IntN(4) > 0
		r.Spec.Events = pick(c.r, r.Spec.Events, []webhook.EventType{"MediaKind.JobStarted", "MediaKind.JobFinished"})
		r.Spec.Headers = pick(c.r, nil, map[string]string{"x-source": "mkio"}, map[string]string{"X-Source": "files", "X-B": ""})
		if v := c.r.IntN(3); v > 0 {
			sealed(fmt.Sprintf("s3cr3t-value-%d", v))(&r)
		}
		out = append(out, r)
	}
	return out
}

// meddle changes the live rules behind the tool's back.
func (c *convergence) meddle() {
	rules := c.service.Rules()
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		c.service.AddEvents(name, events(c.r.IntN(8), rules[name].ID)...)
		switch c.r.IntN(8) {
		case 0:
			c.service.Edit(name, func(spec map[string]any) { spec["enabled"] = spec["enabled"] != true })
		case 1:
			c.service.Edit(name, func(spec map[string]any) { spec["url"] = "https://hooks.example.com/drift" })
		case 2:
			c.service.Edit(name, func(spec map[string]any) { delete(spec, "authentication") })
		case 3:
			c.service.Delete(name)
		case 4:
			c.service.Recreate(name)
		}
	}
	for _, name := range []string{"u", "a"} {
		if _, ok := c.service.Rule(name); !ok && c.r.IntN(3) == 0 {
			c.service.Put(name, map[string]any{"url": "https://other.example/", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
			c.service.AddEvents(name, events(2, "elsewhere")...)
		}
	}
}

// watch stores the records that each DELETE is about to destroy.
func (c *convergence) watch() {
	for _, name := range append(slices.Clone(caseNames), "u") {
		c.service.Fault(emulator.Fault{Method: "DELETE", Rule: name, Before: func() {
			if r, ok := c.service.Rule(name); ok {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.destroyed[r.ID] = sources(r.Events)
			}
		}})
	}
}

// misfortune sets one fault at a random request, and adds events at another
// request.
func (c *convergence) misfortune() {
	f := emulator.Fault{Nth: 1 + c.r.IntN(30), Times: pick(c.r, 1, 1, 1, 3, 1000)}
	switch c.r.IntN(6) {
	case 0:
		f.Status, f.Effect = pick(c.r, 400, 401, 403, 404, 429, 500, 503), c.r.IntN(3) == 0
	case 1:
		f.Drop = emulator.DropBefore
	case 2:
		f.Drop = emulator.DropAfter
	case 3:
		f.Cut = 1 + c.r.IntN(40)
	case 4:
		f.Body = "<html>proxy</html>"
	case 5:
		f.Method, f.Drop = pick(c.r, "DELETE", "PUT"), pick(c.r, emulator.DropBefore, emulator.DropAfter)
		f.Nth = 1 + c.r.IntN(4)
	}
	c.service.Fault(f)
	c.service.Fault(emulator.Fault{Nth: 1 + c.r.IntN(30), Times: 1 + c.r.IntN(3), Before: func() {
		c.service.Deliver("MediaKind.JobFinished", emulator.Sent)
	}})
	// Retries mostly do not outlast a fault, so that it shows.
	c.client.RetryFor = pick(c.r, 1, 1, 1, 1, 1, 1, 1, 900*time.Millisecond)
}

// attempt plans and applies; a failure is part of the case.
func (c *convergence) attempt(stop <-chan struct{}) {
	p, err := c.plan()
	if err != nil {
		c.results = append(c.results, err.Error())
		return
	}
	c.results = append(c.results, show(c.prepare(p).Run(context.Background(), stop, p)))
}

func (c *convergence) run() {
	t := c.t
	c.files(c.randomFiles()...)
	c.attempt(nil)
	c.meddle()
	c.foreign = map[string]emulator.Rule{}
	c.files(c.randomFiles()...)
	if u, ok := c.service.Rule("u"); ok {
		c.foreign["u"] = u
	}

	c.watch()
	c.misfortune()
	stop := make(chan struct{})
	if c.r.IntN(6) == 0 {
		c.service.Fault(emulator.Fault{Nth: 1 + c.r.IntN(20), Times: 1, Before: func() { close(stop) }})
	}
	c.attempt(stop)

	c.service.ClearFaults()
	c.watch()
	c.client.RetryFor = 900 * time.Millisecond
	c.attempt(nil)
	c.inSync()
	c.checkRules()
	c.checkArchives()
	c.checkSecrets()
	if t.Failed() {
		t.Logf("the runs:\n%s", strings.Join(c.results, "\n"))
	}
}

// checkRules checks that the live rules match the files, secrets included, and that
// rules of other owners are untouched.
func (c *convergence) checkRules() {
	c.t.Helper()
	got := c.service.Rules()
	for _, r := range c.desired {
		live, ok := got[r.Name]
		delete(got, r.Name)
		if !ok {
			c.t.Errorf("rule %q is missing", r.Name)
			continue
		}
		wantAuth := map[string]string{}
		if len(r.Spec.Auth.Headers) > 0 {
			auth, err := opener{}.Auth(context.Background(), r.Sealed)
			if err != nil {
				c.t.Fatal(err)
			}
			for name, v := range auth.Headers {
				wantAuth["headers."+name] = v.Reveal()
			}
		}
		if diff := cmp.Diff(wantAuth, live.Auth()); diff != "" {
			c.t.Errorf("rule %q: auth (-want +got):\n%s", r.Name, diff)
		}
		headers := live.Headers()
		delete(headers, webhook.MarkerHeader)
		if len(headers) == 0 {
			headers = nil
		}
		if live.Spec["url"] != r.Spec.URL || live.Spec["enabled"] != r.Spec.Enabled || !cmp.Equal(headers, r.Spec.Headers) {
			c.t.Errorf("rule %q is %v, want %+v", r.Name, live.Spec, r.Spec)
		}
	}
	for name, want := range c.foreign {
		if live := got[name]; live.ID != want.ID || !cmp.Equal(live.Spec, want.Spec) {
			c.t.Errorf("the rule %q of someone else became %+v", name, live)
		}
		delete(got, name)
	}
	for name, live := range got {
		// A rule without a marker is not ours to delete.
		if live.Headers()[webhook.MarkerHeader] != "" {
			c.t.Errorf("rule %q is still there", name)
		}
	}
}

// checkArchives checks that every destroyed history is complete in an archive.
func (c *convergence) checkArchives() {
	c.t.Helper()
	still := map[string]bool{}
	for _, r := range c.service.Rules() {
		still[r.ID] = true
	}
	for id, all := range c.destroyed {
		if still[id] {
			continue
		}
		found := false
		for _, name := range caseNames {
			for _, m := range c.stored(name) {
				found = found || m.Rule.ID == id && slices.Equal(c.records(m), all)
			}
		}
		if !found {
			c.t.Errorf("rule %s was deleted with the records %q, and no archive holds just them", id, all)
		}
	}
}

// checkSecrets checks that no value occurs outside the body of a PUT.
func (c *convergence) checkSecrets() {
	c.t.Helper()
	const secret = "s3cr3t-value"
	for _, r := range c.service.Requests() {
		text := r.Path + r.Query + fmt.Sprint(r.Header)
		if r.Method != "PUT" {
			text += string(r.Body)
		}
		if strings.Contains(text, secret) {
			c.t.Errorf("request %d holds a secret: %s", r.N, text)
		}
	}
	if text := strings.Join(c.results, "\n"); strings.Contains(text, secret) || strings.Contains(text, token) {
		c.t.Errorf("a result holds a secret:\n%s", text)
	}
	err := filepath.WalkDir(c.archive, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), secret) {
			c.t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		c.t.Error(err)
	}
}
