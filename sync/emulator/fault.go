package emulator

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// Fault is what goes wrong with some requests. The first fault that matches a
// request is taken.
type Fault struct {
	// Kind matches the kind of request, Rule its rule; empty matches any.
	Kind Kind
	Rule string
	// Skip lets as many matching requests pass first; Times is how many are
	// hit after that, 0 means one, a negative number all.
	Skip, Times int

	// Status is answered instead, with Header and Body; an empty Body is the
	// service's error body. The request has no effect.
	Status int
	Header http.Header
	Body   string
	// Rewrite changes a successful answer's bytes.
	Rewrite func([]byte) []byte
	// Before and After run around the handling of the request: someone else's
	// change, or a history that moves.
	Before, After func()
	// Break breaks the connection in a way of its own.
	Break Break
}

// Break is a way to break a connection.
type Break string

// The ways.
const (
	BreakBefore Break = "before" // closed before the request is handled
	BreakAfter  Break = "after"  // closed after it took effect, without an answer
	BreakBody   Break = "body"   // closed in the middle of the answer's body
	BreakStall  Break = "stall"  // no answer until the client gives up
)

type fault struct {
	Fault
	seen int
}

// Fault adds a fault.
func (s *Server) Fault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &fault{Fault: f})
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// matchFault counts a request for every fault it fits and returns the first
// that hits it.
func (s *Server) matchFault(op operation) *fault {
	var hit *fault
	for _, f := range s.faults {
		if f.Kind != "" && f.Kind != op.Kind || f.Rule != "" && f.Rule != op.rule {
			continue
		}
		f.seen++
		if hit == nil && f.seen > f.Skip && (f.Times < 0 || f.seen <= f.Skip+f.Times) {
			hit = f
		}
	}
	return hit
}

func (f *fault) cuts() bool { return f.Break != "" }

// cut breaks the connection; handle lets the request take effect first.
func (f *fault) cut(w http.ResponseWriter, r *http.Request, handle func() reply) {
	var data []byte
	switch f.Break {
	case BreakStall:
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	case BreakAfter:
		handle()
	case BreakBody:
		data = marshal(handle().body)
	}
	if f.After != nil {
		f.After()
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2, or no connection of its own
	}
	defer conn.Close()
	if f.Break == BreakBody {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(data), data[:len(data)/2])
	}
	if tcp, ok := conn.(*net.TCPConn); ok && f.Break != BreakBody {
		_ = tcp.SetLinger(0) // a reset, not an orderly end
	}
}
