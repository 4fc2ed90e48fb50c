package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// style is the look of a part of a line, as the parameters of an ANSI SGR
// sequence. Empty is the terminal's default.
type style string

const (
	styleNone   style = ""
	styleBold   style = "1"
	styleDim    style = "2"
	styleRed    style = "31"
	styleGreen  style = "32"
	styleYellow style = "33"
	styleBlock  style = "1;35" // bold magenta: blocked
)

// span is a part of a line. A solid span is not broken at its spaces.
type span struct {
	text  string
	style style
	solid bool
}

func textSpan(s string) span            { return span{text: s} }
func styledSpan(s string, c style) span { return span{text: s, style: c} }
func solidSpan(s string, c style) span  { return span{text: s, style: c, solid: true} }

// cell is a character of a line.
type cell struct {
	r     rune
	cols  int
	style style
	solid bool
}

// continuation begins a wrapped line, so that it never begins with foreign
// text.
const continuation = "│ "

// minWidth is the least width of the layout.
const minWidth = 40

// printer lays out lines. It escapes everything that it prints, so that no
// foreign text can be missed.
type printer struct {
	buf bytes.Buffer
	TextOptions
}

func newPrinter(o TextOptions) *printer {
	if o.Width > 0 && o.Width < minWidth {
		o.Width = minWidth
	}
	return &printer{TextOptions: o}
}

// valueLimit returns the number of characters of a value to show; 0 means all.
func (p *printer) valueLimit() int {
	if p.Verbose {
		return 0
	}
	return maxValue
}

// flush writes all lines at once.
func (p *printer) flush(w io.Writer) error {
	_, err := w.Write(p.buf.Bytes())
	return err
}

func (p *printer) printBlank() {
	if p.buf.Len() > 0 {
		p.buf.WriteByte('\n')
	}
}

// printLine prints spans after indent spaces and wraps them; wrapped lines are
// indented by hang. The first span must be text of mkhooks.
func (p *printer) printLine(indent, hang int, spans ...span) {
	p.printWrapped(indent, hang, p.Width, spans)
}

// printUnwrapped prints a line that is never wrapped.
func (p *printer) printUnwrapped(indent int, spans ...span) { p.printWrapped(indent, indent, 0, spans) }

func (p *printer) printWrapped(indent, hang, width int, spans []span) {
	rest := splitCells(spans)
	hang = min(hang, max(indent, width/2))
	lead := strings.Repeat(" ", indent)
	for first := true; first || len(rest) > 0; first = false {
		room := 0
		if width > 0 {
			room = width - countColumns(lead)
		}
		var now []cell
		now, rest = breakLine(rest, room)
		p.buf.WriteString(lead)
		p.printCells(now)
		p.buf.WriteByte('\n')
		lead = strings.Repeat(" ", hang) + continuation
	}
}

// splitCells escapes spans and splits them into characters.
func splitCells(spans []span) []cell {
	n := 0
	for _, s := range spans {
		n += len(s.text)
	}
	out := make([]cell, 0, n)
	for _, s := range spans {
		t := Escape(s.text)
		if n := len(out); n > 0 && out[n-1].r == '#' && strings.HasPrefix(t, "#") {
			t = `\u{23}` + t[1:]
		}
		for _, r := range t {
			out = append(out, cell{r, runeColumns(r), s.style, s.solid})
		}
	}
	return out
}

// breakLine cuts a line of at most room columns off the front. It cuts after
// the last space that fits, otherwise within the word. room 0 takes all.
func breakLine(all []cell, room int) (line, rest []cell) {
	used, end, space := 0, 0, -1
	for end < len(all) {
		c := all[end]
		if room > 0 && end > 0 && used+c.cols > room {
			break
		}
		used += c.cols
		if c.r == ' ' && !c.solid {
			space = end
		}
		end++
	}
	if end < len(all) {
		if all[end].r == ' ' && !all[end].solid {
			space = end
		}
		if space > 0 {
			end = space // the spaces themselves are dropped below
		}
	}
	line, rest = all[:end], all[end:]
	for len(line) > 0 && line[len(line)-1].r == ' ' {
		line = line[:len(line)-1]
	}
	for len(rest) > 0 && rest[0].r == ' ' {
		rest = rest[1:]
	}
	return line, rest
}

func (p *printer) printCells(line []cell) {
	now := styleNone
	set := func(s style) {
		if !p.Color || s == now {
			return
		}
		if now != styleNone {
			p.buf.WriteString("\x1b[0m")
		}
		if s != styleNone {
			fmt.Fprintf(&p.buf, "\x1b[%sm", s)
		}
		now = s
	}
	for _, c := range line {
		set(c.style)
		p.buf.WriteRune(c.r)
	}
	set(styleNone)
}

// countColumns returns the number of terminal columns of s after escaping.
func countColumns(s string) int {
	n := 0
	for _, r := range Escape(s) {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r < 0x7f:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// pad fills s with spaces up to n columns.
func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-countColumns(s)))
}
