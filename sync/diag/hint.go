// Package diag contains the parts of messages that programs use.
package diag

// Hint is a next step: words, a command to paste, or words and the command that they
// come down to.
type Hint struct{ Text, Command string }

// String returns the hint for people. The command is at the end.
func (h Hint) String() string {
	if h.Text != "" && h.Command != "" {
		return h.Text + ": " + h.Command
	}
	return h.Text + h.Command
}
