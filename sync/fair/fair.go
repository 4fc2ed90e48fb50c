// Package fair orders lists of which only the first part may be shown. Whoever
// fills a list with many items of one kind must not push those of other kinds out.
package fair

import (
	"regexp"
	"sync"
)

// Order returns the items with those of all kinds in turn: the first of each kind,
// then the second of each, and so on. Kinds come in the order of their first item,
// and the items of a kind keep their order.
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

// Shape returns a message without its names and numbers, so that messages of one
// kind have one shape. It only serves to order them.
func Shape(message string) string { return varying().ReplaceAllString(message, "") }

// varying is what messages of one kind differ in: text in quotes, words with
// another character than a letter, numbers.
var varying = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^ ]*[^A-Za-z ,;:.'()-][^ ]*|[^ ]*[A-Za-z][./:_][^ ]*`)
})
