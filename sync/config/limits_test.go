package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTreesThatNeverEnd checks that directories with too many entries and deep trees
// are errors that name the limit. Trees within the limits are read.
func TestTreesThatNeverEnd(t *testing.T) {
	t.Parallel()
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wide, spread := t.TempDir(), t.TempDir()
	for i := range 20 {
		write(filepath.Join(wide, fmt.Sprintf("%02d.yaml", i)))
		write(filepath.Join(spread, fmt.Sprint("d", i), "a.yaml"))
	}
	deep, deepest := t.TempDir(), ""
	for range maxTreeDepth {
		deepest = filepath.Join(deepest, "d")
	}
	write(filepath.Join(deep, deepest, "in.yaml"))
	write(filepath.Join(deep, deepest, "d", "out.yaml"))
	for name, test := range map[string]struct {
		paths []string
		limit int
		files int
		says  string
	}{
		"within":              {[]string{wide}, 20, 20, ""},
		"one too many":        {[]string{wide}, 19, 0, "more than 19 files and directories"},
		"in many directories": {[]string{spread}, 39, -1, "more than 39 files and directories"},
		"all of them":         {[]string{spread}, 40, 20, ""},
		"over several paths":  {[]string{wide, spread}, 59, -1, "more than 59 files and directories"},
		"deep":                {[]string{deep}, 1000, 1, "lies more than 64 directories deep"},
	} {
		c := &collector{limit: test.limit, seen: map[string]bool{}}
		for i, path := range test.paths {
			c.layer = i
			c.addNamed(path)
		}
		var said []string
		for _, p := range c.problems {
			said = append(said, p.Message)
		}
		text := strings.Join(said, "; ")
		if test.files >= 0 && len(c.files) != test.files || (text == "") != (test.says == "") || !strings.Contains(text, test.says) || len(said) > 1 {
			t.Errorf("%s: %d files, %q; want %d and %q", name, len(c.files), said, test.files, test.says)
		}
	}
}
