// Package mkio talks to the webhook-rules API of one MK.IO project: lists,
// reads, PUT, DELETE and delivery histories, with retries, the published rate
// limits, and errors that a person can act on.
//
// It knows nothing of files, markers or plans. It is the only package that
// reveals a secret, and only into the Authorization header and a PUT's body.
package mkio

import (
	"net/http"
	"net/url"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
)

// Options say how a [Client] talks to the service. The zero value of each
// field is the default it names.
type Options struct {
	// BaseURL is what [CheckBaseURL] returned.
	BaseURL string
	Project string
	Token   secrets.String
	// Transport sends the requests; nil means a copy of Go's default, with
	// HTTPS_PROXY as the standard library has it.
	Transport http.RoundTripper
	// ReadOnly refuses anything but GET before it leaves the process.
	ReadOnly bool
	// RetryFor is how long one request is tried again; 0 means 2 minutes,
	// longer than the service's rate window. Waiting in our own limiter is
	// not counted.
	RetryFor time.Duration
	// Timeout is how long one attempt may take, its body included; 0 means 30 s.
	Timeout time.Duration
	// PageSize is $top of the lists; 0 means 1000. The service may give less.
	PageSize  int
	UserAgent string
	// Log is told of each attempt; nil means nobody is.
	Log func(RequestLog)
	// Limits are the most requests in any 60 seconds.
	Limits Limits
	// Gate is shared by clients whose requests together have a limit; nil means
	// none. Each client keeps its own project's rate limit.
	Gate Semaphore
	// MaxBody is the most bytes of one answer; 0 means 64 MiB.
	MaxBody int64
	// MaxRules and MaxHistory end a list of rules and a delivery history; a field
	// that is 0 means the limit that this package sets.
	MaxRules, MaxHistory ListLimit
	// Known is what is searched for in the service's text. The client adds its
	// token and every value that it sends. Clients of one run share it: one
	// project's response may repeat what was sent to another. nil means that the
	// client keeps its own.
	Known *secrets.Scrubber
}

// Limits are the most requests to a project in any 60 seconds, retries
// counted: 0 means what the service publishes, a negative number no limit.
type Limits struct{ Get, Write int }

// The published limits of a project, requests a minute.
const (
	publishedGet   = 2000
	publishedWrite = 1000
)

// RequestLog is one attempt as -v shows it: never a body, never a header.
type RequestLog struct {
	Method string
	// Path is the escaped path without the query.
	Path string
	// Status is 0 where there was no answer; then Err says why in few words.
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
	c := &Client{o: o, base: u, get: newLimiter(o.Limits.Get), put: newLimiter(o.Limits.Write)}
	c.http = &http.Client{
		Transport: transport(o.Transport, o.ReadOnly),
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

// transport is what a client sends its requests through.
func transport(rt http.RoundTripper, readOnly bool) http.RoundTripper {
	rt = Pooled(rt)
	if readOnly {
		rt = getOnly{rt}
	}
	return rt
}

// Pooled makes a transport that keeps enough connections for writes side by
// side: Go's default keeps two a host and would dial for the others each time. Of
// another kind of transport it makes nothing else; nil means Go's default.
// Clients that are given the same one share its connections.
func Pooled(rt http.RoundTripper) http.RoundTripper {
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

// idleConns is how many connections to the service are kept.
const idleConns = 64

// getOnly is the transport of commands that must not change anything.
type getOnly struct{ http.RoundTripper }

func (t getOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return nil, errReadOnly
	}
	return t.RoundTripper.RoundTrip(r)
}

// Project is the project's name.
func (c *Client) Project() string { return c.o.Project }

// BaseURL is the base URL without a slash at its end.
func (c *Client) BaseURL() string { return c.base.String() }

// rulesURL is the collection of rules, or one rule, or what lies below it.
// Each part becomes one segment of the path, whatever characters it has.
func (c *Client) rulesURL(parts ...string) *url.URL {
	u := *c.base
	path := "/api/v1/projects/" + segment(c.o.Project) + "/webhook/rules"
	for _, p := range parts {
		path += "/" + segment(p)
	}
	u.RawPath = path
	u.Path, _ = url.PathUnescape(path) // segment wrote well-formed escapes
	return &u
}

// segment percent-encodes a name into one path segment. Dots are encoded where
// a client or proxy would take the segment for "this folder" or "the one above".
func segment(name string) string {
	if name == "." || name == ".." {
		out := ""
		for range name {
			out += "%2E"
		}
		return out
	}
	return url.PathEscape(name)
}
