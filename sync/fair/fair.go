// Package fair orders lists that may be cut at the end. Many items of one kind
// must not push out the items of other kinds.
package fair

import (
	"regexp"
	"sync"
)

// Order returns the items with all kinds in turn: the first of each kind, then
// the second of each, and so on. Kinds come in the order of their first item.
// The items of a kind keep their order.
func Order[T any](items []T, kind func(T) string) []T {
	count := map[string]int{}
	var rounds [][]T
	for _, item := range items {
		k := kind(item)
		if count[k] == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[count[k]] = append(rounds[count[k]], item)
		count[k]++
	}
	out := make([]T, 0, len(items))
	for _, round := range rounds {
		out = append(out, round...)
	}
	return out
}

// Shape returns a message without its names and numbers, so that all messages
// of a kind have the same shape. It only serves as a kind for [Order].
func Shape(message string) string { return varying().ReplaceAllString(message, "") }

// varying matches the parts in which messages of one kind differ: text in
// quotes, numbers, and words with a character that is not a letter.
var varying = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^ ]*[^A-Za-z ,;:.'()-][^ ]*|[^ ]*[A-Za-z][./:_][^ ]*`)
})
