package apply

import (
	"fmt"
	"net/http"
)

// A message of a run may quote text of the service or of an object store, or names
// from a live rule. All of them are searched here for the token and for the values
// that were sent, once for results and once for the audit log.

// searchChange withholds the texts of a change that hold a value.
func (r *run) searchChange(c *Change) {
	c.Ref = r.client.ShowText(c.Ref)
	c.Error = r.searchError(c.Error, c.HTTPStatus, c.Ref)
	if c.Blocked != nil {
		blocked := *c.Blocked
		blocked.Reason = r.client.ShowText(blocked.Reason)
		c.Blocked = &blocked
	}
}

// searchResult withholds the texts of a step that hold a value.
func (r *run) searchResult(d *WriteResult) {
	d.Ref = r.client.ShowText(d.Ref)
	d.Error = r.searchError(d.Error, d.HTTPStatus, d.Ref)
}

// searchError returns a copy, because both a result and the audit log hold the
// error. A message that is withheld keeps the status and the reference of the
// response, which [Error.NamesResponse] promises.
func (r *run) searchError(e *Error, status int, ref string) *Error {
	if e == nil {
		return nil
	}
	shown := r.client.ShowText
	if e.Kind == KindArchive {
		shown = r.client.ShowForeignText
	}
	out := *e
	out.Message, out.Hint = shown(e.Message), shown(e.Hint)
	if out.Message != e.Message && e.NamesResponse() && status > 0 {
		out.Message = fmt.Sprintf("%d %s: %s", status, http.StatusText(status), out.Message)
		if ref != "" {
			out.Message += " (ref " + ref + ")"
		}
	}
	return &out
}
