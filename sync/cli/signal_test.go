package cli

import (
	"bytes"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// heardOf is the message of an apply after its first signal.
const heardOf = "interrupted: what is under way is finished"

// interrupt sends signals to mkhooks during its first PUT, each after mkhooks
// has reported the first. The PUT gets a response, unless stall is set.
func interrupt(t *testing.T, s *served, r *repo, stall bool, signals []os.Signal, args ...string) (out string, code int) {
	t.Helper()
	cmd := r.newProcess(s, args...)
	shown := newHeard()
	cmd.Stdout, cmd.Stderr = shown, shown
	start, signal := process(t, cmd)
	s.Fault(emulator.Fault{Kind: emulator.Put, Times: 1, Stall: stall, Before: func() {
		for _, sig := range signals {
			signal(sig)
			shown.await(heardOf)
		}
	}})
	start()
	_ = cmd.Wait() // only the exit code matters
	shown.markEnd()
	return shown.String(), cmd.ProcessState.ExitCode()
}

// TestInterruptedOnce checks that requests in flight finish and no more are
// started. The result is written, and the next run does the rest.
func TestInterruptedOnce(t *testing.T) {
	t.Parallel()
	// Under nohup, tests and their child processes ignore SIGHUP. Catching the
	// signal here restores it for the child processes.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		r := newRepo(t)
		for _, name := range []string{"a", "b", "c", "d"} {
			r.writeRule("rules", name, name, "")
		}
		s := serveEmulator(t, emulator.Options{})
		out, code := interrupt(t, s, r, false, []os.Signal{sig}, "apply", "--owner", "team", "--yes", "--concurrency", "1", "rules")
		if code != 130 || !strings.Contains(out, "Interrupted") || !strings.Contains(out, "applied") || !strings.Contains(out, "skipped") {
			t.Errorf("%v: exit code %d\n%s", sig, code, out)
		}
		if n := len(s.Rules()); n != 1 {
			t.Errorf("%v: %d rules, want the one that was under way", sig, n)
		}
		s.ClearFaults()
		r.mustRun(s, 0, "apply", "--owner", "team", "--yes", "rules")
		r.mustRun(s, 0, "drift", "--owner", "team", "rules")
	}
}

// TestInterruptedTwice checks that the second signal cancels requests in
// flight. The result is still written.
func TestInterruptedTwice(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "a", "a", secretOne)
	s := serveEmulator(t, emulator.Options{})
	out, code := interrupt(t, s, r, true, []os.Signal{os.Interrupt, os.Interrupt}, "apply", "--owner", "team", "--yes", "--format", "json", "rules")
	if code != 130 || !strings.Contains(out, `"outcome": "interrupted"`) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	s.ClearFaults()
	r.mustRun(s, 0, "apply", "--owner", "team", "--yes", "rules")
}

// TestOutputThatNobodyReads checks that apply | head ends head, but not apply.
// Writes that were begun finish, and the audit log has its end entry.
func TestOutputThatNobodyReads(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		r.writeRule("rules", name, name, "")
	}
	s := serveEmulator(t, emulator.Options{})
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := r.newProcess(s, "apply", "-v", "--owner", "team", "--yes", "--concurrency", "1", "--audit", "audit.jsonl", "rules")
	cmd.Stdout, cmd.Stderr = writer, writer
	s.Fault(emulator.Fault{Kind: emulator.Put, Times: 1, Before: func() { _ = reader.Close() }})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	_ = cmd.Wait() // a closed stdout is an error
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d, want 5: the result could not be written", code)
	}
	if n := len(s.Rules()); n != 4 {
		t.Errorf("%d rules, want all", n)
	}
	stdout, _ := r.mustRun(s, 0, "audit", "show", "audit.jsonl")
	if !strings.Contains(stdout, "outcome applied: 4 applied") {
		t.Errorf("the record:\n%s", stdout)
	}
}

// TestInterruptedPlan checks that a command that only reads ends at once.
func TestInterruptedPlan(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "a", "a", "")
	s := serveEmulator(t, emulator.Options{})
	cmd := r.newProcess(s, "plan", "rules")
	var shown bytes.Buffer
	cmd.Stdout, cmd.Stderr = &shown, &shown
	start, signal := process(t, cmd)
	s.Fault(emulator.Fault{Kind: emulator.List, Before: func() { signal(os.Interrupt) }, Stall: true})
	start()
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 130 || !strings.Contains(shown.String(), "interrupted") {
		t.Errorf("%v\n%s", err, shown.String())
	}
}
