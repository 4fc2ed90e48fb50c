package cli

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// withheldArgument replaces an argument that may be a secret.
const withheldArgument = "(an argument that may be a secret)"

// exposedHint tells the user how to treat a secret that was an argument.
const exposedHint = "if it was a secret: it may be in the history of the shell and was in the process list, so use a new one"

// flagName matches the names of unknown flags that messages may repeat. A
// secret can also begin with dashes.
var flagName = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

// fileExtension matches the extension of a file name.
var fileExtension = regexp.MustCompile(`\.[a-z]{2,5}$`)

// shownFlag formats an unknown flag for messages.
func shownFlag(name string) string {
	if len(name) <= 24 && flagName.MatchString(name) {
		return "flag --" + name
	}
	return "such flag (it is not repeated, because it may be a secret)"
}

// findSuspects returns the arguments that look like a secret, and their suspicious
// parts. It omits existing files, and the digests that --expect and --head
// take.
func findSuspects(args []string) []string {
	var out []string
	for i, arg := range args {
		if i > 0 && slices.Contains([]string{"--expect", "--head"}, args[i-1]) || strings.HasPrefix(arg, "--expect=") || strings.HasPrefix(arg, "--head=") {
			continue
		}
		parts := []string{arg}
		if name, value, ok := strings.Cut(arg, "="); ok && name != "" {
			parts = append(parts, value)
		}
		if strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && len(arg) > 2 {
			parts = append(parts, arg[2:]) // -tSECRET
		}
		for _, part := range parts {
			if _, err := os.Lstat(part); err != nil && mayBeSecret(part) {
				out = append(out, part)
			}
		}
	}
	return out
}

// mayBeSecret reports whether a text has the form of a credential or contains a
// random-looking word. A public age key is not a secret.
func mayBeSecret(text string) bool {
	if webhook.IsCredentialValue(text) || strings.Contains(text, "AGE-SECRET-KEY-") {
		return true
	}
	if strings.HasPrefix(text, "age1") || strings.Contains(text, "://") || fileExtension.MatchString(text) {
		return false
	}
	const longWord, mixed = 16, 3
	length, changes := 0, 0
	var before rune
	for _, r := range text {
		digit := unicode.IsDigit(r)
		if !digit && !unicode.IsLetter(r) {
			length, changes, before = 0, 0, 0
			continue
		}
		if length++; before != 0 && digit != unicode.IsDigit(before) {
			changes++
		}
		if before = r; length >= longWord && changes >= mixed {
			return true
		}
	}
	return false
}

// withhold replaces arguments that look like a secret.
func withhold(text string, suspects []string) string {
	for _, s := range suspects {
		text = strings.ReplaceAll(text, s, withheldArgument)
	}
	return text
}

// isURLDelimiter reports whether a character separates the parts of a URL.
func isURLDelimiter(r rune) bool { return strings.ContainsRune(":/?&=#@", r) }

// withholdingWriter is a writer that replaces arguments that look like a secret, and
// lines that hold a known secret.
type withholdingWriter struct {
	w        io.Writer
	suspects []string
	known    *secrets.Scrubber
}

func (w withholdingWriter) Write(text []byte) (int, error) {
	shown := withhold(string(text), w.suspects)
	if w.known.Reveals(shown) {
		lines := strings.SplitAfter(shown, "\n")
		for i, l := range lines {
			if w.known.Reveals(l) {
				lines[i] = "mkhooks: | " + withheldText + "\n"
			}
		}
		if shown = strings.Join(lines, ""); w.known.Reveals(shown) { // over several lines
			shown = "mkhooks: | " + withheldText + "\n"
		}
	}
	if _, err := io.WriteString(w.w, shown); err != nil {
		return 0, err
	}
	return len(text), nil
}

// withholdProblems replaces such arguments in problems: a path that does not
// exist may be a secret.
func (a *app) withholdProblems(problems []schema.Problem) []schema.Problem {
	out := slices.Clone(problems)
	for i, p := range out {
		out[i].File, out[i].Message = withhold(p.File, a.suspects), withhold(p.Message, a.suspects)
		out[i].Hint, out[i].Command = withhold(p.Hint, a.suspects), withhold(p.Command, a.suspects)
	}
	return out
}
