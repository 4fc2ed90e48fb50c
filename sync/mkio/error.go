package mkio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
)

// Error is a request that failed. Its text holds no secret: the service's text is
// searched for the token and every value that was sent, and withheld on a match.
type Error struct {
	Method, Path string
	// What names the purpose of the request, such as `read rule "x"`.
	What string
	// Status is 0 without a response; then Cause gives the reason.
	Status int
	// Code, Detail and Ref are of the service's error body. Body is the first words
	// of a response to a GET that has another shape.
	Code, Detail, Ref, Body string
	Cause                   error
	Attempts                int
	// GaveUp is RetryFor if that time ran out; otherwise 0.
	GaveUp time.Duration

	retry bool
	// own is true if the response is an error of the API, and not of a proxy before
	// it.
	own        bool
	retryAfter time.Duration
	asked      time.Duration // Retry-After, if it exceeds the time left
	needs      string
	base       string
	project    string
	token      secrets.String
	host       string // a name that does not resolve
}

func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

var errReadOnly = errors.New("this command may only read, and the request would write: that is a fault in mkhooks")

// Error returns the purpose of the request and the reason of its failure.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.What)
	b.WriteString(": ")
	switch {
	case e.Status > 0:
		fmt.Fprintf(&b, "%d %s", e.Status, http.StatusText(e.Status))
		for _, part := range []string{e.Code, e.Detail, e.Body} {
			if part != "" {
				b.WriteString(": " + part)
			}
		}
		if e.Cause != nil {
			b.WriteString(": " + e.Cause.Error())
		}
	case e.Cause != nil:
		b.WriteString(e.Cause.Error())
	}
	if e.Ref != "" {
		fmt.Fprintf(&b, " (ref %s)", e.Ref)
	}
	if e.GaveUp > 0 {
		attempts := "1 attempt"
		if e.Attempts != 1 {
			attempts = fmt.Sprintf("%d attempts", e.Attempts)
		}
		if e.asked > 0 {
			fmt.Fprintf(&b, "; gave up after %s: it asks to wait %s, and a request is tried again for %s", attempts, e.asked, e.GaveUp)
		} else {
			fmt.Fprintf(&b, "; gave up after %s in %s", attempts, e.GaveUp)
		}
	}
	return b.String()
}

// Unwrap returns the cause of an error without a response.
func (e *Error) Unwrap() error { return e.Cause }

// IsNetwork reports whether there was no response at all.
func (e *Error) IsNetwork() bool { return e.Status == 0 }

// The reasons why a response is missing or cannot be used.
var (
	errTimeout = errors.New("no answer in time")
	errCut     = errors.New("the answer was cut short")
	errUnread  = errors.New("the answer can't be read")
	// errForeign marks a response that the API hardly sent.
	errForeign = errors.New("the answer can't be read")
)

// Hint returns the next step, or "".
func (e *Error) Hint() string {
	switch {
	case errors.Is(e.Cause, errTimeout):
		return "the service, or a proxy on the way, did not answer: run it again, or raise --timeout"
	case errors.Is(e.Cause, errCut):
		return "run it again; if it stays, something on the way cuts answers off"
	case errors.Is(e.Cause, errEndless):
		return "nothing was changed because of it; ask MK.IO's support why the list has no end"
	case errors.Is(e.Cause, errForeign), e.Status == http.StatusNotFound && e.Body != "":
		return "something else than the API may have answered: check the base URL " + e.base + " (--base-url, MKIO_BASE_URL)"
	case errors.Is(e.Cause, errUnread):
		return "run it again; if it stays, look for a newer mkhooks, or ask MK.IO's support"
	}
	switch e.Status {
	case http.StatusUnauthorized:
		if at, ok := TokenExpiry(e.token); ok && at.Before(time.Now()) {
			return fmt.Sprintf("the token expired on %s: make a new one in MK.IO and put it where the token is read from (MKIO_TOKEN, or what tokenEnv names)", at.UTC().Format("2006-01-02 15:04 UTC"))
		}
		return "the token is wrong, expired or of another organization: check MKIO_TOKEN, or what tokenEnv or --token-file names"
	case http.StatusForbidden:
		return "the token lacks the capability " + e.needs + " for project " + fmt.Sprintf("%q", e.project)
	case http.StatusNotFound:
		return fmt.Sprintf("there is no project %q here, or the token may not see it: check -p (MKIO_PROJECT) and the base URL %s", e.project, e.base)
	case http.StatusTooManyRequests:
		return "other clients use up the project's rate limit: run it again later, or raise --retry-for"
	case 0:
		if e.host != "" {
			return fmt.Sprintf("check the base URL %s (--base-url, MKIO_BASE_URL): the name %s is not known", e.base, e.host)
		}
		return "check the base URL " + e.base + " (--base-url, MKIO_BASE_URL) and the network"
	}
	if e.Status/100 == 3 {
		return "the base URL " + e.base + " (--base-url, MKIO_BASE_URL) is not that of the API: redirects are not followed, because they could carry the token elsewhere"
	}
	switch {
	case e.Status >= 500 && e.Ref != "":
		return "run it again; if it stays, tell MK.IO's support the ref " + e.Ref
	case e.Status >= 500:
		return "the service, or a proxy before it, is not well: run it again later, or raise --retry-for"
	}
	return ""
}

// fillFromNetworkError fills e from an error below HTTP, without the URL that net/http puts
// before it. The text of a library can quote the response, so it is searched.
func (c *Client) fillFromNetworkError(e *Error, err error) {
	text := foreign{err.Error()}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var dns *net.DNSError
	e.retry = true
	switch {
	case errors.Is(err, errReadOnly):
		e.Cause, e.retry = errReadOnly, false
	case errors.Is(err, context.DeadlineExceeded):
		e.Cause = fmt.Errorf("%w (%s)", errTimeout, c.o.Timeout)
	case errors.Is(err, context.Canceled):
		e.Cause, e.retry = context.Canceled, false
	case errors.As(err, &dns):
		e.host, _ = c.shownWords(foreign{dns.Name})
		e.Cause = c.showError(quoteForeign("the host %s is not known", foreign{dns.Name}))
		e.retry = !dns.IsNotFound
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Cause = errors.New("connection refused")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Cause = errors.New("the connection was closed")
	case errors.Is(err, syscall.ECONNRESET):
		e.Cause = errors.New("the connection was reset")
	case strings.Contains(text.text, "invalid proxy address"): // its text may hold a password
		e.Cause, e.retry = errors.New("the environment names a proxy (HTTPS_PROXY, HTTP_PROXY) whose address is not valid"), false
	default:
		if strings.Contains(text.text, "x509:") || strings.Contains(text.text, "tls:") || strings.Contains(text.text, "HTTP response to HTTPS") {
			e.retry = false
		}
		q := quoteForeign("%s", foreign{err.Error()})
		q.beside = []foreign{text}
		e.Cause = c.showError(q)
	}
}

// fillFromResponse fills e from a response without success.
func (c *Client) fillFromResponse(e *Error, resp *http.Response, body []byte) {
	e.retry = resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
	e.retryAfter = parseRetryAfter(resp.Header, time.Now())
	var shape struct {
		Error struct {
			Code   string `json:"code"`
			Detail string `json:"detail"`
		} `json:"error"`
		Ref string `json:"ref"`
	}
	e.own = json.Unmarshal(body, &shape) == nil && (shape.Error.Code != "" || shape.Error.Detail != "" || shape.Ref != "")
	if c.leaks(string(body)) {
		e.Cause = errWithheld
		return
	}
	if resp.StatusCode/100 == 3 {
		if to, err := resp.Location(); err == nil {
			q := quoteForeign("a redirect to host %s", foreign{to.Host})
			q.beside = []foreign{{resp.Header.Get("Location")}}
			e.Cause = c.showError(q)
		}
		return
	}
	if e.own {
		var code, detail, ref bool
		e.Code, code = c.shownWords(foreign{shape.Error.Code})
		e.Detail, detail = c.shownWords(foreign{shape.Error.Detail})
		e.Ref, ref = c.shownWords(foreign{shape.Ref})
		if !code || !detail || !ref {
			e.Code, e.Detail, e.Ref, e.Cause = "", "", "", errWithheld
		}
		return
	}
	e.Body = "the answer is not the service's own"
	if words, _ := c.shownWords(foreign{string(body)}); e.Method == http.MethodGet && words != "" {
		e.Body += fmt.Sprintf(", it begins with %q", words)
	}
}
