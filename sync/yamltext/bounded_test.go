package yamltext

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	keys := func(n int, indent string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%sk%d: v\n", indent, i)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		data  string
		large bool
	}{
		"empty": {"", false}, "a comment": {"# nothing\n", false}, "small": {"a: 1\n", false},
		"1,000 keys":           {keys(maxKeys, ""), false},
		"1,001 keys":           {keys(maxKeys+1, ""), true},
		"1,001 keys, deep":     {"a:\n  - b:\n" + keys(maxKeys+1, "      "), true},
		"1,001 keys, anchored": {"a: &a\n" + keys(maxKeys+1, "  ") + "b: *a\n", true},
		"100,000 keys":         {keys(100_000, ""), true},
		"1 MiB":                {"#" + strings.Repeat("x", maxBytes-1), false},
		"1 MiB and a byte":     {"#" + strings.Repeat("x", maxBytes), true},
	} {
		var out map[string]any
		err := Unmarshal([]byte(c.data), &out)
		if errors.Is(err, ErrTooLarge) != c.large || !c.large && err != nil {
			t.Errorf("%s: %v, want too large: %t", name, err, c.large)
		}
		if name == "small" && out["a"] != 1 {
			t.Errorf("%s: %v", name, out)
		}
	}
	var out map[string]any
	if err := Unmarshal([]byte("a: [\n"), &out); err == nil || errors.Is(err, ErrTooLarge) {
		t.Errorf("invalid YAML: %v", err)
	}
}
