package fair

import (
	"slices"
	"strings"
	"testing"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "a": "a", "aaa": "aaa", "aaab": "abaa", "aabbc": "abcab", "cbaabc": "cbaabc",
	} {
		got := strings.Join(Order(strings.Split(in, ""), func(s string) string { return s }), "")
		// Each kind comes once before any comes twice, and no item is lost.
		if sorted(got) != sorted(in) {
			t.Errorf("Order(%s) = %s, which has other items", in, got)
		}
		kinds := map[rune]bool{}
		for _, r := range in {
			kinds[r] = true
		}
		first := map[rune]bool{}
		for _, r := range []rune(got)[:len(kinds)] {
			first[r] = true
		}
		if len(first) != len(kinds) {
			t.Errorf("Order(%s) = %s, want each kind among the first %d", in, got, len(kinds))
		}
		if len(in) < 6 && got != want {
			t.Errorf("Order(%s) = %s, want %s", in, got, want)
		}
	}
}

func sorted(s string) string {
	r := []rune(s)
	slices.Sort(r)
	return string(r)
}

// TestShape: names, numbers, paths and quoted text that resembles our own words
// do not change the shape of a message.
func TestShape(t *testing.T) {
	t.Parallel()
	one := Shape(`rule "a" looks like a rename of "b": a rename starts a new delivery history`)
	for _, other := range []string{
		`rule "two words" looks like a rename of "x\"y": a rename starts a new delivery history`,
		`rule "rule carries a marker; it" looks like a rename of "": a rename starts a new delivery history`,
	} {
		if Shape(other) != one {
			t.Errorf("%q has the shape %q, want %q", other, Shape(other), one)
		}
	}
	if Shape(`rule "a" carries a marker that was made for another rule or project; it is left alone`) == one {
		t.Error("two kinds of messages have one shape")
	}
	if Shape("would send a secret to a.example, which is not among the destinations b.example:8443") != Shape("would send a secret to c.d.example, which is not among the destinations x.example") {
		t.Error("a host makes another kind of a message")
	}
}
