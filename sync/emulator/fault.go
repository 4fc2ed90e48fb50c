package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
)

// Drop says when a fault closes the connection.
type Drop string

// When the connection is closed.
const (
	DropBefore Drop = "before" // nothing has taken effect
	DropAfter  Drop = "after"  // the request has taken effect, its answer is lost
)

// Link is how a fault bends the paging of a list. All but [LinkEmpty] act only
// on a page that another one follows.
type Link string

// How paging is bent.
const (
	LinkElsewhere Link = "elsewhere" // the next link leads to another host
	LinkItself    Link = "itself"    // the next link leads to the page that it stands on
	LinkRepeat    Link = "repeat"    // the next page has the records of this one once more
	LinkSkip      Link = "skip"      // the next page is left out
	LinkEmpty     Link = "empty"     // this page is empty; the next one has its records
	LinkLost      Link = "lost"      // the next link is missing
)

// Fault is something that goes wrong with some requests.
//
// A client on a connection that it has used before may repeat a GET by itself
// when the connection is closed: the repetition counts as another request.
type Fault struct {
	// Method, Kind and Rule choose requests; an empty field takes any.
	Method string
	Kind   Kind
	Rule   string
	// Nth is the first of the chosen requests that it befalls, counted from
	// 1 since the fault was set, and Times how many from there on. Without
	// Nth it is from the first; without Times it is one where Nth is given,
	// and otherwise all.
	Nth, Times int

	// Before and After run before and after the request is handled, and may
	// change the server's rules and faults.
	Before, After func()

	// Drop closes the connection without an answer.
	Drop Drop
	// Status answers with this status instead of handling the request; with
	// Effect it is handled, too. The body is Body, or an error as the
	// service words it.
	Status int
	// Effect has the request take effect before the fault shows.
	Effect bool
	// Body replaces the body of the answer. Where Status is 0 the request is
	// handled, and its status stays.
	Body string
	// Answer writes the answer itself, such as one that is too large to be
	// kept, or none: the request is then handled with Effect alone.
	Answer func(w http.ResponseWriter)
	// Header is added to the answer.
	Header map[string]string
	// Edit changes the JSON object that is answered.
	Edit func(body map[string]any)
	// Link bends paging.
	Link Link
	// Cut closes the connection this many bytes before the end of the body.
	Cut int
	// Stall holds the request until Release is closed or the client gives
	// up: before it is handled, with Effect after it, with Cut in the middle
	// of the answer.
	Stall   bool
	Release <-chan struct{}
}

// acts reports whether the fault is more than hooks.
func (f Fault) acts() bool {
	return f.Drop != "" || f.Status != 0 || f.Body != "" || f.Header != nil || f.Edit != nil || f.Link != "" || f.Cut > 0 || f.Stall || f.Answer != nil
}

// handles reports whether the request is handled.
func (f Fault) handles() bool {
	return f.Effect || f.Status == 0 && f.Drop != DropBefore && f.Answer == nil
}

// late reports whether a stall comes after the request was handled.
func (f Fault) late() bool { return f.Effect || f.Cut > 0 }

// Injected is a fault that was set.
type Injected struct {
	s          *Server
	fault      Fault
	seen, hits int // guarded by s.mu
}

// Fault sets a fault. Several may befall one request: all hooks run, and the
// first that was set and does more than that acts.
func (s *Server) Fault(f Fault) *Injected {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := &Injected{s: s, fault: f}
	s.faults = append(s.faults, i)
	return i
}

// ClearFaults takes all faults away.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Remove takes the fault away.
func (i *Injected) Remove() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.s.faults = slices.DeleteFunc(slices.Clone(i.s.faults), func(other *Injected) bool { return other == i })
}

// Hits is the number of requests that the fault befell.
func (i *Injected) Hits() int {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	return i.hits
}

// befalls counts a request and reports whether the fault is for it. s.mu is
// held.
func (i *Injected) befalls(e *Request) bool {
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

// match finds the faults of this request.
func (x *exchange) match() (before, after []func()) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	for _, i := range x.s.faults {
		if !i.befalls(x.entry) {
			continue
		}
		if i.fault.Before != nil {
			before = append(before, i.fault.Before)
		}
		if i.fault.After != nil {
			after = append(after, i.fault.After)
		}
		if x.acting == nil && i.fault.acts() {
			x.acting = i
		}
	}
	return before, after
}

// rewrite makes of an answer what the fault says.
func (x *exchange) rewrite(f Fault, a answer) answer {
	if f.Status != 0 {
		x.s.mu.Lock()
		a = x.failed(newFailure(f.Status, "Fault", "%s", http.StatusText(f.Status)))
		x.s.mu.Unlock()
	}
	if f.Body != "" {
		a.body = []byte(f.Body)
	}
	if f.Edit != nil {
		var body map[string]any
		if json.Unmarshal(a.body, &body) == nil {
			f.Edit(body)
			a.body = encode(body)
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
