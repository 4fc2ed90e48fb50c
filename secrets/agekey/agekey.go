// Package agekey finds the age key that SOPS would use on this machine, and
// makes one where SOPS looks for it.
//
// It tells of public parts alone: no function returns a secret key, and no
// error holds a line of a key file.
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

// Key is an age key, as far as others may know it.
type Key struct {
	// Recipient is the public part.
	Recipient string
	// File holds the key; empty where the variable SOPS_AGE_KEY does.
	File string
	// More is how many keys stand behind it in the same place.
	More int
	// Open says that others than its owner may read the file.
	Open bool
	// Made says that it was made just now.
	Made bool
}

// Error is why there is no key to be used.
type Error struct{ message, hint string }

func (e *Error) Error() string { return e.message }

// Hint is what to do about it.
func (e *Error) Hint() string { return e.hint }

// maxFile is the most bytes that are read of a key file.
const maxFile = 1 << 20

const publicPart = "pass the public part of your key: --age-recipient age1..."

// Place is the file in which SOPS looks for age keys: SOPS_AGE_KEY_FILE, then
// sops/age/keys.txt in the user's folder of configuration.
func Place(getenv func(string) string) (string, error) {
	if file := getenv("SOPS_AGE_KEY_FILE"); file != "" {
		return file, nil
	}
	// As SOPS does it: the standard library reads XDG_CONFIG_HOME elsewhere,
	// but not on macOS.
	dir := getenv("XDG_CONFIG_HOME")
	if runtime.GOOS != "darwin" || dir == "" {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", &Error{"there is no place for an age key: " + err.Error(), "export SOPS_AGE_KEY_FILE=FILE says where it belongs"}
		}
	}
	return filepath.Join(dir, "sops", "age", "keys.txt"), nil
}

// Find returns the first key that SOPS would find, nil where there is none.
func Find(getenv func(string) string) (*Key, error) {
	if text := getenv("SOPS_AGE_KEY"); text != "" {
		return parse("SOPS_AGE_KEY", strings.NewReader(strings.Join(strings.Fields(text), "\n")))
	}
	if getenv("SOPS_AGE_KEY_CMD") != "" {
		return nil, &Error{"SOPS_AGE_KEY_CMD names a command that holds the age key, and it is not run here", publicPart}
	}
	file, err := Place(getenv)
	if err != nil {
		return nil, err
	}
	data, _, err := read(file)
	if err != nil {
		return nil, err
	}
	key, err := parse(file, bytes.NewReader(data))
	if err != nil || key == nil {
		return nil, err
	}
	key.File = file
	if info, err := os.Stat(file); err == nil && runtime.GOOS != "windows" {
		key.Open = info.Mode().Perm()&0o077 != 0
	}
	return key, nil
}

// Make makes a key and writes it to file, which holds none: readable by its
// owner alone, as its folder is where that is new. What the file holds already,
// such as comments, stays.
func Make(file string, now time.Time) (*Key, error) {
	old, there, err := read(file)
	if err != nil {
		return nil, err
	}
	if key, err := parse(file, bytes.NewReader(old)); err != nil || key != nil {
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
	return &Key{Recipient: public, File: file, Made: true}, nil
}

// appendKey puts a key behind what a file without one holds.
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
	// Before the key is in it, and only where it is no link.
	if info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
		if err := os.Chmod(file, 0o600); err != nil {
			return err
		}
	}
	return atomicfile.Replace(file, old, whole)
}

// read returns what a key file holds, and whether there is one.
func read(file string) (data []byte, there bool, err error) {
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

// parse reads keys as SOPS does: one a line, no space around it.
func parse(from string, r io.Reader) (*Key, error) {
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

// recipientOf is the public part of a secret key.
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

// CheckRecipient returns an error where s can't be the public part of a key.
// It does not hold s, which may be the secret part.
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
		// Of a plugin's key only the plugin knows more.
		name, rest, _ := strings.Cut(strings.TrimPrefix(s, "age1"), "1")
		if name != "" && name != "pq" && rest != "" {
			return nil
		}
	}
	return &Error{"expected the public part of an age key, which begins with age1", hint}
}
