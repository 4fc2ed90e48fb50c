package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/audit"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// mixed is a project between two applies: this owner has applied its rules, and
// its files have changed since.
type mixed struct {
	*repo
	applied map[string]map[string]any // live specs after the first apply
	apply   []string
	// history is the number of records of each rule that will be deleted.
	history map[string]int
}

// newMixed applies a first state and then changes the files: creates, an
// update, a rotated secret and deletes. Each server then gets its drift.
func newMixed(t *testing.T) *mixed {
	t.Helper()
	m := &mixed{repo: newRepo(t), history: map[string]int{"gone-busy": 250, "gone-empty": 0, "gone-few": 7}}
	m.writeRule("rules", "keep", "keep", secretOne)
	m.writeRule("rules", "update", "before", secretOne)
	m.writeRule("rules", "rotate", "rotate", secretOne)
	m.writeRule("rules", "drifted", "drifted", "")
	for name := range m.history {
		m.writeRule("rules", name, name, secretOne)
	}
	s := serveEmulator(t, emulator.Options{})
	m.mustRun(s, 0, "apply", "--owner", "team", "--yes", "rules")
	m.applied = map[string]map[string]any{}
	for name, r := range s.Rules() {
		m.applied[name] = r.Spec
	}
	for name := range m.history {
		if err := os.Remove(m.dir + "/rules/" + name + ".yaml"); err != nil {
			t.Fatal(err)
		}
	}
	m.writeRule("rules", "new-plain", "new", "")
	m.writeRule("rules", "new-secret", "new", secretTwo)
	m.writeRule("rules", "update", "after", secretOne)
	m.sops("set", "rules/rotate.yaml", `["spec"]["authentication"]["headers"]["X-Secret"]`, quoteJSON(secretTwo))
	m.apply = []string{"apply", "--owner", "team", "--yes", "--prune", "owned", "--max-deletes", "9", "--drain", "1s", "--retry-for", "1s", "rules"}
	return m
}

func quoteJSON(s string) string {
	data, _ := json.Marshal(s) // a string always has a JSON form
	return string(data)
}

// serveMixed starts a service in the state before the second apply.
func (m *mixed) serveMixed() *served { return m.serveWith(emulator.Options{MaxTop: 100}) }

func (m *mixed) serveWith(o emulator.Options) *served {
	s := serveEmulator(m.t, o)
	m.fill(s)
	return s
}

// fill loads the state before the second apply into a service.
func (m *mixed) fill(s *served) {
	for name, spec := range m.applied {
		s.Put(name, spec)
	}
	for name, n := range m.history {
		s.AddEvents(name, makeRecords(n)...)
	}
	s.Edit("drifted", func(spec map[string]any) { spec["enabled"] = false })
}

// checkArchived checks that an archive contains every record of every deleted rule.
func (m *mixed) checkArchived(folder string, was map[string]emulator.Rule, s *served) {
	m.t.Helper()
	live := map[string]bool{}
	for _, r := range s.Rules() {
		live[r.ID] = true
	}
	stored := m.archives(folder)
	for name, r := range was {
		if live[r.ID] {
			continue
		}
		if n, ok := stored[r.ID]; !ok || n != len(r.Events) {
			m.t.Errorf("rule %s (%s) is gone with %d records, its archive has %d (stored: %t)", name, r.ID, len(r.Events), n, ok)
		}
	}
}

// specs returns the stored specs of all rules, without ids and history.
func specs(s *served) map[string]any {
	out := map[string]any{}
	for name, r := range s.Rules() {
		out[name] = r.Spec
	}
	return out
}

// noSecretOutsidePut checks that only PUT bodies contain secrets, and that none
// contains a mask.
func noSecretOutsidePut(t *testing.T, s *served) {
	t.Helper()
	for _, r := range s.Requests() {
		if r.Method == http.MethodPut && strings.Contains(string(r.Body), "***") {
			t.Errorf("a mask was sent: %s %s", r.Method, r.Path)
		}
		all := r.Path + r.Query
		if r.Method != http.MethodPut {
			all += string(r.Body)
		}
		if strings.Contains(all, "s3cr3t") {
			t.Errorf("a secret left in %s %s", r.Method, r.Path)
		}
	}
}

// TestKill kills an apply with SIGKILL at every request of a mixed plan, before
// and after its effect. The next run must reach the same end.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a hundred processes: left out by -short")
	}
	t.Parallel()
	m := newMixed(t)

	whole := m.serveMixed()
	m.mustRun(whole, 0, append(m.apply, "--archive", "whole")...)
	want := specs(whole)
	requests := len(whole.Requests())
	m.checkArchived("whole", nil, whole)
	if requests < 25 {
		t.Fatalf("the plan takes %d requests, expected more: is it mixed?", requests)
	}

	for k := 1; k <= requests; k++ {
		for _, after := range []bool{false, true} {
			folder := fmt.Sprintf("kill-%d-%t", k, after)
			t.Run(folder, func(t *testing.T) {
				m := &mixed{repo: &repo{t: t, dir: m.dir, key: m.key}, applied: m.applied, apply: m.apply, history: m.history}
				s := m.serveMixed()
				was := s.Rules()
				record := filepath.Join(folder, "applies.jsonl")
				killAt(m, s, k, after, append(m.apply, "--archive", folder, "--audit", record))
				m.checkIntents(record, s.Requests())
				// Another client restores a rule under its old name between the
				// runs.
				if _, live := s.Rule("gone-few"); live && k%3 == 0 {
					s.Recreate("gone-few")
					s.AddEvents("gone-few", makeRecords(5)...)
					delete(was, "gone-few") // deleted by the client, not by this tool
					was["gone-few again"] = s.Rules()["gone-few"]
				}
				m.mustRun(s, 0, append(m.apply, "--archive", folder, "--audit", record)...)
				m.checkIntents(record, s.Requests())
				m.mustRun(s, 0, "audit", "verify", "--archives", record)
				if diff := cmp.Diff(want, specs(s)); diff != "" {
					t.Errorf("another end than without the kill (-want +got):\n%s", diff)
				}
				m.mustRun(s, 0, "drift", "--owner", "team", "--prune", "owned", "--archive", folder, "rules")
				m.checkArchived(folder, was, s)
				noSecretOutsidePut(t, s)
			})
		}
	}
	t.Logf("killed at %d requests, before and after each took effect", requests)
}

// checkIntents checks for an intent for every write that reached the service. Only
// writes in flight may lack a result.
func (m *mixed) checkIntents(record string, requests []emulator.Request) {
	m.t.Helper()
	f, err := os.Open(filepath.Join(m.dir, record))
	if errors.Is(err, os.ErrNotExist) {
		for _, r := range requests {
			if r.Method != http.MethodGet {
				m.t.Errorf("%s %s left before there was a record", r.Method, r.Path)
			}
		}
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	chain, err := audit.Read(f)
	if err != nil || len(chain.Faults) > 0 {
		m.t.Fatalf("%s: %v %v", record, err, chain.Faults)
	}
	intents := map[string]int{}
	for _, run := range chain.Runs() {
		flying := 0
		for _, w := range run.Writes {
			if w.Intent == nil || w.Intent.Write.Step == "archive" {
				continue
			}
			method := http.MethodPut
			if w.Intent.Write.Step == "delete" {
				method = http.MethodDelete
			}
			intents[method+" "+w.Intent.Write.Rule]++
			if w.InFlight() {
				flying++
			}
		}
		if run.End != nil && flying > 0 {
			m.t.Errorf("a run that ended has %d writes without a result", flying)
		}
	}
	sent := map[string]int{}
	for _, r := range requests {
		if r.Method != http.MethodGet {
			sent[r.Method+" "+path.Base(r.Path)]++
		}
	}
	for write, n := range sent {
		if intents[write] < n {
			m.t.Errorf("%s was sent %d times, the record has %d intents of it", write, n, intents[write])
		}
	}
}

// killAt runs mkhooks and kills it at its k-th request.
func killAt(m *mixed, s *served, k int, after bool, args []string) {
	m.t.Helper()
	cmd := m.newProcess(s, args...)
	start, signal := process(m.t, cmd)
	kill := func() { signal(os.Kill) }
	n := 0
	var mu sync.Mutex
	hit := func() bool {
		mu.Lock()
		defer mu.Unlock()
		n++
		return n == k
	}
	hook := emulator.Fault{Times: -1}
	if after {
		hook.After = func() {
			if hit() {
				kill()
			}
		}
	} else {
		hook.Before = func() {
			if hit() {
				kill()
			}
		}
	}
	injected := s.Fault(hook)
	start()
	_ = cmd.Wait() // killed, or finished if it needed fewer requests
	s.settle()
	injected.Remove()
}

// TestTwoRunsMeet starts the same apply twice at once. In any order nothing is
// lost, and a third run finds nothing to do.
func TestTwoRunsMeet(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	for i := range 5 {
		s := m.serveMixed()
		was := s.Rules()
		folder := fmt.Sprintf("meet-%d", i)
		args := append(m.apply, "--archive", folder)
		var wg sync.WaitGroup
		for range 2 {
			cmd := m.newProcess(s, args...)
			wg.Go(func() { _ = cmd.Run() }) // either may be refused
		}
		wg.Wait()
		m.mustRun(s, 0, args...)
		m.mustRun(s, 0, "drift", "--owner", "team", "--prune", "owned", "--archive", folder, "rules")
		m.checkArchived(folder, was, s)
		noSecretOutsidePut(t, s)
	}
}
