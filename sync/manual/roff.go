package manual

import (
	"fmt"
	"strings"
)

// escape escapes prose for roff. A hyphen remains a hyphen, except at the beginning
// of an option: there it becomes a minus, so that users can copy the option.
func escape(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		words[i] = escapeLiteral(word)
		if !strings.HasPrefix(strings.TrimLeft(word, `'"([`), "-") && !strings.ContainsAny(word, "/=_*") {
			words[i] = strings.ReplaceAll(words[i], `\-`, "-")
		}
	}
	return escapeRequest(strings.Join(words, " "))
}

// literals maps the characters that roff would change or drop.
var literals = strings.NewReplacer(
	`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`,
)

// escapeLiteral escapes text that users type literally.
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

// escapeRequest prevents roff from reading a line of text as a request.
func escapeRequest(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
