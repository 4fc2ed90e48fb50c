package webhook

import "strings"

// deliveryHeaders change where or how a request is delivered. Host selects the
// receiver behind the address of the URL. The other headers frame the body, or each
// proxy on the path reads them: they never reach the receiver unchanged.
var deliveryHeaders = map[string]bool{
	"host": true,
	// The body's framing: two of these can split one request into two.
	"content-length": true, "transfer-encoding": true, "te": true, "trailer": true, "expect": true,
	// The connection: HTTP2-Settings is sent with Upgrade only.
	"connection": true, "keep-alive": true, "upgrade": true, "http2-settings": true,
}

// IsDeliveryHeader reports whether a header changes where or how a request is
// delivered. Such headers are Host, the headers of one connection (RFC 9110, section
// 7.6.1), the framing of the body, and Proxy-*. Some servers read an underscore as a
// hyphen, so both are treated alike.
//
// Headers that a receiver interprets after delivery (Content-Type, Cookie,
// X-Forwarded-Host, X-HTTP-Method-Override) are not among them. They change neither
// the receiving host nor the form of the request.
func IsDeliveryHeader(name string) bool {
	key := strings.ReplaceAll(HeaderKey(name), "_", "-")
	return deliveryHeaders[key] || strings.HasPrefix(key, "proxy-")
}
