package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/history"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/progress"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// maxHistories limits the histories that are read in parallel. Each of them holds
// a page or two in memory.
const maxHistories = 8

// historyReader reads, sums up and stores delivery histories.
type historyReader struct {
	a          *app
	client     *mkio.Client
	store      archive.Store // nil if nothing is stored
	rules      []webhook.Rule
	since, now time.Time
	commit     string
	// task counts records, if that shows more progress than counting rules.
	task *progress.Task
	// given: a request failed for --retry-for, or the token was refused. The
	// reader then sends no more requests.
	gaveUp atomic.Pointer[error]

	mu   sync.Mutex
	errs map[string]error // by rule, for the requests that were sent
}

// writeSummary reads all histories and writes their summary.
func (h *historyReader) writeSummary(ctx context.Context, doc *history.Document, brief bool) error {
	done := h.a.progress.Task("read histories", len(h.rules))
	defer done.Done()
	if len(h.rules) == 1 {
		h.task = h.a.progress.Task("read records", 0)
		defer h.task.Done()
	}
	doc.Rules = make([]history.Rule, len(h.rules))
	group, ctx := parallel.WithContext(ctx)
	group.SetLimit(maxHistories)
	for i, r := range h.rules {
		group.Go(func() error {
			doc.Rules[i] = h.readHistory(ctx, r)
			done.Add(1)
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if brief {
		history.SortWorstFirst(doc.Rules)
	}
	doc.Summarize()
	return h.a.writeDocument(historyDocument(doc, brief))
}

// listRecords writes the records of all rules, rule by rule, and then their
// summary.
func (h *historyReader) listRecords(ctx context.Context, doc *history.Document) error {
	h.task = h.a.progress.Task("read records", 0)
	defer h.task.Done()
	h.a.documentWritten = true
	out := report.NewHistoryRecords(h.a.Stdout, report.Format(h.a.format), h.a.textOptions(h.a.StdoutTTY))
	doc.Rules = []history.Rule{}
	for _, r := range h.rules {
		reading := history.NewReading(h.since, h.now)
		var broken error
		err := h.callService(r.Name, func() error {
			return h.readEvents(ctx, r.Name, func(p mkio.EventPage) error {
				reading.AddPage(p.Events, p.Total, p.HasTotal)
				reading.Contradict(p.Contradiction)
				for _, e := range p.Events {
					if broken != nil || !reading.Includes(e) {
						continue
					}
					record := history.RecordOf(r.Name, e)
					h.client.Mask(&record)
					broken = out.Write(record)
				}
				return broken
			})
		})
		switch {
		case broken != nil:
			return failed(fmt.Errorf("write standard output: %w", broken))
		case ctx.Err() != nil:
			err = errors.New("interrupted") // the printed document stays complete
		}
		doc.Rules = append(doc.Rules, reading.Result(r.Name, r.Spec.Enabled, err))
	}
	doc.Summarize()
	h.client.Mask(doc)
	if err := out.Close(doc); err != nil {
		return failed(fmt.Errorf("write standard output: %w", err))
	}
	return ctx.Err()
}

// readEvents reads a history and counts its records.
func (h *historyReader) readEvents(ctx context.Context, rule string, each func(mkio.EventPage) error) error {
	begun := false
	return h.client.ReadEvents(ctx, rule, func(p mkio.EventPage) error {
		if !begun && p.HasTotal {
			h.task.Grow(p.Total)
		}
		begun = true
		h.task.Add(len(p.Events))
		return each(p)
	})
}

// firstError returns the first error in rule order.
func (h *historyReader) firstError() error {
	for _, r := range h.rules {
		if err := h.errs[r.Name]; err != nil {
			return fmt.Errorf("that of rule %q: %w", r.Name, err)
		}
	}
	return errors.New("not known")
}

// callService runs a request, unless the service has already failed for good.
func (h *historyReader) callService(rule string, request func() error) error {
	if before := h.gaveUp.Load(); before != nil {
		return fmt.Errorf("not asked for, because the service failed before: %w", *before)
	}
	err := request()
	if err != nil {
		h.mu.Lock()
		h.errs[rule] = err
		h.mu.Unlock()
	}
	var e *mkio.Error
	if errors.As(err, &e) && (e.GaveUp > 0 || e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) {
		h.gaveUp.CompareAndSwap(nil, &err)
	}
	return err
}

// readHistory reads a complete history. With --export it also stores the
// history.
func (h *historyReader) readHistory(ctx context.Context, r webhook.Rule) history.Rule {
	if h.store == nil {
		reading := history.NewReading(h.since, h.now)
		err := h.callService(r.Name, func() error {
			return h.readEvents(ctx, r.Name, func(p mkio.EventPage) error {
				reading.AddPage(p.Events, p.Total, p.HasTotal)
				reading.Contradict(p.Contradiction)
				return nil
			})
		})
		return reading.Result(r.Name, r.Spec.Enabled, err)
	}
	s := &countingSource{h: h, rule: r.Name}
	var c *archive.StoredHistory
	err := h.callService(r.Name, func() (err error) {
		c, err = archive.Save(ctx, h.store, h.archiveRequest(r), s.readPages, archive.NewPatience(defaultDrain, waitFor))
		return err
	})
	out := s.ruleResult(r.Spec.Enabled, err)
	if err == nil {
		out.Archive = &history.Archive{Location: c.Receipt.Location, Records: c.Receipt.Records, SHA256: c.Receipt.SHA256, Active: s.active}
	}
	return out
}

// waitFor waits for d. It returns false if ctx ends first.
func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (h *historyReader) archiveRequest(r webhook.Rule) archive.Request {
	who := readIdentity(h.a.Getenv)
	return archive.Request{
		Project: h.client.Project(), BaseURL: h.client.BaseURL(), Rule: r, WasEnabled: r.Spec.Enabled,
		When: h.now, By: who.actor, Host: who.host, Commit: cmp.Or(who.commit, h.commit), Tool: "mkhooks " + version(), AllowActive: true,
		Mask: h.client.Mask,
	}
}

// countingSource sums up the pages that the archive reads. The archive reads a
// history several times, and stores the last complete reading.
type countingSource struct {
	h        *historyReader
	rule     string
	complete *history.Reading
	partial  *history.Reading
	active   int
}

func (s *countingSource) readPages(ctx context.Context, each func(archive.Page) error) error {
	reading, active := history.NewReading(s.h.since, s.h.now), 0
	s.partial = reading
	err := s.h.readEvents(ctx, s.rule, func(p mkio.EventPage) error {
		reading.AddPage(p.Events, p.Total, p.HasTotal)
		reading.Contradict(p.Contradiction)
		for _, e := range p.Events {
			if e.Status.IsActive() {
				active++
			}
		}
		return each(archive.Page(p))
	})
	if err == nil {
		s.complete, s.active = reading, active
	}
	return err
}

func (s *countingSource) ruleResult(enabled bool, err error) history.Rule {
	if s.complete != nil {
		out := s.complete.Result(s.rule, enabled, nil)
		var notWhole *archive.IncompleteError
		switch {
		case errors.As(err, &notWhole):
			out.Error = notWhole.Reason // the remedy in the error applies only to a delete
		case err != nil:
			out.Error = err.Error()
		}
		return out
	}
	reading := s.partial
	if reading == nil { // the store failed before the first page
		reading = history.NewReading(s.h.since, s.h.now)
	}
	return reading.Result(s.rule, enabled, err)
}
