package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// authentication reads spec.authentication: names, sealed values, and the
// SOPS metadata that must go with them. No message here holds a value.
func (f *file) authentication(root, spec *yaml.Node, r *Rule, data []byte) {
	sopsKey, metadata := child(root, "sops")
	authKey, auth := child(spec, "authentication")
	var sealed []webhook.SealedValue
	plain := secrets.Auth{}
	clear := 0
	for _, part := range []struct {
		name  string
		names *[]string
		plain *map[string]secrets.String
	}{
		{"headers", &r.Spec.Auth.Headers, &plain.Headers},
		{"queryParams", &r.Spec.Auth.QueryParams, &plain.QueryParams},
	} {
		_, n := child(auth, part.name)
		each(n, func(key, value *yaml.Node) {
			*part.names = append(*part.names, key.Value)
			path := "spec.authentication." + part.name + "." + shown(key.Value, true)
			switch {
			case !isText(value) || value.Value == "": // the schema says so
			case secrets.LooksSealed(value.Value):
				if problem := secrets.SealedProblem(value.Value); problem != "" {
					f.fail(value, f.mendSealed(problem), "%s %s", path, problem)
				}
				sealed = append(sealed, webhook.SealedValue{Path: part.name + "/" + key.Value, Ciphertext: value.Value})
			case strings.Contains(value.Value, "ENC[AES256_GCM,"):
				f.fail(value, f.mendSealed(""), "%s has text before the encrypted value", path)
			default:
				clear++
				f.clearValue(value, path, metadata != nil)
				if *part.plain == nil {
					*part.plain = map[string]secrets.String{}
				}
				(*part.plain)[key.Value] = secrets.NewString(value.Value)
			}
		})
		slices.Sort(*part.names)
	}
	r.AuthDigest = webhook.AuthDigest(sealed)
	r.Sealed.File = f.name
	if clear > 0 {
		r.AuthDigest = webhook.AuthUnknown
		r.Sealed.Plain = plain
	}
	if len(sealed) > 0 {
		r.Sealed.Document = data
	}
	switch {
	case metadata != nil:
		f.sopsMetadata(root, sopsKey, metadata, sealed)
	case len(sealed) > 0:
		f.fail(authKey, "bring the file back from Git, or write the values in clear and encrypt it: sops encrypt --in-place "+shell.Path(f.name),
			"spec.authentication is encrypted, but the file has no sops metadata to open it with")
	}
}

// mendSealed is what to do about an encrypted value that is not as SOPS
// writes it.
func (f *file) mendSealed(problem string) string {
	if strings.Contains(problem, "another type") {
		return "quote the value and encrypt it again: sops edit " + shell.Path(f.name)
	}
	return "bring the line back from Git; where that can't be, remove it and add the value anew: sops edit --ignore-mac " + shell.Path(f.name)
}

// clearValue reports an authentication value in clear text.
func (f *file) clearValue(n *yaml.Node, path string, hasMetadata bool) {
	set := "mkhooks secret set " + shell.Path(f.name)
	switch {
	case secrets.IsMask(n.Value):
		f.fail(n, "the API never shows a value; to set and encrypt it: "+set, "%s is a mask (only asterisks), expected an encrypted value", path)
	case secrets.IsPlaceholder(n.Value) && f.o.AllowPlaceholders:
		f.placeholders = append(f.placeholders, path)
		f.warn(n, set, "%s is a placeholder, so the rule can't be sent yet", path)
	case secrets.IsPlaceholder(n.Value):
		f.fail(n, set, "%s is a placeholder, expected an encrypted value", path)
	case f.o.AllowPlaintextAuth && !hasMetadata:
		if problem := secrets.NewString(n.Value).Check(); problem != "" {
			f.fail(n, "mend the value", "%s %s", path, problem)
		}
	case hasMetadata:
		f.fail(n, "remove the line and add the value with sops edit "+shell.Path(f.name)+"; if it was ever committed, it is no secret any more", "%s is in clear text, expected a value encrypted with SOPS", path)
	default:
		f.fail(n, "sops encrypt --in-place "+shell.Path(f.name)+"; if it was ever committed, it is no secret any more", "%s is in clear text, expected a value encrypted with SOPS", path)
	}
}
