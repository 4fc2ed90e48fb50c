package archive

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// TestPatience checks that the waits between readings grow, are at least 250 ms,
// and exceed neither the limit nor five readings in total. A history that changes
// within moments causes a wait, and is not read.
func TestPatience(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	rest, burst := whole(records(3), 2), func(call int) []Page { return whole(records(call), 2) }
	at := func(int) []Page { return rest }
	for name, test := range map[string]struct {
		limit time.Duration
		stop  int // the wait in which the run is stopped, from 1
		at    func(call int) []Page
		want  []time.Duration
		spent string
	}{
		"long":           {30 * time.Second, 0, at, []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms}, "5 readings (waiting at most 30s)"},
		"short":          {time.Second, 0, at, []time.Duration{250 * ms, 500 * ms, 250 * ms}, "4 readings (waiting at most 1s)"},
		"cut":            {600 * ms, 0, at, []time.Duration{250 * ms, 350 * ms}, "3 readings (waiting at most 600ms)"},
		"a rest is left": {400 * ms, 0, at, []time.Duration{250 * ms}, "2 readings (waiting at most 400ms)"},
		"too short":      {249 * ms, 0, at, nil, "1 reading (waiting at most 249ms)"},
		"none":           {0, 0, at, nil, "1 reading (waiting at most 0s)"},
		"stopped":        {30 * time.Second, 2, at, []time.Duration{250 * ms, 500 * ms}, "2 readings (waiting at most 30s)"},
		"a burst":        {10 * time.Second, 0, burst, []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 2250 * ms}, "1 reading (waiting at most 10s)"},
	} {
		var waits []time.Duration
		p := NewPatience(test.limit, func(_ context.Context, d time.Duration) bool {
			waits = append(waits, d)
			return len(waits) != test.stop
		})
		p.began = time.Now().Add(time.Hour) // the time of the test does not count
		src := &source{at: test.at}
		for again := true; again; {
			var err error
			if again, err = p.WaitForRest(t.Context(), src.read); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(waits, test.want) || p.Describe() != test.spent || p.WasStopped() != (test.stop > 0) {
			t.Errorf("%s: waits %v, %s, stopped %t; want %v, %s", name, waits, p.Describe(), p.WasStopped(), test.want, test.spent)
		}
	}
	p := NewPatience(time.Minute, func(context.Context, time.Duration) bool { return true })
	p.began = time.Now().Add(-time.Hour)
	if again, err := p.WaitForRest(t.Context(), still(rest).read); again || err != nil {
		t.Errorf("the time of the readings themselves does not count: %t, %v", again, err)
	}
	broken := errors.New("broken")
	p = NewPatience(time.Minute, func(context.Context, time.Duration) bool { return true })
	if again, err := p.WaitForRest(t.Context(), func(context.Context, func(Page) error) error { return broken }); again || !errors.Is(err, broken) {
		t.Errorf("a history that can't be looked at: %t, %v", again, err)
	}
}
