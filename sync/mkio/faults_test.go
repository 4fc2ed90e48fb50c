package mkio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/mkio"
)

// TestEndlessPages checks that a history whose page repeats under new links ends
// with an error, with and without a total.
func TestEndlessPages(t *testing.T) {
	t.Parallel()
	for without, says := range map[bool]string{false: "the service counts 25 and goes on to list more", true: "is the one before it once more"} {
		s, c := serve(t, emulator.Options{MaxTop: 10, NoSupplemental: without}, func(o *mkio.Options) { o.PageSize = 50 })
		s.Put("a", spec(nil))
		for i := range 25 {
			s.AddEvents("a", emulator.Event{Source: fmt.Sprint(i)})
		}
		s.Fault(emulator.Fault{Kind: emulator.Events, Link: emulator.LinkRepeat})
		pages := 0
		err := c.ReadEvents(t.Context(), "a", func(mkio.EventPage) error {
			if pages++; pages > 100 {
				return errors.New("no end")
			}
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("without a total: %t: %v after %d pages, want one that says %q", without, err, pages, says)
		}
	}
}

// TestBodyThatDoesNotCount checks that a broken body is not an error if the status
// of a DELETE is the whole result.
func TestBodyThatDoesNotCount(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]emulator.Fault{"cut": {Cut: 5}, "no JSON": {Body: "<html>"}} {
		s, c := serve(t, emulator.Options{})
		s.Put("a", spec(nil))
		f.Effect = true
		s.Fault(f)
		if d, err := c.Delete(t.Context(), "a", mkio.Precheck{}); !d.Existed || err != nil {
			t.Errorf("%s: DELETE: %+v, %v", name, d, err)
		}
	}
}

// TestForeignNotFound checks that a 404 of a proxy does not mean that a rule is
// absent.
func TestForeignNotFound(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]emulator.Fault{
		"a page":      {Status: 404, Body: "<html>no such backend</html>"},
		"text":        {Status: 404, Body: "default backend - 404"},
		"nothing":     {Status: 404, Body: " "},
		"other JSON":  {Status: 404, Body: `{"message":"no Route matched with those values"}`},
		"another one": {Status: 404, Body: `[]`},
	} {
		s, c := serve(t, emulator.Options{})
		s.Put("a", spec(nil))
		s.Fault(f)
		if r, err := c.ReadRule(t.Context(), "a"); r != nil || err == nil || mkio.IsNotFound(err) || !strings.Contains(err.Error(), "not the service's own") {
			t.Errorf("%s: GET: %v, %v", name, r, err)
		}
		if err := c.ReadEvents(t.Context(), "a", func(mkio.EventPage) error { return nil }); err == nil || mkio.IsNotFound(err) {
			t.Errorf("%s: events: %v", name, err)
		}
		_, err := c.Delete(t.Context(), "a", mkio.Precheck{})
		var e *mkio.Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint(), "check the base URL") {
			t.Errorf("%s: DELETE: %v", name, err)
		}
		s.ClearFaults()
		s.Fault(emulator.Fault{Kind: emulator.Get, Cut: 5})
		if r, err := c.ReadRule(t.Context(), "b"); r != nil || err == nil || !strings.Contains(err.Error(), "404 Not Found: the answer was cut short") {
			t.Errorf("%s: a 404 that is cut: %v, %v", name, r, err)
		}
		s.ClearFaults()
		if r, err := c.ReadRule(t.Context(), "b"); r != nil || err != nil {
			t.Errorf("%s: the service's own: %v, %v", name, r, err)
		}
	}
}

// TestDeleteThatDidNotLeave checks that an error before a DELETE is not taken for
// its response.
func TestDeleteThatDidNotLeave(t *testing.T) {
	t.Parallel()
	s, c := serve(t, emulator.Options{})
	s.Put("a", spec(nil))
	s.Fault(emulator.Fault{Kind: emulator.Get, Body: `{"metadata":7}`})
	d, err := c.Delete(t.Context(), "a", mkio.Precheck{Run: func(ctx context.Context) error {
		_, err := c.ReadRule(ctx, "a")
		return err
	}})
	if err == nil || d.Status != 0 || d.Attempts != 0 || d.Ref != "" {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestWhyItGaveUp checks the error and the hint after the retries end.
func TestWhyItGaveUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault      emulator.Fault
		says, hint string
	}{
		"closed":      {emulator.Fault{Drop: emulator.DropBefore}, "the connection was closed; gave up after 1 attempt in", "and the network"},
		"cut":         {emulator.Fault{Cut: 5}, "the answer was cut short: the connection was closed", "something on the way cuts answers off"},
		"Retry-After": {emulator.Fault{Status: 429, Header: map[string]string{"Retry-After": "7"}}, "after 1 attempt: it asks to wait 7s, and a request is tried again for 10ms", "--retry-for"},
		"a page":      {emulator.Fault{Status: 502, Body: "<html>"}, "it begins with", "a proxy before it"},
		"no API":      {emulator.Fault{Body: "<html>"}, "is not JSON", "check the base URL"},
		"newer":       {emulator.Fault{Body: `{"rules":[]}`}, "value is missing", "a newer mkhooks"},
	} {
		s, c := serve(t, emulator.Options{})
		s.Fault(test.fault)
		_, err := c.ListRules(t.Context())
		var e *mkio.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), test.says) || !strings.Contains(e.Hint(), test.hint) {
			t.Errorf("%s: %v (%v), want %q and %q", name, err, e, test.says, test.hint)
		}
	}
}
