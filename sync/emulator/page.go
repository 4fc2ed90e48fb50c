package emulator

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// listing is a list that is returned in pages.
type listing struct {
	// n is the number of elements that can be listed; total counts all.
	n, total int
	// key is the sort key of element i. The list is ascending, or descending if
	// desc is true.
	key  func(i int) string
	desc bool
}

// page is the part of a list from start up to, but not including, end.
type page struct {
	start, end, total int
	next              string
}

func seqKey(seq uint64) string { return fmt.Sprintf("%020d", seq) }

// findPage returns the part that $top and $skiptoken select. A fault may change
// it.
func (x *exchange) findPage(l listing) (page, *failure) {
	query := x.r.URL.Query()
	size := x.s.o.PageSize
	if top := query.Get("$top"); top != "" {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 {
			return page{}, invalidf("$top is %q, expected a number of at least 1", top)
		}
		size = n
	}
	size = min(size, x.s.o.MaxTop)
	start := 0
	if token := query.Get("$skiptoken"); token != "" {
		var ok bool
		if start, ok = l.indexOf(token); !ok {
			return page{}, invalidf("$skiptoken is not one of this list")
		}
	}
	p := page{start: min(start, l.n), end: min(start+size, l.n), total: l.total}
	if p.end < l.n {
		p.next = x.pageLink(l.skipToken(x.s.o.SkipTokens, p.end))
	}
	if x.acting != nil {
		x.bendPaging(x.acting.fault.Link, l, size, &p)
	}
	return p, nil
}

// bendPaging applies the change of paging that a fault defines. A link contains the
// request number, so that it never equals the address of an earlier page.
func (x *exchange) bendPaging(link Link, l listing, size int, p *page) {
	if p.next == "" && link != LinkEmpty {
		return
	}
	again := x.pageLink(l.skipToken(x.s.o.SkipTokens, p.start) + "." + itoa(x.entry.N))
	switch link {
	case LinkElsewhere:
		u, _ := url.Parse(p.next)
		u.Host = "elsewhere.example"
		p.next = u.String()
	case LinkItself:
		p.next = baseURL(x) + x.r.URL.RequestURI()
	case LinkRepeat:
		p.next = again
	case LinkSkip:
		p.next = ""
		if at := p.end + size; at < l.n {
			p.next = x.pageLink(l.skipToken(x.s.o.SkipTokens, at))
		}
	case LinkEmpty:
		p.next, p.end = again, p.start
	case LinkLost:
		p.next = ""
	}
}

// skipToken returns a token for the position before element i.
func (l listing) skipToken(kind SkipTokens, i int) string {
	plain := "o" + itoa(i)
	if kind == TokenCursor && i > 0 {
		plain = "c" + l.key(i-1)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(plain))
}

// indexOf returns the position that a token identifies.
func (l listing) indexOf(token string) (int, bool) {
	token, _, _ = strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(data) == 0 {
		return 0, false
	}
	rest := string(data[1:])
	switch data[0] {
	case 'o':
		n, err := strconv.Atoi(rest)
		return n, err == nil && n >= 0
	case 'c':
		return sort.Search(l.n, func(i int) bool {
			if l.desc {
				return l.key(i) < rest
			}
			return l.key(i) > rest
		}), true
	}
	return 0, false
}

func baseURL(x *exchange) string {
	scheme := "http"
	if x.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + x.r.Host
}

// pageLink returns the absolute address of another page of the requested list.
func (x *exchange) pageLink(token string) string {
	query := x.r.URL.Query()
	query.Set("$skiptoken", token)
	return baseURL(x) + x.r.URL.EscapedPath() + "?" + strings.ReplaceAll(query.Encode(), "%24", "$")
}

// responseBody returns the response body for a page.
func (p page) responseBody(kind string, value []any, count int, supplemental bool) map[string]any {
	out := map[string]any{"value": value}
	if p.next != "" {
		out["@odata.nextLink"] = p.next
	}
	if supplemental {
		out["supplemental"] = map[string]any{
			"kind": kind, "count": count, "operation": "list",
			"pagination": map[string]any{"start": p.start, "end": p.end, "records": count, "total": p.total},
		}
	}
	return out
}
