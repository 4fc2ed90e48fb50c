package emulator

import (
	"net/http"
	"slices"
	"time"
)

// Event is one record of a delivery history.
type Event struct {
	// Created is now where it is zero.
	Created time.Time
	// Source, Type and Status have a plausible value where they are empty.
	Source, Type, Status string
}

// The statuses of a record.
const (
	Pending  = "Pending"
	Retrying = "Retrying"
	Failed   = "Failed"
	Sent     = "Sent"
)

// record is an event with its place in time: cursors hold on to it.
type record struct {
	seq uint64
	Event
}

// add appends records to the history of r.
func (s *Server) add(r *rule, events []Event) {
	for _, e := range events {
		if e.Created.IsZero() {
			e.Created = s.o.Now()
		}
		if e.Source == "" {
			e.Source = "/projects/" + s.o.Project + "/jobs/" + itoa(len(r.history)+1)
		}
		if e.Type == "" {
			e.Type = "MediaKind.JobFinished"
		}
		if e.Status == "" {
			e.Status = Sent
		}
		r.history = append(r.history, record{s.next(), e})
	}
}

// events lists a delivery history.
func (x *exchange) events() (answer, *failure) {
	s := x.s
	r := s.rules[x.at.rule]
	if r == nil {
		return answer{}, s.missing(x.at.rule)
	}
	readable := r.history
	if n := s.o.ReadableRecords; n > 0 {
		readable = readable[max(0, len(readable)-n):]
	}
	newest := s.o.RecordOrder != OldestFirst
	at := func(i int) record {
		if newest {
			return readable[len(readable)-1-i]
		}
		return readable[i]
	}
	p, f := x.page(listing{n: len(readable), total: len(r.history), desc: newest, key: func(i int) string { return seqKey(at(i).seq) }})
	if f != nil {
		return answer{}, f
	}
	value := []any{}
	for i := p.start; i < p.end; i++ {
		e := at(i)
		value = append(value, map[string]any{"created": e.Created.UTC().Format(time.RFC3339Nano), "source": e.Source, "type": e.Type, "status": e.Status})
	}
	return jsonAnswer(http.StatusOK, p.body("webhookEvent", value, !s.o.NoSupplemental)), nil
}

// Deliver acts as if an event of this type had come: every enabled rule that
// asks for it has one more record, with this status. It returns the names of
// these rules, sorted. A paused rule gets none.
func (s *Server) Deliver(eventType, status string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, r := range s.rules {
		events, _ := r.spec["events"].([]any)
		if r.spec["enabled"] == true && slices.Contains(events, any(eventType)) {
			s.add(r, []Event{{Type: eventType, Status: status}})
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
