package mkio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/mkhooks/mkhooks/sync/parallel"
)

// loopGuard detects pages that repeat, each time under another link.
type loopGuard struct {
	read        int
	first, last string // of the page before
}

// checkPage checks a page that has a next page. A history may change while it is
// read, but it cannot list more than twice its total. Without a total, a page must
// differ from the page before.
func (e *loopGuard) checkPage(p page, size int) error {
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

// maxEmptyPages limits pages in a row without a record but with a next link.
const maxEmptyPages = 100

// readPages reads a list to its end, page by page. From the second page on, it requests
// the next page while each handles the current page: a history may have thousands.
func (c *Client) readPages(ctx context.Context, first *url.URL, what string, limit ListLimit, each func(page) error) error {
	u := *first
	u.RawQuery = url.Values{"$top": {strconv.Itoa(c.o.PageSize)}}.Encode()
	visited := visits{}
	visited.addQuery(u.RawQuery)
	ctx, cancel := context.WithCancel(ctx)
	empty, round, so := 0, loopGuard{}, listCount{began: time.Now()}
	for got, n := c.readPage(ctx, &u, what), 1; ; n++ {
		if got.err != nil {
			cancel()
			return got.err
		}
		if empty++; len(got.value) > 0 {
			empty = 0
		}
		if err := so.addPage(got.page, len(got.response.body), limit); err != nil {
			cancel()
			return c.responseError(got.call, got.response, err)
		}
		var next *url.URL
		var lost error // of the next page; it counts after each took this page
		if got.next != "" {
			next, lost = nextPageURL(got.call.url, got.next, visited)
			if lost == nil && empty > maxEmptyPages {
				lost = fmt.Errorf("%d pages in a row are empty and name a next one", empty)
			}
			if lost == nil {
				lost = round.checkPage(got.page, c.o.PageSize)
			}
			if lost != nil {
				next = nil
			}
		}
		var ahead func() fetchedPage
		if next != nil && n > 1 {
			ahead = parallel.Start(func() fetchedPage { return c.readPage(ctx, next, what) })
		}
		err := each(got.page)
		switch {
		case err == nil && lost == nil && next == nil:
			cancel()
			return nil
		case err != nil || lost != nil:
			cancel()
			if ahead != nil {
				ahead() // otherwise it would be logged after the caller continued
			}
			var by callbackError
			if errors.As(err, &by) {
				return by.error
			}
			if err == nil {
				err = lost
			}
			return c.responseError(got.call, got.response, err)
		case ahead != nil:
			got = ahead()
		default:
			got = c.readPage(ctx, next, what)
		}
	}
}

// fetchedPage is a page with its request and response.
type fetchedPage struct {
	page
	call     call
	response response
	err      error
}

// readPage reads one page of a list.
func (c *Client) readPage(ctx context.Context, at *url.URL, what string) fetchedPage {
	f := fetchedPage{call: call{method: http.MethodGet, url: at, what: what, needs: capGet}}
	if f.response, f.err = c.sendCall(ctx, f.call); f.err != nil {
		return f
	}
	var err error
	if f.page, err = decodePage(f.response.body); err != nil {
		f.err = c.responseError(f.call, f.response, err)
	}
	f.page.held = c.o.Known.Holds(f.response.body)
	return f
}

// nextPageURL returns the URL of the next page. The token goes along, so only the query
// may differ from the request's URL. A URL that was visited before would loop
// forever.
func nextPageURL(at *url.URL, link string, visited visits) (*url.URL, error) {
	if len(link) > maxLink {
		return nil, fmt.Errorf("the link to the next page has %d bytes; at most %d are followed", len(link), maxLink)
	}
	to, err := at.Parse(link)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the link to the next page is no URL")
	case to.Scheme != at.Scheme || to.Host != at.Host || to.User != nil:
		q := quoteForeign("the link to the next page leads to another place (%s://%s), which is not followed, because the token would go there", foreign{to.Scheme}, foreign{to.Host})
		q.beside = []foreign{{link}}
		return nil, q
	case to.EscapedPath() != at.EscapedPath():
		return nil, fmt.Errorf("the link to the next page leads to another path, which is not followed")
	case !visited.addQuery(to.RawQuery):
		return nil, fmt.Errorf("the link to the next page leads to a page that was read before")
	}
	to.Fragment = ""
	return to, nil
}
