package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock advances by a second each time, and may be set back.
func clock() func() time.Time {
	var mu sync.Mutex
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Second)
		return at
	}
}

func open(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path, clock())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(rule string) Write {
	return Write{Project: "demo", Rule: rule, Action: "update", Step: "put", Before: "b", After: "a"}
}

// oneRun records a run of n writes and returns its head.
func oneRun(t *testing.T, path string, n int) string {
	t.Helper()
	l := open(t, path)
	must(t, l.Start(Start{Command: "apply", Actor: "ada", Project: "demo", PlanDigest: "d"}))
	for i := range n {
		w := write(fmt.Sprintf("rule-%d", i))
		of, err := l.Intent(w)
		must(t, err)
		must(t, l.Result(w, Result{Of: of, HTTPStatus: 200}))
	}
	must(t, l.Close(End{Outcome: "applied", Summary: map[string]int{"applied": n}}))
	return l.Head()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) *Chain {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	c, err := Read(bytes.NewReader(data))
	must(t, err)
	return c
}

func TestChain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "folder", "applies.jsonl")
	oneRun(t, path, 2)
	head := oneRun(t, path, 1)
	c := read(t, path)
	if len(c.Faults) > 0 || c.Torn || c.Head != head || len(c.Entries) != 6+4 {
		t.Fatalf("%d entries, head %s, torn %v, faults %v", len(c.Entries), c.Head, c.Torn, c.Faults)
	}
	runs := c.Runs()
	if len(runs) != 2 || len(runs[0].Writes) != 2 || runs[0].End == nil || runs[1].Start.Start.Actor != "ada" || runs[0].ID == runs[1].ID {
		t.Fatalf("runs %+v", runs)
	}
	for _, r := range runs {
		for _, w := range r.Writes {
			if w.InFlight() || w.Subject().Project != "demo" {
				t.Errorf("run %s: %+v", r.ID, w)
			}
		}
	}
	info, err := os.Stat(path)
	must(t, err)
	dir, err := os.Stat(filepath.Dir(path))
	must(t, err)
	if info.Mode().Perm() != 0o600 || dir.Mode().Perm() != 0o700 {
		t.Errorf("modes %v and %v", info.Mode(), dir.Mode())
	}
}

// TestTampering changes, removes, moves, repeats and adds each line in turn. A
// change inside the log is a fault. A change at its end shows against the head.
func TestTampering(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	head := oneRun(t, path, 3)
	data, err := os.ReadFile(path)
	must(t, err)
	lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	last := len(lines) - 1
	for i := range lines {
		for name, edit := range map[string]func(l []string) []string{
			"changed":  func(l []string) []string { l[i] = strings.Replace(l[i], "2026", "2025", 1); return l },
			"removed":  func(l []string) []string { return append(l[:i], l[i+1:]...) },
			"repeated": func(l []string) []string { return append(l[:i+1], append([]string{l[i]}, l[i+1:]...)...) },
			"moved":    func(l []string) []string { l[i], l[(i+1)%len(l)] = l[(i+1)%len(l)], l[i]; return l },
			"spoilt":   func(l []string) []string { l[i] = "x" + l[i]; return l },
			"emptied":  func(l []string) []string { l[i] = "\n"; return l },
		} {
			text := strings.Join(edit(append([]string{}, lines...)), "")
			c, err := Read(strings.NewReader(text))
			must(t, err)
			atEnd := i == last && (name == "changed" || name == "removed")
			if len(c.Faults) == 0 && !atEnd {
				t.Errorf("line %d %s: nothing is said", i+1, name)
			}
			if c.HasHead(head) && len(c.Faults) == 0 {
				t.Errorf("line %d %s: head and chain are as before", i+1, name)
			}
		}
	}
}

// TestTorn cuts the file at every byte of its last lines, as a crashed machine
// might. The next run continues, nothing is lost, and the chain holds.
func TestTorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.jsonl")
	oneRun(t, path, 1)
	data, err := os.ReadFile(path)
	must(t, err)
	whole := bytes.Count(data, []byte("\n"))
	for n := range data {
		cut := filepath.Join(dir, "cut.jsonl")
		must(t, os.WriteFile(cut, data[:n], 0o600))
		torn := n > 0 && data[n-1] != '\n'
		before, err := Read(bytes.NewReader(data[:n]))
		must(t, err)
		if before.Torn != torn {
			t.Fatalf("cut at %d: torn is %v", n, before.Torn)
		}
		l := open(t, cut)
		if (l.Healed() != nil) != torn {
			t.Fatalf("cut at %d: healed %v", n, l.Healed())
		}
		must(t, l.Close(End{Outcome: "nothing"}))
		c := read(t, cut)
		want := bytes.Count(data[:n], []byte("\n")) + 1
		if torn {
			want++
			part := data[:n][bytes.LastIndexByte(data[:n], '\n')+1:]
			if h := c.Entries[len(c.Entries)-2].Healed; h == nil || h.Text != string(part) || h.Bytes != len(part) || h.SHA256 != LineSum(part) {
				t.Fatalf("cut at %d: healed %+v, want %q", n, h, part)
			}
		}
		if len(c.Faults) > 0 || len(c.Entries) != want || c.Head != l.Head() {
			t.Fatalf("cut at %d of %d lines: %d entries, want %d; faults %v", n, whole, len(c.Entries), want, c.Faults)
		}
		must(t, os.Remove(cut))
	}
}

// TestTwoRuns checks that the second run waits until the first run is over.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			l, err := Open(path, clock())
			if err != nil {
				t.Error(err)
				return
			}
			_ = l.Start(Start{Command: "apply"})
			var inner sync.WaitGroup
			for i := range 20 {
				inner.Go(func() {
					w := write(fmt.Sprint(i))
					of, err := l.Intent(w)
					if err != nil {
						t.Error(err)
					}
					if err := l.Result(w, Result{Of: of}); err != nil {
						t.Error(err)
					}
				})
			}
			inner.Wait()
			if err := l.Close(End{Outcome: "applied"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c := read(t, path)
	if len(c.Faults) > 0 || len(c.Entries) != 4*42 {
		t.Fatalf("%d entries, faults %v", len(c.Entries), c.Faults)
	}
	run := ""
	for _, e := range c.Entries {
		if e.Kind == KindStart {
			run = e.Run
		}
		if e.Run != run {
			t.Fatalf("entry %d of run %s stands among those of run %s", e.Seq, e.Run, run)
		}
	}
	for _, r := range c.Runs() {
		for _, w := range r.Writes {
			if w.InFlight() || w.Intent.Write.Rule != w.Result.Write.Rule {
				t.Errorf("%+v", w)
			}
		}
	}
}

// TestOnDisk checks that an intent is on disk when it returns.
func TestOnDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := open(t, path)
	defer l.Close(End{})
	must(t, l.Start(Start{}))
	must(t, l.Step(write("a"), Result{}))
	if l.synced != 1 || l.written != 2 {
		t.Errorf("%d of %d lines are on disk; a step waits for the next intent", l.synced, l.written)
	}
	_, err := l.Intent(write("a"))
	must(t, err)
	if l.synced != 3 {
		t.Errorf("%d lines are on disk, want 3", l.synced)
	}
}

// TestBroken checks that no line follows a line that could not be written: the
// chain would have a hole.
func TestBroken(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "a.jsonl"))
	defer l.lock.Close()
	must(t, l.Start(Start{}))
	must(t, l.file.Close())
	if _, err := l.Intent(write("a")); err == nil {
		t.Fatal("an intent that is nowhere")
	}
	if _, err := l.Intent(write("a")); err == nil || !strings.Contains(err.Error(), "nothing could be added to it since") {
		t.Errorf("the next one: %v", err)
	}
}

// TestOpenRefuses opens files that are not an audit log, or not writable.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	must(t, os.Symlink(put("target", ""), filepath.Join(dir, "link")))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	for path, want := range map[string]string{
		put("text", "hello\n"):      "its last line is no entry of a record; look at it with mkhooks audit verify",
		put("half", "hello"):        "it is no record: its first line is no entry",
		put("json", `{"a":1}`+"\n"): "is no entry of a record",
		put("later", `{"seq":1,"time":"2026-03-04T05:06:07Z","kind":"start","run":"x","start":{"formatVersion":2,"command":"","actor":"","host":"","commit":"","dirty":false,"planDigest":"","tool":"","project":"","baseURL":"","owner":"","lifted":null},"prev":""}`+"\n"): "has format version 2; this version reads format version 1",
		put("long", strings.Repeat("x", 3*maxLine)): "longer than any of a record",
		filepath.Join(dir, "link"):                  "is a link or no file",
		filepath.Join(dir, "folder"):                "is a link or no file",
		filepath.Join(dir, "text", "sub"):           "not a directory",
	} {
		before, _ := os.ReadFile(path)
		if l, err := Open(path, clock()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v, want %q", filepath.Base(path), l, err, want)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s was changed", filepath.Base(path))
		}
	}
}

// FuzzRead checks that reading any file ends, and that every fault has a line.
func FuzzRead(f *testing.F) {
	path := filepath.Join(f.TempDir(), "a.jsonl")
	l, err := Open(path, clock())
	if err != nil {
		f.Fatal(err)
	}
	_ = l.Start(Start{Command: "apply"})
	of, _ := l.Intent(write("a"))
	_ = l.Result(write("a"), Result{Of: of})
	_ = l.Close(End{Outcome: "applied"})
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte("\n{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range c.Faults {
			if fault.Line < 1 || fault.Message == "" {
				t.Fatalf("%+v", fault)
			}
		}
		for _, r := range c.Runs() {
			for _, w := range r.Writes {
				_ = w.Subject().Rule
			}
		}
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNoRecordAtAll checks that a file with a fault in each line does not fill the
// memory with them.
func TestNoRecordAtAll(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"\n", "{}\n", "x\r\n"} {
		c, err := Read(strings.NewReader(strings.Repeat(line, 100_000)))
		if err != nil || len(c.Faults) > maxFaults+1 || len(c.Faults) == 0 || !strings.Contains(c.Faults[len(c.Faults)-1].Message, "at most 1000 faults") {
			t.Errorf("%q: %d faults, %v", line, len(c.Faults), err)
		}
	}
}
