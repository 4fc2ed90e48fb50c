package diag_test

import (
	"testing"

	"github.com/mkhooks/mkhooks/sync/diag"
)

func TestHint(t *testing.T) {
	t.Parallel()
	for want, hint := range map[string]diag.Hint{
		"":                           {},
		"check the quotes":           {Text: "check the quotes"},
		"sops edit a.yaml":           {Command: "sops edit a.yaml"},
		"quote it: sops edit a.yaml": {Text: "quote it", Command: "sops edit a.yaml"},
	} {
		if got := hint.String(); got != want {
			t.Errorf("%+v: %q, want %q", hint, got, want)
		}
	}
}
