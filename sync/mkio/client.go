// Package mkio talks to the webhook-rules API of one MK.IO project: lists, reads,
// PUT, DELETE and delivery histories. It retries, keeps the published rate limits,
// and returns errors that a person can act on.
//
// It knows nothing of files, markers or plans. It is the only package that reveals
// a secret, and only into the Authorization header and the body of a PUT.
package mkio

import (
	"net/http"
	"net/url"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
)

// Options set how a [Client] talks to the service. A zero field means the default
// that its comment states.
type Options struct {
	// BaseURL is a result of [CheckBaseURL].
	BaseURL string
	Project string
	Token   secrets.String
	// Transport sends the requests. nil means a copy of Go's default, which obeys
	// HTTPS_PROXY.
	Transport http.RoundTripper
	// ReadOnly refuses every method but GET before the request leaves the process.
	ReadOnly bool
	// RetryFor limits the time for all attempts of one request. 0 means 2 minutes,
	// which is longer than the service's rate window. Waiting in our own limiter
	// does not count.
	RetryFor time.Duration
	// Timeout limits one attempt, its body included; 0 means 30 s.
	Timeout time.Duration
	// PageSize is $top of the lists; 0 means 1000. The service may return less.
	PageSize  int
	UserAgent string
	// Log receives each attempt; nil disables it.
	Log func(RequestLog)
	// Limits are the most requests in any 60 seconds.
	Limits Limits
	// Gate is shared by clients whose requests together have a limit; nil means
	// none. Each client also keeps the rate limit of its project.
	Gate Semaphore
	// MaxBody limits the bytes of one response; 0 means 64 MiB.
	MaxBody int64
	// MaxRules and MaxHistory limit a list of rules and a delivery history. A field
	// that is 0 means the default of this package.
	MaxRules, MaxHistory ListLimit
	// Known holds the values that are searched for in the service's text. The
	// client adds its token and every value that it sends. Clients of one run share
	// it: a response of one project may repeat values that were sent to another.
	// nil means that the client keeps a separate set.
	Known *secrets.Scrubber
}

// Limits are the most requests to a project in any 60 seconds, retries included. 0
// means the published limit; a negative number means no limit.
type Limits struct{ Get, Write int }

// The published limits of a project, in requests a minute.
const (
	publishedGet   = 2000
	publishedWrite = 1000
)

// RequestLog is one attempt as -v shows it: never a body, never a header.
type RequestLog struct {
	Method string
	// Path is the escaped path without the query.
	Path string
	// Status is 0 without a response; then Err gives the reason in few words.
	Status   int
	Err      string
	Duration time.Duration
	Ref      string
	// Attempt counts from 1.
	Attempt int
}

// Client talks to one project. It is safe for use by several goroutines.
type Client struct {
	o        Options
	base     *url.URL
	http     *http.Client
	get, put *limiter
	// token finds the token in paths. It is empty for a token shorter than 16
	// bytes, which may be the word of a test bed.
	token *secrets.Scrubber
}

// New returns a client for one project.
func New(o Options) (*Client, error) {
	base, err := CheckBaseURL(o.BaseURL)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, &BaseURLError{URL: o.BaseURL, Problem: "is no URL"}
	}
	setDefault(&o.RetryFor, 2*time.Minute)
	setDefault(&o.Timeout, 30*time.Second)
	setDefault(&o.PageSize, 1000)
	setDefault(&o.MaxBody, 64<<20)
	setDefault(&o.Limits.Get, publishedGet)
	setDefault(&o.Limits.Write, publishedWrite)
	o.MaxRules.setDefaults(maxRules)
	o.MaxHistory.setDefaults(maxHistory)
	if o.Known == nil {
		o.Known = secrets.NewScrubber()
	}
	o.Known.Add(o.Token)
	c := &Client{o: o, base: u, get: newLimiter(o.Limits.Get), put: newLimiter(o.Limits.Write), token: secrets.NewScrubber()}
	if o.Token.Len() >= 16 {
		c.token.Add(o.Token)
	}
	if c.token.Holds([]byte(o.Project)) {
		return nil, errTokenInPath
	}
	c.http = &http.Client{
		Transport: newTransport(o.Transport, o.ReadOnly),
		// A redirect could carry the token or a secret to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// newTransport returns rt as a client uses it: pooled, and limited to GET if readOnly.
func newTransport(rt http.RoundTripper, readOnly bool) http.RoundTripper {
	rt = PoolConnections(rt)
	if readOnly {
		rt = getOnly{rt}
	}
	return rt
}

// PoolConnections returns a transport that keeps enough connections for writes in parallel.
// Go's default keeps two for each host and would dial again for every further
// request. Pooled changes only an [http.Transport]; nil means Go's default. Clients
// that are given the same transport share its connections.
func PoolConnections(rt http.RoundTripper) http.RoundTripper {
	if rt == nil {
		rt = http.DefaultTransport
	}
	if t, ok := rt.(*http.Transport); ok && t.MaxIdleConnsPerHost < idleConns {
		t = t.Clone()
		t.MaxIdleConnsPerHost = idleConns
		t.MaxResponseHeaderBytes = 256 << 10
		rt = t
	}
	return rt
}

// idleConns limits the idle connections to the service that are kept.
const idleConns = 64

// getOnly is the transport of commands that must not change anything.
type getOnly struct{ http.RoundTripper }

func (t getOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return nil, errReadOnly
	}
	return t.RoundTripper.RoundTrip(r)
}

// Project returns the project's name.
func (c *Client) Project() string { return c.o.Project }

// BaseURL returns the base URL without a slash at its end.
func (c *Client) BaseURL() string { return c.base.String() }

// rulesURL returns the URL of the rule collection, of one rule, or of a resource
// below a rule. Each part becomes one segment of the path, whatever characters it
// has.
func (c *Client) rulesURL(parts ...string) *url.URL {
	u := *c.base
	path := "/api/v1/projects/" + encodeSegment(c.o.Project) + "/webhook/rules"
	for _, p := range parts {
		path += "/" + encodeSegment(p)
	}
	u.RawPath = path
	u.Path, _ = url.PathUnescape(path) // segment wrote well-formed escapes
	return &u
}

// encodeSegment percent-encodes a name into one path segment. It encodes the dots of "."
// and "..", which a client or proxy would take for a relative path.
func encodeSegment(name string) string {
	if name == "." || name == ".." {
		out := ""
		for range name {
			out += "%2E"
		}
		return out
	}
	return url.PathEscape(name)
}
