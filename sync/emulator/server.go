// Package emulator stands in for the webhook-rules API of MK.IO, in memory:
// bearer tokens with capabilities, masked authentication values, paging, full
// replacement by PUT, delivery history that goes with its rule, errors with a
// ref, rate limits, and as options whatever the documentation leaves open. It
// is an [http.Handler]; tests set faults on it, and "mkhooks emulate" serves
// it.
//
// It is an independent reading of that documentation: it imports nothing else
// of this module, so that a mistake of the client can't hide in it. It
// delivers no event to anyone and keeps nothing on disk.
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

// maxBody bounds the body of a request, in bytes.
const maxBody = 16 << 20

// Server is the service in memory. It is safe for concurrent use. The zero
// Server is of no use: make one with [New].
type Server struct {
	o Options

	mu        sync.Mutex
	rules     map[string]*rule
	lastSeq   uint64 // of rules and records, in the order in which they came
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

// OnRequest has f called before each request is handled, with its number: the
// first after [New] or [Server.ResetRequests] is 1. A test can so end a client
// at a request of its choice. nil ends that.
func (s *Server) OnRequest(f func(n int, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRequest = f
}

// Request is one request as it came, and what came of it.
type Request struct {
	// N counts from 1.
	N      int
	Method string
	// Path is percent-encoded, as it came; Query is raw.
	Path, Query string
	Kind        Kind
	// Rule is the decoded name of the rule in the path.
	Rule   string
	Header http.Header
	Body   []byte
	Time   time.Time
	// Concurrent is the number of requests under way, this one included.
	Concurrent int
	// Handled is the status that the service came to; 0 where a fault came
	// before it.
	Handled int
	// Status is what was answered; 0 where no answer was given, or not yet.
	Status int
	// Ref is that of an error.
	Ref string
}

// Requests returns what was asked so far, in the order of arrival.
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

// ResetRequests forgets what was asked; the next request is number 1 again.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// exchange is one request and its answer under way.
type exchange struct {
	s      *Server
	r      *http.Request
	at     target
	token  string
	body   []byte
	entry  *Request // guarded by s.mu
	acting *Injected
}

// answer is what is to be written.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone, or sends without end
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	x, onRequest := s.begin(r, body)
	defer s.end()
	if onRequest != nil {
		onRequest(x.entry.N, r)
	}
	if !wait(r.Context(), s.o.Latency) {
		panic(http.ErrAbortHandler)
	}
	before, after := x.match()
	for _, hook := range before {
		hook()
	}
	f := Fault{}
	if x.acting != nil {
		f = x.acting.fault
	}
	if f.Stall && !f.late() {
		x.stall(f)
	}
	if f.Drop == DropBefore {
		panic(http.ErrAbortHandler)
	}
	var a answer
	if f.handles() {
		a = x.handle()
		s.mu.Lock()
		x.entry.Handled = a.status
		s.mu.Unlock()
	}
	for _, hook := range after {
		hook()
	}
	a = x.rewrite(f, a)
	if f.Stall && f.late() && f.Cut == 0 {
		x.stall(f)
	}
	if f.Drop == DropAfter {
		panic(http.ErrAbortHandler)
	}
	if f.Answer != nil {
		f.Answer(w)
		return
	}
	x.writeResponse(w, f, a)
}

func (s *Server) begin(r *http.Request, body []byte) (*exchange, func(int, *http.Request)) {
	x := &exchange{s: s, r: r, at: parsePath(r), token: bearer(r), body: body}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
	x.entry = &Request{N: len(s.log) + 1, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Kind: x.at.kind, Rule: x.at.rule, Header: r.Header.Clone(), Body: body, Time: s.o.Now(), Concurrent: s.active}
	s.log = append(s.log, x.entry)
	return x, s.onRequest
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
}

// writeResponse sends the answer, or the beginning of it.
func (x *exchange) writeResponse(w http.ResponseWriter, f Fault, a answer) {
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
	_, _ = w.Write(sent) // a client that is gone has no use for it
	if f.Cut > 0 {
		_ = http.NewResponseController(w).Flush()
		if f.Stall {
			x.stall(f)
		}
		panic(http.ErrAbortHandler)
	}
}

// stall holds the request until it is released; it ends it where the client
// gives up.
func (x *exchange) stall(f Fault) {
	select {
	case <-f.Release:
	case <-x.r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// wait reports false where ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
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
