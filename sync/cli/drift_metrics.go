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

// driftMetrics collects the metrics of drift --metrics. They are written even
// if the run fails, so that alerts detect failures. The zero value writes
// nothing.
type driftMetrics struct {
	path  string
	file  *metrics.File
	began time.Time

	mu       sync.Mutex
	projects []*projectMetrics
}

// projectMetrics contains the metrics of one project.
type projectMetrics struct {
	metrics.Project
	began atomic.Int64 // time of the first request, in Unix nanoseconds; 0 before it
}

func (m *driftMetrics) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&m.path, "metrics", "", "`FILE`: write metrics for Prometheus to this "+metrics.Extension+" file")
}

// addProjects adds the projects of the run.
func (m *driftMetrics) addProjects(targets []*projectSettings) {
	for _, t := range targets {
		m.startProject(t.name, time.Time{})
	}
}

// openFile reads the metrics of the previous run and checks that the file is
// writable.
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

// startProject returns the request counters of a project. expiry is the end of
// its token; zero if unknown.
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

// recordEnd records the duration of a project after its last request.
func (m *driftMetrics) recordEnd(name string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.findProject(name); p != nil {
		p.Duration = now.Sub(time.Unix(0, p.began.Load()))
	}
}

// recordResults records the plans of all readable projects.
func (m *driftMetrics) recordResults(s *multiPlan, deliveries bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range s.plan.Projects {
		if p := m.findProject(s.targets[i].name); p != nil && s.results[i].err == nil {
			p.Plan, p.Deliveries = &s.plan.Projects[i], deliveries
		}
	}
}

// writeMetrics writes the metrics and returns the exit code. A failed write
// makes the code worse.
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
		return worseCode(code, a.reportError(failed(errors.New(report.Escape(err.Error())))))
	}
	return code
}

// requestLog returns the logger of a project's requests. It counts each request
// and prints it with -v.
func (a *app) requestLog(p *projectMetrics) func(mkio.RequestLog) {
	return func(l mkio.RequestLog) {
		p.began.CompareAndSwap(0, a.Now().Add(-l.Duration).UnixNano())
		p.Requests.Add(l.Method, l.Status, l.Attempt)
		if a.verbose {
			a.logRequest(l)
		}
	}
}
