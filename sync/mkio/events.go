package mkio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// EventPage is one page of a delivery history, in the service's order.
type EventPage struct {
	Events []webhook.Event
	// Raw are the same records as they came, with fields that this version does not
	// know.
	Raw []json.RawMessage
	// Total is pagination.total, the number of records in the whole history. It is
	// valid if HasTotal is true.
	Total    int
	HasTotal bool
	// More is true if another page follows.
	More bool
	// Held is true if the page contains the token or an auth value that was sent.
	Held bool
	// Contradiction is a contradiction within the page's own counts, or between them
	// and the page before; empty if there is none.
	Contradiction string
}

// ReadEventPage reads the first page of a rule's delivery history.
func (c *Client) ReadEventPage(ctx context.Context, name string) (EventPage, error) {
	u := c.rulesURL(name, "events")
	u.RawQuery = url.Values{"$top": {strconv.Itoa(c.o.PageSize)}}.Encode()
	k := call{method: http.MethodGet, url: u, what: historyPurpose(name), needs: capGet}
	a, err := c.sendCall(ctx, k)
	if err != nil {
		return EventPage{}, err
	}
	p, err := decodePage(a.body)
	if err == nil {
		var out EventPage
		p.held = c.o.Known.Holds(a.body)
		if out, err = decodeEvents(p); err == nil {
			out.Contradiction = p.contradiction(nil)
			return out, nil
		}
	}
	return EventPage{}, c.responseError(k, a, err)
}

// ReadEvents reads a rule's delivery history to its end, page by page. It holds one
// page at a time. An error of each ends the reading.
func (c *Client) ReadEvents(ctx context.Context, name string, each func(EventPage) error) error {
	var before *page
	return c.readPages(ctx, c.rulesURL(name, "events"), historyPurpose(name), c.o.MaxHistory, func(p page) error {
		out, err := decodeEvents(p)
		if err != nil {
			return err
		}
		out.Contradiction = p.contradiction(before)
		before = &page{total: p.total, counts: p.counts}
		if err := each(out); err != nil {
			return callbackError{err}
		}
		return nil
	})
}

// callbackError is an error of the function that takes the pages, or of a precheck. It
// does not mean that the request failed.
type callbackError struct{ error }

func historyPurpose(name string) string {
	return fmt.Sprintf("read the delivery history of rule %q", name)
}

func decodeEvents(p page) (EventPage, error) {
	out := EventPage{Total: p.total, HasTotal: p.hasTotal, More: p.next != "", Held: p.held,
		Events: make([]webhook.Event, 0, len(p.value)), Raw: make([]json.RawMessage, 0, len(p.value))}
	for i, raw := range p.value {
		e, err := decodeEvent(raw)
		if err != nil {
			return EventPage{}, quoteForeign("record %d of the page: %w", i+1, err)
		}
		out.Events = append(out.Events, e)
		out.Raw = append(out.Raw, json.RawMessage(raw))
	}
	return out, nil
}

// IsNotFound reports whether err is the service's response that the rule does not
// exist. A 404 of a proxy that does not find the service does not count.
func IsNotFound(err error) bool {
	e, ok := asError(err)
	return ok && e.Status == http.StatusNotFound && e.own
}
