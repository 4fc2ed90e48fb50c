package rulefile

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// Update is a rule file that was made to say what is live.
type Update struct {
	// Data is the file; the same bytes where it said so before.
	Data []byte
	// Before and After are what it says.
	Before, After webhook.Spec
	// Missing are names of authentication that are live and not in the file:
	// their values can't be read. Extra are in the file and not live.
	Missing, Extra webhook.AuthNames
	// Held are plain headers and parameters that are live, and stay out of the
	// file because it has them as authentication, as paths below spec.
	Held []string
}

// Whole reports whether the file says all that is live.
func (u *Update) Whole() bool { return u.Missing.Len()+u.Extra.Len()+len(u.Held) == 0 }

// Error says why a file can't be made to say what is live.
type Error struct {
	Message string
	hint    string
}

// Error returns the message, which holds no value of the file.
func (e *Error) Error() string { return e.Message }

// Hint is what to do about it, or "".
func (e *Error) Hint() string { return e.hint }

// Take edits a rule file as text so that it says what is live: URL, enabled,
// events, plain headers and parameters. Comments, order, quotes and encrypted
// values stay as they are. Where a value of the file is the live one, it stays,
// also where it looks like a credential; otherwise [webhook.Redacted] takes its
// place. The error is an [*Error]. Of o only what says how keys may be used
// counts.
//
// What comes out is read again and compared with what was meant, so that an
// odd form of YAML leads to an error and never to another rule.
func Take(file string, data []byte, live webhook.Spec, o config.Options) (u *Update, err error) {
	defer func() {
		if recover() != nil { // the YAML library panics on some texts
			u, err = nil, unknownForm()
		}
	}()
	// Nothing is sent and nothing decrypted here.
	o.AllowPlaceholders, o.AllowPlaintextAuth, o.AllowPlainCredentials = true, true, true
	old, problems := config.ScanFile(file, data, o)
	if old == nil {
		return nil, &Error{"can't be read as a rule file: " + problems[0].Message, "mkhooks validate " + shell.Path(file)}
	}
	u = &Update{Data: data, Before: old.Spec, After: old.Spec}
	u.Missing, u.Extra = live.Auth.Without(old.Auth), old.Auth.Without(live.Auth)
	want := u.want(live)
	if webhook.SpecDigest(want) == webhook.SpecDigest(old.Spec) {
		return u, nil
	}
	if hint, signed := signedInClear(data, problems); signed {
		return nil, &Error{"its MAC covers more than the encrypted values (sops.mac_only_encrypted is not set), so a changed line would break it", hint}
	}
	e := &editor{data: data}
	if !e.edit(old.Spec, want) {
		return nil, unknownForm()
	}
	now, after := config.ScanFile(file, e.data, o)
	if p := added(problems, after); p != nil {
		return nil, &Error{"what is live can't stand in a rule file: " + p.Message, p.Hint}
	}
	if now == nil || now.Name != old.Name || webhook.SpecDigest(now.Spec) != webhook.SpecDigest(want) || !sameContent(data, e.data) {
		return nil, unknownForm()
	}
	u.Data, u.After = e.data, now.Spec
	return u, nil
}

func unknownForm() error {
	return &Error{"is written in a way that can't be edited in place", "write its spec as plain lines, NAME: VALUE, or edit it by hand"}
}

// want is what the file is to say: what is live, with the authentication that
// the file has.
func (u *Update) want(live webhook.Spec) webhook.Spec {
	s := Public(live, u.Before.Auth)
	s.Auth = u.Before.Auth
	if webhook.CanonicalURL(live.URL) == webhook.CanonicalURL(u.Before.URL) {
		s.URL = u.Before.URL
	}
	spelled := spellings(u.Before.Headers)
	for name, value := range live.Headers {
		own, ok := u.Before.Headers[spelled[webhook.HeaderKey(name)]]
		if ok && !webhook.IsMarkerHeader(name) && webhook.HeaderValue(own) == webhook.HeaderValue(value) {
			s.Headers[name] = webhook.HeaderValue(own)
		}
	}
	for name, value := range live.QueryParams {
		if u.Before.QueryParams[name] == value {
			s.QueryParams[name] = value
		}
	}
	u.hold("headers.", s.Headers, u.Before.Headers)
	u.hold("queryParams.", s.QueryParams, u.Before.QueryParams)
	return s
}

// hold takes out of plain what the file has as a secret, also if that is a
// parameter here and a header there: no name may be both. What the file has in
// clear itself stays.
func (u *Update) hold(part string, plain, own map[string]string) {
	secret := webhook.MaskOf(nil, &webhook.Spec{Auth: u.Before.Auth})
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		if clear := slices.ContainsFunc(slices.Collect(maps.Keys(own)), func(other string) bool {
			return webhook.HeaderKey(other) == webhook.HeaderKey(name)
		}); !clear && secret.Names(name) {
			delete(plain, name)
			u.Held = append(u.Held, part+name)
		}
	}
}

// spellings are the names of headers by what counts of them.
func spellings(headers map[string]string) map[string]string {
	out := map[string]string{}
	for name := range headers {
		key := webhook.HeaderKey(name)
		if other, ok := out[key]; !ok || name < other { // of two, always the same
			out[key] = name
		}
	}
	return out
}

// signedInClear reports whether a file is encrypted with a MAC over its clear
// values, too, and how to mend that.
func signedInClear(data []byte, problems []schema.Problem) (hint string, signed bool) {
	_, metadata := yamltext.Entry(rootOf(data), "sops")
	if metadata == nil {
		return "", false
	}
	if _, n := yamltext.Entry(metadata, "mac_only_encrypted"); n != nil && n.Value == "true" {
		return "", false
	}
	for _, p := range problems {
		if strings.Contains(p.Message, "mac_only_encrypted") {
			hint = p.Hint
		}
	}
	return hint, true
}

// added is the first error that a file did not have before.
func added(before, after []schema.Problem) *schema.Problem {
	for i, p := range after {
		known := slices.ContainsFunc(before, func(old schema.Problem) bool { return old.Message == p.Message })
		if p.Severity == schema.Error && !known {
			return &after[i]
		}
	}
	return nil
}

// rootOf is the top mapping of a file, or nil.
func rootOf(data []byte) *yaml.Node {
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil
	}
	return doc.Content[0]
}

// sameContent reports whether an edited file still has what is not to be touched: all
// of authentication and of the SOPS metadata, and every comment that stands on
// a line of its own.
func sameContent(before, after []byte) bool {
	a, b := rootOf(before), rootOf(after)
	for _, path := range [][]string{{"sops"}, {"spec", "authentication"}} {
		x, y := a, b
		for _, name := range path {
			_, x = yamltext.Entry(x, name)
			_, y = yamltext.Entry(y, name)
		}
		if !equal(x, y) {
			return false
		}
	}
	left := comments(after)
	for line, n := range comments(before) {
		if left[line] < n {
			return false
		}
	}
	return true
}

// equal compares what two nodes hold, wherever they stand.
func equal(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, equal)
}

// comments counts the comments that stand on lines of their own.
func comments(data []byte) map[string]int {
	known := map[string]bool{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for l := range strings.Lines(n.HeadComment + "\n" + n.LineComment + "\n" + n.FootComment) {
			known[strings.TrimSpace(l)] = true
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	if root := rootOf(data); root != nil {
		walk(root)
	}
	out := map[string]int{}
	for l := range strings.Lines(string(data)) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "#") && known[l] {
			out[l]++ // and no line of a text in lines
		}
	}
	return out
}
