package sops

import (
	"context"
	"fmt"
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
)

// Request asks for values of one file to be sealed.
type Request struct {
	// File is the file's name, for messages.
	File string
	// Document is the whole file as read.
	Document []byte
	// Values are the new values, by path ("headers/X-Webhook-Secret").
	Values map[string]secrets.String
	// Config is the nearest .sops.yaml, nil where there is none, and
	// ConfigPath the file's path from the folder of it, with slashes. They are
	// looked at only where the file is not encrypted yet.
	Config     []byte
	ConfigPath string
	// Now is the time that SOPS notes in the file.
	Now time.Time
}

// Sealing is a file with its values sealed.
type Sealing struct {
	Document []byte
	// Also are the paths of values that stood in clear and are encrypted now, too.
	Also []string
	// Unchanged are the paths that held their value already: it keeps its
	// ciphertext, so that no rule is sent again for it.
	Unchanged []string
	// Recipients are those of a new data key; none where the file had one.
	Recipients []string
}

// Seal sets values below spec.authentication and encrypts them as SOPS does.
// All else stays byte for byte, other encrypted values included. A file that
// is encrypted already has a data key, which has to be opened: its MAC is over
// all values. For one that is not, a data key is made for the recipients of
// the .sops.yaml, of whom only the public part is needed.
//
// A placeholder never gets encrypted, because nobody would see it any more:
// the values of a file that hold one are set together, or not at all. The
// error is an [*Error], or the context's.
func (d *Decrypter) Seal(ctx context.Context, r Request) (*Sealing, error) {
	for _, p := range slices.Sorted(maps.Keys(r.Values)) {
		if problem := r.Values[p].Check(); problem != "" {
			return nil, &Error{File: r.File, Kind: BadValue, Paths: []string{pathOf(p)}, Message: "was given a value that " + problem}
		}
	}
	s := &sealer{Request: r, d: d, cipher: aes.NewCipher(), now: r.Now.UTC().Truncate(time.Second)}
	return s.run(ctx)
}

// sealer is one call of Seal.
type sealer struct {
	Request
	d      *Decrypter
	cipher aes.Cipher
	now    time.Time
	key    []byte
	// want are all leaves of the file in clear as they must be in the end.
	want leaves
	// set are the values to encrypt, by path; also those of them that stood in clear.
	set             map[string]string
	also, unchanged []string
	// recipients are those of a new data key.
	recipients []string
}

func (s *sealer) run(ctx context.Context) (out *Sealing, err error) {
	defer func() {
		if recover() != nil { // the libraries below take anybody's text
			out, err = nil, s.unknownForm()
		}
	}()
	root, branch, ok := read(s.Document)
	if !ok {
		return nil, &Error{File: s.File, Kind: Malformed, Message: "can't be read as a rule file", hint: "mkhooks validate " + shell.Path(s.File)}
	}
	before := sops.Tree{Branches: sops.TreeBranches{branch}}
	if err := s.takeClear(&before); err != nil {
		return nil, err
	}
	_, metadata := entry(root, stores.SopsMetadataKey)
	if metadata != nil {
		err = s.openOld(ctx, &before)
	} else {
		err = s.newKey(ctx, &before)
	}
	if err != nil {
		return nil, err
	}
	out = &Sealing{Document: s.Document, Also: s.also, Unchanged: s.unchanged, Recipients: s.recipients}
	if len(s.set) > 0 {
		out.Document, err = s.write(metadata == nil, &before)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// takeClear takes the values that stand in clear out of a tree: they are set
// anew. Where one is no value, it has to be set in the same call.
func (s *sealer) takeClear(tree *sops.Tree) error {
	s.set = map[string]string{}
	var missing []string
	for _, part := range []string{"headers", "queryParams"} {
		branch, ok := authBranch(tree, part)
		if !ok {
			return &Error{File: s.File, Kind: Malformed, Paths: []string{"spec.authentication." + part}, Message: "does not hold names and values",
				hint: "mkhooks validate " + shell.Path(s.File)}
		}
		for _, item := range branch {
			name, isText := item.Key.(string)
			value, isValue := item.Value.(string)
			if !isText || item.Value == nil || isValue && secrets.LooksSealed(value) {
				continue
			}
			path := part + "/" + name
			switch _, given := s.Values[path]; {
			case given:
			case !isValue || secrets.NewString(value).Check() != "":
				missing = append(missing, path)
			default:
				s.set[path] = value
				s.also = append(s.also, path)
			}
		}
	}
	if len(missing) > 0 {
		return s.unset(missing)
	}
	for path, v := range s.Values {
		s.set[path] = v.Reveal()
	}
	return nil
}

// unset is for a file that still waits for other values.
func (s *sealer) unset(paths []string) error {
	e := &Error{File: s.File, Kind: Unset, Message: "is still to be set, too: the values of a file are encrypted together, so that no placeholder hides among them"}
	if len(paths) > 1 {
		e.Message = strings.Replace(e.Message, "is still", "are still", 1)
	}
	for _, p := range paths {
		e.Paths = append(e.Paths, pathOf(p))
	}
	e.unset = paths
	return e
}

// openOld opens the file's own data key and all of its values.
func (s *sealer) openOld(ctx context.Context, tree *sops.Tree) error {
	whole, err := parse(secrets.Sealed{File: s.File, Document: s.Document})
	if err != nil {
		return err
	}
	tree.Metadata = whole.Metadata
	tree.Branches[0] = without(tree.Branches[0], stores.SopsMetadataKey)
	for path := range s.set {
		dropClear(tree, path)
	}
	if err := checkSealed(s.File, tree); err != nil {
		return err
	}
	if s.key, err = s.d.dataKey(ctx, s.File, &tree.Metadata); err != nil {
		return s.sealedByOthers(err)
	}
	if err := open(s.File, tree, s.key); err != nil {
		return err
	}
	s.want = leavesOf(tree)
	for _, path := range slices.Sorted(maps.Keys(s.set)) {
		if old, ok := s.want.values[place(path)]; ok && old == s.set[path] {
			delete(s.set, path)
			s.unchanged = append(s.unchanged, path)
		}
	}
	return nil
}

// place is where a value stands, as leaves name it.
func place(path string) string {
	return "spec\x00authentication\x00" + strings.Replace(path, "/", "\x00", 1)
}

// sealedByOthers says why a key is needed only to set a value.
func (s *sealer) sealedByOthers(err error) error {
	if e, ok := err.(*Error); ok && (e.Kind == NoKey || e.Kind == NotAllowed) {
		e.Message += "; to set a value in a file that is encrypted, its data key has to be opened"
	}
	return err
}

// newKey makes a data key for the recipients of the .sops.yaml.
func (s *sealer) newKey(ctx context.Context, tree *sops.Tree) error {
	const write = "mkhooks init --age writes one where there is none"
	if s.Config == nil {
		return &Error{File: s.File, Kind: NoRecipient, Message: "is not encrypted yet, and no .sops.yaml says for whom to encrypt it", hint: write}
	}
	rule, problem := ruleFor(s.Config, s.ConfigPath)
	if problem == "" {
		tree.Metadata.KeyGroups, problem = rule.groups()
		tree.Metadata.ShamirThreshold = rule.Threshold
	}
	if problem != "" {
		return &Error{File: s.File, Kind: NoRecipient, Message: "can't be encrypted: the nearest .sops.yaml " + problem,
			hint: "a creation rule names keys, such as age: age1..."}
	}
	if _, refused := s.d.allowed(tree.Metadata.KeyGroups); len(refused) > 0 {
		reasons, flags := refusals(refused)
		e := &Error{File: s.File, Kind: NotAllowed, Message: "can't be encrypted for all keys of the nearest .sops.yaml: " + reasons}
		if flags != "" {
			e.hint = "if you trust it: " + flags
		}
		return e
	}
	s.want = leavesOf(tree)
	m := &tree.Metadata
	m.EncryptedRegex, m.MACOnlyEncrypted, m.Version, m.LastModified = "^authentication$", true, version.Version, s.now
	service := &guarded{Decrypter: s.d, ctx: ctx}
	key, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{service})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case len(errs) > 0:
		return s.notEncrypted(m.KeyGroups)
	}
	s.key = key
	for _, g := range m.KeyGroups {
		for _, k := range g {
			s.recipients = append(s.recipients, serviceOf(k)+" "+k.ToString())
		}
	}
	return nil
}

// notEncrypted names the keys for which the data key could not be encrypted.
func (s *sealer) notEncrypted(groups []sops.KeyGroup) error {
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
	return &Error{File: s.File, Kind: NoRecipient, Message: "can't be encrypted for " + recipients([]sops.KeyGroup{failed}), hint: hint}
}

// write makes the new file: the values, the metadata of a new data key, then
// the MAC over what it is now; and reads it again as anybody would.
func (s *sealer) write(fresh bool, tree *sops.Tree) ([]byte, error) {
	document := s.Document
	var err error
	for _, path := range slices.Sorted(maps.Keys(s.set)) {
		part, name, _ := strings.Cut(path, "/")
		way := []string{"spec", "authentication", part, name}
		sealed, failure := s.cipher.Encrypt(s.set[path], s.key, strings.Join(way, ":")+":")
		if failure != nil {
			return nil, s.unknownForm()
		}
		if document, err = s.change(document, func(t *text) bool { return t.set(way, sealed) }); err != nil {
			return nil, err
		}
		s.want.values[place(path)] = s.set[path]
	}
	if fresh {
		if document, err = s.change(document, func(t *text) bool { return s.sealComments(t) && s.addMetadata(t, tree) }); err != nil {
			return nil, err
		}
	}
	unsigned, failure := parse(secrets.Sealed{File: s.File, Document: document})
	if failure != nil {
		return nil, s.unknownForm()
	}
	mac, failure := unsigned.Decrypt(s.key, s.cipher)
	if failure != nil {
		return nil, s.unknownForm()
	}
	date := s.now.Format(time.RFC3339)
	sealed, failure := aes.NewCipher().Encrypt(mac, s.key, date)
	if failure != nil {
		return nil, s.unknownForm()
	}
	document, err = s.change(document, func(t *text) bool {
		return t.set([]string{stores.SopsMetadataKey, "lastmodified"}, date) && t.set([]string{stores.SopsMetadataKey, "mac"}, sealed)
	})
	if err != nil {
		return nil, err
	}
	return document, s.prove(document)
}

// change edits a document.
func (s *sealer) change(document []byte, do func(*text) bool) ([]byte, error) {
	root, _, ok := read(document)
	if !ok {
		return nil, s.unknownForm()
	}
	t := newText(document, root)
	if !do(t) {
		return nil, s.unknownForm()
	}
	out, ok := t.apply()
	if !ok {
		return nil, s.unknownForm()
	}
	return out, nil
}

// sealComments encrypts the comments of authentication, as SOPS does: they may
// hold the value of yesterday.
func (s *sealer) sealComments(t *text) bool {
	_, branch, ok := read(t.data)
	_, spec := entry(t.root, "spec")
	if !ok || spec == nil {
		return false
	}
	key, _ := entry(spec, "authentication")
	from, found := t.offset(key)
	if !found {
		return false
	}
	walk(branch, nil, func(path []string, item sops.TreeItem) {
		c, isComment := item.Key.(sops.Comment)
		if !isComment || c.Value == "" || !slices.Contains(path, "authentication") {
			return
		}
		sealed, err := s.cipher.Encrypt(c, s.key, strings.Join(path, ":")+":")
		ok = ok && err == nil && t.comment(from, c.Value, sealed)
	})
	return ok
}

// addMetadata appends what SOPS keeps of a file.
func (s *sealer) addMetadata(t *text, tree *sops.Tree) bool {
	branches, err := stores.SerializeMetadata(sops.Tree{Branches: sops.TreeBranches{{}}, Metadata: tree.Metadata}, stores.MetadataOpts{Flatten: stores.MetadataFlattenNone})
	if err != nil {
		return false
	}
	node := nodeOf(branches[0])
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
	t.appendEntry(string(block), strings.TrimSuffix(strings.TrimPrefix(inner, "{"), "}"))
	return true
}

// prove opens a new file as it will be opened, and compares everything in it.
func (s *sealer) prove(document []byte) error {
	tree, err := parse(secrets.Sealed{File: s.File, Document: document})
	if err != nil || checkSealed(s.File, tree) != nil || open(s.File, tree, s.key) != nil {
		return s.unknownForm()
	}
	if !s.want.equal(leavesOf(tree)) {
		return s.unknownForm()
	}
	return nil
}

// unknownForm is for YAML that can't be edited in place.
func (s *sealer) unknownForm() error {
	return &Error{File: s.File, Kind: Malformed, Message: "is written in a way that can't be edited in place; nothing was changed",
		hint: fmt.Sprintf("write authentication as plain lines, NAME: VALUE; or use: sops edit %s", shell.Path(s.File))}
}
