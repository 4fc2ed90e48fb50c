package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// replace puts another file in the place of an audit log, as Git does.
func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(path+".new", data, 0o600))
	must(t, os.Rename(path+".new", path))
}

// TestReplacedWhileItWaits checks that a run that waited for the lock of an audit
// log adds to the new file at its path.
func TestReplacedWhileItWaits(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows replaces no file that is open")
	}
	path := filepath.Join(t.TempDir(), "a.jsonl")
	oneRun(t, path, 1)
	data, err := os.ReadFile(path)
	must(t, err)
	first := open(t, path)
	got := make(chan string)
	go func() {
		defer close(got)
		l, err := Open(path, clock())
		if err != nil {
			t.Error(err)
			return
		}
		if err := errors.Join(l.Start(Start{Command: "apply"}), l.Close(End{Outcome: "nothing"})); err != nil {
			t.Error(err)
		}
		got <- l.Head()
	}()
	time.Sleep(100 * time.Millisecond) // it waits; if it does not wait yet, it finds the new file at once
	replace(t, path, data)
	if err := first.Close(End{}); !errors.Is(err, errReplaced) {
		t.Errorf("the first one ends with %v, want that the file was replaced", err)
	}
	head := <-got
	if c := read(t, path); len(c.Faults) > 0 || c.Head != head || len(c.Entries) != 4+2 {
		t.Errorf("%d entries, head %s, want %s; faults %v", len(c.Entries), c.Head, head, c.Faults)
	}
}

// TestReplaced checks that an intent fails if the log at the path was replaced, so
// its request does not leave.
func TestReplaced(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows replaces no file that is open")
	}
	for name, change := range map[string]func(t *testing.T, path string){
		"replaced": func(t *testing.T, path string) { replace(t, path, nil) },
		"removed":  func(t *testing.T, path string) { must(t, os.Remove(path)) },
	} {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		l := open(t, path)
		_, err := l.Intent(write("a"))
		must(t, err)
		change(t, path)
		if _, err := l.Intent(write("b")); !errors.Is(err, errReplaced) {
			t.Errorf("%s: an intent: %v", name, err)
		}
		if err := l.Close(End{}); !errors.Is(err, errReplaced) {
			t.Errorf("%s: the end: %v", name, err)
		}
	}
}

// TestCRLF checks that a checkout that changes line ends is one fault, and that no
// run continues the chain behind such lines.
func TestCRLF(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	head := oneRun(t, path, 3)
	data, err := os.ReadFile(path)
	must(t, err)
	changed := bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	must(t, os.WriteFile(path, changed, 0o600))
	c := read(t, path)
	if len(c.Faults) != 1 || c.Faults[0].Line != 1 || !strings.Contains(c.Faults[0].Message, "CRLF") || c.Head != head {
		t.Errorf("faults %v, head %s", c.Faults, c.Head)
	}
	if _, err := Open(path, clock()); err == nil || !strings.Contains(err.Error(), "*.jsonl -text") {
		t.Errorf("opened: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, changed) {
		t.Error("it was changed")
	}
}

// TestFaultsBefore checks that a run adds to a log with faults, and reports them.
func TestFaultsBefore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	oneRun(t, path, 2)
	whole := open(t, path)
	if f := whole.Faults(); len(f) > 0 {
		t.Errorf("faults %v", f)
	}
	must(t, whole.Close(End{}))
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, bytes.Replace(data, []byte("rule-0"), []byte("rule-9"), 1), 0o600))
	l := open(t, path)
	if f := l.Faults(); len(f) != 1 || f[0].Line != 3 {
		t.Errorf("faults %v", f)
	}
	must(t, l.Close(End{}))
	if c := read(t, path); len(c.Faults) != 1 {
		t.Errorf("faults after it %v", c.Faults)
	}
}
