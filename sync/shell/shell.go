// Package shell writes words as a POSIX shell reads them, for hints that can
// be pasted. It runs nothing.
package shell

import "strings"

// Word returns s as one word of a command line: as it is where every shell
// takes it for itself, otherwise in single quotes.
func Word(s string) string {
	if s != "" && strings.IndexFunc(s, special) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// special reports whether a shell might read more into a character.
func special(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._/:@%+,=-", r))
}

// Path is [Word] for a file's name, which no command takes for a flag.
func Path(s string) string {
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	return Word(s)
}
