package config

import (
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// A rule may refer to a value of a shared secrets file instead of containing the
// value under spec.authentication: $secret: shared.yaml#webhookSecret. This file
// reads such references. sharedfile.go reads the files that they lead to, and
// resolve.go resolves the references.

// secretKey is the key of a reference.
const secretKey = "$secret"

// exampleReference is the example that messages show.
const exampleReference = secretKey + ": shared.yaml#webhookSecret"

// reference refers to a value in a shared secrets file.
type reference struct {
	// path is the path of the value in the rule: "headers/X-Webhook-Secret".
	path string
	// file is the path of the shared file below a layer, with slashes. key is the key of
	// the value in that file.
	file, key string
	at        schema.Position
}

func (r reference) String() string { return shorten(r.file) + "#" + printableKey(r.key, true) }

// parseReference parses a mapping as a reference. If it is invalid, reference reports the
// problem and returns nil. The text after $secret is shown only if it has the form
// of a reference: a user may have put the secret itself there.
func (f *file) parseReference(n *yaml.Node, at string) *reference {
	const form = "write " + exampleReference
	key, value := child(n, secretKey)
	if key == nil {
		f.fail(n, "", "%s is a mapping, expected text", at)
		return nil
	}
	if f.placed == nil {
		f.placed = map[*yaml.Node]bool{}
	}
	f.placed[key] = true
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value != secretKey {
			f.fail(n.Content[i], form+", and nothing beside it", "%s has another key beside $secret", at)
			return nil
		}
	}
	switch {
	case value.Kind == yaml.ScalarNode && secrets.LooksSealed(value.Value):
		f.fail(value, "write it in clear, "+exampleReference+", and the other values with mkhooks secret set "+shell.Path(f.name)+"; or keep references in a file of their own",
			"%s.$secret is encrypted, and a reference is no secret: nothing could be read without a key", at)
		return nil
	case !isText(value):
		f.fail(value, form, "%s.$secret is %s, expected FILE#KEY", at, kindOf(value))
		return nil
	}
	file, name, ok := strings.Cut(value.Value, "#")
	problem := ""
	switch {
	case !ok:
		problem = "names no key"
	case name == "":
		problem = "names no key behind the #"
	case file == "":
		problem = "names no file before the #"
	case !isYAML(file):
		problem = "names a file that does not end in .yaml or .yml"
	case strings.HasPrefix(file, "/") || strings.Contains(file, `\`) || strings.Contains(file, ":"):
		problem = "names a file by an absolute path, or not with slashes"
	case !fs.ValidPath(file):
		problem = "names a file by a path with . or .. or an empty part in it"
	case strings.HasPrefix(file, ".") || strings.Contains(file, "/.") || path.Base(file) == FileName:
		problem = "names a file that is another tool's by its name"
	case strings.ContainsFunc(value.Value, isControl):
		problem = "has control characters in it"
	}
	if problem != "" {
		f.fail(value, form, "%s.$secret %s; expected FILE#KEY, the file below a layer", at, problem)
		return nil
	}
	return &reference{file: file, key: name, at: f.positionOf(value)}
}

func isControl(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }

// reportStrayReferences reports every $secret that does not take the place of a value
// under authentication. It must run after those values were read.
func (f *file) reportStrayReferences() {
	for _, key := range f.secretKeys {
		if !f.placed[key] {
			f.fail(key, "spec.authentication.headers.NAME or queryParams.NAME, and below that "+exampleReference,
				"$secret stands here in vain; it takes the place of a value under spec.authentication")
		}
	}
}
