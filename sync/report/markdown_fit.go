package report

import (
	"sort"
	"strings"
)

// part is a piece of a document that is shown whole or left out whole.
type part struct {
	kind partKind
	text string
}

// partKind says what a part is, and when it is left out: those of the greatest
// kind first, from the document's end.
type partKind int

// The kinds of parts.
const (
	partHead   partKind = iota // never left out: what a document can't be read without
	partTitle                  // a project's head and the head of its table
	partNote                   // what is said below the table: blocked changes, warnings
	partRow                    // a row of a table
	partDetail                 // a change's fields
)

// partNames are what a part of a kind is called, one and many.
var partNames = map[partKind][2]string{
	partTitle: {"heading", "headings"}, partNote: {"list", "lists"},
	partRow: {"row of a table", "rows of tables"}, partDetail: {"change's details", "changes' details"},
}

// builder collects the parts of a document.
type builder struct{ parts []part }

func (b *builder) add(kind partKind, text string) {
	if text != "" {
		b.parts = append(b.parts, part{kind, text})
	}
}

// noteRoom is kept for the line that says what was left out.
const noteRoom = 3000

// fit puts the parts together in at most limit bytes. Where something has to
// go, the first part is followed by a line that says what went and how to see it.
func (b *builder) fit(limit int, show string) string {
	if limit <= 0 {
		limit = MaxMarkdown
	}
	size := 0
	for _, p := range b.parts {
		size += len(p.text)
	}
	if size <= limit {
		return b.join(len(b.parts), "")
	}
	// order is the sequence in which parts go.
	order := make([]int, 0, len(b.parts))
	for i := range b.parts {
		if b.parts[i].kind != partHead {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(i, j int) bool {
		x, y := order[i], order[j]
		if b.parts[x].kind != b.parts[y].kind {
			return b.parts[x].kind > b.parts[y].kind
		}
		return x > y
	})
	gone := map[partKind]int{}
	for _, i := range order {
		if size <= limit-noteRoom {
			break
		}
		size -= len(b.parts[i].text)
		gone[b.parts[i].kind]++
		b.parts[i].text = ""
	}
	var left []string
	for kind := partTitle; kind <= partDetail; kind++ {
		if n := gone[kind]; n > 0 {
			left = append(left, plural(n, partNames[kind][0], partNames[kind][1]))
		}
	}
	how := "The text and JSON reports of this run have all of it."
	if show != "" {
		how = "To see all of it: " + code(show)
	}
	return b.join(1, alert("IMPORTANT", "**Left out, because a comment has room for so much only:** "+strings.Join(left, ", ")+".", how))
}

// join puts the parts together, with a note before the one at a place.
func (b *builder) join(at int, note string) string {
	var out strings.Builder
	for i, p := range b.parts {
		if i == at {
			out.WriteString(note)
		}
		out.WriteString(p.text)
	}
	if at == len(b.parts) {
		out.WriteString(note)
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}
