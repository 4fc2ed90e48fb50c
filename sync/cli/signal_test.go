package cli

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// interrupt runs mkhooks with a hook that is called once, in the middle of the
// first PUT, with a function that sends a signal.
func interrupt(t *testing.T, s *served, r *repo, hook func(signal func(os.Signal)), args ...string) (out string, code int) {
	t.Helper()
	cmd := r.command(s, args...)
	var shown bytes.Buffer
	cmd.Stdout, cmd.Stderr = &shown, &shown
	start, signal := process(t, cmd)
	var once sync.Once
	s.Fault(emulator.Fault{Kind: emulator.Put, Before: func() { once.Do(func() { hook(signal) }) }})
	start()
	_ = cmd.Wait() // the code is what counts
	return shown.String(), cmd.ProcessState.ExitCode()
}

// TestInterruptedOnce: what is under way is finished, nothing more is started,
// the result is written, and the next run does the rest.
func TestInterruptedOnce(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		r := newRepo(t)
		for _, name := range []string{"a", "b", "c", "d"} {
			r.rule("rules", name, name, "")
		}
		s := serveEmulator(t, emulator.Options{})
		out, code := interrupt(t, s, r, func(signal func(os.Signal)) {
			signal(sig)
			time.Sleep(300 * time.Millisecond) // the signal arrives while the PUT is under way
		}, "apply", "--owner", "team", "--yes", "--concurrency", "1", "rules")
		if code != 130 || !strings.Contains(out, "Interrupted") || !strings.Contains(out, "applied") || !strings.Contains(out, "skipped") {
			t.Errorf("%v: exit code %d\n%s", sig, code, out)
		}
		if n := len(s.Rules()); n != 1 {
			t.Errorf("%v: %d rules, want the one that was under way", sig, n)
		}
		s.ClearFaults()
		r.must(s, 0, "apply", "--owner", "team", "--yes", "rules")
		r.must(s, 0, "drift", "--owner", "team", "rules")
	}
}

// TestInterruptedTwice: the second signal gives up what is under way, and the
// result is written all the same.
func TestInterruptedTwice(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.rule("rules", "a", "a", secretOne)
	s := serveEmulator(t, emulator.Options{})
	release := make(chan struct{})
	out, code := interrupt(t, s, r, func(signal func(os.Signal)) {
		signal(os.Interrupt)
		time.Sleep(100 * time.Millisecond)
		signal(os.Interrupt)
		select {
		case <-release:
		case <-time.After(2 * time.Second):
		}
	}, "apply", "--owner", "team", "--yes", "--format", "json", "rules")
	close(release)
	if code != 130 || !strings.Contains(out, `"outcome": "interrupted"`) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	s.ClearFaults()
	r.must(s, 0, "apply", "--owner", "team", "--yes", "rules")
}

// TestInterruptedPlan: what only reads ends at once.
func TestInterruptedPlan(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.rule("rules", "a", "a", "")
	s := serveEmulator(t, emulator.Options{})
	cmd := r.command(s, "plan", "rules")
	var shown bytes.Buffer
	cmd.Stdout, cmd.Stderr = &shown, &shown
	start, signal := process(t, cmd)
	s.Fault(emulator.Fault{Kind: emulator.List, Before: func() { signal(os.Interrupt) }, Stall: true})
	start()
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 130 || !strings.Contains(shown.String(), "interrupted") {
		t.Errorf("%v\n%s", err, shown.String())
	}
}
