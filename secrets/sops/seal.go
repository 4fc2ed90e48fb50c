package sops

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/stores"
	"github.com/getsops/sops/v3/version"
	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/shell"
	"github.com/mkhooks/mkhooks/sync/yamltext"
)

// Request contains the values of one file that are to be sealed.
type Request struct {
	// File is the file's name, for messages.
	File string
	// Document is the complete file.
	Document []byte
	// Values are the new values, by path ("headers/X-Webhook-Secret"), or by
	// key for a shared secrets file.
	Values map[string]secrets.String
	// Config is the nearest .sops.yaml, or nil. It names all keys that may read
	// the file. ConfigPath is the path of the file relative to the directory of
	// the .sops.yaml, with slashes.
	Config     []byte
	ConfigPath string
	// Now is the modification time for the metadata of the file.
	Now time.Time
}

// Sealing is a file with sealed values.
type Sealing struct {
	Document []byte
	// Also are the paths of values that were plaintext and are now also
	// encrypted.
	Also []string
	// Unchanged are the paths that already had their value. If no other value
	// changes, the file stays as it is, so that no rule is sent again.
	Unchanged []string
	// Anew are the paths of the other values. They keep their value, but they
	// are encrypted anew with the new data key.
	Anew []string
	// Recipients are the recipients of the new data key; nil if nothing
	// changed.
	Recipients []string
}

// Seal sets values below spec.authentication, or in a shared secrets file, and
// encrypts them as SOPS does. All plaintext stays the same.
//
// Every change makes a new data key, and encrypts all values of the file with
// it. The author of a file may know its former data key, even if the metadata
// does not list the author: no MAC covers the list of recipients.
//
// A new file is encrypted for the recipients of the .sops.yaml; only their
// public parts are needed. An encrypted file keeps its recipients, all of which
// the .sops.yaml must name. Its old data key is needed only if the file contains
// further encrypted values.
//
// Seal never encrypts a placeholder, because nobody would see it afterwards. If
// a file contains placeholders, all of them must be set together. The error is
// an [*Error], or the context's.
func (d *Decrypter) Seal(ctx context.Context, r Request) (*Sealing, error) {
	s := &sealer{Request: r, d: d, cipher: aes.NewCipher(), now: r.Now.UTC().Truncate(time.Second)}
	return s.seal(ctx)
}

// MissingValues returns the paths of the missing values of a file: placeholders and
// other invalid values. It needs no key.
func MissingValues(file string, document []byte) (paths []string, err error) {
	s := &sealer{Request: Request{File: file, Document: document}, d: &Decrypter{}}
	defer func() {
		if recover() != nil {
			paths, err = nil, s.unknownFormError()
		}
	}()
	_, _, err = s.loadFile()
	var e *Error
	if errors.As(err, &e) && e.Kind == Unset {
		return e.unset, nil
	}
	return nil, err
}

// sealer is the state of one Seal call.
type sealer struct {
	Request
	d      *Decrypter
	cipher aes.Cipher
	shared bool // the file is a shared secrets file
	now    time.Time
	key    []byte
	// want are the expected plaintext leaves of the new file.
	want leaves
	// set are the values to encrypt, by path. also are the paths in set whose
	// value was plaintext in the file.
	set                   map[string]string
	also, unchanged, anew []string
	// old are the encrypted leaves of the file, in order.
	old []oldLeaf
	// recipients are the recipients of a new data key.
	recipients []string
}

func (s *sealer) seal(ctx context.Context) (out *Sealing, err error) {
	defer func() {
		if recover() != nil { // the libraries below read untrusted text
			out, err = nil, s.unknownFormError()
		}
	}()
	before, fresh, err := s.loadFile()
	if err != nil {
		return nil, err
	}
	for _, p := range slices.Sorted(maps.Keys(s.Values)) {
		if problem, odd := s.d.problemAt(p, s.Values[p]); problem != "" {
			e := &Error{File: s.File, Kind: BadValue, Paths: []string{s.pathOf(p)}, Message: "was given a value that " + problem}
			if odd {
				e.hint = OddHint
			}
			return nil, e
		}
	}
	named, err := s.configured(fresh)
	if err != nil {
		return nil, err
	}
	if fresh {
		s.begin(before, named)
	} else if err := s.decryptExisting(ctx, before, named); err != nil {
		return nil, err
	}
	if len(s.set) == 0 {
		return &Sealing{Document: s.Document, Unchanged: s.unchanged}, nil
	}
	if err := s.createDataKey(ctx, before); err != nil {
		return nil, err
	}
	document, err := s.writeDocument(fresh, before)
	if err != nil {
		return nil, err
	}
	return &Sealing{Document: document, Also: s.also, Unchanged: s.unchanged, Anew: s.anew, Recipients: s.recipients}, nil
}

// loadFile parses the file and collects the values to set. fresh reports that the
// file has no data key yet.
func (s *sealer) loadFile() (tree *sops.Tree, fresh bool, err error) {
	root, branch, ok := parseTree(s.Document)
	if !ok {
		return nil, false, &Error{File: s.File, Kind: Malformed, Message: "can't be read as a rule file", command: "mkhooks validate " + shell.Path(s.File)}
	}
	s.shared = isShared(branch)
	if err := s.refuseReferences(root); err != nil {
		return nil, false, err
	}
	tree = &sops.Tree{Branches: sops.TreeBranches{branch}}
	_, metadata := yamltext.Entry(root, stores.SopsMetadataKey)
	tree.Branches[0] = withoutEntry(tree.Branches[0], stores.SopsMetadataKey)
	return tree, metadata == nil, s.collectPlaintext(tree)
}

// refuseReferences returns an error for a value that is a reference to another file.
func (s *sealer) refuseReferences(root *yaml.Node) error {
	for _, path := range slices.Sorted(maps.Keys(s.Values)) {
		at := root
		for _, key := range append(s.keysOf(path), "$secret") {
			if _, at = yamltext.Entry(at, key); at == nil {
				break
			}
		}
		if at != nil {
			return &Error{File: s.File, Kind: BadValue, Paths: []string{s.pathOf(path)}, Message: "is a $secret: its value stands in a shared secrets file",
				hint: "set it there: mkhooks secret set FILE KEY; or take the $secret out"}
		}
	}
	return nil
}

// keysOf returns the keys that lead to the value of a path.
func (s *sealer) keysOf(path string) []string {
	if s.shared {
		return []string{path}
	}
	part, name, _ := strings.Cut(path, "/")
	return []string{"spec", "authentication", part, name}
}

// pathOf returns a path in the form for messages.
func (s *sealer) pathOf(path string) string { return strings.Join(s.keysOf(path), ".") }

// collectPlaintext adds the plaintext values of a tree to the values to set. If a
// plaintext value is invalid, the same call must set it.
func (s *sealer) collectPlaintext(tree *sops.Tree) error {
	s.set = map[string]string{}
	var missing []string
	branches, ways, wrong := secretsOf(tree)
	if wrong != nil {
		return &Error{File: s.File, Kind: Malformed, Paths: []string{strings.Join(wrong, ".")}, Message: "does not hold names and values",
			command: "mkhooks validate " + shell.Path(s.File)}
	}
	for i, branch := range branches {
		for _, item := range branch {
			name, isText := item.Key.(string)
			value, isValue := item.Value.(string)
			if !isText || item.Value == nil || isValue && secrets.LooksSealed(value) {
				continue
			}
			path := name
			if !s.shared {
				path = ways[i][2] + "/" + name
			}
			switch _, given := s.Values[path]; {
			case given:
			case !isValue || s.d.Problem(secrets.NewString(value)) != "":
				missing = append(missing, path)
			default:
				s.set[path] = value
				s.also = append(s.also, path)
			}
		}
	}
	if len(missing) > 0 {
		return s.unsetError(missing)
	}
	for path, v := range s.Values {
		s.set[path] = v.Reveal()
	}
	return nil
}

// unsetError returns the error of a file with further missing values.
func (s *sealer) unsetError(paths []string) error {
	is := "is"
	if len(paths) > 1 {
		is = "are"
	}
	e := &Error{File: s.File, Kind: Unset, Message: is + " still to be set, too: the values of a file are encrypted together, so that no placeholder hides among them"}
	for _, p := range paths {
		e.Paths = append(e.Paths, s.pathOf(p))
	}
	e.unset = paths
	return e
}

// configured returns the metadata with the keys that the .sops.yaml names for
// the file.
func (s *sealer) configured(fresh bool) (*sops.Metadata, error) {
	const write = "mkhooks init -p PROJECT --age writes one where there is none"
	is, cannot := "is not encrypted yet, and no .sops.yaml says for whom to encrypt it", "can't be encrypted"
	if !fresh {
		is, cannot = "is encrypted, but no .sops.yaml says who may read it", "can't be encrypted anew"
	}
	if s.Config == nil {
		return nil, &Error{File: s.File, Kind: NoRecipient, Message: is, hint: write}
	}
	m := &sops.Metadata{}
	rule, problem := ruleFor(s.Config, s.ConfigPath)
	if problem == "" {
		m.KeyGroups, problem = rule.readKeyGroups()
		m.ShamirThreshold = rule.Threshold
	}
	if problem != "" {
		return nil, &Error{File: s.File, Kind: NoRecipient, Message: cannot + ": the nearest .sops.yaml " + problem,
			hint: "a creation rule names keys, such as age: age1..."}
	}
	return m, nil
}

// begin sets the metadata of a file that is not encrypted yet.
func (s *sealer) begin(tree *sops.Tree, named *sops.Metadata) {
	s.want = leavesOf(tree)
	m := &tree.Metadata
	m.KeyGroups, m.ShamirThreshold = named.KeyGroups, named.ShamirThreshold
	m.MACOnlyEncrypted, m.Version = true, version.Version
	if m.EncryptedRegex = "^authentication$"; s.shared {
		// SOPS writes the same for a file that it encrypts completely.
		m.EncryptedRegex, m.UnencryptedSuffix = "", sops.DefaultUnencryptedSuffix
	}
}

// createDataKey makes a data key for the recipients in the metadata.
func (s *sealer) createDataKey(ctx context.Context, tree *sops.Tree) error {
	m := &tree.Metadata
	m.LastModified = s.now
	if _, refused := s.d.allowedGroups(m.KeyGroups); len(refused) > 0 {
		reasons, flags := listRefusals(refused)
		e := &Error{File: s.File, Kind: NotAllowed, Message: "can't be encrypted for all its keys: " + reasons}
		if flags != "" {
			e.hint = "if you trust it: " + flags
		}
		return e
	}
	service := &guarded{Decrypter: s.d, ctx: ctx}
	key, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{service})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case len(errs) > 0:
		return s.notEncryptedError(m.KeyGroups)
	}
	s.key = key
	for _, g := range m.KeyGroups {
		for _, k := range g {
			s.recipients = append(s.recipients, nameOf(k))
		}
	}
	return nil
}

// notEncryptedError names the keys that could not encrypt the data key.
func (s *sealer) notEncryptedError(groups []sops.KeyGroup) error {
	var failed sops.KeyGroup
	hint := "check the keys in the nearest .sops.yaml"
	for _, g := range groups {
		for _, k := range g {
			if len(k.EncryptedDataKey()) > 0 {
				continue
			}
			failed = append(failed, k)
			if k.TypeToIdentifier() == "pgp" {
				hint = "gpg --import the public key"
			}
		}
	}
	return &Error{File: s.File, Kind: NoRecipient, Message: "can't be encrypted for " + listRecipients([]sops.KeyGroup{failed}), hint: hint}
}

// unknownFormError returns the error for YAML that can't be edited in place.
func (s *sealer) unknownFormError() error {
	return &Error{File: s.File, Kind: Malformed, Message: "is written in a way that can't be edited in place; nothing was changed",
		hint: "write authentication as plain lines, NAME: VALUE"}
}
