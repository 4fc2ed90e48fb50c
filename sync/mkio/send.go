package mkio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// call is one API request, with as many attempts as needed.
type call struct {
	method string
	url    *url.URL
	body   []byte
	// what it does, for messages: `read rule "x"`.
	what string
	// needs is the capability that the token must have.
	needs string
	// accept is a status beside 2xx that is not an error, if the service itself
	// sent it; 0 for none.
	accept int
	// bodiless is true if the status alone is the result. Then a broken body is not
	// an error.
	bodiless bool
	// precheck runs directly before an attempt; see [Precheck].
	precheck Precheck
}

// Precheck reads the rule again directly before a write leaves: the service has no
// compare-and-swap.
type Precheck struct {
	// Run does the check. Its error ends the call, and nothing more is sent. nil
	// means no precheck.
	Run func(context.Context) error
	// ReadAt is the time of the check before the call. The precheck runs again if
	// the write had to wait and the check is older than a few seconds. Zero means
	// that it must run directly before each attempt.
	ReadAt time.Time
}

// isStale reports whether the precheck must run again before a write leaves.
func (l Precheck) isStale() bool { return l.Run != nil && time.Since(l.ReadAt) > maxPrecheckAge }

const (
	// maxPrecheckAge limits the age of a precheck when the write leaves.
	maxPrecheckAge = 5 * time.Second
	// maxPrechecks limits the repeats if each precheck takes longer than
	// maxPrecheckAge.
	maxPrechecks = 3
)

// response is the response to a call, or an empty response after an error.
type response struct {
	status   int
	body     []byte
	attempts int
	// lost is true if an earlier attempt may have taken effect: it was sent, and no
	// status came back, or only a status that leaves that open.
	lost bool
}

const (
	firstWait = 250 * time.Millisecond
	longWait  = 15 * time.Second
	// maxRetryAfter caps Retry-After: the rate window.
	maxRetryAfter = window
	// maxErrorBody limits how much of an error's body is read and searched. Some
	// 300 characters of it are shown.
	maxErrorBody = 64 << 10
)

// errTokenInPath refuses a request whose path holds the token: proxies and servers
// log paths.
var errTokenInPath = errors.New("the project or the name of a rule holds the token, so nothing was sent")

// sendCall sends a call until it gets a final response or time is up. The error is an
// [*Error], the context's, or the error of the precheck.
func (c *Client) sendCall(ctx context.Context, k call) (response, error) {
	if c.token.Holds([]byte(k.url.EscapedPath())) {
		return response{}, errTokenInPath
	}
	waits := &backoff.ExponentialBackOff{
		InitialInterval: firstWait, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: longWait,
	}
	waits.Reset()
	began := time.Now()
	var limited time.Duration
	lane := c.get
	if k.method != http.MethodGet {
		lane = c.put
	}
	for lost, n := false, 1; ; n++ {
		held, err := c.waitToSend(ctx, lane, k.precheck)
		limited += held
		if err != nil {
			return response{attempts: n - 1, lost: lost}, err
		}
		a, failure := c.sendOnce(ctx, k, n)
		c.o.Gate.release()
		lane.releaseAfterWindow()
		a.attempts, a.lost = n, lost
		if failure == nil {
			return a, nil
		}
		failure.Attempts = n
		if ctx.Err() != nil {
			return a, errors.Join(ctx.Err(), failure)
		}
		if !failure.retry {
			return a, failure
		}
		lost = lost || failure.Status == 0 || failure.Status >= 500 || failure.Status/100 == 2 // and cut short
		wait := max(waits.NextBackOff(), failure.retryAfter)
		left := c.o.RetryFor - (time.Since(began) - limited)
		if wait > left {
			failure.GaveUp = c.o.RetryFor
			if failure.retryAfter > left {
				failure.asked = failure.retryAfter
			}
			a.lost = lost
			return a, failure
		}
		if failure.Status == http.StatusTooManyRequests {
			lane.pauseFor(wait)
			continue // waitPause waits
		}
		if err := sleepContext(ctx, wait); err != nil {
			a.lost = lost
			return a, errors.Join(err, failure)
		}
	}
}

// waitToSend waits until an attempt may leave: for a slot of the limiter, for the
// end of a pause, and for a slot of the semaphore. A stale precheck runs after the
// slot and the pause, but before the semaphore, which the precheck itself passes.
// If the semaphore or the precheck took long, the precheck runs again. A pause may
// begin while a request waits for the semaphore; the request then gives its slot
// there back.
func (c *Client) waitToSend(ctx context.Context, l *limiter, look Precheck) (waited time.Duration, err error) {
	if waited, err = l.acquire(ctx); err != nil {
		return waited, err
	}
	defer func() {
		if err != nil {
			l.release()
		}
	}()
	for looks := 0; ; {
		if err = l.waitPause(ctx); err != nil {
			return waited, err
		}
		if look.isStale() && looks < maxPrechecks {
			at := time.Now()
			if err = look.Run(ctx); err != nil {
				return waited, callbackError{err}
			}
			look.ReadAt = at
			looks++
		}
		held, err := c.o.Gate.acquire(ctx)
		waited += held
		if err != nil {
			return waited, err
		}
		paused := l.pauseLeft() > 0
		if !paused && (!look.isStale() || looks == maxPrechecks) {
			return waited, nil
		}
		if c.o.Gate.release(); paused {
			looks = 0 // a pause may be long
		}
	}
}

// sendOnce sends a call once.
func (c *Client) sendOnce(ctx context.Context, k call, n int) (response, *Error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	began := time.Now()
	log := RequestLog{Method: k.method, Path: k.url.EscapedPath(), Attempt: n}
	defer func() {
		if c.o.Log != nil {
			log.Duration = time.Since(began)
			c.o.Log(log)
		}
	}()
	fail := &Error{Method: k.method, Path: log.Path, What: k.what, needs: k.needs, base: c.BaseURL(), project: c.o.Project, token: c.o.Token}
	req, err := http.NewRequestWithContext(ctx, k.method, k.url.String(), bytes.NewReader(k.body))
	if err != nil {
		fail.Cause = errors.New("the request can't be made")
		return response{}, fail
	}
	c.authorize(req)
	req.Header.Set("Accept", "application/json")
	if c.o.UserAgent != "" {
		req.Header.Set("User-Agent", c.o.UserAgent)
	}
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.fillFromNetworkError(fail, err)
		log.Err = fail.Cause.Error()
		return response{}, fail
	}
	defer resp.Body.Close()
	log.Status, fail.Status = resp.StatusCode, resp.StatusCode
	ok := resp.StatusCode/100 == 2
	if ok && k.bodiless {
		_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // so that the connection can be used again
		return response{status: resp.StatusCode}, nil
	}
	limit := c.o.MaxBody
	if !ok {
		limit = maxErrorBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil && (ok || resp.StatusCode == k.accept):
		c.fillFromNetworkError(fail, err)
		fail.Cause = fmt.Errorf("%w: %w", errCut, fail.Cause)
		log.Err = "cut short"
		return response{status: resp.StatusCode}, fail
	case ok && int64(len(body)) > limit:
		fail.Cause = fmt.Errorf("%w: it is larger than %d MiB", errForeign, limit>>20)
		return response{status: resp.StatusCode}, fail
	case ok:
		return response{status: resp.StatusCode, body: body}, nil
	}
	c.fillFromResponse(fail, resp, body)
	log.Ref = fail.Ref
	if resp.StatusCode == k.accept && fail.own { // a proxy also sends this status if it does not find the service
		return response{status: resp.StatusCode}, nil
	}
	return response{status: resp.StatusCode}, fail
}

// parseRetryAfter returns the wait of the header in both forms, capped. 0 means that the
// header is absent or asks for no wait; then the backoff sets the wait.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	seconds, err := strconv.ParseInt(v, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) { // ErrRange: it is the largest or smallest int64
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		// The date is by the service's clock. Its Date header gives the service's
		// time, so our clock need not be right.
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
