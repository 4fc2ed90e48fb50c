package emulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Kind is the operation of a request.
type Kind string

// The kinds of requests. [Other] is a path or method that the API does not
// have.
const (
	List   Kind = "list"
	Get    Kind = "rule"
	Put    Kind = "put"
	Delete Kind = "delete"
	Events Kind = "events"
	Other  Kind = "other"
)

// target is the operation of a request and its object.
type target struct {
	kind          Kind
	project, rule string
	// methods are the methods that the path allows; nil if there is no such
	// path.
	methods []string
}

// parsePath parses the encoded path by segments: a name is one segment,
// whatever characters it contains.
func parsePath(r *http.Request) target {
	parts := strings.Split(r.URL.EscapedPath(), "/")
	for i, part := range parts {
		decoded, err := url.PathUnescape(part)
		if err != nil {
			return target{kind: Other}
		}
		parts[i] = decoded
	}
	if len(parts) < 7 || !slices.Equal(parts[:4], []string{"", "api", "v1", "projects"}) ||
		parts[5] != "webhook" || parts[6] != "rules" {
		return target{kind: Other}
	}
	t := target{kind: Other, project: parts[4]}
	kinds := map[string]Kind{}
	switch {
	case len(parts) == 7:
		kinds[http.MethodGet] = List
	case len(parts) == 8 && parts[7] != "":
		t.rule = parts[7]
		kinds[http.MethodGet], kinds[http.MethodPut], kinds[http.MethodDelete] = Get, Put, Delete
	case len(parts) == 9 && parts[7] != "" && parts[8] == "events":
		t.rule = parts[7]
		kinds[http.MethodGet] = Events
	}
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		if _, ok := kinds[m]; ok {
			t.methods = append(t.methods, m)
		}
	}
	if k, ok := kinds[r.Method]; ok {
		t.kind = k
	}
	return t
}

func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// failure is an error response.
type failure struct {
	status       int
	code, detail string
	header       http.Header
}

func newFailure(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, detail: fmt.Sprintf(format, args...)}
}

// handle handles the request and returns the response.
func (x *exchange) handle() response {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	f := x.admit()
	if f == nil {
		var a response
		switch x.at.kind {
		case List:
			a, f = x.listRules()
		case Get:
			a, f = x.getRule()
		case Put:
			a, f = x.putRule()
		case Delete:
			a, f = x.deleteRule()
		case Events:
			a, f = x.listEvents()
		}
		if f == nil {
			return a
		}
	}
	return x.errorResponse(f)
}

// admit checks, in this order, the token, path, project, rate, method and
// capability.
func (x *exchange) admit() *failure {
	s := x.s
	_, known := s.o.Tokens[x.token]
	end, mortal := s.o.Expires[x.token]
	switch {
	case x.token == "":
		return unauthorized("a bearer token is required")
	case !known:
		return unauthorized("the token is not valid")
	case mortal && !s.o.Now().Before(end):
		return unauthorized("the token has expired")
	case x.at.project == "" && x.at.kind == Other:
		return newFailure(http.StatusNotFound, "NotFound", "there is no %s", x.r.URL.EscapedPath())
	case x.at.project != s.o.Project:
		return newFailure(http.StatusNotFound, "ProjectNotFound", "project %q was not found", x.at.project)
	}
	if f := x.checkRate(); f != nil {
		return f
	}
	switch {
	case x.at.methods == nil:
		return newFailure(http.StatusNotFound, "NotFound", "there is no %s", x.r.URL.EscapedPath())
	case x.at.kind == Other:
		f := newFailure(http.StatusMethodNotAllowed, "MethodNotAllowed", "%s is not one of %s", x.r.Method, strings.Join(x.at.methods, ", "))
		f.header = http.Header{"Allow": {strings.Join(x.at.methods, ", ")}}
		return f
	}
	return x.checkCapability()
}

func unauthorized(detail string) *failure {
	return &failure{status: http.StatusUnauthorized, code: "Unauthorized", detail: detail,
		header: http.Header{"Www-Authenticate": {"Bearer"}}}
}

// checkCapability checks the capability that the request needs.
func (x *exchange) checkCapability() *failure {
	need := CanGet
	switch x.at.kind {
	case Put:
		need = CanCreate
		if x.s.rules[x.at.rule] != nil {
			need = CanUpdate
		}
	case Delete:
		need = CanDelete
	}
	if !slices.Contains(x.s.o.Tokens[x.token], need) {
		return newFailure(http.StatusForbidden, "Forbidden", "the token lacks the capability %s", need)
	}
	return nil
}

// errorResponse returns the error response. Each error has a new ref.
func (x *exchange) errorResponse(f *failure) response {
	s := x.s
	s.refs++
	sum := sha256.Sum256([]byte("ref " + itoa(s.refs)))
	x.entry.Ref = hex.EncodeToString(sum[:])[:12]
	detail, extra := f.detail, map[string]any{}
	if s.o.EchoErrors {
		detail += echoEncoded(string(x.body)) + echoEncoded(x.token)
		extra["request"] = string(x.body)
	}
	a := jsonResponse(f.status, map[string]any{
		"error":  map[string]any{"code": f.code, "detail": detail, "extraDetail": extra},
		"status": f.status,
		"ref":    x.entry.Ref,
	})
	for name, values := range f.header {
		a.header[name] = values
	}
	return a
}

func jsonResponse(status int, v any) response {
	return response{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: encodeJSON(v)}
}

// encodeJSON writes JSON as most services do: it does not escape < and >.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("emulator: an answer that is no JSON: %v", err))
	}
	return b.Bytes()
}

func itoa(n int) string { return strconv.Itoa(n) }
