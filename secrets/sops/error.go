package sops

import (
	"fmt"
	"strings"

	"github.com/getsops/sops/v3"
)

// Kind says why a file could not be opened or sealed.
type Kind string

// The kinds.
const (
	NoKey      Kind = "no key"
	NotAllowed Kind = "key service not allowed"
	WrongMAC   Kind = "wrong MAC"
	Damaged    Kind = "damaged"
	BadValue   Kind = "bad value"
	Malformed  Kind = "malformed"
	Timeout    Kind = "timeout"
	// NoRecipient: nothing says for whom to encrypt, or it can't be done.
	NoRecipient Kind = "no recipient"
	// Unset: other values of the file have to be set in the same call.
	Unset Kind = "unset"
)

// Error is a file that could not be opened or sealed. It holds no value, no text of SOPS
// and no hash.
type Error struct {
	File string
	Kind Kind
	// Paths are those of the values concerned; empty means the file.
	Paths   []string
	Message string
	hint    string
	unset   []string
}

// Unset are the paths ("headers/NAME") of an error of the kind [Unset].
func (e *Error) Unset() []string { return e.unset }

// Error says which file and which path, and what is wrong there.
func (e *Error) Error() string {
	text := e.File + ": "
	if len(e.Paths) > 0 {
		text += strings.Join(e.Paths, ", ") + " "
	}
	return text + e.Message
}

// Hint is what to do next, or "".
func (e *Error) Hint() string { return e.hint }

// pathOf turns headers/NAME into spec.authentication.headers.NAME.
func pathOf(p string) string { return "spec.authentication." + strings.Replace(p, "/", ".", 1) }

// whereKeys is where SOPS looks for the keys that need no leave.
const whereKeys = "age keys are read from SOPS_AGE_KEY, SOPS_AGE_KEY_FILE or sops/age/keys.txt in your configuration folder, PGP keys from the GnuPG keyring"

// noKey says for whom a file is encrypted, where keys are looked for, and
// which key services were left out: with one of them it might have opened.
func noKey(file string, groups []sops.KeyGroup, refused []refusal) *Error {
	e := &Error{File: file, Kind: NoKey, hint: whereKeys,
		Message: "can't be decrypted with the keys at hand; it is encrypted for " + recipients(groups)}
	if len(refused) > 0 {
		reasons, flags := refusals(refused)
		e.Kind = NotAllowed
		e.Message += "; " + reasons
		if flags != "" {
			e.hint += "; or, if you trust the address in the file: " + flags
		}
	}
	return e
}

// lockedKey is for a file whose key is locked with a passphrase.
func lockedKey(file, reason string) *Error {
	hint := "run it again and type the passphrase"
	if reason == noTerminal {
		hint = "run it on a terminal, or set SOPS_AGE_KEY_FILE to a file with a key that has no passphrase"
	}
	return &Error{File: file, Kind: NoKey, Message: "can't be opened: " + reason, hint: hint}
}

// recipients names the public parts of keys.
func recipients(groups []sops.KeyGroup) string {
	const most = 5
	var names []string
	for _, g := range groups {
		for _, k := range g {
			names = append(names, serviceOf(k)+" "+k.ToString())
		}
	}
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("%d more", n-most))
	}
	if len(names) == 0 {
		return "nobody: it names no key"
	}
	return strings.Join(names, ", ")
}

// notAllowed is for a file of which too few keys are left to try any.
func notAllowed(file string, groups []sops.KeyGroup, refused []refusal) *Error {
	if len(refused) == 0 {
		return noKey(file, groups, nil)
	}
	reasons, flags := refusals(refused)
	e := &Error{File: file, Kind: NotAllowed, Message: "can't be opened without a key service: " + reasons}
	if flags != "" {
		e.hint = "if you trust the address in the file: " + flags
	}
	return e
}

// refusals says why key services were left out, and the flags that allow those
// that a flag can.
func refusals(refused []refusal) (reasons, flags string) {
	var all, lift []string
	for _, r := range refused {
		all = append(all, r.service+" "+r.reason)
		if r.reason == reasonNotListed {
			lift = append(lift, "--key-service "+r.service)
		}
	}
	return strings.Join(all, ", "), strings.Join(lift, " ")
}
