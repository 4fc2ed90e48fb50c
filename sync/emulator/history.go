package emulator

import (
	"bytes"
	"net/http"
	"slices"
	"time"
)

// Event is one record of a delivery history.
type Event struct {
	// Created is now if it is zero.
	Created time.Time
	// Source, Type and Status have a plausible default.
	Source, Type, Status string
}

// The statuses of a record.
const (
	Pending  = "Pending"
	Retrying = "Retrying"
	Failed   = "Failed"
	Sent     = "Sent"
)

// record is an event with a sequence number, to which cursors refer.
type record struct {
	seq uint64
	Event
}

// appendRecords appends records to the history of r.
func (s *Server) appendRecords(r *rule, events []Event) {
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
		r.history = append(r.history, record{s.nextSeq(), e})
	}
}

// listEvents handles the list of a delivery history.
func (x *exchange) listEvents() (response, *failure) {
	s := x.s
	r := s.rules[x.at.rule]
	if r == nil {
		return response{}, s.ruleNotFound(x.at.rule)
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
	p, f := x.findPage(listing{n: len(readable), total: len(r.history), desc: newest, key: func(i int) string { return seqKey(at(i).seq) }})
	if f != nil {
		return response{}, f
	}
	// A history may have a million records. Records are appended as text, which
	// takes a tenth of the time of encoding/json.
	a := jsonResponse(http.StatusOK, p.responseBody("webhookEvent", []any{}, p.end-p.start, !s.o.NoSupplemental))
	list, ok := bytes.CutSuffix(a.body, []byte("[]}\n"))
	if !ok {
		panic("emulator: value is not the last field of a page")
	}
	list = append(list, '[')
	for i := p.start; i < p.end; i++ {
		if i > p.start {
			list = append(list, ',')
		}
		list = at(i).appendJSON(list)
	}
	a.body = append(list, "]}\n"...)
	return a, nil
}

// appendJSON appends the JSON form of a record.
func (e record) appendJSON(out []byte) []byte {
	out = append(out, `{"created":"`...)
	out = e.Created.UTC().AppendFormat(out, time.RFC3339Nano)
	out = append(out, `","source":`...)
	out = appendText(out, e.Source)
	out = append(out, `,"status":`...)
	out = appendText(out, e.Status)
	out = append(out, `,"type":`...)
	out = appendText(out, e.Type)
	return append(out, '}')
}

// appendText appends a JSON string. Strings that need an escape go through
// encoding/json.
func appendText(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(out, bytes.TrimSuffix(encodeJSON(s), []byte("\n"))...)
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}

// Deliver simulates an event: every enabled rule with this event type gets a
// record with this status. It returns the sorted names of these rules. A
// disabled rule gets no record.
func (s *Server) Deliver(eventType, status string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, r := range s.rules {
		events, _ := r.spec["events"].([]any)
		if r.spec["enabled"] == true && slices.Contains(events, any(eventType)) {
			s.appendRecords(r, []Event{{Type: eventType, Status: status}})
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
