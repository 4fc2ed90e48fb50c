package manual

import (
	"fmt"
	"strings"
)

// escape makes text of prose safe for roff: a hyphen stays one, but begins an
// option as a minus, so that it can be copied from the page.
func escape(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		words[i] = escapeLiteral(word)
		if !strings.HasPrefix(strings.TrimLeft(word, `'"([`), "-") && !strings.ContainsAny(word, "/=_*") {
			words[i] = strings.ReplaceAll(words[i], `\-`, "-")
		}
	}
	return guard(strings.Join(words, " "))
}

// literals are the characters that roff changes: into others, or into none.
var literals = strings.NewReplacer(
	`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`,
)

// escapeLiteral makes text safe that stands as it is typed.
func escapeLiteral(text string) string {
	var b strings.Builder
	for _, r := range literals.Replace(text) {
		switch {
		case r == '\t':
			b.WriteString("    ")
		case r < ' ' || r == 0x7f:
			b.WriteByte(' ')
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// guard keeps a line of text from being taken for a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
