package mkio

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Text that the service, a proxy or a library wrote can repeat the token or a value
// that was sent. All of it enters this package as [foreign], which never prints its
// text. It leaves only through [Client.showError], which searches it first.
// TestForeignText lists every position where text enters.

// foreign is text of the service, a proxy or a library.
type foreign struct{ text string }

// Format hides the text, whatever the verb.
func (foreign) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(text that was not searched)") }

// quotedError is an error that quotes foreign text.
type quotedError struct {
	format string
	args   []any
	// beside is also searched, but not shown.
	beside []foreign
}

// quoteForeign is fmt.Errorf for foreign text, which is among args as [foreign].
func quoteForeign(format string, args ...any) *quotedError {
	return &quotedError{format: format, args: args}
}

// Error hides the foreign text.
func (q *quotedError) Error() string { return fmt.Errorf(q.format, q.args...).Error() }

// Unwrap returns the wrapped errors.
func (q *quotedError) Unwrap() []error {
	var out []error
	for _, a := range q.args {
		if err, ok := a.(error); ok {
			out = append(out, err)
		}
	}
	return out
}

var errWithheld = errors.New("the service's text is withheld, because it holds a secret value")

// showError returns err with its foreign text if that text holds no secret value;
// otherwise errWithheld.
func (c *Client) showError(err error) error {
	text, ok := c.renderError(err)
	if !ok || c.leaks(text) { // also searches numbers and names
		return errWithheld
	}
	return renderedError{text, err}
}

// renderedError is an error with another text.
type renderedError struct {
	text  string
	cause error
}

func (w renderedError) Error() string { return w.text }
func (w renderedError) Unwrap() error { return w.cause }

// renderError returns the text of err. ok is false if foreign text in it holds a secret
// value.
func (c *Client) renderError(err error) (text string, ok bool) {
	q, is := err.(*quotedError) //nolint:errorlint // an error that wraps a *quoted is itself a *quoted
	if !is {
		return err.Error(), true
	}
	for _, f := range q.beside {
		if c.leaks(f.text) {
			return "", false
		}
	}
	args := make([]any, len(q.args))
	for i, a := range q.args {
		switch a := a.(type) {
		case foreign:
			if c.leaks(a.text) {
				return "", false
			}
			args[i] = firstWords(a.text)
		case error:
			inner, ok := c.renderError(a)
			if !ok {
				return "", false
			}
			args[i] = errors.New(inner)
		default:
			args[i] = a
		}
	}
	return fmt.Errorf(q.format, args...).Error(), true
}

// shownWords returns the beginning of a foreign text. ok is false if the text holds a
// secret value.
func (c *Client) shownWords(f foreign) (text string, ok bool) {
	if c.leaks(f.text) {
		return "", false
	}
	return firstWords(f.text), true
}

// leaks reports whether text holds the token or a value that was sent.
func (c *Client) leaks(text string) bool { return c.o.Known.Found(text) }

// ShowText returns text, or a replacement if text holds the token or a value that was
// sent. It is for our own messages that name parts of live rules.
func (c *Client) ShowText(text string) string {
	if c.o.Known.Reveals(text) {
		return errWithheld.Error()
	}
	return text
}

// ShowForeignText does the same for a message that quotes foreign text, such as the
// text of an object store. Short values and parts of values also count.
func (c *Client) ShowForeignText(text string) string {
	if c.leaks(text) {
		return "the store's text is withheld, because it holds a secret value"
	}
	return text
}

// Mask replaces each text below v, a pointer to a document that is only shown, that
// holds the token, a value that was sent, or a telling part of one.
func (c *Client) Mask(v any) { c.o.Known.Mask(v, webhook.Redacted) }

// MaskWhole replaces each text below v, a pointer to data that is kept, that holds
// the complete token or a complete value that was sent.
func (c *Client) MaskWhole(v any) { c.o.Known.MaskWhole(v, webhook.Redacted) }

// IsToken reports whether an auth value holds the token.
func (c *Client) IsToken(value secrets.String) bool { return value.HoldsToken(c.o.Token) }

// Reveals reports whether [Client.Mask] would replace a text.
func (c *Client) Reveals(text string) bool { return c.o.Known.Reveals(text) }

// errHeld marks a response with a name that can't be shown.
var errHeld = errors.New("a name in it is withheld, because it holds the token or an auth value that was sent: replace that value")

// checkNames refuses a rule with a name that holds a secret value. Names are shown,
// and a rule cannot do without its names. Values of headers and parameters pass,
// because they are masked before they are shown. known are names that were sent.
func (c *Client) checkNames(r webhook.Rule, known ...string) error {
	held := func(name string) bool {
		for _, k := range known {
			if k == name {
				return false
			}
		}
		return c.o.Known.Holds([]byte(name))
	}
	names := append([]string{r.Name, r.ID}, r.Spec.Auth.Headers...)
	names = append(names, r.Spec.Auth.QueryParams...)
	for _, e := range r.Spec.Events {
		names = append(names, string(e))
	}
	names = append(names, namesOf(r.Spec.Headers)...)
	names = append(names, namesOf(r.Spec.QueryParams)...)
	names = append(names, namesOf(r.Spec.Unknown)...)
	for _, name := range names {
		if held(name) {
			return errHeld
		}
	}
	return nil
}

func namesOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	return out
}

// sentNames returns the names in a spec that was sent.
func sentNames(name string, spec webhook.Spec) []string {
	out := append([]string{name}, spec.Auth.Headers...)
	out = append(out, spec.Auth.QueryParams...)
	for _, e := range spec.Events {
		out = append(out, string(e))
	}
	out = append(out, namesOf(spec.Headers)...)
	return append(out, namesOf(spec.QueryParams)...)
}

// AddSecrets adds values that will be sent to the values that are searched for. The
// service may know them from an earlier run.
func (c *Client) AddSecrets(auth secrets.Auth) {
	paths, values := auth.Values()
	for _, p := range paths {
		c.o.Known.Add(values[p])
	}
}

// firstWords returns the beginning of a foreign text, on one line.
func firstWords(s string) string {
	const most = 300
	s = strings.Join(strings.Fields(replaceControls(s)), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

// replaceControls replaces control characters in foreign text with spaces.
func replaceControls(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
