package sops

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"filippo.io/age"
	agearmor "filippo.io/age/armor"
	pgparmor "github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/stores"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
)

// CheckForm returns the problems that prevent the decryption of a document with
// any key. It reads the document with the code that decrypts it, and stops
// before a key is needed. root is the mapping of the document.
//
// Almost every document has the usual form, which is checked much faster.
func (d *Decrypter) CheckForm(file string, root *yaml.Node) []secrets.FormProblem {
	if hasUsualForm(root) {
		return nil
	}
	return d.checkAnyForm(file, root)
}

// checkAnyForm is CheckForm for a document of any form.
func (d *Decrypter) checkAnyForm(file string, root *yaml.Node) (problems []secrets.FormProblem) {
	defer func() {
		if recover() != nil { // anyone can write metadata
			problems = []secrets.FormProblem{{Message: "is not a file that SOPS wrote"}}
		}
	}()
	branch, ok := convertDocument(&yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{root}})
	if !ok {
		return []secrets.FormProblem{{Message: "is not a file that SOPS wrote"}}
	}
	metadata := metadataOf(branch)
	tree, err := extractMetadata(file, withoutReferences(branch))
	if err != nil {
		return []secrets.FormProblem{{Path: append([]string{stores.SopsMetadataKey}, locateRejected(metadata, asMetadata)...), Message: "can't be read by SOPS"}}
	}
	if err := checkSealed(file, tree); err != nil {
		return []secrets.FormProblem{formProblem(err)}
	}
	m := &tree.Metadata
	if len(m.KeyGroups) > 1 && m.ShamirThreshold > len(m.KeyGroups) {
		return []secrets.FormProblem{{Path: []string{stores.SopsMetadataKey, "shamir_threshold"},
			Message: "is more than the number of key groups, so nobody can open the file"}}
	}
	if allowed, refused := d.allowedGroups(m.KeyGroups); !canDecrypt(allowed, m) {
		return []secrets.FormProblem{formProblem(notAllowedError(file, m.KeyGroups, refused))}
	}
	return damagedKeys(metadata, m.KeyGroups)
}

// formProblem turns an error of the decryption into a problem of the document's
// form.
func formProblem(err error) secrets.FormProblem {
	var e *Error
	if !errors.As(err, &e) {
		return secrets.FormProblem{Message: "is not a file that SOPS wrote"}
	}
	p := secrets.FormProblem{Message: e.Message, Hint: e.hint, Command: e.command}
	if len(e.Paths) > 0 {
		// Names may contain dots; the limit of 4 keeps a header name in one
		// piece.
		p.Path = strings.SplitN(e.Paths[0], ".", 4)
	}
	return p
}

// metadataOf returns the SOPS metadata of a document, or nil. Call it before
// extract: SOPS cuts the metadata out of the tree.
func metadataOf(branch sops.TreeBranch) any {
	for _, item := range branch {
		if item.Key == stores.SopsMetadataKey {
			return item.Value
		}
	}
	return nil
}

// damagedKeys reports each copy of the data key that nobody can decrypt.
func damagedKeys(metadata any, groups []sops.KeyGroup) (problems []secrets.FormProblem) {
	grouped := !hasKeys(metadata)
	for g, group := range groups {
		seen := map[string]int{}
		for _, k := range group {
			list := k.TypeToIdentifier()
			path := []string{stores.SopsMetadataKey}
			if grouped {
				path = append(path, "key_groups", strconv.Itoa(g))
			}
			path = append(path, list, strconv.Itoa(seen[list]), "enc")
			seen[list]++
			if problem := keyDamage(k); problem != "" {
				problems = append(problems, secrets.FormProblem{Path: path, Message: problem})
			}
		}
	}
	return problems
}

// hasKeys reports whether metadata lists keys outside key_groups. SOPS then
// ignores the groups.
func hasKeys(metadata any) bool {
	branch, _ := metadata.(sops.TreeBranch)
	return slices.ContainsFunc(branch, func(item sops.TreeItem) bool {
		name, _ := item.Key.(string)
		_, cloud := services[name]
		list, isList := item.Value.([]any)
		return (cloud || name == "age" || name == "pgp") && item.Value != nil && (!isList || len(list) > 0)
	})
}

// keyDamage returns the problem of a copy of the data key, as far as it shows
// without a key, or "".
func keyDamage(k keys.MasterKey) string {
	text := k.EncryptedDataKey()
	if len(text) == 0 {
		return "is empty, so this key can't open the file"
	}
	var err error
	switch k.TypeToIdentifier() {
	case "age":
		err = ageDamage(text)
	case "pgp":
		var block *pgparmor.Block
		if block, err = pgparmor.Decode(bytes.NewReader(text)); err == nil {
			_, err = io.Copy(io.Discard, block.Body)
		}
	}
	if err != nil {
		return "is damaged, so this key can't open the file"
	}
	return ""
}

// ageDamage returns an error if text is not a complete file of age.
func ageDamage(text []byte) error {
	whole, err := io.ReadAll(agearmor.NewReader(bytes.NewReader(text)))
	if err != nil {
		return err
	}
	header, err := age.ExtractHeader(bytes.NewReader(whole))
	const nonce, tag = 16, 16
	if err == nil && len(whole)-len(header) <= nonce+tag {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// locateRejected finds the part of a value that SOPS rejects. It returns the keys and
// indexes that lead to this part. wrap puts a replacement for the value into
// otherwise valid metadata.
func locateRejected(value any, wrap func(any) sops.TreeBranch) []string {
	switch value := value.(type) {
	case sops.TreeBranch:
		for _, item := range value {
			name, isText := item.Key.(string)
			if !isText {
				continue
			}
			inside := func(v any) sops.TreeBranch { return wrap(minimalMapping(name, v)) }
			if !isReadable(inside(item.Value)) {
				return append([]string{name}, locateRejected(item.Value, inside)...)
			}
		}
	case []any:
		i := -1
		for _, item := range value {
			if _, isComment := item.(sops.Comment); isComment {
				continue
			}
			i++
			inside := func(v any) sops.TreeBranch { return wrap([]any{v}) }
			if !isReadable(inside(item)) {
				return append([]string{strconv.Itoa(i)}, locateRejected(item, inside)...)
			}
		}
	}
	return nil
}

// minimalMapping returns a mapping with one field, and the fields that SOPS also
// requires in metadata, in a key group and in a key.
func minimalMapping(name string, value any) sops.TreeBranch {
	const day = "2020-01-01T00:00:00Z"
	out := sops.TreeBranch{{Key: name, Value: value}}
	for _, item := range []sops.TreeItem{{Key: "lastmodified", Value: day}, {Key: "created_at", Value: day}} {
		if item.Key != name {
			out = append(out, item)
		}
	}
	if name != "age" && name != "key_groups" {
		out = append(out, sops.TreeItem{Key: "age", Value: []any{sops.TreeBranch{{Key: "enc", Value: "x"}}}})
	}
	return out
}

// asMetadata returns a document whose metadata is v.
func asMetadata(v any) sops.TreeBranch {
	return sops.TreeBranch{{Key: stores.SopsMetadataKey, Value: v}}
}

// isReadable reports whether SOPS accepts the metadata of a document.
func isReadable(document sops.TreeBranch) (ok bool) {
	defer func() { ok = recover() == nil && ok }()
	_, err := extractMetadata("", document)
	return err == nil
}
