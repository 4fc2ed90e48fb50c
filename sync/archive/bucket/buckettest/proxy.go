package buckettest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Proxy forwards requests to a server, and injects the faults of [Proxy.SetFault].
type Proxy struct {
	URL    string
	target string
	real   http.Handler

	mu    sync.Mutex
	wrong func(w http.ResponseWriter, r *http.Request, real http.Handler)
}

func newProxy(t testing.TB, target string) *Proxy {
	p := &Proxy{target: target}
	p.real = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: target})
			r.Out.Host = r.In.Host // part of the signed text
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	p.URL = server.URL
	return p
}

// SetFault makes wrong respond to requests. wrong may also forward them to real. nil ends
// that.
func (p *Proxy) SetFault(wrong func(w http.ResponseWriter, r *http.Request, real http.Handler)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = wrong
}

// ServeHTTP responds to a request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	wrong := p.wrong
	p.mu.Unlock()
	if wrong == nil {
		p.real.ServeHTTP(w, r)
		return
	}
	wrong(w, r, p.real)
}
