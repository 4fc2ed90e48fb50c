package mkio

import (
	"context"
	"sync"
	"time"
)

// window is the time over which the service counts requests.
const window = 60 * time.Second

// limiter limits one kind of requests (reads or writes), which share a rate limit
// and, after a 429, a pause.
//
// The limit is a number of slots. A request takes a slot before it leaves, and
// returns it one window after its response. So the service, by its clock, never
// sees more requests in a window than there are slots, whatever the time in
// transit. Below the limit nothing waits. A token bucket would let nearly twice as
// many requests through.
type limiter struct {
	places chan struct{} // nil means no limit

	mu    sync.Mutex
	until time.Time
}

// newLimiter returns a limiter with limit slots; a negative limit means none.
func newLimiter(limit int) *limiter {
	if limit < 0 {
		return &limiter{}
	}
	return &limiter{places: make(chan struct{}, limit)}
}

// acquire takes a slot and returns how long it waited.
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

// release returns a slot that was not used for a request.
func (l *limiter) release() {
	if l.places != nil {
		<-l.places
	}
}

// releaseAfterWindow returns a slot when the service has forgotten the request.
// Call it when the response came or no response will come.
func (l *limiter) releaseAfterWindow() {
	if l.places != nil {
		time.AfterFunc(window, l.release)
	}
}

// pauseFor holds back every request of this kind for d.
func (l *limiter) pauseFor(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.until) {
		l.until = until
	}
}

// pauseLeft returns the rest of the pause; 0 or less means no pause.
func (l *limiter) pauseLeft() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until)
}

// waitPause returns when no pause is left, or with the error of ctx.
func (l *limiter) waitPause(ctx context.Context) error {
	for {
		d := l.pauseLeft()
		if d <= 0 {
			return ctx.Err()
		}
		if err := sleepContext(ctx, d); err != nil {
			return err
		}
	}
}

// Semaphore limits how many requests of several clients are in flight at once.
type Semaphore chan struct{}

// NewSemaphore returns a semaphore for most requests.
func NewSemaphore(most int) Semaphore { return make(Semaphore, most) }

// acquire takes a slot and returns how long it waited.
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

func sleepContext(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
