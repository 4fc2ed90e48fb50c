package emulator

import (
	"net/http"
	"net/url"
	"strings"
)

// Projects serves several projects. Each is a [Server] with separate rules,
// tokens, faults and rate limits, as in the service.
type Projects map[string]*Server

// ServeHTTP passes a request to the project in its path. A request for no known
// project goes to any server, which rejects it.
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

// projectIn returns the decoded name of the project in a request's path, or "".
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
