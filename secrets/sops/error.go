package sops

import (
	"fmt"
	"strings"

	"github.com/getsops/sops/v3"
)

// Kind says why a file could not be opened.
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
)

// Error is a file that could not be opened. It holds no value, no text of SOPS
// and no hash.
type Error struct {
	File string
	Kind Kind
	// Paths are those of the values concerned; empty means the file.
	Paths   []string
	Message string
	hint    string
}

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

// noKey says for whom a file is encrypted, and where keys are looked for.
func noKey(file string, groups []sops.KeyGroup) *Error {
	return &Error{File: file, Kind: NoKey,
		Message: "can't be decrypted with the keys at hand; it is encrypted for " + recipients(groups),
		hint:    "age keys are read from SOPS_AGE_KEY, SOPS_AGE_KEY_FILE or sops/age/keys.txt in your configuration folder, PGP keys from the GnuPG keyring"}
}

// recipients names the public parts of keys.
func recipients(groups []sops.KeyGroup) string {
	const most = 5
	var names []string
	for _, g := range groups {
		for _, k := range g {
			names = append(names, k.TypeToIdentifier()+" "+k.ToString())
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

func notAllowed(file string, groups []sops.KeyGroup, refused []refusal) *Error {
	if len(refused) == 0 {
		return noKey(file, groups)
	}
	var reasons, flags []string
	for _, r := range refused {
		reasons = append(reasons, r.service+" "+r.reason)
		if r.reason == "is not allowed" {
			flags = append(flags, "--key-service "+r.service)
		}
	}
	e := &Error{File: file, Kind: NotAllowed, Message: "can be opened by a key service only, and " + strings.Join(reasons, "; ")}
	if len(flags) > 0 {
		e.hint = "if you trust the address in the file: " + strings.Join(flags, " ")
	}
	return e
}
