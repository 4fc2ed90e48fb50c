package secrets

import "strings"

// Documents contain many words that are also in a value: hosts, rule names,
// dates. So a document is searched only for parts that can't be there by chance.
// Such a part changes often between letters of either case and digits.

const (
	// minShownParts: only values of this length, in bytes, have parts that are
	// searched for in documents.
	minShownParts = 20
	// minTelling is the number of changes that a telling part has.
	minTelling = 3
	// minTellingWord: shorter words do not count, such as k8s and eu1.
	minTellingWord = 4
	// minShownPart and maxShownPart limit the length of a telling part.
	minShownPart, maxShownPart = 10, 24
)

// tellingParts returns overlapping parts of a long random value. Almost any half
// of the value contains at least one of them.
func tellingParts(value string) []string {
	if len(value) < minShownParts {
		return nil
	}
	size := min(max(len(value)/4, minShownPart), maxShownPart)
	step := max(size/3, 1)
	var out []string
	for at := 0; ; at += step {
		at = min(at, len(value)-size)
		// If a part is not telling, a longer one may be.
		for _, n := range []int{size, size * 4 / 3, size * 8 / 5} {
			if at+n <= len(value) && countTelling(value, at, at+n) >= minTelling {
				out = append(out, value[at:at+n])
				break
			}
		}
		if at == len(value)-size {
			return out
		}
	}
}

// countTelling counts in value[from:to] what words of a language do not have:
// changes inside a word between classes of characters, more than three consonants
// in a row, and a q without u. It does not count capital letters that begin a
// word: JobFinished has none.
func countTelling(value string, from, to int) int {
	n, consonants := 0, 0
	for i := from; i < to; i++ {
		b := classOf(value[i])
		if consonants++; b != lower && b != upper || strings.IndexByte("aeiouyAEIOUY", value[i]) >= 0 {
			consonants = 0
		}
		if consonants > 3 || i+1 < len(value) && value[i]|0x20 == 'q' && value[i+1]|0x20 != 'u' {
			n++
			continue
		}
		if i == from || b == 0 {
			continue
		}
		a := classOf(value[i-1])
		capital := b == upper && i+2 < len(value) && classOf(value[i+1]) == lower && classOf(value[i+2]) == lower
		if a != 0 && a != b && !(a == upper && b == lower) && !capital && wordLength(value, i) >= minTellingWord {
			n++
		}
	}
	return n
}

const (
	lower = 'a'
	upper = 'A'
	digit = '0'
)

// classOf returns the class of a letter or digit, and 0 for other bytes.
func classOf(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z':
		return lower
	case 'A' <= c && c <= 'Z':
		return upper
	case '0' <= c && c <= '9':
		return digit
	}
	return 0
}

// wordLength returns the length of the word around value[at], at most
// minTellingWord on either side.
func wordLength(value string, at int) int {
	from, end := at, at
	for from > 0 && at-from < minTellingWord && isWordByte(value[from-1]) {
		from--
	}
	for end < len(value) && end-at < minTellingWord && isWordByte(value[end]) {
		end++
	}
	return end - from
}
