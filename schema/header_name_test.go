package schema

import (
	"fmt"
	"testing"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestHeaderNames checks that editors reject the same plain and secret header names
// as validation does, and that each message names the header.
func TestHeaderNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Host", "hOST", "Content-Length", "content_length", "Transfer-Encoding", "Connection", "TE", "Trailer", "Upgrade", "Expect", "Keep-Alive",
		"HTTP2-Settings", "Proxy-Authorization", "proxy_connection", "Proxy-",
		"X-Host", "Hostname", "Content-Type", "Cookie", "Proxy", "X-Proxy-A", "Tea", "Trailers", "Upgrade-Insecure-Requests", "Expect-CT",
	} {
		for _, field := range []string{`"headers":{%q:"a"}`, `"authentication":{"headers":{%q:"a"}}`} {
			text := fmt.Sprintf(`{"metadata":{"name":"x"},"spec":{"url":"https://h/","enabled":true,"events":["MediaKind.JobStarted"],`+field+`}}`, name)
			got := CheckRule(decode(t, text))
			refused := len(got) == 1 && got[0].Kind == Forbidden && got[0].Path[len(got[0].Path)-1] == name
			if want := webhook.IsDeliveryHeader(name); refused != want || !want && len(got) > 0 {
				t.Errorf("%s: violations %+v, want refused %t", text, got, want)
			}
		}
	}
}
