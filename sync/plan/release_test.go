package plan

import (
	"encoding/json"
	"testing"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

func TestRelease(t *testing.T) {
	t.Parallel()
	// same equals its file, moved differs, gone is ours without a file.
	const sealed = webhook.Digest("0123456789abcdef0123456789abcdef")
	withSecret := func(in *Input) {
		d, live := &in.Desired[2], &in.Live[1]
		d.Spec.Auth.Headers, d.AuthDigest = []string{"X-Secret"}, sealed
		live.Spec = d.Spec.Clone().WithMarker(webhook.Marker{
			Owner: "video", ID: webhook.RuleID("demo", "same"), Spec: webhook.SpecDigest(d.Spec), Auth: sealed})
	}
	for _, tt := range []struct {
		name, rule string
		with       func(*Input)
		want       Guard // "" if it can be released
	}{
		{"as its file says", "same", nil, ""},
		{"as its file says, with a secret", "same", withSecret, ""},
		{"to another destination than those listed", "same", func(in *Input) {
			withSecret(in)
			in.Options.Destinations = []string{"elsewhere.example.com"}
		}, GuardDestination},
		{"rotated in the file", "same", func(in *Input) {
			withSecret(in)
			in.Desired[2].AuthDigest = "fedcba9876543210fedcba9876543210"
		}, GuardRelease},
		{"not as its file says", "moved", nil, GuardRelease},
		{"without a file", "gone", nil, ""},
		{"without a file, with a secret", "gone", func(in *Input) { in.Live[2].Spec.Auth.Headers = []string{"X"} }, GuardMissingAuth},
		{"with a field that is not known", "gone", func(in *Input) {
			in.Live[2].Spec.Unknown = map[string]json.RawMessage{"x": json.RawMessage("1")}
		}, GuardUnknown},
		{"of another owner", "same", func(in *Input) { in.Owner = "audio" }, GuardForeign},
		{"of nobody", "same", func(in *Input) { in.Live[1].Spec = in.Live[1].Spec.WithoutMarker() }, GuardForeign},
	} {
		in := baseInput()
		if tt.with != nil {
			tt.with(&in)
		}
		in.Options.Only = []string{tt.rule}
		p, desired := Release(in)
		if len(p.Projects[0].Changes) != 1 || len(desired) != 1 || desired[0].Name != tt.rule {
			t.Errorf("%s: changes %+v, desired %+v; want the one of %s", tt.name, p.Projects[0].Changes, desired, tt.rule)
			continue
		}
		wantAuth := AuthNone
		if desired[0].Spec.Auth.Len() > 0 {
			wantAuth = AuthUnchanged
		}
		if got := p.Projects[0].Changes[0].Auth; got != wantAuth {
			t.Errorf("%s: auth %s, want %s", tt.name, got, wantAuth)
		}
		c := p.Projects[0].Changes[0]
		var got Guard
		if c.Blocked != nil {
			got = c.Blocked.Guard
		}
		if got != tt.want {
			t.Errorf("%s: blocked by %q (%+v), want %q", tt.name, got, c.Blocked, tt.want)
		}
		if p.Projects[0].Owner != "" {
			t.Errorf("%s: the plan has an owner, so apply would write its marker", tt.name)
		}
		if got == "" && webhook.SpecDigest(desired[0].Spec) != webhook.SpecDigest(in.live(tt.rule).Spec) {
			t.Errorf("%s: what is sent differs from the live rule", tt.name)
		}
		if want := webhook.DesiredDigest(desired[0], ""); c.DesiredDigest != want {
			t.Errorf("%s: desired digest %s, want %s", tt.name, c.DesiredDigest, want)
		}
	}
	if p, _ := Release(baseInput()); len(p.Projects[0].Changes) != 0 {
		t.Errorf("no rule was named, and %d would be released", len(p.Projects[0].Changes))
	}
}

func (in Input) live(name string) *webhook.Rule {
	for i := range in.Live {
		if in.Live[i].Name == name {
			return &in.Live[i]
		}
	}
	return nil
}
