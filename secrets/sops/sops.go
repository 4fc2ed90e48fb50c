// Package sops decrypts and seals the authentication of rule files. It is the
// only package that uses SOPS. It uses the lower level of SOPS (trees, ciphers,
// key services) for three reasons. It returns typed errors, it limits the time
// and number of key service calls, and it shows no text of SOPS. Such texts
// contain values, hashes of values and plaintext from encrypted locations.
//
// It reads and writes no files: callers pass and receive bytes.
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

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// Options define the keys that may be used. The zero value allows age and PGP.
type Options struct {
	// KeyServices are the cloud key services that may be called in addition to
	// age and PGP: awskms, gcpkms, azkv, hcvault, hckms. The metadata of a file
	// is not authenticated and may name any address, which would receive
	// credentials.
	KeyServices []string
	// VaultAddr is the only Vault address that hcvault may call.
	VaultAddr string
	// AllowOddSecrets accepts values that do not look like a secret
	// ([secrets.String.IsOdd]).
	AllowOddSecrets bool
	// IsToken reports whether a value holds the token of the service, which is
	// never an auth value. nil: no token is known.
	IsToken func(secrets.String) bool
	// Timeout limits one call of a key service; 0 means 30 s.
	Timeout time.Duration
	// Concurrency limits the parallel calls of cloud key services; 0 means 4.
	Concurrency int
	// KeyService decrypts data keys; nil means SOPS's own, in this process.
	KeyService keyservice.KeyServiceClient
	// Terminal is used to ask a person for the passphrase of a key. If it is
	// nil, nobody can be asked.
	Terminal Terminal

	// Getenv returns an environment variable. It only serves to find keys that
	// may ask a person: SOPS reads the environment itself.
	Getenv func(string) string

	custom bool // the key service is not SOPS's own
}

// Decrypter decrypts sealed files. It is safe for use by several goroutines.
type Decrypter struct {
	o        Options
	calls    *semaphore.Weighted
	prompter *prompter
	// shared keeps the values of documents that several rules use.
	shared opener
}

// silence silences SOPS's loggers: they write names and values to stderr.
var silence = sync.OnceFunc(func() {
	for _, l := range logging.Loggers {
		l.SetOutput(io.Discard)
	}
	if l := logging.Loggers["AGE"]; l != nil {
		l.SetLevel(logrus.InfoLevel) // the level of plugin messages
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
	return &Decrypter{o: o, calls: semaphore.NewWeighted(int64(o.Concurrency)), prompter: newPrompter(o.Getenv)}
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
	return extractMetadata(file, branch)
}

// extractMetadata takes the metadata out of a document.
func extractMetadata(file string, branch sops.TreeBranch) (*sops.Tree, error) {
	branches, metadata, err := stores.ExtractMetadata(sops.TreeBranches{branch}, stores.MetadataOpts{Flatten: stores.MetadataFlattenNone})
	if err != nil {
		return nil, &Error{File: file, Kind: Malformed, Message: "has SOPS metadata that can't be read", command: "mkhooks validate " + shell.Path(file)}
	}
	return &sops.Tree{Branches: branches, Metadata: metadata}, nil
}

// parseTree parses the one document of a file into nodes, and the nodes into a
// tree.
func parseTree(document []byte) (root *yaml.Node, branch sops.TreeBranch, ok bool) {
	var doc yaml.Node
	if yaml.NewDecoder(bytes.NewReader(document)).Decode(&doc) != nil {
		return nil, nil, false
	}
	if branch, ok = convertDocument(&doc); !ok {
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
	text, _ := stated.(string) // any other type gives "", which is no valid MAC
	if failure != nil || subtle.ConstantTimeCompare([]byte(text), []byte(mac)) != 1 {
		return macError(file, tree.Metadata.MACOnlyEncrypted)
	}
	return nil
}

// macError returns the error of a wrong MAC. With mac_only_encrypted, only a
// change of encrypted values breaks the MAC.
func macError(file string, onlyEncrypted bool) *Error {
	message := "has a MAC that does not fit: an encrypted value was deleted, added or swapped without SOPS"
	if !onlyEncrypted {
		message = "has a MAC that does not fit: a value was edited by hand, and the file has no mac_only_encrypted, so its MAC covers clear values, too"
	}
	// No hint ignores the MAC: it may cover a change by an attacker.
	return &Error{File: file, Kind: WrongMAC, Message: message,
		hint: "bring the file back from Git and make the change with sops edit; to find who changed it", command: "git log -p -- " + shell.Path(file)}
}

// decryptDataKey decrypts the data key of a file with any allowed key.
func (d *Decrypter) decryptDataKey(ctx context.Context, file string, m *sops.Metadata) ([]byte, error) {
	allowed, refused := d.allowedGroups(m.KeyGroups)
	if !canDecrypt(allowed, m) {
		return nil, notAllowedError(file, m.KeyGroups, refused)
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
		return nil, lockedKeyError(file, service.locked)
	case service.timedOut():
		return nil, &Error{File: file, Kind: Timeout, Message: fmt.Sprintf("could not be opened: a key service gave no answer within %s", d.o.Timeout),
			hint: "check that the key service can be reached from here"}
	}
	return nil, noKeyError(file, allowed, refused)
}

// recoverKey lets SOPS decrypt and combine the data key. Anyone can write
// metadata, so a panic counts as a key that does not decrypt.
func recoverKey(m *sops.Metadata, service keyservice.KeyServiceClient) (key []byte, err error) {
	defer func() {
		if recover() != nil {
			key, err = nil, errKeyService
		}
	}()
	return m.GetDataKeyWithKeyServices([]keyservice.KeyServiceClient{service}, sops.DefaultDecryptionOrder)
}
