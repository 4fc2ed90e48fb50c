package mkio_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestLook checks that the precheck runs after every wait, however long. A write
// that leaves at once needs only the check that was made before the call.
func TestLook(t *testing.T) {
	t.Parallel()
	type run struct {
		s     *service
		c     *mkio.Client
		looks []time.Time
		took  time.Duration // of one precheck
	}
	look := func(r *run, at time.Time) mkio.Precheck {
		return mkio.Precheck{ReadAt: at, Run: func(context.Context) error {
			r.looks = append(r.looks, time.Now())
			time.Sleep(r.took)
			return nil
		}}
	}
	remove := func(t *testing.T, r *run) {
		if _, err := r.c.Delete(t.Context(), "a", look(r, time.Time{})); err != nil {
			t.Error(err)
		}
	}
	put := func(t *testing.T, r *run) {
		// Its response can't be read, which happens after everything tested here.
		_, _ = r.c.Put(t.Context(), "a", webhook.Spec{}, secrets.Auth{}, look(r, time.Now()))
	}
	limited := func(n int) (int, map[string]string) {
		if n == 1 {
			return 429, map[string]string{"Retry-After": "40"}
		}
		return 200, nil
	}
	for name, test := range map[string]struct {
		answer func(int) (int, map[string]string)
		change func(*mkio.Options)
		before func(t *testing.T, r *run)
		do     func(t *testing.T, r *run)
		took   time.Duration
		looks  int
		// old limits the age of the last precheck when the write arrives.
		old time.Duration
	}{
		"DELETE":                      {do: remove, looks: 1, old: time.Second},
		"DELETE behind a 429":         {answer: limited, do: remove, looks: 2, old: time.Second},
		"DELETE behind the limit":     {before: put, change: func(o *mkio.Options) { o.Limits.Write = 1 }, do: remove, looks: 1, old: time.Second},
		"DELETE whose looks are slow": {do: remove, took: 20 * time.Second, looks: 3, old: 21 * time.Second},
		"PUT":                         {do: put, looks: 0},
		"PUT behind a 429":            {answer: limited, do: put, looks: 1, old: time.Second},
		"PUT behind the limit":        {before: put, change: func(o *mkio.Options) { o.Limits.Write = 1 }, do: put, looks: 1, old: time.Second},
		"PUT tried again soon": {answer: func(n int) (int, map[string]string) {
			return map[bool]int{true: 503, false: 200}[n == 1], nil
		}, do: put, looks: 0},
		"behind the gate": {change: func(o *mkio.Options) { o.Gate = mkio.NewSemaphore(1) }, before: func(t *testing.T, r *run) {
			r.s.most = 0
			r.s.answer = func(n int) (int, map[string]string) {
				if n == 1 {
					time.Sleep(25 * time.Second)
				}
				return 404, nil
			}
			go func() { _, _ = r.c.ReadRule(t.Context(), "b") }()
			time.Sleep(time.Second)
			r.looks = nil
		}, do: remove, looks: 2, old: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &run{s: &service{answer: test.answer}, took: test.took}
				if test.answer == nil {
					r.s.answer = func(int) (int, map[string]string) { return 200, nil }
				}
				r.c = inMemory(t, r.s, func(o *mkio.Options) {
					if test.change != nil {
						test.change(o)
					}
				})
				if test.before != nil {
					test.before(t, r)
				}
				test.do(t, r)
				if len(r.looks) != test.looks {
					t.Errorf("%d looks, want %d", len(r.looks), test.looks)
				}
				left := r.s.times[len(r.s.times)-1]
				if n := len(r.looks); n > 0 && left.Sub(r.looks[n-1]) > test.old {
					t.Errorf("the write left %s after the last look", left.Sub(r.looks[n-1]))
				}
				time.Sleep(2 * time.Minute)
			})
		})
	}
}
