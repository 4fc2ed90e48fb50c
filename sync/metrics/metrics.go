// Package metrics tells a Prometheus what a run of drift found: a file in its
// text format, for the node exporter's textfile collector or a push gateway.
//
// A run is no server: nobody counts on from one to the next, so all of it are
// gauges, and none is called total. What a run could not find out is left out
// and not told as 0; when a run last went well is kept from the file before, so
// that it outlives the runs that fail.
//
// It knows nothing of how drift is found, and holds no secret.
package metrics

import (
	"slices"
	"sync"
	"time"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// Run is one run, at its end.
type Run struct {
	// Version is that of mkhooks.
	Version  string
	Began    time.Time
	Finished time.Time
	// ExitCode is what the run ends with.
	ExitCode int
	// Projects are those that the run was about; empty where it ended before
	// they were known.
	Projects []Project
}

// Project is what a run found out about one project.
type Project struct {
	Name string
	// Plan is nil where the project could not be read whole.
	Plan *plan.Project
	// Deliveries is true where the plan says which deliveries fail.
	Deliveries bool
	// Duration is what reading it took; 0 where that is not known.
	Duration time.Duration
	// Requests are those that were sent; nil where none was.
	Requests *Requests
	// TokenExpiry is zero where the token does not say when it ends.
	TokenExpiry time.Time
}

// readable reports whether all projects were read.
func (r Run) readable() bool {
	return len(r.Projects) > 0 && !slices.ContainsFunc(r.Projects, func(p Project) bool { return p.Plan == nil })
}

// States are the values of the label state of mkhooks_rules. Each rule that the
// run looked at is in one of them.
var States = []string{
	"in_sync",
	// What would be changed, by which side moved: contract, section 4.
	"drift", "pending", "both", "new", "gone", "adopt", "unknown",
	// No difference is seen, but not all is known.
	"unsettled",
	// What no file names and is left alone, and why.
	"unmanaged", "foreign", "copied", "kept",
}

// byState counts the rules of a plan. Its directions and reasons are states.
func byState(p *plan.Project) map[string]int {
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

// request is what a count of requests is told by.
type request struct{ method, status string }

// Add counts a request; status 0 means that no answer came. attempt counts from
// 1: what is above is a retry.
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
