package mkio_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/mkio"
)

// paged serves a rule with a history of ten pages of ten records.
func paged(t *testing.T) (*emulator.Server, *mkio.Client) {
	t.Helper()
	s, c := serve(t, emulator.Options{MaxTop: 10, RecordOrder: emulator.OldestFirst})
	s.Put("a", spec(nil))
	for i := range 100 {
		s.AddEvents("a", emulator.Event{Source: fmt.Sprintf("/%d", i)})
	}
	return s, c
}

// TestPagesAhead checks that pages come in order, although the next page is in
// flight while the current page is handled. After an error no request is in flight
// or follows.
func TestPagesAhead(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for stopAt, most := range map[int]int{1: 1, 2: 3, 5: 6, 10: 10, 99: 10} {
		s, c := paged(t)
		var sources []string
		pages := 0
		err := c.ReadEvents(t.Context(), "a", func(p mkio.EventPage) error {
			for _, e := range p.Events {
				sources = append(sources, e.Source)
			}
			if pages++; pages == stopAt {
				time.Sleep(20 * time.Millisecond) // enough time for a request too many
				return enough
			}
			return nil
		})
		if want := stopAt <= 10; errors.Is(err, enough) != want {
			t.Errorf("stopped at page %d: %v", stopAt, err)
		}
		if n := min(stopAt, 10); pages != n || len(sources) != 10*n {
			t.Errorf("stopped at page %d: %d pages, %d records", stopAt, pages, len(sources))
		}
		for i, source := range sources {
			if source != fmt.Sprintf("/%d", i) {
				t.Fatalf("record %d is %s", i, source)
			}
		}
		if n := len(s.Requests()); n < min(stopAt, 10) || n > most {
			t.Errorf("stopped at page %d: %d requests, at most %d are needed", stopAt, n, most)
		}
	}
}

// TestNothingUnderWay checks that no request is in flight after the reading ended.
func TestNothingUnderWay(t *testing.T) {
	t.Parallel()
	var logged atomic.Int32
	s, c := serve(t, emulator.Options{MaxTop: 10, Latency: 50 * time.Millisecond}, func(o *mkio.Options) {
		o.Log = func(mkio.RequestLog) {
			time.Sleep(20 * time.Millisecond)
			logged.Add(1)
		}
	})
	s.Put("a", spec(nil))
	s.AddEvents("a", make([]emulator.Event, 50)...)
	pages := 0
	err := c.ReadEvents(t.Context(), "a", func(mkio.EventPage) error {
		if pages++; pages == 2 {
			time.Sleep(10 * time.Millisecond) // until the next request is in flight
			return errors.New("enough")
		}
		return nil
	})
	atEnd := logged.Load()
	time.Sleep(100 * time.Millisecond)
	if now := logged.Load(); err == nil || atEnd != 3 || now != atEnd {
		t.Errorf("%d requests logged at the end, %d later, want 3 and none more; %v", atEnd, now, err)
	}
}

// TestEscapes checks that texts with quotes, backslashes and non-ASCII letters are
// read back unchanged, in every position.
func TestEscapes(t *testing.T) {
	t.Parallel()
	s, c := paged(t)
	for _, text := range []string{`a"b`, `a\`, `\"`, `"`, `\\"x\"`, "é\n\"", "a\x00b", `","status":"Sent`} {
		with := spec(nil)
		with["headers"] = map[string]any{"X-Text": text, "X-Next": "y"}
		s.Put("b", with)
		r, err := c.ReadRule(t.Context(), "b")
		if err != nil || r.Spec.Headers["X-Text"] != text || r.Spec.Headers["X-Next"] != "y" {
			t.Errorf("%q read back as %q: %v", text, r.Spec.Headers, err)
		}
		s.AddEvents("b", emulator.Event{Source: text, Type: text, Status: emulator.Failed})
		page, err := c.ReadEventPage(t.Context(), "b")
		if e := page.Events[len(page.Events)-1]; err != nil || e.Source != text || string(e.Type) != text || e.Status != "Failed" {
			t.Errorf("%q in a record read back as %+v: %v", text, e, err)
		}
	}
}

// TestPagesBroken checks that the pages before a broken page are handled, and that
// the error is about the broken page.
func TestPagesBroken(t *testing.T) {
	t.Parallel()
	for nth := range 10 {
		for name, f := range map[string]emulator.Fault{
			"403 Forbidden": {Status: 403}, "not JSON": {Body: "<html>"}, "leads to another place": {Link: emulator.LinkElsewhere},
			"read before": {Link: emulator.LinkItself},
		} {
			f.Kind, f.Nth = emulator.Events, nth+1
			s, c := paged(t)
			s.Fault(f)
			pages := 0
			err := c.ReadEvents(t.Context(), "a", func(mkio.EventPage) error { pages++; return nil })
			want := nth
			if f.Link != "" {
				want++ // that page is complete; its link is broken
			}
			if f.Link != "" && nth == 9 { // the last page has no link
				if err != nil {
					t.Errorf("%s at the last page: %v", name, err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), name) || pages != want {
				t.Errorf("%s at page %d: %d pages taken, %v", name, nth+1, pages, err)
			}
		}
	}
}
