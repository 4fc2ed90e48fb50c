package sops

import (
	"context"
	"slices"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/stores"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// oldLeaf is an encrypted value or comment of a file before the change.
type oldLeaf struct {
	way        []string // for a comment, the keys that lead to its mapping
	comment    bool
	ciphertext string
	plain      any // after decryption
}

// decryptExisting checks the recipients of an encrypted file, and decrypts all its
// values.
func (s *sealer) decryptExisting(ctx context.Context, tree *sops.Tree, named *sops.Metadata) error {
	whole, err := parseFile(s.File, s.Document)
	if err != nil {
		return err
	}
	tree.Metadata = whole.Metadata
	if err := s.checkReaders(&tree.Metadata, named); err != nil {
		return err
	}
	var replaced [][]string
	for path := range s.set {
		tree.Branches[0] = dropPlaintext(tree.Branches[0], s.keysOf(path))
		replaced = append(replaced, s.keysOf(path))
	}
	if err := checkSealed(s.File, tree, replaced...); err != nil {
		return err
	}
	i := 0
	indexes := []int{} // of the encrypted leaves among all leaves
	visitLeaves(tree.Branches[0], nil, func(way []string, item sops.TreeItem) {
		text, isText := item.Value.(string)
		c, isComment := item.Key.(sops.Comment)
		if isComment {
			text, isText = c.Value, true
		}
		if isText && secrets.LooksSealed(text) {
			s.old = append(s.old, oldLeaf{way: slices.Clone(way), comment: isComment, ciphertext: text})
			indexes = append(indexes, i)
		}
		i++
	})
	key, err := s.d.decryptDataKey(ctx, s.File, &tree.Metadata)
	if err != nil && s.replacesAll() && isMissingKey(err) {
		s.want = leavesOf(tree) // write replaces every encrypted leaf
		return nil
	}
	if err != nil {
		return s.explainKeyUse(err)
	}
	if err := decryptTree(s.File, tree, key); err != nil {
		return err
	}
	s.want = leavesOf(tree)
	i = 0
	visitLeaves(tree.Branches[0], nil, func(_ []string, item sops.TreeItem) {
		if n, found := slices.BinarySearch(indexes, i); found {
			if s.old[n].plain = item.Value; s.old[n].comment {
				s.old[n].plain = item.Key
			}
		}
		i++
	})
	for _, l := range s.old {
		path := s.pathAt(l.way)
		// A number that SOPS encrypted is not the same value as its text.
		if value, set := s.set[path]; set && s.replaces(l) && l.plain == any(value) {
			delete(s.set, path)
			s.unchanged = append(s.unchanged, path)
		}
	}
	slices.Sort(s.unchanged)
	return nil
}

// replaces reports whether the call sets the value of an encrypted leaf.
func (s *sealer) replaces(l oldLeaf) bool {
	path := s.pathAt(l.way)
	_, set := s.set[path]
	return set && !l.comment && slices.Equal(s.keysOf(path), l.way)
}

// replacesAll reports whether no encrypted leaf of the file remains.
func (s *sealer) replacesAll() bool {
	return !slices.ContainsFunc(s.old, func(l oldLeaf) bool { return !s.replaces(l) })
}

// isMissingKey reports whether an error means that no key at hand decrypts the
// file.
func isMissingKey(err error) bool {
	e, ok := err.(*Error)
	return ok && (e.Kind == NoKey || e.Kind == NotAllowed)
}

// explainKeyUse adds to an error the reason why setting a value needs a key.
func (s *sealer) explainKeyUse(err error) error {
	if e, ok := err.(*Error); ok && isMissingKey(err) {
		e.Message += "; to set a value in a file that is encrypted, its data key has to be opened: the other values are encrypted anew"
	}
	return err
}

// reseal encrypts the remaining values and comments of a file with the new data
// key, and replaces its metadata.
func (s *sealer) reseal(document []byte, tree *sops.Tree) ([]byte, error) {
	document, err := s.editDocument(document, func(t *yamltext.Text) bool {
		for _, l := range s.old {
			if s.replaces(l) {
				continue
			}
			sealed, err := s.cipher.Encrypt(l.plain, s.key, strings.Join(l.way, ":")+":")
			if err != nil || l.comment && !t.ReplaceComment(0, l.ciphertext, sealed) || !l.comment && !t.Set(l.way, sealed) {
				return false
			}
			if path := s.pathAt(l.way); !l.comment && !slices.Contains(s.unchanged, path) {
				s.anew = append(s.anew, path)
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	document, err = s.editDocument(document, func(t *yamltext.Text) bool { return t.Remove([]string{stores.SopsMetadataKey}) })
	if err != nil {
		return nil, err
	}
	return s.editDocument(document, func(t *yamltext.Text) bool { return s.addMetadata(t, tree) })
}

// pathAt is the inverse of way.
func (s *sealer) pathAt(way []string) string {
	if s.shared || len(way) < 3 {
		return strings.Join(way, "/")
	}
	return strings.Join(way[2:], "/")
}
