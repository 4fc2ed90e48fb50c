package webhook

import "testing"

// TestIsDeliveryHeader checks every header that changes where or how a request is
// delivered, in any spelling. Headers that a receiver interprets are not delivery
// headers.
func TestIsDeliveryHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Host", "host", "HOST", "hOsT", "Content-Length", "content-LENGTH", "Content_Length", "Transfer-Encoding", "TRANSFER_ENCODING",
		"Connection", "TE", "te", "Trailer", "Upgrade", "Expect", "Keep-Alive", "keep_alive", "HTTP2-Settings",
		"Proxy-Authorization", "Proxy-Connection", "proxy-authenticate", "PROXY_AUTHORIZATION", "Proxy-Anything", "Proxy-",
	} {
		if !IsDeliveryHeader(name) {
			t.Errorf("%q is not refused", name)
		}
	}
	for _, name := range []string{
		"", "X-Host", "Hostname", "X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-HTTP-Method-Override", "X-Original-URL",
		"Content-Type", "Content-Encoding", "Content-Language", "Cookie", "Authorization", "User-Agent", "Accept", "Origin", "Referer", "Date",
		"Upgrade-Insecure-Requests", "Trailers", "Connections", "X-TE", "TEA", "Expect-CT", "X-Proxy-Token", "Proxy", "Proxied-By", "Via",
	} {
		if IsDeliveryHeader(name) {
			t.Errorf("%q is refused", name)
		}
	}
}
