package buckettest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a client and a server, and does wrong where it is told
// to.
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
			r.Out.Host = r.In.Host // a part of what is signed
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

// Do has requests answered by wrong, which may have the server answer, too.
// nil ends it.
func (p *Proxy) Do(wrong func(w http.ResponseWriter, r *http.Request, real http.Handler)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = wrong
}

// ServeHTTP answers a request.
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
