package cli

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// answering answers yes, after a callback.
type answering struct {
	meanwhile func()
	rest      *strings.Reader
}

func (a *answering) Read(p []byte) (int, error) {
	if a.meanwhile != nil {
		a.meanwhile()
		a.meanwhile = nil
	}
	return a.rest.Read(p)
}

// TestChangedBeforeTheAnswer checks that the live rules are read again after
// the answer. Only changes that still match are applied.
func TestChangedBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	for _, name := range []string{"changed", "deleted", "done", "same"} {
		r.writeRule("rules", name, name, "")
	}
	s := serveEmulator(t, emulator.Options{})
	r.mustRun(s, 0, "apply", "--owner", "team", "--yes", "rules")
	applied := s.Rules()
	for name := range applied {
		s.Edit(name, func(spec map[string]any) { spec["enabled"] = false })
	}
	var out, errs bytes.Buffer
	code := Main(t.Context(), Env{
		Args:   []string{"apply", "--owner", "team", "--audit", r.dir + "/audit.jsonl", "--report", "json=" + r.dir + "/result.json", r.dir + "/rules"},
		Stdout: &out, Stderr: &errs, StdinTTY: true, Now: time.Now, Transport: http.DefaultTransport,
		Getenv: func(name string) string {
			return map[string]string{"MKIO_TOKEN": scriptToken, "MKIO_PROJECT": "demo", "MKIO_BASE_URL": s.url}[name]
		},
		Stdin: &answering{rest: strings.NewReader("yes\n"), meanwhile: func() {
			s.Edit("changed", func(spec map[string]any) { spec["url"] = "https://hooks.example.com/by-hand" })
			s.Delete("deleted")
			s.Put("done", applied["done"].Spec)
		}},
	})
	if code != exitRefused {
		t.Errorf("exit code %d, want %d\n%s%s", code, exitRefused, out.String(), errs.String())
	}
	for _, want := range []string{"stale       ~ update changed", "stale       ~ update deleted", "done        ~ update done", "applied     ~ update same"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the result does not say %q:\n%s", want, out.String())
		}
	}
	// The result has the digest that was shown before the answer.
	var result struct{ Digest string }
	r.decodeFile("result.json", &result)
	chain, err := readChain(r.dir + "/audit.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if start := chain.Entries[0].Start.PlanDigest; start != result.Digest || !strings.Contains(out.String(), "Digest "+start) {
		t.Errorf("the result has the digest %s, the audit log %s\n%s", result.Digest, start, out.String())
	}
	if r, _ := s.Rule("changed"); r.Spec["url"] != "https://hooks.example.com/by-hand" {
		t.Error("a change by hand was overwritten")
	}
}
