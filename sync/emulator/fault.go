package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
)

// Drop is the time at which a fault closes the connection.
type Drop string

// The times at which the connection is closed.
const (
	DropBefore Drop = "before" // nothing has taken effect
	DropAfter  Drop = "after"  // the request has taken effect, its response is lost
)

// Link is a change of the paging of a list by a fault. All values but
// [LinkEmpty] only change pages that have a next page.
type Link string

// The changes of paging.
const (
	LinkElsewhere Link = "elsewhere" // the next link leads to another host
	LinkItself    Link = "itself"    // the next link leads to its own page
	LinkRepeat    Link = "repeat"    // the next page repeats the records of this page
	LinkSkip      Link = "skip"      // the next page is skipped
	LinkEmpty     Link = "empty"     // this page is empty; the next page has its records
	LinkLost      Link = "lost"      // the next link is absent
)

// Fault is a failure of some requests.
//
// A client may repeat a GET by itself if a reused connection is closed. The
// repetition counts as another request.
type Fault struct {
	// Method, Kind and Rule select requests; an empty field matches all.
	Method string
	Kind   Kind
	Rule   string
	// Nth is the first of the selected requests that fails, counted from 1
	// since the fault was set. 0 means the first. Times is the number of
	// failures. Times 0 means 1 if Nth is set, and otherwise all.
	Nth, Times int

	// Before and After run before and after the request is handled, and may
	// change the server's rules and faults.
	Before, After func()

	// Drop closes the connection without a response.
	Drop Drop
	// Status is the status of the response. The request is only handled if
	// Effect is also set. The body is Body, or an error in the form of the
	// service.
	Status int
	// Effect makes the request take effect before the fault.
	Effect bool
	// Body replaces the body of the response. If Status is 0, the request is
	// handled and its status stays.
	Body string
	// Respond writes the whole response, for example a response too large to
	// keep, or none. The request is then handled only if Effect is set.
	Respond func(w http.ResponseWriter)
	// Header is added to the response.
	Header map[string]string
	// Edit changes the JSON object of the response.
	Edit func(body map[string]any)
	// Link changes the paging.
	Link Link
	// Cut closes the connection this many bytes before the end of the body.
	Cut int
	// Stall holds the request until Release is closed or the client gives up.
	// It does so before the request is handled, after it with Effect, and in
	// the middle of the response with Cut.
	Stall   bool
	Release <-chan struct{}
}

// changesExchange reports whether the fault has more than hooks.
func (f Fault) changesExchange() bool {
	return f.Drop != "" || f.Status != 0 || f.Body != "" || f.Header != nil || f.Edit != nil || f.Link != "" || f.Cut > 0 || f.Stall || f.Respond != nil
}

// handlesRequest reports whether the request is handled.
func (f Fault) handlesRequest() bool {
	return f.Effect || f.Status == 0 && f.Drop != DropBefore && f.Respond == nil
}

// stallsLate reports whether a stall happens after the request was handled.
func (f Fault) stallsLate() bool { return f.Effect || f.Cut > 0 }

// Injected is an active fault.
type Injected struct {
	s          *Server
	fault      Fault
	seen, hits int // guarded by s.mu
}

// Fault adds a fault. If several faults match a request, all their hooks run.
// Of the faults with more than hooks, only the first acts.
func (s *Server) Fault(f Fault) *Injected {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := &Injected{s: s, fault: f}
	s.faults = append(s.faults, i)
	return i
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Remove removes the fault.
func (i *Injected) Remove() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.s.faults = slices.DeleteFunc(slices.Clone(i.s.faults), func(other *Injected) bool { return other == i })
}

// Hits returns the number of requests that the fault changed.
func (i *Injected) Hits() int {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	return i.hits
}

// countMatch counts a request and reports whether the fault applies to it. The
// caller holds s.mu.
func (i *Injected) countMatch(e *Request) bool {
	f := i.fault
	if f.Method != "" && f.Method != e.Method || f.Kind != "" && f.Kind != e.Kind || f.Rule != "" && f.Rule != e.Rule {
		return false
	}
	i.seen++
	first, times := max(1, f.Nth), f.Times
	if times == 0 && f.Nth > 0 {
		times = 1
	}
	if i.seen < first || times > 0 && i.seen >= first+times {
		return false
	}
	i.hits++
	return true
}

// matchFaults finds the faults of this request. It returns their hooks and sets
// x.acting.
func (x *exchange) matchFaults() (before, after []func()) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	for _, i := range x.s.faults {
		if !i.countMatch(x.entry) {
			continue
		}
		if i.fault.Before != nil {
			before = append(before, i.fault.Before)
		}
		if i.fault.After != nil {
			after = append(after, i.fault.After)
		}
		if x.acting == nil && i.fault.changesExchange() {
			x.acting = i
		}
	}
	return before, after
}

// rewriteResponse changes a response as the fault defines.
func (x *exchange) rewriteResponse(f Fault, a response) response {
	if f.Status != 0 {
		x.s.mu.Lock()
		a = x.errorResponse(newFailure(f.Status, "Fault", "%s", http.StatusText(f.Status)))
		x.s.mu.Unlock()
	}
	if f.Body != "" {
		a.body = []byte(f.Body)
	}
	if f.Edit != nil {
		var body map[string]any
		if json.Unmarshal(a.body, &body) == nil {
			f.Edit(body)
			a.body = encodeJSON(body)
		}
	}
	for name, value := range f.Header {
		if a.header == nil {
			a.header = http.Header{}
		}
		a.header.Set(name, value)
	}
	return a
}
