package apply

import (
	"fmt"
	"net/http"
)

// A message of a run may quote text of the service or of an object store, or names
// from a live rule. All of them are searched here for the token and for the values
// that were sent, once for results and once for the audit log.

// search withholds the texts of a change that hold a value.
func (r *run) search(c *Change) {
	c.Ref = r.client.Shown(c.Ref)
	found := c.Error
	if c.Error = r.searchError(found); found != nil && c.Error.Message != found.Message && found.NamesResponse() && c.HTTPStatus > 0 {
		c.Error.Message = fmt.Sprintf("%d %s: %s", c.HTTPStatus, http.StatusText(c.HTTPStatus), c.Error.Message)
		if c.Ref != "" {
			c.Error.Message += " (ref " + c.Ref + ")"
		}
	}
	if c.Blocked != nil {
		blocked := *c.Blocked
		blocked.Reason = r.client.Shown(blocked.Reason)
		c.Blocked = &blocked
	}
}

// searchWritten withholds the texts of a step that hold a value.
func (r *run) searchWritten(d *WriteResult) {
	d.Ref = r.client.Shown(d.Ref)
	d.Error = r.searchError(d.Error)
}

// searchError returns a copy, because both a result and the audit log hold the
// error.
func (r *run) searchError(e *Error) *Error {
	if e == nil {
		return nil
	}
	shown := r.client.Shown
	if e.Kind == KindArchive {
		shown = r.client.ShownForeign
	}
	out := *e
	out.Message, out.Hint = shown(e.Message), shown(e.Hint)
	return &out
}
