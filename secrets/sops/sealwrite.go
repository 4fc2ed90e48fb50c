package sops

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/stores"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// writeDocument builds the new file: the values, the metadata of the new data key, then
// the MAC over the result. It reads the file again like any other reader.
func (s *sealer) writeDocument(fresh bool, tree *sops.Tree) ([]byte, error) {
	document := s.Document
	var err error
	for _, path := range slices.Sorted(maps.Keys(s.set)) {
		way := s.keysOf(path)
		sealed, failure := s.cipher.Encrypt(s.set[path], s.key, strings.Join(way, ":")+":")
		if failure != nil {
			return nil, s.unknownFormError()
		}
		if document, err = s.editDocument(document, func(t *yamltext.Text) bool { return t.Set(way, sealed) }); err != nil {
			return nil, err
		}
		s.want.values[joinKeys(way...)] = s.set[path]
	}
	if fresh {
		if document, err = s.editDocument(document, func(t *yamltext.Text) bool { return s.sealComments(t) && s.addMetadata(t, tree) }); err != nil {
			return nil, err
		}
	} else if document, err = s.reseal(document, tree); err != nil {
		return nil, err
	}
	unsigned, failure := parseFile(s.File, document)
	if failure != nil {
		return nil, s.unknownFormError()
	}
	mac, failure := unsigned.Decrypt(s.key, s.cipher)
	if failure != nil {
		return nil, s.unknownFormError()
	}
	date := s.now.Format(time.RFC3339)
	sealed, failure := aes.NewCipher().Encrypt(mac, s.key, date)
	if failure != nil {
		return nil, s.unknownFormError()
	}
	document, err = s.editDocument(document, func(t *yamltext.Text) bool {
		return t.Set([]string{stores.SopsMetadataKey, "lastmodified"}, date) && t.Set([]string{stores.SopsMetadataKey, "mac"}, sealed)
	})
	if err != nil {
		return nil, err
	}
	return document, s.verifyDocument(document)
}

// editDocument edits a document.
func (s *sealer) editDocument(document []byte, do func(*yamltext.Text) bool) ([]byte, error) {
	root, _, ok := parseTree(document)
	if !ok {
		return nil, s.unknownFormError()
	}
	t := yamltext.New(document, root)
	if !do(t) {
		return nil, s.unknownFormError()
	}
	out, ok := t.Apply()
	if !ok {
		return nil, s.unknownFormError()
	}
	return out, nil
}

// sealComments encrypts the comments of authentication, or all comments of a
// shared secrets file, as SOPS does. A comment may contain a former value.
func (s *sealer) sealComments(t *yamltext.Text) bool {
	_, branch, ok := parseTree(t.Data())
	from := 0
	if !s.shared {
		_, spec := yamltext.Entry(t.Root(), "spec")
		if spec == nil {
			return false
		}
		var found bool
		key, _ := yamltext.Entry(spec, "authentication")
		if from, found = t.Offset(key); !found {
			return false
		}
	}
	visitLeaves(branch, nil, func(path []string, item sops.TreeItem) {
		c, _ := item.Key.(sops.Comment)
		if c.Value == "" || !s.shared && !slices.Contains(path, "authentication") {
			return
		}
		sealed, err := s.cipher.Encrypt(c, s.key, strings.Join(path, ":")+":")
		ok = ok && err == nil && t.ReplaceComment(from, c.Value, sealed)
	})
	return ok
}

// addMetadata appends the SOPS metadata.
func (s *sealer) addMetadata(t *yamltext.Text, tree *sops.Tree) bool {
	branches, err := stores.SerializeMetadata(sops.Tree{Branches: sops.TreeBranches{{}}, Metadata: tree.Metadata}, stores.MetadataOpts{Flatten: stores.MetadataFlattenNone})
	if err != nil {
		return false
	}
	node := metadataNode(branches[0])
	block, err := yaml.Marshal(node)
	if err != nil {
		return false
	}
	setFlow(node)
	flow, err := yaml.Marshal(node)
	if err != nil {
		return false
	}
	inner := strings.TrimSpace(string(flow))
	t.AppendEntry(string(block), strings.TrimSuffix(strings.TrimPrefix(inner, "{"), "}"))
	return true
}

// verifyDocument decrypts a new file as a later run does, and compares all its content.
func (s *sealer) verifyDocument(document []byte) error {
	tree, err := parseSealed(s.File, document)
	if err != nil || decryptTree(s.File, tree, s.key) != nil {
		return s.unknownFormError()
	}
	if !s.want.equal(leavesOf(tree)) {
		return s.unknownFormError()
	}
	return nil
}
