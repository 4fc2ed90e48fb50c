package mkio_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// sentSecret has characters that each escape changes in a different way.
const sentSecret = `s3cr3t-one/"quoted"+<tag>&more='Ünïcode'`

// spoken returns the forms in which the service's text can hold a value. It
// includes forms of forms.
func spoken(value string) map[string]string {
	forms := map[string]func(string) string{
		"raw":    func(s string) string { return s },
		"JSON":   func(s string) string { q, _ := json.Marshal(s); return string(q[1 : len(q)-1]) },
		"URL":    url.QueryEscape,
		"HTML":   html.EscapeString,
		"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	}
	out := map[string]string{"lower case": strings.ToLower(value), "half of it": value[:len(value)/2+1]}
	for inner, first := range forms {
		for outer, second := range forms {
			out[inner+" in "+outer] = second(first(value))
		}
	}
	return out
}

// place is a position where foreign text enters. answer returns all that a server
// sends.
type place struct {
	answer func(text string) string
	// shows is true if a harmless text is shown: otherwise nothing is tested.
	shows bool
	// gets is true if only a GET shows the text.
	gets bool
}

func body(status, header, text string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, header, len(text), text)
}

func quoteJSON(s string) string { q, _ := json.Marshal(s); return string(q) }

const goodRule = `{"metadata":{"id":"1","name":%s},"spec":{"url":"https://a.example/","enabled":true,"events":[]%s}}`

// places lists where text of the service, a proxy or net/http enters, HTTP/1.
var places = map[string]place{
	"status line":       {func(s string) string { return "HTTP/1.1 " + s + "\r\n\r\n" }, true, false},
	"status code":       {func(s string) string { return "HTTP/1.1 2" + s + " OK\r\n\r\n" }, true, false},
	"reason phrase":     {func(s string) string { return body("500 "+s, "", "{}") }, false, false},
	"reason of success": {func(s string) string { return body("200 "+s, "", "{}") }, false, false},
	"version":           {func(s string) string { return s + " 200 OK\r\n\r\n" }, true, false},
	"header line":       {func(s string) string { return "HTTP/1.1 200 OK\r\n" + s + "\r\n\r\n" }, true, false},
	"header name":       {func(s string) string { return "HTTP/1.1 200 OK\r\nX " + s + ": a\r\n\r\n" }, false, false},
	"Content-Length":    {func(s string) string { return "HTTP/1.1 200 OK\r\nContent-Length: " + s + "\r\n\r\n" }, true, false},
	"two Content-Lengths": {func(s string) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: " + s + "\r\n\r\n"
	}, true, false},
	"Transfer-Encoding": {func(s string) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + s + "\r\n\r\n" }, true, false},
	"chunk":             {func(s string) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + s + "\r\n" }, false, false},
	"trailer": {func(s string) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + s + "\r\n\r\n"
	}, false, false},
	"gzip":                {func(s string) string { return body("200 OK", "Content-Encoding: gzip\r\n", s) }, false, false},
	"switching protocols": {func(s string) string { return "HTTP/1.1 101 " + s + "\r\nUpgrade: " + s + "\r\n\r\n" }, false, false},
	"early hints":         {func(s string) string { return strings.Repeat("HTTP/1.1 103 "+s+"\r\nLink: "+s+"\r\n\r\n", 9) }, false, false},
	"Location, host": {func(s string) string {
		return body("302 Found", "Location: https://"+url.PathEscape(s)+".example/\r\n", "")
	}, true, false},
	"Location, path": {func(s string) string {
		return body("302 Found", "Location: https://a.example/"+url.PathEscape(s)+"\r\n", "")
	}, false, false},
	"Location, raw":        {func(s string) string { return body("302 Found", "Location: "+s+"\r\n", "") }, false, false},
	"Retry-After and Date": {func(s string) string { return body("503 Busy", "Retry-After: "+s+"\r\nDate: "+s+"\r\n", "{}") }, false, false},
	"error code":           {func(s string) string { return body("400 Bad", "", `{"error":{"code":`+quoteJSON(s)+`},"ref":"r"}`) }, true, false},
	"error detail":         {func(s string) string { return body("409 Bad", "", `{"error":{"detail":`+quoteJSON(s)+`},"ref":"r"}`) }, true, false},
	"error extra": {func(s string) string {
		return body("409 Bad", "", `{"error":{"detail":"d","extraDetail":{"x":`+quoteJSON(s)+`}}}`)
	}, false, false},
	"ref":             {func(s string) string { return body("500 Bad", "", `{"error":{"code":"c"},"ref":`+quoteJSON(s)+`}`) }, true, false},
	"error page":      {func(s string) string { return body("502 Bad", "", "<html>"+s+"</html>") }, true, true},
	"long error page": {func(s string) string { return body("502 Bad", "", "<html>"+s+strings.Repeat(" padding", 20_000)) }, true, true},
	"cut in the page": {func(s string) string { return body("502 Bad", "", strings.Repeat("x", 280)+s) }, false, true},
	"page of success": {func(s string) string { return body("200 OK", "", "<html>"+s+"</html>") }, true, true},
	"field twice":     {func(s string) string { return body("200 OK", "", `{`+quoteJSON(s)+`:1,`+quoteJSON(s)+`:2}`) }, true, false},
	"field of a rule": {func(s string) string {
		return listOrRule(fmt.Sprintf(goodRule, `"a"`, `,"headers":{`+quoteJSON(s)+`:7}`))
	}, true, false},
	"field twice in a rule": {func(s string) string {
		return listOrRule(fmt.Sprintf(goodRule, `"a"`, `,"queryParams":{`+quoteJSON(s)+`:"1",`+quoteJSON(s)+`:"2"}`))
	}, true, false},
	"auth name of a wrong type": {func(s string) string {
		return listOrRule(fmt.Sprintf(goodRule, `"a"`, `,"authentication":{"headers":{`+quoteJSON(s)+`:7}}`))
	}, true, false},
	"another rule's name": {func(s string) string { return listOrRule(fmt.Sprintf(goodRule, quoteJSON(s), `,"headers":7`)) }, true, false},
	"created of a record": {func(s string) string {
		return body("200 OK", "", `{"value":[{"created":`+quoteJSON(s)+`,"source":"s","type":"t","status":"Sent"}]}`)
	}, true, true},
	"host of a next link":   {func(s string) string { return nextLink("https://" + url.PathEscape(s) + ".example/") }, true, true},
	"path of a next link":   {func(s string) string { return nextLink("https://a.example/" + url.PathEscape(s)) }, false, true},
	"scheme of a next link": {func(s string) string { return nextLink(s + "://a.example/") }, false, true},
	"next link":             {func(s string) string { return nextLink(s) }, false, true},
}

// listOrRule returns a response to every kind of GET and to a PUT.
func listOrRule(rule string) string {
	return body("200 OK", "", `{"value":[`+rule+`],`+strings.TrimPrefix(rule, "{"))
}

func nextLink(to string) string {
	return body("200 OK", "", `{"value":[],"@odata.nextLink":`+quoteJSON(to)+`}`)
}

// answering serves the response of answer on every connection, after the request.
func answering(t *testing.T, wrap func(net.Listener) net.Listener, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	address := l.Addr().String()
	if wrap != nil {
		l = wrap(l)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	return address
}

// afterRequest reads an HTTP/1 request, then sends a response.
func afterRequest(answer func() string) func(net.Conn) {
	return func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(conn, answer())
	}
}

// everything sends every kind of request, and returns all text that the client
// shows.
func everything(t *testing.T, c *mkio.Client, log *strings.Builder) (reads, writes string) {
	t.Helper()
	auth := secrets.Auth{Headers: map[string]secrets.String{"X-Secret": secrets.NewString(sentSecret)}}
	put, putErr := c.Put(t.Context(), "a", webhook.Spec{URL: "https://a.example/"}, auth, mkio.Precheck{})
	gone, deleteErr := c.Delete(t.Context(), "a", mkio.Precheck{})
	says := func(err error) string {
		hint := ""
		if h, ok := err.(interface{ Hint() string }); ok { //nolint:errorlint // the client's own
			hint = h.Hint()
		}
		return fmt.Sprintf("%v\n%+v\n%#v\n%s\n", err, err, err, hint)
	}
	writes = says(putErr) + says(deleteErr) + put.Ref + gone.Ref + log.String()
	log.Reset()
	_, err := c.ListRules(t.Context())
	reads = says(err)
	_, err = c.ReadRule(t.Context(), "a")
	reads += says(err)
	_, err = c.ReadEventPage(t.Context(), "a")
	reads += says(err)
	err = c.ReadEvents(t.Context(), "a", func(mkio.EventPage) error { return nil })
	return reads + says(err) + log.String(), writes
}

// shownOf lists the parts of a value that a text shows: words of any form of it.
func shownOf(text, form string) []string {
	var out []string
	for _, word := range regexp.MustCompile(`[A-Za-z0-9]{6,}`).FindAllString(form, -1) {
		if strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			out = append(out, word)
		}
	}
	return out
}

// TestForeignText checks that no part of the token or of a sent value is shown,
// wherever text enters, and in every form.
func TestForeignText(t *testing.T) {
	t.Parallel()
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "harmless"
			address := answering(t, nil, afterRequest(func() string { return p.answer(text) }))
			var log strings.Builder
			c := client(t, "http://"+address, func(o *mkio.Options) {
				o.RetryFor = 1
				o.Transport = &http.Transport{DisableKeepAlives: true}
				o.Log = func(l mkio.RequestLog) { fmt.Fprintf(&log, "%+v\n", l) }
			})
			reads, writes := everything(t, c, &log)
			if p.shows && !(strings.Contains(reads, text) && (p.gets || strings.Contains(writes, text))) {
				t.Errorf("a harmless text is not shown, so nothing is tested:\n%s%s", reads, writes)
			}
			for _, value := range []string{token, sentSecret} {
				for form, said := range spoken(value) {
					text = said
					reads, writes := everything(t, c, &log)
					if found := shownOf(reads+writes, said); len(found) > 0 {
						t.Errorf("%s, %s: shows %q\n%s%s", value[:6], form, found, reads, writes)
					}
					if p.shows && !strings.HasSuffix(name, "link") && !strings.Contains(reads+writes, "withheld") {
						t.Errorf("%s, %s: does not say that a text is withheld\n%s%s", value[:6], form, reads, writes)
					}
				}
			}
		})
	}
}

// TestForeignNames checks that a rule whose names hold a value is refused. Names
// that the request had may come back. Values are kept, because digests cover them.
func TestForeignNames(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]func(s string) string{
		"header":    func(s string) string { return fmt.Sprintf(goodRule, `"a"`, `,"headers":{`+quoteJSON(s)+`:"1"}`) },
		"parameter": func(s string) string { return fmt.Sprintf(goodRule, `"a"`, `,"queryParams":{`+quoteJSON(s)+`:"1"}`) },
		"auth header": func(s string) string {
			return fmt.Sprintf(goodRule, `"a"`, `,"authentication":{"headers":{`+quoteJSON(s)+`:"*"}}`)
		},
		"unknown": func(s string) string { return fmt.Sprintf(goodRule, `"a"`, `,`+quoteJSON(s)+`:1`) },
		"event": func(s string) string {
			return strings.Replace(fmt.Sprintf(goodRule, `"a"`, ``), `[]`, `[`+quoteJSON(s)+`]`, 1)
		},
		"id": func(s string) string {
			return strings.Replace(fmt.Sprintf(goodRule, `"a"`, ``), `"1"`, quoteJSON(s), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "harmless"
			address := answering(t, nil, afterRequest(func() string { return listOrRule(rule(text)) }))
			c := client(t, "http://"+address, func(o *mkio.Options) { o.Transport = &http.Transport{DisableKeepAlives: true} })
			if r, err := c.ReadRule(t.Context(), "a"); err != nil || r == nil {
				t.Fatalf("harmless: %v", err)
			}
			for form, said := range spoken(token) {
				if form == "half of it" {
					continue
				}
				text = said
				for what, ask := range map[string]func() error{
					"list": func() error { _, err := c.ListRules(t.Context()); return err },
					"rule": func() error { _, err := c.ReadRule(t.Context(), "a"); return err },
					"PUT": func() error {
						_, err := c.Put(t.Context(), "a", webhook.Spec{URL: "https://a.example/"}, secrets.Auth{}, mkio.Precheck{})
						return err
					},
				} {
					if err := ask(); err == nil || !strings.Contains(err.Error(), "withheld") || len(shownOf(err.Error(), said)) > 0 {
						t.Errorf("%s, %s: %v", what, form, err)
					}
				}
			}
		})
	}
	address := answering(t, nil, afterRequest(func() string {
		return listOrRule(fmt.Sprintf(goodRule, `"ordinary-word"`, `,"headers":{"X-Ordinary-Word":"an ordinary-word"}`))
	}))
	c := client(t, "http://"+address, func(o *mkio.Options) { o.Transport = &http.Transport{DisableKeepAlives: true} })
	auth := secrets.Auth{Headers: map[string]secrets.String{"X-Secret": secrets.NewString("ordinary-word")}}
	got, err := c.Put(t.Context(), "ordinary-word", webhook.Spec{Headers: map[string]string{"X-Ordinary-Word": ""}}, auth, mkio.Precheck{})
	if err != nil || got.Rule.Spec.Headers["X-Ordinary-Word"] != "an ordinary-word" {
		t.Errorf("names of the request came back: %+v, %v", got, err)
	}
}

// TestForeignTextOfHTTP2 checks names of headers that HTTP/2 does not allow.
func TestForeignTextOfHTTP2(t *testing.T) {
	t.Parallel()
	var name string
	wrap := func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate(t, "127.0.0.1")}, NextProtos: []string{"h2"}})
	}
	address := answering(t, wrap, func(conn net.Conn) {
		_, _ = conn.Write(frame(4, 0, 0, nil)) // SETTINGS
		preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		if _, err := io.ReadFull(conn, preface); err != nil {
			return
		}
		for {
			head := make([]byte, 9)
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2])); err != nil {
				return
			}
			if head[3] == 1 { // HEADERS of the request
				block := append([]byte{0x88}, literal(name, "x")...) // :status 200
				_, _ = conn.Write(frame(1, 5, binary.BigEndian.Uint32(head[5:]), block))
			}
		}
	})
	var log strings.Builder
	c := client(t, "https://"+address, func(o *mkio.Options) {
		o.RetryFor = 1
		o.Transport = &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's certificate
		o.Log = func(l mkio.RequestLog) { fmt.Fprintf(&log, "%+v\n", l) }
	})
	name = "Harmless Name"
	if reads, writes := everything(t, c, &log); !strings.Contains(reads, name) || !strings.Contains(writes, name) {
		t.Errorf("a harmless name is not shown, so nothing is tested:\n%s%s", reads, writes)
	}
	for form, said := range spoken(sentSecret) {
		name = "X " + said
		if reads, writes := everything(t, c, &log); len(shownOf(reads+writes, said)) > 0 {
			t.Errorf("%s: shown in\n%s%s", form, reads, writes)
		}
	}
}

// frame returns a frame of HTTP/2.
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	return append([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}, payload...)
}

// literal returns a header of HTTP/2 that no table holds.
func literal(name, value string) []byte {
	text := func(s string) []byte {
		if len(s) < 127 {
			return append([]byte{byte(len(s))}, s...)
		}
		out, rest := []byte{127}, len(s)-127
		for ; rest >= 128; rest /= 128 {
			out = append(out, byte(rest%128)|128)
		}
		return append(append(out, byte(rest)), s...)
	}
	return append(append([]byte{0}, text(name)...), text(value)...)
}

// certificate returns a self-signed certificate for a name.
func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestForeignTextOfTLS checks the names of a certificate.
func TestForeignTextOfTLS(t *testing.T) {
	t.Parallel()
	for form, said := range map[string]string{"harmless": "harmless.example", "raw": "t0ken-of-the-client-tests.example", "base64": base64.RawURLEncoding.EncodeToString([]byte(token)) + ".example"} {
		cert := certificate(t, said)
		parsed, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		trusted := x509.NewCertPool()
		trusted.AddCert(parsed)
		address := answering(t, func(l net.Listener) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
		}, afterRequest(func() string { return "" }))
		var log strings.Builder
		c := client(t, "https://"+strings.Replace(address, "127.0.0.1", "localhost", 1), func(o *mkio.Options) {
			o.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
			o.Log = func(l mkio.RequestLog) { fmt.Fprintf(&log, "%+v\n", l) }
		})
		reads, writes := everything(t, c, &log)
		if shown := strings.Contains(reads, said) && strings.Contains(writes, said); shown != (form == "harmless") {
			t.Errorf("%s: shown: %t\n%s%s", form, shown, reads, writes)
		}
	}
}

// TestForeignTextOfProxies checks the text of a proxy that refuses a connection,
// and the proxy password of the environment.
func TestForeignTextOfProxies(t *testing.T) {
	t.Parallel()
	text := "harmless"
	proxy := answering(t, nil, afterRequest(func() string { return "HTTP/1.1 407 " + text + "\r\n\r\n" }))
	var log strings.Builder
	c := client(t, "https://app.example", func(o *mkio.Options) {
		o.RetryFor = 1
		o.Transport = &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})}
		o.Log = func(l mkio.RequestLog) { fmt.Fprintf(&log, "%+v\n", l) }
	})
	if reads, writes := everything(t, c, &log); !strings.Contains(reads, text) || !strings.Contains(writes, text) {
		t.Errorf("a harmless text is not shown, so nothing is tested:\n%s%s", reads, writes)
	}
	for _, value := range []string{token, sentSecret} {
		for form, said := range spoken(value) {
			text = said
			if reads, writes := everything(t, c, &log); len(shownOf(reads+writes, said)) > 0 {
				t.Errorf("%s: shown in\n%s%s", form, reads, writes)
			}
		}
	}
	c = client(t, "https://app.example", func(o *mkio.Options) {
		o.Transport = &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
			return nil, fmt.Errorf("invalid proxy address %q: %w", "http://user:pa55word@:x", errors.New("invalid port"))
		}}
	})
	if _, err := c.ListRules(t.Context()); err == nil || strings.Contains(err.Error(), "pa55") || !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Errorf("a proxy's address that is not valid: %v", err)
	}
}
