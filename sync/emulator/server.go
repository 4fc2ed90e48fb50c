// Package emulator is a stand-in of the MK.IO webhook-rules API in memory: an
// http.Handler for tests and for "mkhooks emulate". It is an independent
// reading of what is known of the service and imports nothing of ours, so that
// a mistake in the client can't hide behind the same mistake here. What the
// service leaves unspecified is an option.
//
// It keeps nothing on disk and protects nothing: it is for tests.
package emulator

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Capability is what a token may do.
type Capability string

// The capabilities of the webhook rules.
const (
	CanGet    Capability = "webhooks.config.get"
	CanCreate Capability = "webhooks.config.create"
	CanUpdate Capability = "webhooks.config.update"
	CanDelete Capability = "webhooks.config.delete"
)

// AllCapabilities is what a full-access token may do.
func AllCapabilities() []Capability { return []Capability{CanGet, CanCreate, CanUpdate, CanDelete} }

// Options say what the emulator serves. The zero value of a field is the
// plainest behaviour.
type Options struct {
	// Project is the one that exists.
	Project string
	// Tokens are the bearer tokens that are taken, with what each may do.
	Tokens map[string][]Capability
	// PageSize is the size of a page where $top is not given, MaxTop the most
	// that $top gets; 0 means 100.
	PageSize, MaxTop int
	// Latency is how long every answer takes.
	Latency time.Duration
	// RateLimit enforces GetLimit and WriteLimit requests in any 60 seconds;
	// 0 means what the service publishes, 2000 and 1000.
	RateLimit            bool
	GetLimit, WriteLimit int
	// RetryAfter is the Retry-After header of a 429; empty means none.
	RetryAfter string
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	Unspecified
}

// Unspecified is what the service's documents leave open.
type Unspecified struct {
	// EmptyMaps says how empty maps read back: "" absent, "null" or "{}".
	EmptyMaps string
	// EventOrder says how a rule's events read back: "" as sent, "sorted" or "reversed".
	EventOrder string
	// HeaderCase says how header names read back: "" as sent, "lower" or "canonical".
	HeaderCase string
	// Mask makes the mask of a value; nil means eight asterisks.
	Mask func(value string) string
	// ListPaging gives the list of rules the paging fields, total included.
	// Without it the list still has next links, because it must end somehow.
	ListPaging bool
	// NoTotals leaves pagination out of the history.
	NoTotals bool
	// ExtraFields are in every spec that is read.
	ExtraFields map[string]any
	// NormalizeURL adds a slash to a URL that ends without one, which the
	// canonical form of mkhooks does not forgive.
	NormalizeURL bool
	// DropHeaders are header names, in lower case, that are not kept.
	DropHeaders []string
	// OldestFirst lists the history from its beginning.
	OldestFirst bool
	// EchoErrors puts the request's body and token into every error.
	EchoErrors bool
}

// Event is one record of a delivery history.
type Event struct {
	Created string `json:"created"`
	Source  string `json:"source"`
	Type    string `json:"type"`
	Status  string `json:"status"`
}

// Rule is a stored rule, auth values as they were sent.
type Rule struct {
	ID     string
	Name   string
	Spec   map[string]any
	Events []Event // oldest first
}

// Request is one request as it came, and the status it got.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	Body                string
	Status              int
	At                  time.Time
}

// Server is the emulator. It is safe for use by several goroutines.
type Server struct {
	o Options

	mu       sync.Mutex
	rules    map[string]*Rule
	requests []Request
	faults   []*fault
	count    int
	onCount  func(n int, r *http.Request)
	gets     []time.Time
	writes   []time.Time
	refs     int
}

// New returns an emulator without rules.
func New(o Options) *Server {
	for _, d := range []struct {
		v  *int
		to int
	}{{&o.PageSize, 100}, {&o.MaxTop, 100}, {&o.GetLimit, 2000}, {&o.WriteLimit, 1000}} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mask == nil {
		o.Mask = func(string) string { return "********" }
	}
	return &Server{o: o, rules: map[string]*Rule{}}
}

// OnRequest calls f with the number of each request, from 1, before it is
// handled: a test may kill its client there.
func (s *Server) OnRequest(f func(n int, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCount = f
}

// Requests are the requests so far, in the order in which they were answered.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ResetRequests forgets the requests so far, their count for faults included.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.count = nil, 0
}

// SetOptions changes how the server behaves from now on.
func (s *Server) SetOptions(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.o)
}

// Put stores a rule as someone else would, by the web application: it keeps
// id and history where the rule exists.
func (s *Server) Put(name string, spec map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(name, clone(spec))
}

func (s *Server) store(name string, spec map[string]any) (created bool) {
	r, ok := s.rules[name]
	if !ok {
		r = &Rule{ID: newID(), Name: name}
		s.rules[name] = r
	}
	r.Spec = spec
	return !ok
}

// Delete removes a rule and its history.
func (s *Server) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rules, name)
}

// AddEvents appends records to a rule's history, oldest first.
func (s *Server) AddEvents(name string, events ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.rules[name]; ok {
		r.Events = append(r.Events, events...)
	}
}

// SetEvents replaces a rule's history.
func (s *Server) SetEvents(name string, events ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.rules[name]; ok {
		r.Events = slices.Clone(events)
	}
}

// Rules are copies of the stored rules by name, secrets included.
func (s *Server) Rules() map[string]Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Rule, len(s.rules))
	for name, r := range s.rules {
		out[name] = Rule{ID: r.ID, Name: r.Name, Spec: clone(r.Spec), Events: slices.Clone(r.Events)}
	}
	return out
}

func clone(m map[string]any) map[string]any {
	data, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("emulator: a spec that is no JSON: %v", err))
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		panic(err)
	}
	return out
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// reply is an answer before it is written.
type reply struct {
	status int
	header http.Header
	body   any    // marshalled, unless raw is set
	raw    []byte // sent as it is
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	op := operationOf(r)
	s.mu.Lock()
	s.count++
	n, onCount, latency := s.count, s.onCount, s.o.Latency
	f := s.matchFault(op)
	s.mu.Unlock()
	if onCount != nil {
		onCount(n, r)
	}
	if latency > 0 {
		time.Sleep(latency)
	}
	if f != nil && f.Before != nil {
		f.Before()
	}
	if f != nil && f.cuts() {
		s.record(r, body, 0)
		f.cut(w, r, func() reply { return s.handle(r, op, body) })
		return
	}
	var a reply
	if f != nil && f.Status > 0 {
		a = reply{status: f.Status, header: f.Header, raw: []byte(f.Body)}
		if f.Body == "" {
			a = s.fail(r, body, f.Status, "Fault", "a fault was asked for")
			a.header = f.Header
		}
	} else {
		a = s.handle(r, op, body)
		if f != nil && f.Rewrite != nil && a.body != nil {
			a.raw = f.Rewrite(marshal(a.body))
		}
	}
	if f != nil && f.After != nil {
		f.After()
	}
	s.record(r, body, a.status)
	a.write(w)
}

func (s *Server) record(r *http.Request, body []byte, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: string(body), Status: status, At: s.o.Now(),
	})
}

func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("emulator: an answer that is no JSON: %v", err))
	}
	return data
}

func (a reply) write(w http.ResponseWriter) {
	data := a.raw
	if data == nil && a.body != nil {
		data = marshal(a.body)
	}
	w.Header().Set("Content-Type", "application/json")
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(data) // a client that is gone needs no answer
}

// operation is what a request asks for.
type operation struct {
	Kind    Kind
	project string
	rule    string
}

// Kind is the kind of a request.
type Kind string

// The kinds of requests.
const (
	KindList   Kind = "list"
	KindRule   Kind = "rule"
	KindPut    Kind = "put"
	KindDelete Kind = "delete"
	KindEvents Kind = "events"
	KindOther  Kind = "other"
)

// operationOf reads the path as it came: a name with a slash in it is one
// segment, %2F.
func operationOf(r *http.Request) operation {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil {
			return operation{Kind: KindOther}
		}
		parts[i] = plain
	}
	if len(parts) < 6 || !slices.Equal(parts[:3], []string{"api", "v1", "projects"}) || parts[4] != "webhook" || parts[5] != "rules" {
		return operation{Kind: KindOther}
	}
	op := operation{Kind: KindOther, project: parts[3]}
	switch {
	case len(parts) == 6 && r.Method == http.MethodGet:
		op.Kind = KindList
	case len(parts) == 8 && parts[7] == "events" && r.Method == http.MethodGet:
		op.Kind, op.rule = KindEvents, parts[6]
	case len(parts) == 7 && parts[6] != "":
		op.rule = parts[6]
		op.Kind = map[string]Kind{http.MethodGet: KindRule, http.MethodPut: KindPut, http.MethodDelete: KindDelete}[r.Method]
	}
	if op.Kind == "" {
		op.Kind = KindOther
	}
	return op
}
