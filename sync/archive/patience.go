package archive

import (
	"context"
	"fmt"
	"time"
)

// maxReads limits how often a history that changes is read, in total.
const maxReads = 5

// The first wait for a history to settle, and the longest. Waits double.
const (
	firstReadWait = 250 * time.Millisecond
	longReadWait  = 5 * time.Second
)

// Patience limits how often and for how long a history that changes is read again.
// All readings for one delete share one Patience.
type Patience struct {
	limit time.Duration
	sleep func(context.Context, time.Duration) bool

	began   time.Time // the end of the first reading
	waited  time.Duration
	next    time.Duration
	again   int // readings after the first reading
	stopped bool
}

// NewPatience returns a Patience that waits for at most limit in total. With limit
// 0, a history is read once. sleep waits, and returns false if the run was stopped
// meanwhile.
func NewPatience(limit time.Duration, sleep func(context.Context, time.Duration) bool) *Patience {
	return &Patience{limit: limit, sleep: sleep, next: firstReadWait}
}

// WaitForRest waits until the history rests, and returns true if it may be read once
// more. It returns false if the readings or the time are used up, or if the run was
// stopped; see [Patience.WasStopped].
//
// A reading of a long history is expensive, and wasted if it begins in a burst of
// records. So Again reads the first page twice after each wait. While the two
// differ, it spends only time.
func (p *Patience) WaitForRest(ctx context.Context, src Source) (bool, error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	for p.again+1 < maxReads {
		// A test's clock does not move, so the waits also count.
		left := p.limit - max(p.waited, time.Since(p.began))
		if left < firstReadWait {
			break
		}
		wait := min(p.next, left)
		if !p.sleep(ctx, wait) {
			p.stopped = true
			break
		}
		p.waited += wait
		p.next = min(2*p.next, longReadWait)
		rests, err := isAtRest(ctx, src)
		if err != nil {
			return false, err
		}
		if rests {
			p.again++
			return true, nil
		}
	}
	return false, nil
}

// isAtRest reports whether two reads of the first page in a row are equal.
func isAtRest(ctx context.Context, src Source) (bool, error) {
	one, err := readFirstPage(ctx, src)
	if err != nil {
		return false, err
	}
	two, err := readFirstPage(ctx, src)
	return one.isEqual(two), err
}

// WasStopped reports whether the run was stopped while it waited.
func (p *Patience) WasStopped() bool { return p.stopped }

// Describe describes the readings and the limit of time, for messages: "5 readings
// (waiting at most 30s)".
func (p *Patience) Describe() string {
	readings := "1 reading"
	if p.again > 0 {
		readings = fmt.Sprintf("%d readings", p.again+1)
	}
	return fmt.Sprintf("%s (waiting at most %s)", readings, p.limit)
}

// StoppedError reports that the run was stopped before the history was stored.
type StoppedError struct{}

// Error returns where the run stopped.
func (*StoppedError) Error() string {
	return "stopped while it waited for the delivery history to settle"
}
