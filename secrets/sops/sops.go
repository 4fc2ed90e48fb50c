// Package sops decrypts and seals the authentication of rule files. It is the
// only package that knows SOPS, and it uses SOPS's lower level (trees, ciphers, key
// services) for three reasons: typed errors, a time-out and a limit for calls
// of key services, and none of SOPS's texts, which print values, hashes of
// values and clear text that stands in an encrypted place.
//
// It reads and writes no file: it is given bytes, and gives bytes back.
package sops

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/logging"
	"github.com/getsops/sops/v3/stores"
	"github.com/sirupsen/logrus"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/semaphore"

	"github.com/mkhooks/mkhooks/sync/shell"
)

// Options say which keys may be used. The zero value allows age and PGP.
type Options struct {
	// KeyServices are the cloud key services that may be called beside age and
	// PGP: awskms, gcpkms, azkv, hcvault, hckms. A file's metadata is not
	// authenticated and may name any address, to which credentials would go.
	KeyServices []string
	// VaultAddr is the only Vault that hcvault may call.
	VaultAddr string
	// AllowOddSecrets accepts values that do not look like a secret
	// ([secrets.String.IsOdd]).
	AllowOddSecrets bool
	// Timeout is how long one call of a key service may take; 0 means 30 s.
	Timeout time.Duration
	// Concurrency is how many calls of cloud key services run side by side; 0
	// means 4.
	Concurrency int
	// KeyService opens data keys; nil means SOPS's own, in this process.
	KeyService keyservice.KeyServiceClient
	// Terminal is where a person is asked for the passphrase of a key. If it is
	// nil, nobody can be asked.
	Terminal Terminal

	// Getenv returns a variable of the environment, which SOPS reads itself. It
	// is only needed to know which keys may ask a person.
	Getenv func(string) string

	custom bool // the key service is not SOPS's own
}

// Decrypter opens sealed files. It is safe for use by several goroutines.
type Decrypter struct {
	o     Options
	calls *semaphore.Weighted
	asker *asker
	// shared are the documents that several rules take values of.
	shared opener
}

// silence stops SOPS's loggers: they write names and values to stderr.
var silence = sync.OnceFunc(func() {
	for _, l := range logging.Loggers {
		l.SetOutput(io.Discard)
	}
	if l := logging.Loggers["AGE"]; l != nil {
		l.SetLevel(logrus.InfoLevel) // that of these messages
		l.AddHook(pluginMessages{})
	}
})

// New returns a Decrypter.
func New(o Options) *Decrypter {
	silence()
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Concurrency == 0 {
		o.Concurrency = 4
	}
	o.custom = o.KeyService != nil
	if o.KeyService == nil {
		o.KeyService = keyservice.NewLocalClient()
	}
	return &Decrypter{o: o, calls: semaphore.NewWeighted(int64(o.Concurrency)), asker: newAsker(o.Getenv)}
}

// parseFile reads a file as SOPS's YAML store does.
func parseFile(file string, document []byte) (tree *sops.Tree, err error) {
	malformed := &Error{File: file, Kind: Malformed, Message: "is not a file that SOPS wrote"}
	defer func() {
		if recover() != nil {
			tree, err = nil, malformed
		}
	}()
	_, branch, ok := parseTree(document)
	if !ok {
		return nil, malformed
	}
	return extract(file, branch)
}

// extract takes the metadata out of a document.
func extract(file string, branch sops.TreeBranch) (*sops.Tree, error) {
	branches, metadata, err := stores.ExtractMetadata(sops.TreeBranches{branch}, stores.MetadataOpts{Flatten: stores.MetadataFlattenNone})
	if err != nil {
		return nil, &Error{File: file, Kind: Malformed, Message: "has SOPS metadata that can't be read", hint: "mkhooks validate " + shell.Path(file)}
	}
	return &sops.Tree{Branches: branches, Metadata: metadata}, nil
}

// parseTree turns the one document of a file into its nodes, and those into a tree.
func parseTree(document []byte) (root *yaml.Node, branch sops.TreeBranch, ok bool) {
	var doc yaml.Node
	if yaml.NewDecoder(bytes.NewReader(document)).Decode(&doc) != nil {
		return nil, nil, false
	}
	if branch, ok = branchOf(&doc); !ok {
		return nil, nil, false
	}
	return doc.Content[0], withoutReferences(branch), true
}

// decryptTree decrypts every value of the tree in place and checks the MAC.
func decryptTree(file string, tree *sops.Tree, key []byte) (err error) {
	wrong := &Error{File: file, Kind: Damaged, Message: "has an encrypted value that does not open: it was changed, cut, or pasted from another place"}
	defer func() {
		if recover() != nil {
			err = wrong
		}
	}()
	cipher := aes.NewCipher()
	mac, failure := tree.Decrypt(key, cipher)
	if failure != nil {
		return wrong
	}
	stated, failure := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	text, _ := stated.(string) // what is no text is "", which no MAC is
	if failure != nil || subtle.ConstantTimeCompare([]byte(text), []byte(mac)) != 1 {
		return macError(file, tree.Metadata.MACOnlyEncrypted)
	}
	return nil
}

// macError says why a MAC does not fit: with mac_only_encrypted only a change
// of encrypted values breaks it.
func macError(file string, onlyEncrypted bool) *Error {
	if onlyEncrypted {
		return &Error{File: file, Kind: WrongMAC,
			Message: "has a MAC that does not fit: an encrypted value was deleted, added or swapped without SOPS",
			hint:    "bring the file back from Git and make the change with: sops edit " + shell.Path(file)}
	}
	return &Error{File: file, Kind: WrongMAC,
		Message: "has a MAC that does not fit: a value was edited by hand, and the file has no mac_only_encrypted, so its MAC covers clear values, too",
		// Keeps the file's keys and rules, and writes no value in clear on the way.
		hint: "look at the change in Git; if it is right, add mac_only_encrypted: true below sops: and run: sops --rotate --ignore-mac --in-place " + shell.Path(file)}
}

// dataKey opens the file's data key with whichever allowed key fits.
func (d *Decrypter) dataKey(ctx context.Context, file string, m *sops.Metadata) ([]byte, error) {
	allowed, refused := d.allowed(m.KeyGroups)
	if !enough(allowed, m) {
		return nil, notAllowed(file, m.KeyGroups, refused)
	}
	service := &guarded{Decrypter: d, ctx: ctx}
	narrowed := *m
	narrowed.KeyGroups = allowed
	key, err := recoverKey(&narrowed, service)
	switch {
	case err == nil:
		return key, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case service.locked != "":
		return nil, lockedKey(file, service.locked)
	case service.timedOut():
		return nil, &Error{File: file, Kind: Timeout, Message: fmt.Sprintf("could not be opened: a key service gave no answer within %s", d.o.Timeout),
			hint: "check that the key service can be reached from here"}
	}
	return nil, noKey(file, allowed, refused)
}

// recoverKey has SOPS put the data key together. Metadata is anybody's text, so
// a panic on the way is a key that does not open.
func recoverKey(m *sops.Metadata, service keyservice.KeyServiceClient) (key []byte, err error) {
	defer func() {
		if recover() != nil {
			key, err = nil, errKeyService
		}
	}()
	return m.GetDataKeyWithKeyServices([]keyservice.KeyServiceClient{service}, sops.DefaultDecryptionOrder)
}
