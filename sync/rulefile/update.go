package rulefile

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// Update is a rule file that was updated to the live rule.
type Update struct {
	// Data is the file. It is unchanged if the file already matched.
	Data []byte
	// Before and After are the file's spec.
	Before, After webhook.Spec
	// Missing are auth names that are live but not in the file: their values can't be
	// read. Extra are auth names in the file that are not live.
	Missing, Extra webhook.AuthNames
	// Withheld are live plain headers and parameters that the file has under authentication,
	// as paths below spec. They are not added to the file.
	Withheld []string
}

// IsComplete reports whether the file matches the live rule completely.
func (u *Update) IsComplete() bool { return u.Missing.Len()+u.Extra.Len()+len(u.Withheld) == 0 }

// Error describes why a file can't be updated to the live rule.
type Error struct {
	Message string
	hint    diag.Hint
}

// Error returns the message, which contains no value of the file.
func (e *Error) Error() string { return e.Message }

// Hint returns the next step, or "".
func (e *Error) Hint() string { return e.hint.String() }

// Advice returns the hint as words and command.
func (e *Error) Advice() diag.Hint { return e.hint }

// UpdateFile edits a rule file as text to match the live rule: URL, enabled, events, plain
// headers and parameters. Comments, order, quotes and encrypted values are
// unchanged. A value that equals the live value is kept, even if it looks like a
// credential. Otherwise [webhook.Redacted] replaces a credential. The error is an
// [*Error]. Take uses only the options of o that restrict keys.
//
// The result is parsed again and compared with the expected spec. An unsupported
// form of YAML thus causes an error, never a different rule.
func UpdateFile(file string, data []byte, live webhook.Spec, o config.Options) (u *Update, err error) {
	defer func() {
		if recover() != nil { // the YAML library panics on some texts
			u, err = nil, formError()
		}
	}()
	// Nothing is sent or decrypted here.
	o.AllowPlaceholders, o.AllowPlaintextAuth, o.AllowPlainCredentials = true, true, true
	old, problems := config.ScanFile(file, data, o)
	if old == nil {
		return nil, &Error{"can't be read as a rule file: " + problems[0].Message, diag.Hint{Command: "mkhooks validate " + shell.Path(file)}}
	}
	u = &Update{Data: data, Before: old.Spec, After: old.Spec}
	u.Missing, u.Extra = live.Auth.Without(old.Auth), old.Auth.Without(live.Auth)
	want := u.wantedSpec(live)
	if webhook.SpecDigest(want) == webhook.SpecDigest(old.Spec) {
		return u, nil
	}
	if macCoversPlaintext(data) {
		return nil, &Error{"its MAC covers more than the encrypted values (sops.mac_only_encrypted is not set), so a changed line would break it", old.Reencrypt}
	}
	e := &editor{data: data}
	if !e.editSpec(old.Spec, want) {
		return nil, formError()
	}
	now, after := config.ScanFile(file, e.data, o)
	if p := schema.FirstNewError(problems, after); p != nil {
		return nil, &Error{"what is live can't stand in a rule file: " + p.Message, p.Advice()}
	}
	if now == nil || now.Name != old.Name || webhook.SpecDigest(now.Spec) != webhook.SpecDigest(want) || !sameContent(data, e.data) {
		return nil, formError()
	}
	u.Data, u.After = e.data, now.Spec
	return u, nil
}

func formError() error {
	return &Error{"is written in a way that can't be edited in place", diag.Hint{Text: "write its spec as plain lines, NAME: VALUE, or edit it by hand"}}
}

// wantedSpec returns the spec that the file should have: the live spec, with the file's
// authentication.
func (u *Update) wantedSpec(live webhook.Spec) webhook.Spec {
	s := PublicSpec(live, u.Before.Auth)
	s.Auth = u.Before.Auth
	if webhook.CanonicalURL(live.URL) == webhook.CanonicalURL(u.Before.URL) {
		s.URL = u.Before.URL
	}
	spelled := headerSpellings(u.Before.Headers)
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
	u.withholdSecrets("headers.", s.Headers, u.Before.Headers)
	u.withholdSecrets("queryParams.", s.QueryParams, u.Before.QueryParams)
	return s
}

// withholdSecrets removes from plain the names that are secret in the file. A parameter also
// matches a secret header, and vice versa: no name may be both. Names that the file
// has as plain values are kept.
func (u *Update) withholdSecrets(part string, plain, own map[string]string) {
	secret := webhook.MaskOf(nil, &webhook.Spec{Auth: u.Before.Auth})
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		if clear := slices.ContainsFunc(slices.Collect(maps.Keys(own)), func(other string) bool {
			return webhook.HeaderKey(other) == webhook.HeaderKey(name)
		}); !clear && secret.HasSecretName(name) {
			delete(plain, name)
			u.Withheld = append(u.Withheld, part+name)
		}
	}
}

// headerSpellings maps each header key to a spelling of the name.
func headerSpellings(headers map[string]string) map[string]string {
	out := map[string]string{}
	for name := range headers {
		key := webhook.HeaderKey(name)
		if other, ok := out[key]; !ok || name < other { // deterministic if there are two
			out[key] = name
		}
	}
	return out
}

// macCoversPlaintext reports whether a file is encrypted with a MAC that also covers its
// plaintext values.
func macCoversPlaintext(data []byte) bool {
	_, metadata := yamltext.Entry(rootOf(data), "sops")
	if metadata == nil {
		return false
	}
	_, n := yamltext.Entry(metadata, "mac_only_encrypted")
	return n == nil || n.Value != "true"
}

// rootOf returns the top mapping of a file, or nil.
func rootOf(data []byte) *yaml.Node {
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil
	}
	return doc.Content[0]
}

// sameContent reports whether an edited file kept the parts that must not change.
// These are authentication, the SOPS metadata and every comment on a separate line.
func sameContent(before, after []byte) bool {
	a, b := rootOf(before), rootOf(after)
	for _, path := range [][]string{{"sops"}, {"spec", "authentication"}} {
		x, y := a, b
		for _, name := range path {
			_, x = yamltext.Entry(x, name)
			_, y = yamltext.Entry(y, name)
		}
		if !equalNodes(x, y) {
			return false
		}
	}
	left := countComments(after)
	for line, n := range countComments(before) {
		if left[line] < n {
			return false
		}
	}
	return true
}

// equalNodes compares the contents of two nodes, regardless of their positions.
func equalNodes(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, equalNodes)
}

// countComments counts the comments on separate lines.
func countComments(data []byte) map[string]int {
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
			out[l]++ // skip lines of multi-line texts
		}
	}
	return out
}
