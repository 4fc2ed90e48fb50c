package mkio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/mkio"
)

// endlessList serves a list without an end. Every page has other records and
// another link.
func endlessList(t *testing.T, page func(n int) string) (url string, requests *int) {
	t.Helper()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		body := page(n)
		if !strings.Contains(body, "nextLink") {
			body = strings.TrimSuffix(body, "}") + fmt.Sprintf(`,"@odata.nextLink":"http://%s%s?n=%d"}`, r.Host, r.URL.Path, n)
		}
		fmt.Fprint(w, body) // an error means that the client has left
	}))
	t.Cleanup(s.Close)
	return s.URL, &n
}

func recordsPage(total int) func(n int) string {
	return func(n int) string {
		out := fmt.Sprintf(`{"value":[{"created":"2026-03-01T10:00:00Z","source":"/%d","type":"t","status":"Sent"},{"created":"2026-03-01T10:00:01Z","source":"/%d","type":"t","status":"Sent"}]`, n, n)
		if total > 0 {
			out += fmt.Sprintf(`,"supplemental":{"pagination":{"total":%d}}`, total)
		}
		return out + "}"
	}
}

func rulesPage(n int) string {
	return fmt.Sprintf(`{"value":[{"metadata":{"id":"%d","name":"rule-%d"},"spec":{"url":"https://a.example/","enabled":true,"events":[]}}]}`, n, n)
}

// TestEndlessLists checks that each limit stops a list that never ends. The error
// states how much was read, and the limit.
func TestEndlessLists(t *testing.T) {
	t.Parallel()
	limit := mkio.ListLimit{Pages: 20, Records: 1000, Bytes: 1 << 20, Time: time.Hour}
	tests := map[string]struct {
		page   func(n int) string
		change func(*mkio.ListLimit)
		rules  bool
		says   string
		most   int // requests
	}{
		"pages":                    {recordsPage(0), nil, false, "20 pages with 40 entries", 21},
		"pages of rules":           {rulesPage, nil, true, "20 pages with 20 entries", 21},
		"records":                  {recordsPage(0), func(l *mkio.ListLimit) { l.Records = 5 }, false, "at most 5 entries", 4},
		"records of rules":         {rulesPage, func(l *mkio.ListLimit) { l.Records = 5 }, true, "at most 5 entries", 7},
		"bytes":                    {recordsPage(0), func(l *mkio.ListLimit) { l.Bytes = 1000 }, false, "at most 1000 bytes", 6},
		"bytes of rules":           {rulesPage, func(l *mkio.ListLimit) { l.Bytes = 1000 }, true, "at most 1000 bytes", 9},
		"time":                     {recordsPage(0), func(l *mkio.ListLimit) { l.Time = 1 }, false, "at most 1ns", 2},
		"time of rules":            {rulesPage, func(l *mkio.ListLimit) { l.Time = 1 }, true, "at most 1ns", 2},
		"a total beyond the limit": {recordsPage(1 << 40), nil, false, "of 1099511627776 entries by its own count", 1},
		"a total that grows":       {func(n int) string { return recordsPage(4*n + 100)(n) }, nil, false, "20 pages", 21},
		"huge records": {func(int) string {
			return `{"value":[{"created":"2026-03-01T10:00:00Z","source":"` + strings.Repeat("x", 1<<20) + `","type":"t","status":"Sent"}]}`
		}, nil, false, "at most 1048576 bytes", 1},
		"empty pages": {func(int) string { return `{"value":[]}` }, nil, false, "20 pages with 0 entries", 21},
		"a link of a whole page": {func(n int) string {
			return fmt.Sprintf(`{"value":[],"@odata.nextLink":"?%s%d"}`, strings.Repeat("x", 20_000), n)
		}, nil, false, "at most 16384 are followed", 1},
		"one rule more than allowed": {rulesPage, func(l *mkio.ListLimit) { l.Records = 1 }, true, "2 pages with 2 entries", 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, requests := endlessList(t, test.page)
			c := client(t, url, func(o *mkio.Options) {
				l := limit
				if test.change != nil {
					test.change(&l)
				}
				o.MaxRules, o.MaxHistory = l, l
			})
			var err error
			if test.rules {
				_, err = c.ListRules(t.Context())
			} else {
				err = c.ReadEvents(t.Context(), "a", func(mkio.EventPage) error { return nil })
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
			if *requests > test.most {
				t.Errorf("%d requests, want at most %d", *requests, test.most)
			}
		})
	}
}

// TestLimitsAreReached checks that a list exactly as long as a limit is read, and
// that the default limits let the largest real lists pass.
func TestLimitsAreReached(t *testing.T) {
	t.Parallel()
	url, _ := endlessList(t, func(n int) string {
		if n%4 == 0 {
			return `{"value":[],"@odata.nextLink":null}`
		}
		return rulesPage(n)
	})
	exact := mkio.ListLimit{Pages: 4, Records: 3, Bytes: 10_000, Time: time.Hour}
	c := client(t, url, func(o *mkio.Options) { o.MaxRules, o.MaxHistory = exact, exact })
	if rules, err := c.ListRules(t.Context()); err != nil || len(rules) != 3 {
		t.Errorf("%d rules, %v", len(rules), err)
	}
}

// TestEndlessHistoryTakesNoMemory checks that memory does not grow with the pages.
func TestEndlessHistoryTakesNoMemory(t *testing.T) {
	source := strings.Repeat("x", 10_000)
	url, _ := endlessList(t, func(n int) string {
		return fmt.Sprintf(`{"value":[{"created":"2026-03-01T10:00:00Z","source":"%s%d","type":"t","status":"Sent"}]}`, source, n)
	})
	const pages = 2000
	c := client(t, url, func(o *mkio.Options) { o.MaxHistory.Pages, o.Limits.Get = pages, -1 })
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most, n := held(), uint64(0), 0
	err := c.ReadEvents(t.Context(), "a", func(mkio.EventPage) error {
		if n++; n%500 == 0 {
			most = max(most, held())
		}
		return nil
	})
	if err == nil || n != pages-1 { // the last page exceeds the limit
		t.Fatalf("%d pages, %v", n, err)
	}
	if most > before+4<<20 {
		t.Errorf("%d pages of 10 kB hold %d kB", pages, (most-before)>>10)
	}
}

// TestListThatIsStopped checks that a limit ends the requests, and leaves none in
// flight.
func TestListThatIsStopped(t *testing.T) {
	t.Parallel()
	url, requests := endlessList(t, recordsPage(0))
	c := client(t, url, func(o *mkio.Options) { o.MaxHistory.Pages = 5 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := c.ReadEvents(ctx, "a", func(mkio.EventPage) error { return nil })
	var e *mkio.Error
	if !errors.As(err, &e) || e.Hint() == "" || !strings.Contains(e.Hint(), "support") {
		t.Errorf("%v, hint %q", err, e.Hint())
	}
	at := *requests
	if cancel(); *requests != at || at > 6 {
		t.Errorf("%d requests", *requests)
	}
}
