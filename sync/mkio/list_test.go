package mkio_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkhooks/mkhooks/sync/mkio"
)

// moving lists one rule twice in the first responses.
type moving struct {
	bad   int
	times []time.Time
}

func (m *moving) RoundTrip(r *http.Request) (*http.Response, error) {
	const rule = `{"metadata":{"id":"1","name":"a"},"spec":{"url":"https://hooks.example.com/","enabled":true,"events":[]}}`
	m.times = append(m.times, time.Now())
	body := `{"value":[` + rule + `]}`
	if len(m.times) <= m.bad {
		body = `{"value":[` + rule + `,` + rule + `]}`
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, r.Context().Err()
}

// TestListIsReadAgainLater checks that a list that contradicts itself is read again
// after a wait. A client that creates rules is not done within milliseconds.
func TestListIsReadAgainLater(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bad, reads int
		err        bool
	}{"at rest": {0, 1, false}, "once": {1, 2, false}, "twice": {2, 3, false}, "for ever": {99, 3, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &moving{bad: test.bad}
				c := client(t, "https://app.mk.io", func(o *mkio.Options) { o.Transport = m })
				_, err := c.ListRules(t.Context())
				if len(m.times) != test.reads || (err != nil) != test.err {
					t.Errorf("%d readings, %v", len(m.times), err)
				}
				for i := 1; i < len(m.times); i++ {
					if wait := m.times[i].Sub(m.times[i-1]); wait < 250*time.Millisecond<<(i-1) {
						t.Errorf("reading %d after %s", i+1, wait)
					}
				}
				time.Sleep(2 * time.Minute) // until the limiter forgets
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		c := client(t, "https://app.mk.io", func(o *mkio.Options) { o.Transport = &moving{bad: 99} })
		if _, err := c.ListRules(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stopped while it waits: %v", err)
		}
		time.Sleep(2 * time.Minute)
	})
}
