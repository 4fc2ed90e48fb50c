package mkio_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkhooks/mkhooks/sync/mkio"
)

// service responds in memory and in the bubble's time. Each request takes a random
// time in each direction, and counts when it arrives.
type service struct {
	mu     sync.Mutex
	rand   *rand.Rand
	times  []time.Time
	answer func(n int) (status int, header map[string]string)
	most   time.Duration
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	there, back := time.Duration(s.rand.Int64N(int64(s.most)+1)), time.Duration(s.rand.Int64N(int64(s.most)+1))
	s.mu.Unlock()
	time.Sleep(there)
	s.mu.Lock()
	s.times = append(s.times, time.Now())
	n := len(s.times)
	s.mu.Unlock()
	status, header := 404, map[string]string(nil)
	if s.answer != nil {
		status, header = s.answer(n)
	}
	time.Sleep(back)
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"error":{"code":"c","detail":"d"},"ref":"r"}`)), Request: r}
	for k, v := range header {
		resp.Header.Set(k, v)
	}
	return resp, r.Context().Err()
}

func inMemory(t *testing.T, s *service, change ...func(*mkio.Options)) *mkio.Client {
	t.Helper()
	s.rand = rand.New(rand.NewPCG(1, 2))
	return client(t, "https://app.mk.io", append([]func(*mkio.Options){func(o *mkio.Options) {
		o.Transport, o.RetryFor, o.Timeout = s, 2*time.Minute, 30*time.Second
	}}, change...)...)
}

// TestLimit checks that no 60 seconds by the service's clock have more requests
// than the limit, whatever the time in transit. Below the limit nothing waits, and
// above it requests wait no longer than needed.
func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit, requests = 50, 220
		s := &service{most: 900 * time.Millisecond}
		c := inMemory(t, s, func(o *mkio.Options) { o.Limits = mkio.Limits{Get: limit, Write: -1} })
		began := time.Now()
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() {
				if _, err := c.ReadRule(t.Context(), fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		took := time.Since(began)
		slices.SortFunc(s.times, time.Time.Compare)
		for i := limit; i < len(s.times); i++ {
			if gap := s.times[i].Sub(s.times[i-limit]); gap < time.Minute {
				t.Fatalf("requests %d to %d came within %s, the limit is %d a minute", i-limit, i, gap, limit)
			}
		}
		if len(s.times) != requests {
			t.Errorf("%d requests", len(s.times))
		}
		if first := s.times[limit-1].Sub(began); first > time.Second {
			t.Errorf("the first %d took %s, below the limit nothing waits", limit, first)
		}
		if most := 4*time.Minute + 10*time.Second; took > most {
			t.Errorf("took %s, the limit needs 4 minutes and the transit", took)
		}
		time.Sleep(2 * time.Minute) // the last slots are returned
	})
}

// TestRetryAfter checks that both forms are obeyed up to a cap, that 0 still waits,
// and that the date follows the service's clock.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	date := func(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		header      func() map[string]string
		least, most time.Duration
	}{
		"seconds": {func() map[string]string { return map[string]string{"Retry-After": "7"} }, 7 * time.Second, 8 * time.Second},
		"date": {func() map[string]string {
			return map[string]string{"Retry-After": date(time.Now().Add(9 * time.Second)), "Date": date(time.Now())}
		}, 8 * time.Second, 10 * time.Second},
		"date by another clock": {func() map[string]string {
			return map[string]string{"Retry-After": date(time.Now().Add(3*time.Hour + 9*time.Second)), "Date": date(time.Now().Add(3 * time.Hour))}
		}, 8 * time.Second, 10 * time.Second},
		"none":     {func() map[string]string { return nil }, 100 * time.Millisecond, time.Second},
		"zero":     {func() map[string]string { return map[string]string{"Retry-After": "0"} }, 100 * time.Millisecond, time.Second},
		"too long": {func() map[string]string { return map[string]string{"Retry-After": "86400"} }, time.Minute, time.Minute + time.Second},
		"nonsense": {func() map[string]string { return map[string]string{"Retry-After": "soon"} }, 100 * time.Millisecond, time.Second},
	} {
		for _, status := range []int{429, 503} {
			t.Run(fmt.Sprintf("%s %d", name, status), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &service{answer: func(n int) (int, map[string]string) {
						if n == 1 {
							return status, test.header()
						}
						return 404, nil
					}}
					c := inMemory(t, s)
					if _, err := c.ReadRule(t.Context(), "a"); err != nil {
						t.Fatal(err)
					}
					if waited := s.times[1].Sub(s.times[0]); waited < test.least || waited > test.most {
						t.Errorf("waited %s, want %s to %s", waited, test.least, test.most)
					}
					time.Sleep(2 * time.Minute)
				})
			})
		}
	}
}

// TestPause checks that a 429 holds back all requests of its kind, and only those.
func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(n int) (int, map[string]string) {
			if n == 1 {
				return 429, map[string]string{"Retry-After": "20"}
			}
			return 404, nil
		}}
		c := inMemory(t, s)
		began := time.Now()
		read := func() time.Duration {
			if _, err := c.ReadRule(t.Context(), "a"); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		var wg sync.WaitGroup
		wg.Go(func() { read() })
		time.Sleep(time.Second)
		wg.Go(func() {
			if at := read(); at < 20*time.Second {
				t.Errorf("another read went after %s, in the pause", at)
			}
		})
		if _, err := c.Delete(t.Context(), "a", mkio.Precheck{}); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("a write waited until %s: %v", time.Since(began), err)
		}
		wg.Wait()
		time.Sleep(2 * time.Minute)
	})
}

// TestGivesUp checks that retries end after RetryFor, with a message. Waiting for
// the limiter does not count.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(int) (int, map[string]string) { return 503, nil }}
		c := inMemory(t, s)
		began := time.Now()
		_, err := c.ReadRule(t.Context(), "a")
		took := time.Since(began)
		if err == nil || !strings.Contains(err.Error(), "gave up after") || took > 2*time.Minute || took < time.Minute {
			t.Errorf("after %s: %v", took, err)
		}
		time.Sleep(2 * time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(n int) (int, map[string]string) {
			if n == 2 {
				return 503, nil
			}
			return 404, nil
		}}
		c := inMemory(t, s, func(o *mkio.Options) {
			o.Limits = mkio.Limits{Get: 1}
			o.RetryFor = 5 * time.Second
		})
		for range 2 { // the second waits a minute, fails, waits another minute, and succeeds
			if _, err := c.ReadRule(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(2 * time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, &service{answer: func(int) (int, map[string]string) { return 503, nil }})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := c.ReadRule(ctx, "a"); err == nil || !strings.Contains(err.Error(), "deadline") {
			t.Errorf("error %v", err)
		}
		time.Sleep(2 * time.Minute)
	})
}
