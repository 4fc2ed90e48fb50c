package report

import (
	"cmp"
	"slices"
	"strings"
)

// part is a piece of a document that is shown or omitted as a unit.
type part struct {
	kind partKind
	text string
	// turn is the position among the parts of its kind. Parts with the greatest
	// turn are omitted first; of equal turns, the last in the document.
	turn int
	// list is the number of the list that an item belongs to; 0 means no list.
	list int
}

// partKind is the kind of a part, which decides when it is omitted: see
// [part.omitLevel].
type partKind int

// The kinds of parts.
const (
	partHead       partKind = iota // never omitted: the document is unreadable without it
	partTitle                      // a project's head and the head of its table
	partRow                        // a table row of a change that matters
	partItem                       // an item of a list: blocked changes, warnings
	partDetail                     // the fields of a change that matters
	partNote                       // notes on rules that are left alone
	partRowLess                    // a row of another change
	partDetailLess                 // the fields of another change
)

// omitLevel returns when a part is omitted: the greatest level first, so that minor
// parts never take the room of parts that matter.
func (p *part) omitLevel() int {
	switch p.kind {
	case partRowLess, partDetailLess:
		return 3
	case partNote:
		return 2
	case partRow, partItem, partDetail:
		return 1
	}
	return 0
}

// omitRank returns the position among the parts of a level. Rows, items and details
// share the room, so that many of one kind don't take the room of another. For
// each change with its fields there are a few items and some more rows.
func (p *part) omitRank() int {
	switch p.kind {
	case partItem:
		return 4 * p.turn
	case partDetail, partDetailLess:
		return 8 * p.turn
	}
	return p.turn
}

// partNames are the names of the kinds, singular and plural.
var partNames = map[partKind][2]string{
	partTitle: {"heading", "headings"}, partNote: {"list", "lists"}, partItem: {"item of a list", "items of lists"},
	partRow: {"row of a table", "rows of tables"}, partDetail: {"change's details", "changes' details"},
	partRowLess: {"row of a table", "rows of tables"}, partDetailLess: {"change's details", "changes' details"},
}

// builder collects the parts of a document.
type builder struct {
	parts []part
	// unwritten counts, for each list, the items that were not even written.
	unwritten []int
}

func (b *builder) addPart(kind partKind, text string) { b.addTurn(kind, text, 0) }

func (b *builder) addTurn(kind partKind, text string, turn int) {
	if text != "" {
		b.parts = append(b.parts, part{kind: kind, text: text, turn: turn})
	}
}

// addList adds a list whose items are omitted one by one, from the end, and
// counted. An item without room does not affect the others.
func addList[T any](b *builder, title string, items []T, write func(T) string) {
	if len(items) == 0 {
		return
	}
	if title != "" {
		title += "\n\n"
	}
	shown := firstOf(items, maxItems)
	b.unwritten = append(b.unwritten, len(items)-len(shown))
	for i, item := range shown {
		b.parts = append(b.parts, part{kind: partItem, text: title + "- " + write(item) + "\n", turn: i, list: len(b.unwritten)})
		title = "" // with the first item, so that no title is without items
	}
}

// maxItems limits the items of a list that are written.
const maxItems = 200

// noteRoom is reserved for the line that counts the omitted parts, in bytes.
const noteRoom = 3000

// fitParts joins the parts in at most limit bytes. If parts must be omitted, a line
// after the first part counts them and tells how to see them.
func (b *builder) fitParts(limit int, show string) string {
	if limit <= 0 {
		limit = MaxMarkdown
	}
	size := 0
	for _, p := range b.parts {
		size += len(p.text)
	}
	size += len(b.unwritten) * len(moreItems(len(b.parts)))
	if size <= limit {
		return b.joinParts(len(b.parts), "")
	}
	// order is the sequence in which parts are omitted.
	order := make([]int, 0, len(b.parts))
	for i := range b.parts {
		if b.parts[i].kind != partHead {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(x, y int) int {
		p, q := &b.parts[x], &b.parts[y]
		return cmp.Or(cmp.Compare(q.omitLevel(), p.omitLevel()), cmp.Compare(q.omitRank(), p.omitRank()), cmp.Compare(q.kind, p.kind), cmp.Compare(y, x))
	})
	gone := map[[2]string]int{}
	for _, i := range order {
		if size <= limit-noteRoom {
			break
		}
		size -= len(b.parts[i].text)
		gone[partNames[b.parts[i].kind]]++
		b.parts[i].text = ""
	}
	var left []string
	for _, kind := range []partKind{partTitle, partItem, partNote, partRow, partDetail} {
		if n := gone[partNames[kind]]; n > 0 {
			left = append(left, countNoun(n, partNames[kind][0], partNames[kind][1]))
		}
	}
	how := "The text and JSON reports of this run have all of it."
	if show != "" {
		how = "To see all of it: " + code(show)
	}
	return b.joinParts(1, alert("IMPORTANT", "**Left out, because a comment has room for so much only:** "+strings.Join(left, ", ")+".", how))
}

// moreItems counts the items of a list that are not shown.
func moreItems(n int) string { return "- and " + formatCount(n) + " more\n" }

// joinParts joins the parts, with a note before the part at index at.
func (b *builder) joinParts(at int, note string) string {
	var out strings.Builder
	lost := 0
	for i, p := range b.parts {
		if i == at {
			out.WriteString(note)
		}
		out.WriteString(p.text)
		if p.list == 0 {
			continue
		}
		if p.text == "" {
			lost++
		}
		if i+1 < len(b.parts) && b.parts[i+1].list == p.list {
			continue
		}
		if p.turn+1 > lost { // at least the first is shown
			if lost += b.unwritten[p.list-1]; lost > 0 {
				out.WriteString(moreItems(lost))
			}
			out.WriteByte('\n')
		}
		lost = 0
	}
	if at == len(b.parts) {
		out.WriteString(note)
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}
