package sops

import (
	"fmt"
	"strings"

	"github.com/getsops/sops/v3"

	"github.com/mkhooks/mkhooks/sync/diag"
)

// Kind is the reason why a file could not be decrypted or sealed.
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
	// NoRecipient: no recipients are configured, or encryption for them failed.
	NoRecipient Kind = "no recipient"
	// Unnamed: the file has a recipient that the nearest .sops.yaml does not
	// name.
	Unnamed Kind = "unnamed recipient"
	// Unset: other values of the file have to be set in the same call.
	Unset Kind = "unset"
)

// Error is a failure to decrypt or seal a file. It contains no value, no text
// of SOPS and no hash.
type Error struct {
	File string
	Kind Kind
	// Paths are the affected values; empty means the file.
	Paths   []string
	Message string
	hint    string
	command string // that hint comes down to
	unset   []string
}

// UnsetPaths returns the paths ("headers/NAME") of an error of the kind [Unset].
func (e *Error) UnsetPaths() []string { return e.unset }

// Error names the file, the path and the problem.
func (e *Error) Error() string { return e.File + ": " + e.Problem() }

// Problem names the path and the problem, without the file.
func (e *Error) Problem() string {
	if len(e.Paths) == 0 {
		return e.Message
	}
	return strings.Join(e.Paths, ", ") + " " + e.Message
}

// Hint returns the next step, or "".
func (e *Error) Hint() string { return e.Advice().String() }

// Advice returns the hint as words and command.
func (e *Error) Advice() diag.Hint { return diag.Hint{Text: e.hint, Command: e.command} }

// pathOf turns headers/NAME into spec.authentication.headers.NAME.
func pathOf(p string) string { return "spec.authentication." + strings.Replace(p, "/", ".", 1) }

// whereKeys names the locations in which SOPS looks for keys that are always
// allowed.
const whereKeys = "age keys are read from SOPS_AGE_KEY, SOPS_AGE_KEY_FILE or sops/age/keys.txt in your configuration folder, PGP keys from the GnuPG keyring"

// noKeyError returns the error of a file that no key at hand decrypts. It names the
// recipients, the locations of keys, and the key services that were left out:
// one of them might decrypt the file.
func noKeyError(file string, groups []sops.KeyGroup, refused []refusal) *Error {
	e := &Error{File: file, Kind: NoKey, hint: whereKeys,
		Message: "can't be decrypted with the keys at hand; it is encrypted for " + listRecipients(groups)}
	if len(refused) > 0 {
		reasons, flags := listRefusals(refused)
		e.Kind = NotAllowed
		e.Message += "; " + reasons
		if flags != "" {
			e.hint += "; or, if you trust the address in the file: " + flags
		}
	}
	return e
}

// lockedKeyError returns the error of a file whose key is locked with a passphrase.
func lockedKeyError(file, reason string) *Error {
	hint := "run it again and type the passphrase"
	if reason == noTerminal {
		hint = "run it on a terminal, or set SOPS_AGE_KEY_FILE to a file with a key that has no passphrase"
	}
	return &Error{File: file, Kind: NoKey, Message: "can't be opened: " + reason, hint: hint}
}

// listRecipients lists the public parts of keys; after five it only counts.
func listRecipients(groups []sops.KeyGroup) string {
	const most = 5
	var names []string
	for _, g := range groups {
		for _, k := range g {
			names = append(names, nameOf(k))
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

// notAllowedError returns the error of a file with too few allowed keys to try any.
func notAllowedError(file string, groups []sops.KeyGroup, refused []refusal) *Error {
	if len(refused) == 0 {
		return noKeyError(file, groups, nil)
	}
	reasons, flags := listRefusals(refused)
	e := &Error{File: file, Kind: NotAllowed, Message: "can't be opened without a key service: " + reasons}
	if flags != "" {
		e.hint = "if you trust the address in the file: " + flags
	}
	return e
}

// listRefusals returns the reasons why key services were left out, and the flags
// that lift these reasons. Not every reason has a flag.
func listRefusals(refused []refusal) (reasons, flags string) {
	var all, lift []string
	for _, r := range refused {
		all = append(all, r.service+" "+r.reason)
		if r.reason == reasonNotListed {
			lift = append(lift, "--key-service "+r.service)
		}
	}
	return strings.Join(all, ", "), strings.Join(lift, " ")
}
