package mkio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// The capabilities of a token.
const (
	capGet    = "webhooks.config.get"
	capWrite  = "webhooks.config.create or webhooks.config.update"
	capDelete = "webhooks.config.delete"
)

// Write is what a write took. It is filled also where an error is returned.
type Write struct {
	// Status is that of the last answer; 0 where there was none.
	Status int
	// Ref is the service's reference, of an error.
	Ref      string
	Attempts int
	// Lost is true where an attempt may have taken effect although its answer
	// did not come.
	Lost bool
}

func written(a answer, err error) Write {
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

// DeleteResult says whether there was something to delete.
type DeleteResult struct {
	// Existed is false where the first attempt found nothing. Where a later
	// one did, an earlier attempt has deleted the rule.
	Existed bool
	Write
}

// listTries is how often a list is read anew that contradicts itself: pages
// may move while someone creates rules.
const listTries = 3

// Rules lists all rules of the project, in the service's order. It returns all
// of them or an error: a rule that is missing from a list counts as deleted, so
// a list that contradicts itself is no list.
func (c *Client) Rules(ctx context.Context) ([]webhook.Rule, error) {
	var err error
	for n := range listTries {
		if n > 0 {
			// Within milliseconds whoever creates rules is not done.
			if stop := sleep(ctx, firstWait<<(n-1)); stop != nil {
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
	err = c.pages(ctx, c.rulesURL(), "list the rules", func(p page) error {
		total, hasTotal = p.total, p.hasTotal
		for i, raw := range p.value {
			r, err := decodeRule(raw)
			if err != nil {
				return fmt.Errorf("rule %d of the page: %w", i+1, err)
			}
			if seen[r.Name] {
				again = true
				return fmt.Errorf("rule %q is listed twice, so the list can't be relied on", r.Name)
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

// Rule reads one rule; nil where there is none.
func (c *Client) Rule(ctx context.Context, name string) (*webhook.Rule, error) {
	k := call{method: http.MethodGet, url: c.rulesURL(name), what: fmt.Sprintf("read rule %q", name), needs: capGet, accept: http.StatusNotFound}
	a, err := c.send(ctx, k)
	if err != nil || a.status == http.StatusNotFound {
		return nil, err
	}
	r, err := c.decodeNamed(k, a, name)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// decodeNamed reads the rule that an answer holds and checks that it is the
// one asked for.
func (c *Client) decodeNamed(k call, a answer, name string) (webhook.Rule, error) {
	var r webhook.Rule
	o, err := parse(a.body, "the answer")
	if err == nil {
		r, err = ruleOf(o)
	}
	if err == nil && r.Name != name {
		err = fmt.Errorf("the answer holds rule %q", r.Name)
	}
	if err != nil {
		return webhook.Rule{}, c.unreadable(k, a, err)
	}
	return r, nil
}

// unreadable is the error of an answer that came and says nothing. Of an
// answer to a write its words are not shown.
func (c *Client) unreadable(k call, a answer, err error) *Error {
	why := errUnread
	if errors.Is(err, errNotJSON) {
		why = errForeign
	}
	e := &Error{Method: k.method, Path: k.url.EscapedPath(), What: k.what, Status: a.status, Attempts: a.attempts,
		Cause: fmt.Errorf("%w: %w", why, err), needs: k.needs, base: c.BaseURL(), project: c.o.Project}
	if k.method == http.MethodGet && !c.leaks(string(a.body)) {
		if words := firstWords(string(a.body[:min(len(a.body), 2000)])); words != "" && words[0] != '{' {
			e.Body = fmt.Sprintf("it begins with %q", words)
		}
	}
	return e
}

// Put writes a rule: spec with the values of auth. The names in spec.Auth are
// not looked at. An error of the look is returned as it is. An answer that can't
// be read is an error with the status of success: the rule is written, and
// nothing more is known.
func (c *Client) Put(ctx context.Context, name string, spec webhook.Spec, auth secrets.Auth, look Look) (PutResult, error) {
	what := fmt.Sprintf("PUT rule %q", name)
	body, err := putBody(spec, auth)
	if err != nil {
		return PutResult{}, fmt.Errorf("%s: %w", what, err)
	}
	c.remember(auth)
	k := call{method: http.MethodPut, url: c.rulesURL(name), body: body, what: what, needs: capWrite}
	a, w, err := c.write(ctx, k, look)
	out := PutResult{Created: a.status == http.StatusCreated, Write: w}
	if err != nil {
		return out, err
	}
	out.Rule, err = c.decodeNamed(k, a, name)
	return out, err
}

// remember keeps the values that were sent, to search error texts for them.
func (c *Client) remember(auth secrets.Auth) {
	paths, values := auth.Values()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range paths {
		c.sent = append(c.sent, values[p])
	}
}

// Delete deletes a rule. An error of the look is returned as it is.
func (c *Client) Delete(ctx context.Context, name string, look Look) (DeleteResult, error) {
	k := call{method: http.MethodDelete, url: c.rulesURL(name), what: fmt.Sprintf("DELETE rule %q", name),
		needs: capDelete, accept: http.StatusNotFound, bodiless: true}
	a, w, err := c.write(ctx, k, look)
	out := DeleteResult{Write: w}
	if err == nil {
		nothing := a.status == http.StatusNoContent || a.status == http.StatusNotFound
		out.Existed = !nothing || a.lost
	}
	return out, err
}

// write sends a call that writes, and says what it took.
func (c *Client) write(ctx context.Context, k call, look Look) (answer, Write, error) {
	k.look = look
	a, err := c.send(ctx, k)
	var by stopped
	if errors.As(err, &by) { // its status and ref are those of another request
		return a, written(a, nil), by.error
	}
	return a, written(a, err), err
}

// endless notices pages that come again and again, each by another link.
type endless struct {
	read        int
	first, last string // of the page before
}

// next takes a page that another one follows. A history may move while it is
// read, but not as far as to list twice what it counts; where it counts
// nothing, a page is not the one before it.
func (e *endless) next(p page, size int) error {
	n := len(p.value)
	if e.read += n; p.hasTotal && e.read > 2*p.total+size {
		return fmt.Errorf("the service counts %d and goes on to list more", p.total)
	}
	if p.hasTotal || n < 2 {
		return nil
	}
	first, last := string(p.value[0]), string(p.value[n-1])
	if first == e.first && last == e.last {
		return errors.New("the page is the one before it once more")
	}
	e.first, e.last = first, last
	return nil
}

// maxEmptyPages bounds pages without a record that all have a next link.
const maxEmptyPages = 100

// pages reads a list to its end, page by page. From the second page on, the
// next one is on its way while each has one: a history may have thousands.
func (c *Client) pages(ctx context.Context, first *url.URL, what string, each func(page) error) error {
	u := *first
	u.RawQuery = url.Values{"$top": {strconv.Itoa(c.o.PageSize)}}.Encode()
	visited := map[string]bool{u.RawQuery: true}
	ctx, cancel := context.WithCancel(ctx)
	empty, round := 0, endless{}
	for got, n := c.page(ctx, &u, what), 1; ; n++ {
		if got.err != nil {
			cancel()
			return got.err
		}
		if empty++; len(got.value) > 0 {
			empty = 0
		}
		var next *url.URL
		var lost error // of the next page, which counts once this one is taken
		if got.next != "" {
			next, lost = follow(got.call.url, got.next, visited)
			if lost == nil && empty > maxEmptyPages {
				lost = fmt.Errorf("%d pages in a row are empty and name a next one", empty)
			}
			if lost == nil {
				lost = round.next(got.page, c.o.PageSize)
			}
			if lost != nil {
				next = nil
			}
		}
		var ahead func() fetched
		if next != nil && n > 1 {
			ahead = parallel.Start(func() fetched { return c.page(ctx, next, what) })
		}
		err := each(got.page)
		switch {
		case err == nil && lost == nil && next == nil:
			cancel()
			return nil
		case err != nil || lost != nil:
			cancel()
			if ahead != nil {
				ahead() // or it would still be logged when the caller has gone on
			}
			var by stopped
			if errors.As(err, &by) {
				return by.error
			}
			if err == nil {
				err = lost
			}
			return c.unreadable(got.call, got.answer, err)
		case ahead != nil:
			got = ahead()
		default:
			got = c.page(ctx, next, what)
		}
	}
}

// fetched is a page with the request that it answers.
type fetched struct {
	page
	call   call
	answer answer
	err    error
}

// page reads one page of a list.
func (c *Client) page(ctx context.Context, at *url.URL, what string) fetched {
	f := fetched{call: call{method: http.MethodGet, url: at, what: what, needs: capGet}}
	if f.answer, f.err = c.send(ctx, f.call); f.err != nil {
		return f
	}
	var err error
	if f.page, err = decodePage(f.answer.body); err != nil {
		f.err = c.unreadable(f.call, f.answer, err)
	}
	return f
}

// follow returns the address of the next page. The token goes along, so only
// the query may differ from the request's own address; a place that was
// visited before would go round for ever.
func follow(at *url.URL, link string, visited map[string]bool) (*url.URL, error) {
	to, err := at.Parse(link)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the link to the next page is no URL")
	case to.Scheme != at.Scheme || to.Host != at.Host || to.User != nil:
		return nil, fmt.Errorf("the link to the next page leads to another place (%s://%s), which is not followed, because the token would go there", clean(to.Scheme), clean(to.Host))
	case to.EscapedPath() != at.EscapedPath():
		return nil, fmt.Errorf("the link to the next page leads to another path, which is not followed")
	case visited[to.RawQuery]:
		return nil, fmt.Errorf("the link to the next page leads to a page that was read before")
	}
	visited[to.RawQuery] = true
	to.Fragment = ""
	return to, nil
}
