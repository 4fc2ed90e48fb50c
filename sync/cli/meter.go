package cli

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/metrics"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/report"
)

// meter is what drift --metrics tells of a run. It is written whatever comes of
// the run, so that an alert sees that, too. The zero meter writes nothing.
type meter struct {
	path  string
	file  *metrics.File
	began time.Time

	mu       sync.Mutex
	projects []*metered
}

// metered is one project of the run.
type metered struct {
	metrics.Project
	began atomic.Int64 // when its first request was sent, in Unix nanoseconds; 0 before
}

func (m *meter) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&m.path, "metrics", "", "`FILE` for Prometheus, ending in "+metrics.Extension+" as the node exporter wants it: rules by state, last success, requests, retries, duration")
}

// about says which projects the run is about.
func (m *meter) about(targets []*target) {
	for _, t := range targets {
		m.project(t.name, time.Time{})
	}
}

// open reads the file of the run before, and sees whether it can be written.
func (m *meter) open(now time.Time) (err error) {
	m.began = now
	if m.path == "" {
		return nil
	}
	if m.file, err = metrics.Open(m.path); err != nil {
		return invalidf("for example --metrics /var/lib/node_exporter/textfile/mkhooks.prom", "--metrics %s: %w", m.path, err)
	}
	return nil
}

// project returns where the requests to a project are counted. expiry is when
// its token ends, zero where that is not known.
func (m *meter) project(name string, expiry time.Time) *metered {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.find(name)
	if p == nil {
		p = &metered{Project: metrics.Project{Name: report.Escape(name), Requests: &metrics.Requests{}}}
		m.projects = append(m.projects, p)
	}
	if !expiry.IsZero() {
		p.TokenExpiry = expiry
	}
	return p
}

func (m *meter) find(name string) *metered {
	i := slices.IndexFunc(m.projects, func(p *metered) bool { return p.Name == report.Escape(name) })
	if i < 0 {
		return nil
	}
	return m.projects[i]
}

// ended says that all was read of a project that is told of it.
func (m *meter) ended(name string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.find(name); p != nil {
		p.Duration = now.Sub(time.Unix(0, p.began.Load()))
	}
}

// read says what came of the projects.
func (m *meter) read(s *survey, deliveries bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range s.plan.Projects {
		if p := m.find(s.targets[i].name); p != nil && s.found[i].err == nil {
			p.Plan, p.Deliveries = &s.plan.Projects[i], deliveries
		}
	}
}

// writeMetrics writes what the run came to, and returns the exit code that it
// ends with then.
func (a *app) writeMetrics(code int) int {
	m := &a.meter
	if m.file == nil {
		return code
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	run := metrics.Run{Version: version(), Began: m.began, Finished: a.Now(), ExitCode: code}
	for _, p := range m.projects {
		run.Projects = append(run.Projects, p.Project)
	}
	if err := m.file.Write(run); err != nil {
		return worse(code, a.finish(failed(errors.New(report.Escape(err.Error())))))
	}
	return code
}

// requestLog is told of each request to a project: what -v prints of it, and
// what is counted.
func (a *app) requestLog(p *metered) func(mkio.RequestLog) {
	return func(l mkio.RequestLog) {
		p.began.CompareAndSwap(0, a.Now().Add(-l.Duration).UnixNano())
		p.Requests.Add(l.Method, l.Status, l.Attempt)
		if a.verbose {
			a.logRequest(l)
		}
	}
}
