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

// call is one request of the API, to be tried as often as needed.
type call struct {
	method string
	url    *url.URL
	body   []byte
	// what it does, for messages: `read rule "x"`.
	what string
	// needs is the capability that the token must have.
	needs string
	// accept is a status beside 2xx that is an answer, not an error; 0 for none.
	accept int
	// bodiless is true where the status alone says all: what is wrong with the
	// body then counts for nothing.
	bodiless bool
	// before runs before every attempt; its error ends the call.
	before func(context.Context) error
}

// answer is what came back.
type answer struct {
	status   int
	body     []byte
	attempts int
	// lost is true where an earlier attempt may have taken effect without an
	// answer: it was sent, and no status came back, or one that says nothing.
	lost bool
}

const (
	firstWait = 250 * time.Millisecond
	longWait  = 15 * time.Second
	// maxRetryAfter is the most that a Retry-After is obeyed: the rate window.
	maxRetryAfter = window
	// maxErrorBody is how much of an error's body is read.
	maxErrorBody = 1 << 20
)

// send sends a call until an answer comes that settles it, or time is up. The
// error is an [*Error], the context's, or the one of before.
func (c *Client) send(ctx context.Context, k call) (answer, error) {
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
		if k.before != nil {
			if err := k.before(ctx); err != nil {
				return answer{attempts: n - 1, lost: lost}, err
			}
		}
		// Waiting for a place may outlast a pause that began meanwhile, so
		// pauses are looked at last.
		held, err := lane.take(ctx)
		limited += held
		if err == nil {
			held, err = c.pass(ctx, lane)
			limited += held
			if err != nil {
				lane.untake()
			}
		}
		if err != nil {
			return answer{attempts: n - 1, lost: lost}, err
		}
		a, failure := c.attempt(ctx, k, n)
		c.o.Gate.leave()
		lane.leave()
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
		lost = lost || failure.Status == 0 || failure.Status >= 500
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
			lane.pause(wait)
			continue // waitPause waits
		}
		if err := sleep(ctx, wait); err != nil {
			a.lost = lost
			return a, errors.Join(err, failure)
		}
	}
}

// pass waits until no pause holds the lane back and the gate has room. A pause
// may begin while a request waits at the gate, where it must not stay.
func (c *Client) pass(ctx context.Context, l *lane) (waited time.Duration, err error) {
	for {
		if err := l.waitPause(ctx); err != nil {
			return waited, err
		}
		held, err := c.o.Gate.enter(ctx)
		waited += held
		if err != nil || l.paused() <= 0 {
			return waited, err
		}
		c.o.Gate.leave()
	}
}

// attempt sends a call once.
func (c *Client) attempt(ctx context.Context, k call, n int) (answer, *Error) {
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
		return answer{}, fail
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
		fail.network(err, c.o.Timeout)
		log.Err = fail.Cause.Error()
		return answer{}, fail
	}
	defer resp.Body.Close()
	log.Status, fail.Status = resp.StatusCode, resp.StatusCode
	ok := resp.StatusCode/100 == 2 || resp.StatusCode == k.accept
	if ok && (k.bodiless || resp.StatusCode == k.accept) {
		_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // so that the connection can be used again
		return answer{status: resp.StatusCode}, nil
	}
	limit := c.o.MaxBody
	if !ok {
		limit = maxErrorBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil && ok:
		fail.network(err, c.o.Timeout)
		fail.Cause = fmt.Errorf("%w: %w", errCut, fail.Cause)
		log.Err = "cut short"
		return answer{status: resp.StatusCode}, fail
	case ok && int64(len(body)) > limit:
		fail.Cause = fmt.Errorf("%w: it is larger than %d MiB", errForeign, limit>>20)
		return answer{status: resp.StatusCode}, fail
	case ok:
		return answer{status: resp.StatusCode, body: body}, nil
	}
	c.describe(fail, resp, body)
	log.Ref = fail.Ref
	return answer{status: resp.StatusCode}, fail
}

// retryAfter reads the header in both forms, capped. 0 means that there is
// none, or that it asks for no wait, which the back-off then sets.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(v, 10, 32); err == nil {
		return min(max(time.Duration(seconds)*time.Second, 0), maxRetryAfter)
	}
	if at, err := http.ParseTime(v); err == nil {
		// The date is the service's clock; its Date header says what time it
		// has, so that our clock need not be right.
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
