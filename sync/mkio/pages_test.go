package mkio_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

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

// TestPagesAhead: pages come in order, although the next one is on its way
// while one is taken; and after an error no request is under way, or yet to come.
func TestPagesAhead(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for stopAt, most := range map[int]int{1: 1, 2: 3, 5: 6, 10: 10, 99: 10} {
		s, c := paged(t)
		var sources []string
		pages := 0
		err := c.Events(t.Context(), "a", func(p mkio.EventPage) error {
			for _, e := range p.Events {
				sources = append(sources, e.Source)
			}
			if pages++; pages == stopAt {
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

// TestPagesBroken: the pages before a broken one are taken, and the error is that
// of the broken one.
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
			err := c.Events(t.Context(), "a", func(mkio.EventPage) error { pages++; return nil })
			want := nth
			if f.Link != "" {
				want++ // that page is whole; its link is broken
			}
			if f.Link != "" && nth == 9 { // which has none
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
