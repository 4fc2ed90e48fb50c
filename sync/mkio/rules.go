package mkio

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// The capabilities of a token.
const (
	capGet    = "webhooks.config.get"
	capWrite  = "webhooks.config.create or webhooks.config.update"
	capDelete = "webhooks.config.delete"
)

// Write counts the cost of a write. It is also filled if an error is returned.
type Write struct {
	// Status is the status of the last response; 0 without a response.
	Status int
	// Ref is the service's reference of an error.
	Ref      string
	Attempts int
	// Lost is true if an attempt may have taken effect although its response did
	// not come.
	Lost bool
}

func writeOf(a response, err error) Write {
	w := Write{Status: a.status, Attempts: a.attempts, Lost: a.lost}
	if e, ok := asError(err); ok {
		w.Status, w.Ref = e.Status, e.Ref
	}
	return w
}

// PutResult is the rule as the service keeps it after a PUT.
type PutResult struct {
	Rule    webhook.Rule
	Created bool
	Write
}

// DeleteResult reports whether the rule existed.
type DeleteResult struct {
	// Existed is false if the first attempt found no rule. If only a later attempt
	// found none, an earlier attempt has deleted the rule.
	Existed bool
	Write
}

// listTries limits how often a list that contradicts itself is read: pages may
// shift while another client creates rules.
const listTries = 3

// ListRules lists all rules of the project, in the service's order. It returns all of
// them or an error. A rule that is missing from a list counts as deleted, so a list
// that contradicts itself is an error.
func (c *Client) ListRules(ctx context.Context) ([]webhook.Rule, error) {
	var err error
	for n := range listTries {
		if n > 0 {
			// A client that creates rules is not done within milliseconds.
			if stop := sleepContext(ctx, firstWait<<(n-1)); stop != nil {
				return nil, stop
			}
		}
		var rules []webhook.Rule
		var again bool
		rules, again, err = c.listOnce(ctx)
		if err == nil {
			return rules, nil
		}
		if !again {
			return nil, err
		}
	}
	return nil, err
}

func (c *Client) listOnce(ctx context.Context) (rules []webhook.Rule, again bool, err error) {
	seen := map[string]bool{}
	total, hasTotal := 0, false
	err = c.readPages(ctx, c.rulesURL(), "list the rules", c.o.MaxRules, func(p page) error {
		total, hasTotal = p.total, p.hasTotal
		for i, raw := range p.value {
			r, err := decodeRule(raw)
			if err != nil {
				return quoteForeign("rule %d of the page: %w", i+1, err)
			}
			if seen[r.Name] {
				again = true
				return quoteForeign("rule %q is listed twice, so the list can't be relied on", foreign{r.Name})
			}
			if p.held {
				if err := c.checkNames(r); err != nil {
					return quoteForeign("rule %d of the page: %w", i+1, err)
				}
			}
			seen[r.Name] = true
			rules = append(rules, r)
		}
		return nil
	})
	if err == nil && hasTotal && total != len(rules) {
		again = true
		err = &Error{Method: http.MethodGet, Path: c.rulesURL().EscapedPath(), What: "list the rules", base: c.BaseURL(), project: c.o.Project,
			Status: http.StatusOK, Cause: fmt.Errorf("the service says there are %d, and listed %d", total, len(rules))}
	}
	return rules, again, err
}

// ReadRule reads one rule; nil means that it does not exist.
func (c *Client) ReadRule(ctx context.Context, name string) (*webhook.Rule, error) {
	k := call{method: http.MethodGet, url: c.rulesURL(name), what: fmt.Sprintf("read rule %q", name), needs: capGet, accept: http.StatusNotFound}
	a, err := c.sendCall(ctx, k)
	if err != nil || a.status == http.StatusNotFound {
		return nil, err
	}
	r, err := c.decodeNamed(k, a, name)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// decodeNamed decodes the rule in a response and checks that it has the requested
// name. known are names that the request had.
func (c *Client) decodeNamed(k call, a response, name string, known ...string) (webhook.Rule, error) {
	var r webhook.Rule
	o, err := parseObject(a.body, "the answer")
	if err == nil {
		r, err = ruleOf(o)
	}
	if err == nil && r.Name != name {
		err = quoteForeign("the answer holds rule %q", foreign{r.Name})
	}
	if err == nil && c.o.Known.Holds(a.body) {
		err = c.checkNames(r, append(known, name)...)
	}
	if err != nil {
		return webhook.Rule{}, c.responseError(k, a, err)
	}
	return r, nil
}

// responseError returns the error of a response that came but can't be used. It does
// not show the words of a response to a write.
func (c *Client) responseError(k call, a response, err error) *Error {
	why := errUnread
	if errors.Is(err, errNotJSON) {
		why = errForeign
	}
	if !errors.Is(err, errEndless) {
		err = fmt.Errorf("%w: %w", why, c.showError(err))
	}
	e := &Error{Method: k.method, Path: k.url.EscapedPath(), What: k.what, Status: a.status, Attempts: a.attempts,
		Cause: err, needs: k.needs, base: c.BaseURL(), project: c.o.Project}
	// A response with a secret value further on is not shown at all.
	begins := foreign{string(a.body[:min(len(a.body), maxErrorBody)])}
	switch words, ok := c.shownWords(begins); {
	case k.method != http.MethodGet:
	case !ok:
		e.Body = errWithheld.Error()
	case words != "" && words[0] != '{':
		e.Body = fmt.Sprintf("it begins with %q", words)
	}
	return e
}

// Put writes a rule: spec with the values of auth. It ignores the names in
// spec.Auth. It returns an error of the precheck as it is. If the response can't be
// read, the error has the status of success: the rule is written, but its new state
// is unknown.
func (c *Client) Put(ctx context.Context, name string, spec webhook.Spec, auth secrets.Auth, look Precheck) (PutResult, error) {
	what := fmt.Sprintf("PUT rule %q", name)
	body, err := putBody(spec, auth)
	if err != nil {
		return PutResult{}, fmt.Errorf("%s: %w", what, err)
	}
	c.AddSecrets(auth)
	k := call{method: http.MethodPut, url: c.rulesURL(name), body: body, what: what, needs: capWrite}
	a, w, err := c.sendWrite(ctx, k, look)
	out := PutResult{Created: a.status == http.StatusCreated, Write: w}
	if err != nil {
		return out, err
	}
	out.Rule, err = c.decodeNamed(k, a, name, sentNames(name, spec)...)
	return out, err
}

// Delete deletes a rule. It returns an error of the precheck as it is.
func (c *Client) Delete(ctx context.Context, name string, look Precheck) (DeleteResult, error) {
	k := call{method: http.MethodDelete, url: c.rulesURL(name), what: fmt.Sprintf("DELETE rule %q", name),
		needs: capDelete, accept: http.StatusNotFound, bodiless: true}
	a, w, err := c.sendWrite(ctx, k, look)
	out := DeleteResult{Write: w}
	if err == nil {
		nothing := a.status == http.StatusNoContent || a.status == http.StatusNotFound
		out.Existed = !nothing || a.lost
	}
	return out, err
}

// sendWrite sends a call that writes, and counts its cost.
func (c *Client) sendWrite(ctx context.Context, k call, look Precheck) (response, Write, error) {
	k.precheck = look
	a, err := c.sendCall(ctx, k)
	var by callbackError
	if errors.As(err, &by) { // its status and ref belong to another request
		return a, writeOf(a, nil), by.error
	}
	return a, writeOf(a, err), err
}
