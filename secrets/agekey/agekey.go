// Package agekey finds the age key that SOPS would use on this machine, and
// creates a key in the file that SOPS reads.
//
// It handles public parts alone: no function returns a secret key, and no error
// contains a line of a key file.
package agekey

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/mkhooks/mkhooks/sync/atomicfile"
	"github.com/mkhooks/mkhooks/sync/shell"
)

// Key is the public description of an age key.
type Key struct {
	// Recipient is the public part.
	Recipient string
	// File is the path of the key file; empty if the variable SOPS_AGE_KEY
	// holds the key.
	File string
	// More is the number of further keys after it in the file or variable.
	More int
	// Exposed reports that users other than its owner may read the file.
	Exposed bool
	// Created reports that Make created the key.
	Created bool
}

// Error is the reason why no key can be used.
type Error struct{ message, hint string }

func (e *Error) Error() string { return e.message }

// Hint returns the next step for the user.
func (e *Error) Hint() string { return e.hint }

// maxFile is the maximum size of a key file in bytes.
const maxFile = 1 << 20

const publicPart = "pass the public part of your key: --age-recipient age1..."

// DefaultPath returns the path of the file in which SOPS looks for age keys:
// SOPS_AGE_KEY_FILE, or else sops/age/keys.txt in the user's configuration
// directory.
func DefaultPath(getenv func(string) string) (string, error) {
	if file := getenv("SOPS_AGE_KEY_FILE"); file != "" {
		return file, nil
	}
	// Like SOPS, read XDG_CONFIG_HOME on macOS also; the standard library reads
	// it on other systems only.
	dir := getenv("XDG_CONFIG_HOME")
	if runtime.GOOS != "darwin" || dir == "" {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", &Error{"there is no place for an age key: " + err.Error(), "export SOPS_AGE_KEY_FILE=FILE says where it belongs"}
		}
	}
	return filepath.Join(dir, "sops", "age", "keys.txt"), nil
}

// Find returns the first key that SOPS would find, or nil if there is none.
func Find(getenv func(string) string) (*Key, error) {
	if text := getenv("SOPS_AGE_KEY"); text != "" {
		return parseKeys("SOPS_AGE_KEY", strings.NewReader(strings.Join(strings.Fields(text), "\n")))
	}
	if getenv("SOPS_AGE_KEY_CMD") != "" {
		return nil, &Error{"SOPS_AGE_KEY_CMD names a command that holds the age key, and it is not run here", publicPart}
	}
	file, err := DefaultPath(getenv)
	if err != nil {
		return nil, err
	}
	data, _, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	key, err := parseKeys(file, bytes.NewReader(data))
	if err != nil || key == nil {
		return nil, err
	}
	key.File = file
	if info, err := os.Stat(file); err == nil && runtime.GOOS != "windows" {
		key.Exposed = info.Mode().Perm()&0o077 != 0
	}
	return key, nil
}

// Create creates a key and writes it to file, which must not contain a key. Only
// the owner may read the file, and its directory if Make creates it. Other
// content of the file, such as comments, is kept.
func Create(file string, now time.Time) (*Key, error) {
	old, there, err := readKeyFile(file)
	if err != nil {
		return nil, err
	}
	if key, err := parseKeys(file, bytes.NewReader(old)); err != nil || key != nil {
		return nil, errors.Join(err, fs.ErrExist)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	public := identity.Recipient().String()
	text := fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n", now.UTC().Format(time.RFC3339), public, identity)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	if there {
		err = appendKey(file, old, text)
	} else {
		err = atomicfile.Create(file, text, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return &Key{Recipient: public, File: file, Created: true}, nil
}

// appendKey appends a key to a file without a key.
func appendKey(file string, old, text []byte) error {
	whole := bytes.Clone(old)
	if len(whole) > 0 && !bytes.HasSuffix(whole, []byte("\n")) {
		whole = append(whole, '\n')
	}
	whole = append(whole, text...)
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	// Restrict the mode before the key is in the file, and never follow a link.
	if info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
		if err := os.Chmod(file, 0o600); err != nil {
			return err
		}
	}
	return atomicfile.Replace(file, old, whole)
}

// readKeyFile returns the content of a key file. there is false if the file is absent.
func readKeyFile(file string) (data []byte, there bool, err error) {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, &Error{file + " is a link that leads nowhere; expected the file of the age key", "rm " + shell.Path(file)}
	case err != nil:
		return nil, false, err
	case !info.Mode().IsRegular():
		return nil, false, &Error{file + " is no file; expected the file of the age key", "export SOPS_AGE_KEY_FILE=FILE names another"}
	case info.Size() > maxFile:
		return nil, false, &Error{file + " is too large for a file of age keys", "export SOPS_AGE_KEY_FILE=FILE names another"}
	}
	data, err = os.ReadFile(file)
	return data, true, err
}

// parseKeys reads keys as SOPS does: one per line, without surrounding space.
// Without a key it returns nil.
func parseKeys(from string, r io.Reader) (*Key, error) {
	var key *Key
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxFile)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case n == 1 && (strings.HasPrefix(line, "age-encryption") || strings.HasPrefix(line, "-----BEGIN AGE")):
			return nil, &Error{from + " is locked with a passphrase, so its public part can't be read", publicPart}
		case strings.HasPrefix(line, "AGE-PLUGIN-"):
			return nil, &Error{fmt.Sprintf("%s: the key of line %d is that of a plugin, of which the public part can't be told", from, n), publicPart}
		}
		public, ok := recipientOf(line)
		if !ok {
			return nil, &Error{fmt.Sprintf("%s: line %d is no age key, so SOPS can't use any of them", from, n), "a key is a line AGE-SECRET-KEY-1..., a comment begins with #"}
		}
		if key != nil {
			key.More++
			continue
		}
		key = &Key{Recipient: public}
	}
	if lines.Err() != nil {
		return nil, &Error{from + " can't be read as a file of age keys", "export SOPS_AGE_KEY_FILE=FILE names another"}
	}
	return key, nil
}

// recipientOf returns the public part of a secret key.
func recipientOf(secret string) (string, bool) {
	if strings.HasPrefix(secret, "AGE-SECRET-KEY-PQ-1") {
		identity, err := age.ParseHybridIdentity(secret)
		if err != nil {
			return "", false
		}
		return identity.Recipient().String(), true
	}
	identity, err := age.ParseX25519Identity(secret)
	if err != nil {
		return "", false
	}
	return identity.Recipient().String(), true
}

// CheckRecipient returns an error if s can't be the public part of a key. The
// error does not contain s, which may be the secret part.
func CheckRecipient(s string) error {
	const hint = "age-keygen -y FILE prints the public part of a key"
	switch {
	case strings.HasPrefix(strings.ToUpper(strings.TrimSpace(s)), "AGE-SECRET-KEY-"), strings.Contains(s, "PRIVATE KEY"):
		return &Error{"a secret key was given where a public part is expected; being on a command line, it is no secret any more", hint}
	case strings.HasPrefix(s, "age1") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "":
		_, err := age.ParseRecipients(strings.NewReader(s))
		if err == nil {
			return nil
		}
		// Only the plugin can check more of its key.
		name, rest, _ := strings.Cut(strings.TrimPrefix(s, "age1"), "1")
		if name != "" && name != "pq" && rest != "" {
			return nil
		}
	}
	return &Error{"expected the public part of an age key, which begins with age1", hint}
}
