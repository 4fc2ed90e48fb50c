package progress

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattn/go-runewidth"
)

// screen is a terminal with a width. It wraps lines and keeps the visible text.
type screen struct {
	mu      sync.Mutex
	columns int
	lines   [][]rune
	at      int // column of the cursor, on the last line
	raw     bytes.Buffer
}

func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.Write(text)
	if len(s.lines) == 0 {
		s.lines = [][]rune{nil}
	}
	for _, r := range string(sgr.ReplaceAll(text, nil)) {
		switch r {
		case '\r':
			s.at = 0
			continue
		case '\n':
			s.lines, s.at = append(s.lines, nil), 0
			continue
		}
		if s.at == s.columns {
			s.lines, s.at = append(s.lines, nil), 0
		}
		line := &s.lines[len(s.lines)-1]
		for len(*line) <= s.at {
			*line = append(*line, ' ')
		}
		(*line)[s.at] = r
		s.at++
	}
	return len(text), nil
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// String returns the visible text without spaces at the ends of lines.
func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, l := range s.lines {
		lines = append(lines, strings.TrimRight(string(l), " "))
	}
	return strings.Join(lines, "\n")
}

// written returns all text written since the last call.
func (s *screen) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.raw.Reset()
	return s.raw.String()
}

func (s *screen) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// width returns a constant terminal width.
func width(n int) func() int { return func() int { return n } }

func bar(s *screen) Options { return Options{Out: s, Bar: true, Width: width(s.columns)} }

func see(t *testing.T, s *screen, want string) {
	t.Helper()
	if got := s.String(); got != want {
		t.Errorf("the terminal shows\n%q, want\n%q", got, want)
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		columns      int
		ascii, color bool
		done, total  int
		want         string
	}{
		"80 columns":  {80, false, false, 1200, 2500, "apply 1200 / 2500 [" + strings.Repeat("█", 25) + strings.Repeat("░", 27) + "] 48% 2s"},
		"120 columns": {120, false, false, 1200, 2500, "apply 1200 / 2500 [" + strings.Repeat("█", 45) + strings.Repeat("░", 47) + "] 48% 2s"},
		"40, ASCII":   {40, true, false, 1, 4, "apply 1 / 4 [====>             ] 25% 2s"},
		"narrow":      {20, false, false, 1200, 2500, "apply 1200 / 2500"},
		"too narrow":  {9, false, false, 1200, 2500, "apply 12"},
		"colour":      {40, false, true, 1, 4, "apply 1 / 4 [█████░░░░░░░░░░░░░] 25% 2s"},
		"nearly all":  {40, true, false, 999, 1000, "apply 999 / 1000 [============>] 99% 2s"},
		"no total":    {80, false, false, 1200, 0, "apply 1200, 2s"},
		"no room":     {9, false, false, 1200, 0, "apply 12"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &screen{columns: test.columns}
				o := bar(s)
				o.ASCII, o.Color = test.ascii, test.color
				p := New(o)
				task := p.Task("apply", test.total)
				task.Add(test.done)
				s.wait(2*time.Second + refresh)
				see(t, s, test.want)
				if got := runewidth.StringWidth(s.String()); got >= test.columns {
					t.Errorf("the bar takes %d of %d columns", got, test.columns)
				}
				if bold := strings.Contains(s.written(), "\x1b"); bold != test.color {
					t.Errorf("there are escapes: %v, colour was asked for: %v", bold, test.color)
				}
				task.Done()
				p.Close()
				see(t, s, "")
			})
		})
	}
}

// TestShortWork: short work shows nothing, which prevents flicker.
func TestShortWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{columns: 80}
		p := New(bar(s))
		for range 3 {
			task := p.Task("read", 1)
			s.wait(delay - refresh)
			task.Done()
		}
		p.Close()
		if text := s.written(); text != "" {
			t.Errorf("%q was written", text)
		}
	})
}

// TestRate: a task with constant progress is drawn ten times a second. A task
// without progress is drawn when its seconds change.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, moves := range []bool{true, false} {
			s := &screen{columns: 80}
			p := New(bar(s))
			task := p.Task("apply", 100_000)
			for range 1000 {
				time.Sleep(10 * time.Millisecond)
				if moves {
					task.Add(10)
				}
			}
			p.Close()
			least, most := 90, 96 // ten seconds less the delay of half a second
			if !moves {
				least, most = 10, 11
			}
			if n := strings.Count(s.written(), "apply"); n < least || n > most {
				t.Errorf("moves: %v: drawn %d times, want %d to %d", moves, n, least, most)
			}
		}
	})
}

// TestLines: other lines appear complete above the bar.
func TestLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{columns: 60}
		o := bar(s)
		o.ASCII = true
		p := New(o)
		errs, out := p.Writer(s), p.Writer(s)
		task := p.Task("apply", 2)
		s.wait(time.Second + refresh)
		barOnly := "apply 0 / 2 [                                       ] 0% 1s"
		see(t, s, barOnly)
		fmt.Fprintln(errs, "mkhooks: warning: one")
		see(t, s, "mkhooks: warning: one\n"+barOnly)
		fmt.Fprintln(out, "+ create two")
		see(t, s, "mkhooks: warning: one\n+ create two\n"+barOnly)
		task.Add(1)
		s.wait(refresh)
		see(t, s, "mkhooks: warning: one\n+ create two\napply 1 / 2 [==================>                   ] 50% 1s")
		task.Done()
		see(t, s, "mkhooks: warning: one\n+ create two\n")
		fmt.Fprintln(errs, "done")
		see(t, s, "mkhooks: warning: one\n+ create two\ndone\n")
		p.Close()
	})
}

// TestInterrupt: a terminal shows the interrupt key at the cursor.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{columns: 40}
		p := New(bar(s))
		p.Task("apply", 2)
		s.wait(time.Second)
		fmt.Fprint(s, "^C")
		s.wait(time.Second)
		if !strings.HasPrefix(s.String(), "apply 0 / 2 ") {
			t.Errorf("the terminal shows %q", s.String())
		}
		fmt.Fprint(s, "^C")
		fmt.Fprintln(p.Writer(s), "interrupted")
		p.Close()
		see(t, s, "interrupted\n")
	})
}

// TestQuestion: nothing is drawn between a question and its reply, whatever
// happens meanwhile.
func TestQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{columns: 60}
		p := New(bar(s))
		errs := p.Writer(s)
		task := p.Task("apply", 2)
		s.wait(time.Second)
		fmt.Fprint(errs, "Apply these changes? ")
		task.Add(1)
		s.wait(time.Minute)
		see(t, s, "Apply these changes?")
		fmt.Fprint(s, "yes\n") // the terminal's echo
		task.Done()
		see(t, s, "Apply these changes? yes\n")
		p.Task("apply", 2)
		s.wait(time.Second)
		if !strings.HasPrefix(s.String(), "Apply these changes? yes\napply 0 / 2 ") {
			t.Errorf("after the answer the terminal shows %q", s.String())
		}
		p.Close()
		see(t, s, "Apply these changes? yes\n")
	})
}

// TestSeveral: the bar shows the newest task that has lasted long enough.
func TestSeveral(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{columns: 80}
		p := New(bar(s))
		apply := p.Task("apply", 3)
		s.wait(time.Second)
		store := p.Task("store histories", 10)
		store.Grow(10)
		s.wait(delay - refresh)
		if !strings.HasPrefix(s.String(), "apply 0 / 3 ") {
			t.Errorf("the terminal shows %q", s.String())
		}
		s.wait(refresh)
		if !strings.HasPrefix(s.String(), "store histories 0 / 20 ") {
			t.Errorf("the terminal shows %q", s.String())
		}
		store.Done()
		store.Done() // no effect
		s.wait(refresh)
		if !strings.HasPrefix(s.String(), "apply 0 / 3 ") {
			t.Errorf("the terminal shows %q", s.String())
		}
		apply.Done()
		see(t, s, "")
		p.Close()
		if p.Task("more", 1) != nil {
			t.Error("a task began after the end")
		}
	})
}

// TestResize: a narrower terminal gets a narrower bar. Of the old bar, only the
// lines that the terminal itself wrapped remain.
func TestResize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{columns: 120}
		now := 120
		o := bar(s)
		o.Width = func() int { s.mu.Lock(); defer s.mu.Unlock(); return now }
		p := New(o)
		p.Task("apply", 4)
		s.wait(time.Second)
		s.mu.Lock()
		now, s.columns = 40, 40
		s.mu.Unlock()
		s.written()
		s.wait(refresh)
		for _, l := range strings.Split(s.written(), "\r") {
			if n := runewidth.StringWidth(l); n >= 40 {
				t.Errorf("%d columns are written to a terminal of 40: %q", n, l)
			}
		}
		p.Close()
	})
}

// TestElsewhere: an output that is not a terminal gets lines with -v, otherwise
// nothing.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		o    Options
		want string
	}{
		"verbose":           {Options{Verbose: true}, "mkhooks: apply 500 of 2500, 5s\nlog\nmkhooks: apply 1000 of 2500, 10s\nmkhooks: apply 1200 of 2500, 12s\n"},
		"by default":        {Options{}, "log\n"},
		"quiet":             {Options{Quiet: true}, "log\n"},
		"quiet, a terminal": {Options{Quiet: true, Bar: true}, "log\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				test.o.Out = &out
				p := New(test.o)
				short := p.Task("short", 0)
				task := p.Task("apply", 2500)
				for i := range 12 {
					task.Add(100)
					time.Sleep(time.Second)
					synctest.Wait()
					if i == 3 {
						short.Done() // too short for a line
					}
					if i == 6 {
						fmt.Fprintln(p.Writer(&out), "log")
					}
				}
				task.Done()
				p.Close()
				if out.String() != test.want {
					t.Errorf("got\n%s\nwant\n%s", out.String(), test.want)
				}
			})
		})
	}
}

// TestNil: a caller without progress needs no nil check.
func TestNil(t *testing.T) {
	t.Parallel()
	var p *Progress
	task := p.Task("apply", 1)
	task.Add(1)
	task.Grow(1)
	task.Done()
	p.Close()
	if p.Writer(io.Discard) != io.Discard {
		t.Error("a nil progress puts something before a stream")
	}
}

// TestSideBySide runs tasks, lines and Close in parallel, for the race
// detector.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &screen{columns: 80}
		p := New(bar(s))
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				errs := p.Writer(s)
				task := p.Task(fmt.Sprint("task ", i), 100)
				for range 100 {
					time.Sleep(17 * time.Millisecond)
					task.Add(1)
					fmt.Fprintf(errs, "line of %d\n", i)
				}
				task.Done()
			})
		}
		group.Wait()
		p.Close()
		for _, l := range strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n") {
			if !strings.HasPrefix(l, "line of ") || len(l) != len("line of 0") {
				t.Fatalf("a line is not whole: %q", l)
			}
		}
	})
}

// TestHold: while the terminal is held, neither the bar nor a line appears.
// After release, all lines appear in order.
func TestHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := New(Options{Out: &out, Bar: true})
		errs, docs := p.Writer(&out), p.Writer(&out)
		task := p.Task("open secrets", 10)
		time.Sleep(2 * delay)
		synctest.Wait()
		release := p.Hold()
		again := p.Hold()
		before := out.String()
		fmt.Fprintln(errs, "one")
		fmt.Fprintln(docs, "two")
		task.Add(3)
		time.Sleep(2 * delay)
		synctest.Wait()
		release()
		release() // no effect
		if got := out.String(); got != before || !strings.HasSuffix(got, "\r") {
			t.Errorf("while the terminal was held it got %q", strings.TrimPrefix(got, before))
		}
		p.PrintLine("say")
		again()
		if got := strings.TrimPrefix(out.String(), before); got != "say\none\ntwo\n" {
			t.Errorf("afterwards the terminal got %q", got)
		}
		time.Sleep(2 * refresh)
		synctest.Wait()
		if !strings.Contains(strings.TrimPrefix(out.String(), before), "open secrets") {
			t.Error("the bar does not come back")
		}
		p.Hold()
		fmt.Fprintln(errs, "three")
		p.Close()
		if !strings.Contains(out.String(), "three\n") {
			t.Error("what was written before the end is lost")
		}
	})
}
