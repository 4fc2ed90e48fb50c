package apply

import (
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/mkio"
)

// TestWithheldErrorNamesResponse checks that a withheld message still has the status
// and the reference: reports leave both out for an error that names them.
func TestWithheldErrorNamesResponse(t *testing.T) {
	t.Parallel()
	const token = "a-token-of-this-test"
	client, err := mkio.New(mkio.Options{BaseURL: "https://mkio.example", Project: "demo", Token: secrets.NewString(token)})
	if err != nil {
		t.Fatal(err)
	}
	r := &run{client: client}
	c := Change{HTTPStatus: 422, Ref: "7f3a", Error: &Error{Kind: KindService, Message: "no " + token}}
	r.searchChange(&c)
	if m := c.Error.Message; strings.Contains(m, token) || !strings.HasPrefix(m, "422 Unprocessable Entity: ") || !strings.HasSuffix(m, " (ref 7f3a)") {
		t.Errorf("the message is %q", m)
	}
	d := WriteResult{HTTPStatus: 422, Ref: token, Error: &Error{Kind: KindArchive, Message: "no " + token}}
	r.searchResult(&d)
	if m := d.Error.Message; strings.Contains(m, token) || strings.Contains(m, "422") {
		t.Errorf("the message is %q", m)
	}
}
