// Package emulator emulates the webhook-rules API of MK.IO in memory. It covers
// bearer tokens with capabilities, masked authentication values, paging, full
// replacement by PUT, errors with a ref, and rate limits. A rule's delivery
// history is deleted with the rule. Each behaviour that the documentation
// leaves open is an option. The service is an [http.Handler]; tests set faults
// on it, and "mkhooks emulate" serves it.
//
// It is an independent reading of the documentation. It imports no other
// package of this module, so that a mistake of the client can't hide in it. It
// delivers no events and keeps nothing on disk.
package emulator

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxBody is the maximum size of a request body in bytes.
const maxBody = 16 << 20

// Server is the service in memory. It is safe for concurrent use. Create it
// with [New]: the zero Server can't be used.
type Server struct {
	o Options

	mu        sync.Mutex
	rules     map[string]*rule
	lastSeq   uint64 // the last sequence number of a rule or record
	refs      int
	limiter   limiter
	faults    []*Injected
	onRequest func(n int, r *http.Request)
	log       []*Request
	active    int
}

// New returns a service without rules.
func New(o Options) *Server {
	o = o.withDefaults()
	o.Tokens = maps.Clone(o.Tokens)
	o.Expires = maps.Clone(o.Expires)
	return &Server{o: o, rules: map[string]*rule{}, onRequest: o.OnRequest}
}

// OnRequest sets a function that is called before each request is handled. n is
// the number of the request. The first request after [New] or
// [Server.ResetRequests] is number 1. So a test can stop a client at a certain
// request. nil removes the function.
func (s *Server) OnRequest(f func(n int, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRequest = f
}

// Request describes a received request and its outcome.
type Request struct {
	// N counts from 1.
	N      int
	Method string
	// Path is percent-encoded, as received; Query is raw.
	Path, Query string
	Kind        Kind
	// Rule is the decoded name of the rule in the path.
	Rule   string
	Header http.Header
	Body   []byte
	Time   time.Time
	// Concurrent is the number of requests in flight, this request included.
	Concurrent int
	// Handled is the status of the service; 0 if a fault came before it.
	Handled int
	// Status is the status of the response; 0 if there is no response, or none
	// yet.
	Status int
	// Ref is the ref of an error response.
	Ref string
}

// Requests returns the requests so far, in the order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.log))
	for i, r := range s.log {
		out[i] = *r
		out[i].Header = r.Header.Clone()
		out[i].Body = slices.Clone(r.Body)
	}
	return out
}

// ResetRequests clears the list of requests; the next request has number 1.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// exchange is one request in flight and its response.
type exchange struct {
	s      *Server
	r      *http.Request
	at     target
	token  string
	body   []byte
	entry  *Request // guarded by s.mu
	acting *Injected
}

// response is a response to write.
type response struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the client closed the connection, or sends too much
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	x, onRequest := s.beginRequest(r, body)
	defer s.endRequest()
	if onRequest != nil {
		onRequest(x.entry.N, r)
	}
	if !waitFor(r.Context(), s.o.Latency) {
		panic(http.ErrAbortHandler)
	}
	before, after := x.matchFaults()
	for _, hook := range before {
		hook()
	}
	f := Fault{}
	if x.acting != nil {
		f = x.acting.fault
	}
	if f.Stall && !f.stallsLate() {
		x.stall(f)
	}
	if f.Drop == DropBefore {
		panic(http.ErrAbortHandler)
	}
	var a response
	if f.handlesRequest() {
		a = x.handle()
		s.mu.Lock()
		x.entry.Handled = a.status
		s.mu.Unlock()
	}
	for _, hook := range after {
		hook()
	}
	a = x.rewriteResponse(f, a)
	if f.Stall && f.stallsLate() && f.Cut == 0 {
		x.stall(f)
	}
	if f.Drop == DropAfter {
		panic(http.ErrAbortHandler)
	}
	if f.Respond != nil {
		f.Respond(w)
		return
	}
	x.writeResponse(w, f, a)
}

func (s *Server) beginRequest(r *http.Request, body []byte) (*exchange, func(int, *http.Request)) {
	x := &exchange{s: s, r: r, at: parsePath(r), token: bearerToken(r), body: body}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
	x.entry = &Request{N: len(s.log) + 1, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Kind: x.at.kind, Rule: x.at.rule, Header: r.Header.Clone(), Body: body, Time: s.o.Now(), Concurrent: s.active}
	s.log = append(s.log, x.entry)
	return x, s.onRequest
}

func (s *Server) endRequest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
}

// writeResponse writes the response, or the beginning of it.
func (x *exchange) writeResponse(w http.ResponseWriter, f Fault, a response) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Date", x.s.o.Now().UTC().Format(http.TimeFormat))
	x.s.mu.Lock()
	x.entry.Status = a.status
	x.s.mu.Unlock()
	if a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	sent := a.body
	if f.Cut > 0 {
		sent = sent[:max(0, len(sent)-f.Cut)]
	}
	_, _ = w.Write(sent) // an error means that the client closed the connection
	if f.Cut > 0 {
		_ = http.NewResponseController(w).Flush()
		if f.Stall {
			x.stall(f)
		}
		panic(http.ErrAbortHandler)
	}
}

// stall holds the request until it is released. It aborts the request if the
// client gives up.
func (x *exchange) stall(f Fault) {
	select {
	case <-f.Release:
	case <-x.r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// waitFor waits for d. It returns false if ctx ends first.
func waitFor(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
