package bucket

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mkhooks/mkhooks/sync/archive/bucket/buckettest"
)

// TestTriesAgain checks the number of requests to the store of gs, whose client
// retries only as configured.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status, bad int // so many responses have this status
		asked       int32
		passes      bool
	}{
		{0, 0, 1, true},
		{503, 1, 2, true},
		{500, 9, attempts, false},
		{429, 9, attempts, false},
		{408, 9, attempts, false},
		{499, 9, 1, false},
		{403, 9, 1, false},
	}
	var all sync.WaitGroup // retries take seconds
	defer all.Wait()
	for _, tt := range tests {
		s := buckettest.New(t, "gs")
		s.Put(t, "there", "x")
		b := bucketAt(t, s.Location(""))
		all.Go(func() {
			for what, do := range map[string]func() error{
				"read":  func() error { _, err := read(t.Context(), b, "there"); return err },
				"write": func() error { return write(t.Context(), b, "new", []byte("x")) },
				"probe": func() error { return b.Probe(t.Context(), "p") },
			} {
				var asked atomic.Int32
				s.SetFault(func(w http.ResponseWriter, r *http.Request, real http.Handler) {
					if int(asked.Add(1)) <= tt.bad {
						w.WriteHeader(tt.status)
						return
					}
					real.ServeHTTP(w, r)
				})
				if err := do(); asked.Load() != tt.asked || (err == nil) != tt.passes {
					t.Errorf("%d for %d times, %s: %v after %d requests, want %d", tt.status, tt.bad, what, err, asked.Load(), tt.asked)
				}
			}
		})
	}
}

// TestWhole checks that the bucket of gs refuses unsupported operations.
func TestWhole(t *testing.T) {
	t.Parallel()
	s := buckettest.New(t, "gs")
	s.Put(t, "x", "0123")
	opened, err := bucketAt(t, s.Location("")).connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int64{{1, -1}, {0, 0}, {0, 2}} {
		if _, err := opened.NewRangeReader(t.Context(), "x", part[0], part[1], nil); !errors.Is(err, errWhole) {
			t.Errorf("%d bytes from %d: %v, want %v", part[1], part[0], err, errWhole)
		}
	}
}
