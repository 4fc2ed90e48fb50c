// Package metrics reports the result of a drift run to Prometheus. It writes a
// file in the text format, for the node exporter's textfile collector or a push
// gateway.
//
// A run is not a server and no counter continues from run to run. So all
// metrics are gauges, and no name ends in total. A value that the run could not
// determine is omitted, not 0. The time of the last success is kept from the
// previous file, so that it survives failed runs.
//
// The package does not know how drift is found, and holds no secret.
package metrics

import (
	"slices"
	"sync"
	"time"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// Run is one run, at its end.
type Run struct {
	// Version is the version of mkhooks.
	Version  string
	Began    time.Time
	Finished time.Time
	// ExitCode is the exit code of the run.
	ExitCode int
	// Projects are the projects of the run, empty if the run ended before they
	// were known.
	Projects []Project
}

// Project is the result of a run for one project.
type Project struct {
	Name string
	// Plan is nil if the project could not be read completely.
	Plan *plan.Project
	// Deliveries is true if the plan contains the failing deliveries.
	Deliveries bool
	// Duration is how long the reading took; 0 if unknown.
	Duration time.Duration
	// Requests counts the sent requests; nil if none was sent.
	Requests *Requests
	// TokenExpiry is zero if the token does not contain its expiry.
	TokenExpiry time.Time
}

// isReadable reports whether all projects were read.
func (r Run) isReadable() bool {
	return len(r.Projects) > 0 && !slices.ContainsFunc(r.Projects, func(p Project) bool { return p.Plan == nil })
}

// States are the values of the label state of mkhooks_rules. Each rule of the
// run is in exactly one state.
var States = []string{
	"in_sync",
	// Changes by their direction: contract, section 4.
	"drift", "pending", "both", "new", "gone", "adopt", "unknown",
	// No difference is seen, but some values are unknown.
	"unsettled",
	// Rules that no file defines and that are left alone, by reason.
	"unmanaged", "foreign", "copied", "kept",
}

// countByState counts the rules of a plan by state. Directions and reasons are
// states.
func countByState(p *plan.Project) map[string]int {
	n := map[string]int{"in_sync": p.InSync, "unsettled": len(p.Uncertain)}
	for _, c := range p.Changes {
		n[string(c.Direction)]++
	}
	for _, u := range p.Unmanaged {
		n[string(u.Reason)]++
	}
	return n
}

// Requests counts the requests to one project. It is safe for use by several
// goroutines.
type Requests struct {
	mu      sync.Mutex
	sent    map[request]int
	retries int
}

// request is the key of a count of requests.
type request struct{ method, status string }

// Add counts a request. Status 0 means that no response came. Attempts count
// from 1: a higher number is a retry.
func (r *Requests) Add(method string, status, attempt int) {
	class := "none"
	if status > 0 {
		class = string(rune('0'+status/100%10)) + "xx"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sent == nil {
		r.sent = map[request]int{}
	}
	r.sent[request{method, class}]++
	if attempt > 1 {
		r.retries++
	}
}
