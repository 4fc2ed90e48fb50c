//go:build unix

package cli

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// TestFaultsOfApply tests the rest of the matrix, mostly about the writes of
// apply. It covers edits by another client, expiring tokens, full disks,
// signals and clocks. Its table is testdata/faults-apply.golden, with a line
// for each cell.
func TestFaultsOfApply(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two hundred processes: left out by -short")
	}
	t.Parallel()
	rows := runCells(t, applyCells())
	compareFaults(t, "testdata/faults-apply.golden", rows)
}

func applyCells() []cell {
	var out []cell
	for _, part := range [][]cell{otherCells(), tokenCells(), limitCells(), diskCells(), signalCells(), clockCells()} {
		out = append(out, part...)
	}
	for i := range out {
		if out[i].command == "" {
			out[i].command = "apply"
			// One write at a time, so that the test knows the write in flight.
			out[i].args = append(out[i].args, "--concurrency", "1")
		}
	}
	return out
}

// atRequest runs do before the nth request of a kind for a rule.
func atRequest(kind emulator.Kind, rule string, nth int, do func(w *faulty)) func(w *faulty) {
	return func(w *faulty) {
		w.hit = w.s.Fault(emulator.Fault{Kind: kind, Rule: rule, Nth: nth, Before: func() { do(w) }}).Hits
	}
}

// otherCells returns cells where another client works between plan and write.
func otherCells() []cell {
	edit := func(rule string) func(w *faulty) {
		return func(w *faulty) {
			w.s.Edit(rule, func(spec map[string]any) { spec["url"] = "https://hooks.example.com/theirs" })
		}
	}
	remove := func(rule string) func(w *faulty) {
		return func(w *faulty) {
			w.noteDeleted(rule)
			w.s.Delete(rule)
		}
	}
	recreate := func(rule string) func(w *faulty) {
		return func(w *faulty) {
			w.noteDeleted(rule)
			w.s.Recreate(rule)
		}
	}
	create := func(w *faulty) {
		spec := specOf(w.applied["keep"])
		spec["url"] = "https://hooks.example.com/theirs"
		w.s.Put("new-plain", spec)
	}
	const (
		changed, deleted, anew = "changed by someone else", "deleted by someone else", "deleted and made anew by someone else"
		created                = "created by someone else"
	)
	return []cell{
		{fault: changed, at: "update: before it is read again", set: atRequest(emulator.Get, "update", 1, edit("update"))},
		{fault: changed, at: "update: before the PUT", set: atRequest(emulator.Put, "update", 1, edit("update"))},
		{fault: changed, at: "delete: before it is read again", set: atRequest(emulator.Get, "gone-busy", 1, edit("gone-busy"))},
		{fault: changed, at: "delete: before the pause", set: atRequest(emulator.Put, "gone-busy", 1, edit("gone-busy"))},
		{fault: changed, at: "delete: before its history is read", set: atRequest(emulator.Events, "gone-busy", 2, edit("gone-busy"))},
		{fault: changed, at: "delete: before the last look", set: atRequest(emulator.Get, "gone-busy", 2, edit("gone-busy"))},
		{fault: changed, at: "delete: before the DELETE", set: atRequest(emulator.Delete, "gone-busy", 1, edit("gone-busy"))},
		{fault: deleted, at: "update: before it is read again", set: atRequest(emulator.Get, "update", 1, remove("update"))},
		{fault: deleted, at: "update: before the PUT", set: atRequest(emulator.Put, "update", 1, remove("update"))},
		{fault: deleted, at: "delete: before it is read again", set: atRequest(emulator.Get, "gone-busy", 1, remove("gone-busy"))},
		{fault: deleted, at: "delete: before the pause", set: atRequest(emulator.Put, "gone-busy", 1, remove("gone-busy"))},
		{fault: deleted, at: "delete: before its history is read", set: atRequest(emulator.Events, "gone-busy", 2, remove("gone-busy"))},
		{fault: deleted, at: "delete: before the last look", set: atRequest(emulator.Get, "gone-busy", 2, remove("gone-busy"))},
		{fault: deleted, at: "delete: before the DELETE", set: atRequest(emulator.Delete, "gone-busy", 1, remove("gone-busy"))},
		{fault: anew, at: "update: before it is read again", set: atRequest(emulator.Get, "update", 1, recreate("update"))},
		{fault: anew, at: "delete: before it is read again", set: atRequest(emulator.Get, "gone-busy", 1, recreate("gone-busy"))},
		{fault: anew, at: "delete: before the last look", set: atRequest(emulator.Get, "gone-busy", 2, recreate("gone-busy"))},
		{fault: created, at: "create: before it is read", set: atRequest(emulator.Get, "new-plain", 1, create), then: []string{"--adopt", "new-plain"}},
		{fault: created, at: "create: before the PUT", set: atRequest(emulator.Put, "new-plain", 1, create)},
		{fault: "delivered to meanwhile", at: "delete: before the last look", set: atRequest(emulator.Get, "gone-busy", 2, func(w *faulty) {
			w.s.AddEvents("gone-busy", makeRecords(2)...)
			w.was = w.s.Rules()
		})},
	}
}

// specOf copies a spec without its marker.
func specOf(spec map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range spec {
		if name != "headers" && name != "authentication" {
			out[name] = v
		}
	}
	return out
}

// noteDeleted notes that another client deletes a rule with its history.
func (w *faulty) noteDeleted(rule string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken = append(w.taken, w.s.Rules()[rule].ID)
}

// tokenCells returns cells where a token expires in mid-run.
func tokenCells() []cell {
	expires := func(kind emulator.Kind, rule string) cell {
		end := time.Now().Add(time.Hour)
		now := new(clock)
		return cell{options: emulator.Options{Now: now.Now, Expires: map[string]time.Time{scriptToken: end}},
			set: atRequest(kind, rule, 1, func(*faulty) { now.setOffset(2 * time.Hour) }), mend: func(*faulty) { now.setOffset(0) }}
	}
	withdrawn := func(kind emulator.Kind, rule string, left ...emulator.Capability) cell {
		return cell{set: atRequest(kind, rule, 1, func(w *faulty) { w.s.Allow(scriptToken, left...) }),
			mend: func(w *faulty) { w.s.Allow(scriptToken, emulator.AllCapabilities()...) }}
	}
	name := func(c cell, fault, at string) cell {
		c.fault, c.at = fault, at
		return c
	}
	const expired = "the token expires"
	return []cell{
		name(expires(emulator.Put, "new-plain"), expired, "PUT, the second of them"),
		name(expires(emulator.Get, "rotate"), expired, "get, before the fourth PUT"),
		name(expires(emulator.Delete, "gone-busy"), expired, "DELETE"),
		name(withdrawn(emulator.Put, "new-plain", emulator.CanGet), "may only read from now on", "PUT, the second of them"),
		name(withdrawn(emulator.Put, "new-plain", emulator.CanGet, emulator.CanUpdate, emulator.CanDelete), "may create no more", "PUT, the second of them"),
		name(withdrawn(emulator.Delete, "gone-busy", emulator.CanGet, emulator.CanCreate, emulator.CanUpdate), "may delete no more", "DELETE"),
		name(withdrawn(emulator.Put, "gone-busy", emulator.CanCreate, emulator.CanUpdate, emulator.CanDelete), "may read no more", "PUT that pauses"),
	}
}

// limitCells returns cells that use up the service's rate limit again and
// again. A minute of the service takes two seconds here.
func limitCells() []cell {
	var out []cell
	for _, form := range []emulator.RetryAfter{emulator.RetryAbsent, emulator.RetrySeconds, emulator.RetryDate} {
		for _, l := range []emulator.Limits{{Get: 20}, {Write: 4}} {
			what := "reads"
			if l.Write > 0 {
				what = "writes"
			}
			l.Window = 2 * time.Second
			out = append(out, cell{fault: "the rate limit is used up, Retry-After " + string(form), at: what,
				options: emulator.Options{Limits: &l, RetryAfter: form}, args: []string{"--retry-for", "60s"}})
		}
	}
	return out
}

// noRoot returns a wrapper command that drops root's right to write to any
// directory. It is nil for other users.
func noRoot() []string {
	if os.Geteuid() != 0 {
		return nil
	}
	return []string{"setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search", "mkhooks"}
}

// diskCells returns cells without space to write to.
func diskCells() []cell {
	small := func(bytes int) ([]string, []string) {
		return []string{"mkhooks-odd"}, []string{fmt.Sprintf("%s=%d", oddDisk, bytes)}
	}
	odd, archiveFits := small(80000) // the whole audit log, a part of a long history
	_, recordFits := small(2500)     // a part of the audit log
	_, nothingFits := small(100)
	long := func(w *faulty) {
		for range 400 {
			source := make([]byte, 400)
			for i := range source {
				source[i] = byte('!' + rand.IntN(90)) // incompressible
			}
			w.s.AddEvents("gone-busy", emulator.Event{Source: string(source)})
		}
	}
	mode := func(name string, folder bool, mode, after os.FileMode) (set, mend func(w *faulty)) {
		return func(w *faulty) {
				path := filepath.Join(w.dir, w.in(name))
				if folder {
					w.checkSetup(os.Mkdir(path, 0o700))
				} else {
					w.checkSetup(os.WriteFile(path, nil, 0o600))
				}
				w.checkSetup(os.Chmod(path, mode))
			}, func(w *faulty) {
				w.checkSetup(os.Chmod(filepath.Join(w.dir, w.in(name)), after))
			}
	}
	setArchive, mendArchive := mode("archive", true, 0o500, 0o700)
	setRecord, mendRecord := mode("audit.jsonl", false, 0o400, 0o600)
	gone := func(w *faulty) { w.checkSetup(os.RemoveAll(filepath.Join(w.dir, w.in("archive")))) }
	return []cell{
		{fault: "the disk is full", at: "archive", program: odd, env: archiveFits, set: long},
		{fault: "the disk is full", at: "record, in the middle", program: odd, env: recordFits},
		{fault: "the disk is full", at: "record, from the beginning", program: odd, env: nothingFits},
		{fault: "may not be written to", at: "archive", program: noRoot(), set: setArchive, mend: mendArchive},
		{fault: "may not be written to", at: "record", program: noRoot(), set: setRecord, mend: mendRecord},
		{fault: "is a folder", at: "record", set: func(w *faulty) { w.checkSetup(os.Mkdir(filepath.Join(w.dir, w.in("audit.jsonl")), 0o700)) },
			mend: func(w *faulty) { w.checkSetup(os.Remove(filepath.Join(w.dir, w.in("audit.jsonl")))) }},
		{fault: "goes away", at: "archive, before the history is read", set: atRequest(emulator.Events, "gone-busy", 2, gone)},
		{fault: "goes away", at: "archive, while the history is read", set: atRequest(emulator.Events, "gone-busy", 4, gone)},
	}
}

// checkSetup reports the error of a file operation by the test.
func (w *faulty) checkSetup(err error) {
	if err != nil {
		w.t.Error(err)
	}
}

// signalCells returns cells with signals. The response to a write in flight
// comes only after the run has reported the first signal. Reads are canceled.
func signalCells() []cell {
	places := []struct {
		name string
		kind emulator.Kind
		rule string
		nth  int
	}{
		{"list", emulator.List, "", 1}, {"PUT, the second of them", emulator.Put, "new-plain", 1}, {"PUT that pauses", emulator.Put, "gone-busy", 1},
		{"events to archive", emulator.Events, "gone-busy", 2}, {"DELETE", emulator.Delete, "gone-busy", 1},
	}
	var out []cell
	for _, p := range places {
		for _, s := range []struct {
			name string
			send []os.Signal
		}{
			{"SIGINT once", []os.Signal{os.Interrupt}}, {"SIGINT twice", []os.Signal{os.Interrupt, os.Interrupt}},
			{"SIGTERM once", []os.Signal{syscall.SIGTERM}}, {"SIGKILL", []os.Signal{os.Kill}},
		} {
			f := emulator.Fault{Kind: p.kind, Rule: p.rule, Nth: p.nth}
			reads, kills := p.kind == emulator.List, s.send[0] == os.Kill
			f.Stall = (reads || len(s.send) > 1) && !kills
			out = append(out, cell{fault: s.name, at: p.name, set: func(w *faulty) {
				f := f
				f.Before = func() {
					for _, sig := range s.send {
						w.signal(sig)
						if !reads && !kills {
							w.errs.await(heardOf)
						}
					}
				}
				w.hit = w.s.Fault(f).Hits
			}})
		}
	}
	return out
}

// clockCells returns cells where the local clock jumps by hours, back and
// forth, and differs from the service's clock.
func clockCells() []cell {
	var out []cell
	for _, wr := range []wrong{
		{name: "500", do: withStatus(500, "")},
		{name: "429 with Retry-After as a date", do: func(w *faulty, f *emulator.Fault) { withStatus(429, "", "Retry-After", httpDate(2*time.Second))(w, f) }},
	} {
		for _, p := range faultPlaces {
			if p.name != "list" && p.name != "PUT" && p.name != "DELETE" {
				continue
			}
			for _, command := range p.commands {
				c := wr.cell(p.name, command, "once", p.once, holdsOut)
				c.fault = "the clock jumps by hours; " + c.fault
				c.program, c.env = []string{"mkhooks-odd"}, []string{oddClock + "=3h"}
				out = append(out, c)
			}
		}
	}
	ahead := new(clock)
	ahead.setOffset(5 * time.Hour)
	return append(out, cell{fault: "the service's clock is five hours ahead; its rate limit is used up, Retry-After date", at: "writes",
		args:    []string{"--retry-for", "60s"},
		options: emulator.Options{Now: ahead.Now, Limits: &emulator.Limits{Write: 4, Window: 2 * time.Second}, RetryAfter: emulator.RetryDate}})
}

// clock is a clock that a test sets.
type clock struct{ off atomic.Int64 }

func (c *clock) setOffset(off time.Duration) { c.off.Store(int64(off)) }

// Now returns the time of the clock.
func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }
