package emulator

import (
	"net/http"
	"net/url"
	"strings"
)

// Projects serves several projects, each of which is a [Server] of its own: with
// its own rules, tokens, faults and rate limits, as the service has them.
type Projects map[string]*Server

// ServeHTTP hands a request to the project in its path. What is for none of them
// is answered by any, which knows no other project than its own.
func (p Projects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s, ok := p[projectIn(r)]; ok {
		s.ServeHTTP(w, r)
		return
	}
	for _, s := range p {
		s.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// projectIn is the decoded name of the project in a request's path, or "".
func projectIn(r *http.Request) string {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v1/projects/")
	if !ok {
		return ""
	}
	segment, _, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(segment)
	if err != nil {
		return ""
	}
	return name
}
