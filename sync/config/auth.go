package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/diag"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// authParts are the mappings of spec.authentication.
var authParts = []string{"headers", "queryParams"}

// classifyAuthValue is one value under spec.authentication in a file.
type authValue struct {
	part, name string
	node       *yaml.Node
	kind       authKind
	ref        *reference // set if a shared secrets file defines it
}

// authKind is the form of a value in its file.
type authKind int

const (
	authOther  authKind = iota // not a valid value
	authSealed                 // encrypted
	authClear                  // plaintext
)

// path returns the value's path in the rule: "headers/X-Webhook-Secret".
func (v authValue) path() string { return v.part + "/" + v.name }

// keyPath returns the value's path as printed in messages.
func (v authValue) keyPath() string {
	return "spec.authentication." + v.part + "." + printableKey(v.name, true)
}

// readAuthentication reads spec.authentication: names, sealed values, and the SOPS
// metadata that must accompany them. No message here contains a value.
func (f *file) readAuthentication(root, spec *yaml.Node, r *Rule, data []byte) {
	_, auth := child(spec, "authentication")
	r.Spec.Auth = authNames(auth)
	r.setAuth([]authSource{{f, data, f.authValues(root, nil)}})
}

// authNames returns the names of the values, sorted.
func authNames(auth *yaml.Node) webhook.AuthNames {
	names := func(part string) []string {
		var out []string
		_, n := child(auth, part)
		eachEntry(n, func(key, _ *yaml.Node) { out = append(out, key.Value) })
		slices.Sort(out)
		return out
	}
	return webhook.AuthNames{Headers: names("headers"), QueryParams: names("queryParams")}
}

// authValues reads and checks the auth values of one file and the SOPS metadata that
// they need. The rule takes only the values for which inForce is true; a nil inForce
// selects all.
func (f *file) authValues(root *yaml.Node, inForce func(*yaml.Node) bool) []authValue {
	sopsKey, metadata := child(root, "sops")
	_, spec := child(root, "spec")
	authKey, auth := child(spec, "authentication")
	var values []authValue
	var sealed []webhook.SealedValue
	for _, part := range authParts {
		_, n := child(auth, part)
		eachEntry(n, func(key, value *yaml.Node) {
			v := authValue{part: part, name: key.Value, node: value}
			f.classifyAuthValue(&v, metadata != nil, inForce == nil || inForce(value))
			if v.kind == authSealed {
				sealed = append(sealed, webhook.SealedValue{Path: v.path(), Ciphertext: value.Value})
			}
			values = append(values, v)
		})
	}
	f.reportStrayReferences()
	switch {
	case metadata != nil:
		f.checkMetadata(root, sopsKey, metadata, sealed)
	case len(sealed) > 0:
		f.fail(authKey, "bring the file back from Git, or write the values in clear and encrypt it",
			"spec.authentication is encrypted, but the file has no sops metadata to open it with").Run("sops encrypt --in-place " + shell.Path(f.name))
	}
	return values
}

// classifyAuthValue sets the kind of a value and reports its problems.
func (f *file) classifyAuthValue(v *authValue, hasMetadata, inForce bool) {
	switch n := v.node; {
	case n.Kind == yaml.MappingNode:
		if v.ref = f.parseReference(n, v.keyPath()); v.ref != nil {
			v.ref.path = v.path()
		}
	case !isText(n) || n.Value == "": // the schema reports it
	default:
		f.classifyText(v, v.keyPath(), hasMetadata, inForce)
	}
}

// classifyText sets the kind of a text value and reports its problems. at is the
// value's path.
func (f *file) classifyText(v *authValue, at string, hasMetadata, inForce bool) {
	switch n := v.node; {
	case secrets.LooksSealed(n.Value):
		v.kind = authSealed
		if problem := secrets.SealedProblem(n.Value); problem != "" {
			f.sealedHint(f.fail(n, "", "%s %s", at, problem), secrets.SealedAsOtherType(n.Value), at)
		}
	case strings.Contains(n.Value, "ENC[AES256_GCM,"):
		f.sealedHint(f.fail(n, "", "%s has text before the encrypted value", at), false, at)
	default:
		v.kind = authClear
		if inForce || !secrets.IsPlaceholder(n.Value) { // a later layer has the value
			f.reportPlaintext(n, at, hasMetadata)
		}
	}
}

// authSource contains the values that a rule takes from one file.
type authSource struct {
	file   *file
	data   []byte
	values []authValue // in force
}

// setAuth sets the rule's auth values from its files.
func (r *Rule) setAuth(sources []authSource) {
	r.Sealed.File = r.File
	for _, s := range sources {
		take := map[string][]string{}
		for _, v := range s.values {
			if v.ref != nil {
				r.references = append(r.references, *v.ref)
			}
			switch v.kind {
			case authSealed:
				take[v.path()] = []string{"spec", "authentication", v.part, v.name}
				r.Values = append(r.Values, webhook.SealedValue{Path: v.path(), Ciphertext: v.node.Value})
			case authClear:
				r.clear = true
				r.Sealed.Plain.Add(v.path(), secrets.NewString(v.node.Value))
			}
		}
		if len(take) == 0 {
			continue
		}
		if len(sources) == 1 {
			take = nil // all values of the file belong to the rule
		}
		r.Sealed.Sources = append(r.Sealed.Sources, secrets.Source{File: s.file.name, Document: s.data, Take: take})
	}
	if r.AuthDigest = webhook.AuthUnknown; r.references == nil {
		r.finishAuth()
	}
}

// finishAuth computes the digest of the rule's values, once all are known.
func (r *Rule) finishAuth() {
	if r.AuthDigest = webhook.AuthUnknown; !r.clear {
		r.AuthDigest = webhook.AuthDigest(r.Values)
	}
	r.references = nil
}

// sealedHint adds the hint for an encrypted value that SOPS did not write in this
// form.
func (f *file) sealedHint(p *schema.Problem, otherType bool, path string) {
	if otherType {
		p.SetHint(diag.Hint{Text: "set it anew, as text", Command: f.setAnew(path)})
		return
	}
	// Without its line the MAC does not fit, and no hint ignores a MAC.
	p.SetHint(diag.Hint{Text: "bring the line back from Git", Command: "git log -p -- " + shell.Path(f.name)})
}

// setAnew returns the command that sets one value. It makes a new data key, and it
// refuses a file that a key can read which the nearest .sops.yaml does not name.
func (f *file) setAnew(path string) string {
	return "mkhooks secret set " + shell.Path(f.name) + " " + shell.Word(strings.TrimPrefix(path, "spec.authentication."))
}

// reportPlaintext reports a plaintext auth value.
func (f *file) reportPlaintext(n *yaml.Node, path string, hasMetadata bool) {
	set := "mkhooks secret set " + shell.Path(f.name)
	switch {
	case secrets.IsMask(n.Value):
		f.fail(n, "the API never shows a value; to set and encrypt it", "%s is a mask (only asterisks), expected an encrypted value", path).Run(set)
	case secrets.IsPlaceholder(n.Value) && f.options.AllowPlaceholders:
		f.placeholders = append(f.placeholders, path)
		f.warn(n, "", "%s is a placeholder, so the rule can't be sent yet", path).Run(set)
	case f.options.AllowPlaintextAuth && !hasMetadata && (f.options.AllowOddSecrets || !secrets.IsPlaceholder(n.Value)):
		value := secrets.NewString(n.Value)
		switch problem := value.Check(); {
		case value.IsOdd() && f.options.AllowOddSecrets || problem == "":
		case value.IsOdd():
			f.fail(n, "mend the value; if it really is the secret: --allow-odd-secrets", "%s %s", path, problem)
		default:
			f.fail(n, "mend the value", "%s %s", path, problem)
		}
	case secrets.IsPlaceholder(n.Value):
		what := "is a placeholder"
		if value := secrets.NewString(strings.TrimSpace(n.Value)); value.IsOdd() {
			what = value.Looks()
		}
		f.fail(n, "", "%s %s, expected an encrypted value", path, what).Run(set)
	case hasMetadata && f.uncovered:
		f.fail(n, "remove sops, give shared secrets files a rule of their own in .sops.yaml, before the general one, and encrypt the file anew",
			"%s is in clear text, because SOPS was told to encrypt other names only", path).Run(f.encryptCommand())
	case hasMetadata:
		f.fail(n, "give it a new value: "+f.setAnew(path)+"; if it was ever committed, it is no secret any more", "%s is in clear text, expected a value encrypted with SOPS", path)
	default:
		f.fail(n, f.encryptCommand()+"; if it was ever committed, it is no secret any more", "%s is in clear text, expected a value encrypted with SOPS", path)
	}
}
