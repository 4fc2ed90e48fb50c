package mkio

import (
	"context"
	"sync"
	"time"
)

// window is the time over which the service counts requests.
const window = 60 * time.Second

// limiter is one kind of requests (reading or writing), which share a rate limit
// and, after a 429, a pause.
//
// The limit is a number of places. A request takes one before it leaves, and
// gives it back a window after its answer: so the service, by its own clock,
// never sees more requests in a window than there are places, whatever the
// time in transit, and below the limit nothing waits. A token bucket would let
// nearly twice as many through.
type limiter struct {
	places chan struct{} // nil means no limit

	mu    sync.Mutex
	until time.Time
}

// newLimiter returns a lane of limit places; a negative limit is none.
func newLimiter(limit int) *limiter {
	if limit < 0 {
		return &limiter{}
	}
	return &limiter{places: make(chan struct{}, limit)}
}

// acquire waits for a place and says how long that took.
func (l *limiter) acquire(ctx context.Context) (waited time.Duration, err error) {
	if l.places == nil {
		return 0, nil
	}
	began := time.Now()
	select {
	case l.places <- struct{}{}:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return time.Since(began), err
}

// release gives a place back with which nothing was sent.
func (l *limiter) release() {
	if l.places != nil {
		<-l.places
	}
}

// releaseAfterWindow gives a place back once the service has forgotten the request: the
// answer came just now, or none will.
func (l *limiter) releaseAfterWindow() {
	if l.places != nil {
		time.AfterFunc(window, l.release)
	}
}

// pause holds back every request of this kind for d.
func (l *limiter) pause(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.until) {
		l.until = until
	}
}

// paused is how long the pause still lasts; 0 or less where there is none.
func (l *limiter) paused() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until)
}

// waitPause returns when there is no pause, or with the error of ctx.
func (l *limiter) waitPause(ctx context.Context) error {
	for {
		d := l.paused()
		if d <= 0 {
			return ctx.Err()
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
}

// Semaphore limits how many requests of several clients are on their way at once.
type Semaphore chan struct{}

// NewSemaphore returns a gate for most requests.
func NewSemaphore(most int) Semaphore { return make(Semaphore, most) }

// acquire waits for a place and says how long that took.
func (g Semaphore) acquire(ctx context.Context) (waited time.Duration, err error) {
	if g == nil {
		return 0, nil
	}
	began := time.Now()
	select {
	case g <- struct{}{}:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return time.Since(began), err
}

func (g Semaphore) release() {
	if g != nil {
		<-g
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
