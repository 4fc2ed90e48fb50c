package emulator

import (
	"math"
	"net/http"
	"slices"
	"time"
)

// limiter contains the times of accepted requests, separately for GET and
// writes.
type limiter struct{ get, write []time.Time }

// checkRate counts a request against the limits of the project, which hold for any
// window. Refused requests do not count.
func (x *exchange) checkRate() *failure {
	o := x.s.o
	if o.Limits == nil {
		return nil
	}
	now, window := o.Now(), o.Limits.Window
	if window <= 0 {
		window = time.Minute
	}
	times, most := &x.s.limiter.write, o.Limits.Write
	if x.r.Method == http.MethodGet {
		times, most = &x.s.limiter.get, o.Limits.Get
	}
	if most <= 0 {
		return nil
	}
	*times = slices.DeleteFunc(*times, func(t time.Time) bool { return now.Sub(t) >= window })
	if len(*times) < most {
		*times = append(*times, now)
		return nil
	}
	f := newFailure(http.StatusTooManyRequests, "TooManyRequests", "more than %d requests of this kind in %s", most, window)
	free := (*times)[0].Add(window)
	switch o.RetryAfter {
	case RetrySeconds:
		f.header = http.Header{"Retry-After": {itoa(int(math.Ceil(free.Sub(now).Seconds())))}}
	case RetryDate:
		// A date has whole seconds: round up so that the client does not retry
		// too early.
		f.header = http.Header{"Retry-After": {free.Add(time.Second - 1).Truncate(time.Second).UTC().Format(http.TimeFormat)}}
	}
	return f
}
