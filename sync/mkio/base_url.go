package mkio

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// BaseURLError is an invalid base URL.
type BaseURLError struct{ URL, Problem, Next string }

// Error returns the URL and its problem.
func (e *BaseURLError) Error() string { return fmt.Sprintf("base URL %q %s", e.URL, e.Problem) }

// Hint returns the next step, or an example of a base URL.
func (e *BaseURLError) Hint() string {
	if e.Next != "" {
		return e.Next
	}
	return "--base-url (or MKIO_BASE_URL) expects a scheme and a host, such as https://app.mk.io"
}

// CheckBaseURL returns raw as a base URL without a slash at its end. It accepts
// https, or http to a loopback host, and only a scheme, host and port. The error is
// a [*BaseURLError].
func CheckBaseURL(raw string) (string, error) {
	fail := func(problem, next string) (string, error) {
		shown := raw
		if i := strings.LastIndexByte(shown, '@'); i >= 0 {
			shown = "…" + shown[i:] // the text before @ may be a password
		}
		return "", &BaseURLError{URL: shown, Problem: problem, Next: next}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fail("is no URL", "")
	case u.Scheme == "" || u.Host == "" && u.Opaque != "" || u.Host == "":
		return fail("has no scheme and host", "did you mean https://"+strings.TrimLeft(raw, "/:"))
	case u.Scheme != "https" && u.Scheme != "http":
		return fail(fmt.Sprintf("has the scheme %q, expected https", u.Scheme), "")
	case u.User != nil:
		return fail("has user information in it", "the token goes into MKIO_TOKEN")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fail("has a query or a fragment", "")
	case strings.Trim(u.Path, "/") != "":
		return fail(fmt.Sprintf("has the path %q", u.Path), "leave the path out: "+u.Scheme+"://"+u.Host)
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), " \\,;_*'\"<>") || strings.Contains(u.Hostname(), ".."):
		return fail("has a host that can't be one", "")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fail("is not https, so the token would travel in the clear", "did you mean https://"+u.Host)
	}
	return u.Scheme + "://" + u.Host, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
