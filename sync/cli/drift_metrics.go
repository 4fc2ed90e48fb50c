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

// driftMetrics is what drift --metrics tells of a run. It is written whatever comes of
// the run, so that an alert sees that, too. The zero meter writes nothing.
type driftMetrics struct {
	path  string
	file  *metrics.File
	began time.Time

	mu       sync.Mutex
	projects []*projectMetrics
}

// projectMetrics is one project of the run.
type projectMetrics struct {
	metrics.Project
	began atomic.Int64 // when its first request was sent, in Unix nanoseconds; 0 before
}

func (m *driftMetrics) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&m.path, "metrics", "", "`FILE` for Prometheus, ending in "+metrics.Extension+" as the node exporter wants it: rules by state, last success, requests, retries, duration")
}

// addProjects says which projects the run is about.
func (m *driftMetrics) addProjects(targets []*projectSettings) {
	for _, t := range targets {
		m.startProject(t.name, time.Time{})
	}
}

// openFile reads the file of the run before, and sees whether it can be written.
func (m *driftMetrics) openFile(now time.Time) (err error) {
	m.began = now
	if m.path == "" {
		return nil
	}
	if m.file, err = metrics.Open(m.path); err != nil {
		return invalidf("for example --metrics /var/lib/node_exporter/textfile/mkhooks.prom", "--metrics %s: %w", m.path, err)
	}
	return nil
}

// startProject returns where the requests to a project are counted. expiry is when
// its token ends, zero where that is not known.
func (m *driftMetrics) startProject(name string, expiry time.Time) *projectMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.findProject(name)
	if p == nil {
		p = &projectMetrics{Project: metrics.Project{Name: report.Escape(name), Requests: &metrics.Requests{}}}
		m.projects = append(m.projects, p)
	}
	if !expiry.IsZero() {
		p.TokenExpiry = expiry
	}
	return p
}

func (m *driftMetrics) findProject(name string) *projectMetrics {
	i := slices.IndexFunc(m.projects, func(p *projectMetrics) bool { return p.Name == report.Escape(name) })
	if i < 0 {
		return nil
	}
	return m.projects[i]
}

// recordEnd says that all was read of a project that is told of it.
func (m *driftMetrics) recordEnd(name string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.findProject(name); p != nil {
		p.Duration = now.Sub(time.Unix(0, p.began.Load()))
	}
}

// recordResults says what came of the projects.
func (m *driftMetrics) recordResults(s *multiPlan, deliveries bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range s.plan.Projects {
		if p := m.findProject(s.targets[i].name); p != nil && s.results[i].err == nil {
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
		return worse(code, a.reportError(failed(errors.New(report.Escape(err.Error())))))
	}
	return code
}

// requestLog is told of each request to a project: what -v prints of it, and
// what is counted.
func (a *app) requestLog(p *projectMetrics) func(mkio.RequestLog) {
	return func(l mkio.RequestLog) {
		p.began.CompareAndSwap(0, a.Now().Add(-l.Duration).UnixNano())
		p.Requests.Add(l.Method, l.Status, l.Attempt)
		if a.verbose {
			a.logRequest(l)
		}
	}
}
