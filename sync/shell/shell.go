// Package shell quotes words for a POSIX shell, for hints that users paste. It runs
// nothing.
package shell

import "strings"

// Word returns s as one word of a command line. It adds single quotes unless every
// shell reads s literally.
func Word(s string) string {
	if s != "" && strings.IndexFunc(s, isSpecial) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// isSpecial reports whether a character may have a special meaning in a shell.
func isSpecial(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._/:@%+,=-", r))
}

// Path quotes a file name as [Word] does. It adds ./ to a name that a command would
// read as a flag.
func Path(s string) string {
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	return Word(s)
}
