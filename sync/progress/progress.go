// Package progress shows that long work goes on, and how far it is: on a
// terminal one bar, elsewhere a line every few seconds where the log was asked
// for, otherwise nothing.
//
// The bar shares its terminal with all other lines: what is written through
// [Progress.Writer] takes the bar's place, and the bar is drawn again below it.
// It is gone once the work is done, and never shown for work that is soon done.
package progress

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// delay is how long work lasts before a bar shows it.
	delay = 500 * time.Millisecond
	// refresh is how often the bar is drawn at most.
	refresh = 100 * time.Millisecond
	// every is how often a line tells of work where there is no bar.
	every = 5 * time.Second
	// usualWidth is for a terminal that doesn't say how wide it is.
	usualWidth = 80
)

// Options say where and how progress is shown.
type Options struct {
	// Out is where the bar and the lines go.
	Out io.Writer
	// Bar is true where Out is a terminal on which a line can be drawn anew.
	Bar bool
	// Width returns the columns of the terminal as it is now; nil, and 0, mean
	// not known.
	Width func() int
	// Color and ASCII say how the bar looks.
	Color, ASCII bool
	// Verbose asks for lines where there is no bar, Quiet for neither.
	Verbose, Quiet bool
}

// Progress shows the tasks of a run. It is safe for use by several goroutines;
// a nil one shows nothing.
type Progress struct {
	o Options

	mu     sync.Mutex
	tasks  []*Task       // that are not done, in the order they began
	stop   chan struct{} // ends the ticks; nil while there is no task
	closed bool
	drawn  string // the bar that stands on the terminal's last line, or ""
	wide   int    // the columns that it may take
	within bool   // what was last written to the terminal ends within a line
	held   int    // who has the terminal to itself
	kept   []kept // what was written meanwhile
}

// kept is text that waits until the terminal is free.
type kept struct {
	w    io.Writer
	text []byte
}

// New returns a progress without tasks.
func New(o Options) *Progress {
	if o.Width == nil {
		o.Width = func() int { return 0 }
	}
	return &Progress{o: o}
}

// shows reports whether tasks are shown at all.
func (p *Progress) shows() bool {
	return p != nil && !p.o.Quiet && (p.o.Bar || p.o.Verbose)
}

// Task begins a task that has total parts, 0 where nobody knows yet. What it is
// called stands on the terminal as it is, so it must be text of our own.
//
// No task may begin, or be under way, between a question and its answer.
func (p *Progress) Task(name string, total int) *Task {
	if !p.shows() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	t := &Task{p: p, name: name, began: time.Now()}
	t.total.Store(int64(total))
	t.told = t.began
	p.tasks = append(p.tasks, t)
	p.within = false // whoever was asked has answered, and ended the line
	if p.stop == nil {
		p.stop = make(chan struct{})
		go p.ticks(p.stop)
	}
	return t
}

// Close ends all tasks and clears the line. Nothing is shown after it.
func (p *Progress) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.tasks = true, nil
	p.rest()
	p.held = 0
	p.writeKept()
}

// Hold clears the bar and keeps everything else off the terminal, so that
// somebody else can ask a person there: what is written meanwhile comes out
// when release is called.
func (p *Progress) Hold() (release func()) {
	if p == nil {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.held++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held = max(p.held-1, 0); p.held == 0 {
			p.within = false // whoever was asked has answered, and ended the line
			p.writeKept()
		}
	})
}

// Say writes a line at once, also while the terminal is held.
func (p *Progress) Say(line string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	_, _ = io.WriteString(p.o.Out, line+"\n") // a terminal that is gone shows nothing
}

func (p *Progress) writeKept() {
	for _, k := range p.kept {
		_, _ = k.w.Write(k.text) // the write that it came from has ended
	}
	p.kept = nil
}

// rest ends the ticks once there is no task.
func (p *Progress) rest() {
	if len(p.tasks) > 0 {
		return
	}
	p.erase()
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
}

// ticks shows the tasks again and again until stop is closed.
func (p *Progress) ticks(stop <-chan struct{}) {
	ticker := time.NewTicker(refresh)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		select {
		case <-stop: // meanwhile
		default:
			p.show(time.Now())
		}
		p.mu.Unlock()
	}
}

func (p *Progress) show(now time.Time) {
	if p.o.Bar {
		p.draw(now)
		return
	}
	for _, t := range p.tasks {
		if now.Sub(t.told) >= every {
			t.tell(now)
		}
	}
}

// draw draws the bar of the task that began last, of those that last.
func (p *Progress) draw(now time.Time) {
	if p.within || p.held > 0 {
		return
	}
	for i := len(p.tasks) - 1; i >= 0; i-- {
		t := p.tasks[i]
		if now.Sub(t.began) < delay {
			continue
		}
		// The last column stays free: some terminals begin a new line there.
		wide := usualWidth - 1
		if w := p.o.Width(); w > 0 {
			wide = max(w-1, 1)
		}
		line := t.formatLine(now, wide)
		if line == p.drawn && wide == p.wide {
			return
		}
		blank := p.blank()
		p.drawn, p.wide = line, wide
		p.showLine(blank)
		return
	}
	p.erase()
}

// showLine writes the bar, after what clears the line. The cursor goes back to the
// line's beginning, so that the ^C which a terminal shows of an interrupt does
// not begin a line below the bar.
func (p *Progress) showLine(blank string) {
	_, _ = io.WriteString(p.o.Out, blank+p.drawn+"\r") // a terminal that is gone shows nothing
}

// erase clears the bar's line.
func (p *Progress) erase() {
	if p.drawn != "" {
		_, _ = io.WriteString(p.o.Out, p.blank())
		p.drawn = ""
	}
}

// blank is what clears the bar's line, if there is one. Spaces do that on every
// terminal.
func (p *Progress) blank() string {
	if p.drawn == "" {
		return ""
	}
	wide := p.wide
	if w := p.o.Width(); w > 0 {
		wide = min(wide, w-1)
	}
	return "\r" + strings.Repeat(" ", max(wide, 0)) + "\r"
}

// Writer returns a writer to w, which must be the terminal of the bar, or no
// terminal: what goes through it comes out whole, on lines of its own. Text
// that does not end its line is a question, and keeps the bar away.
func (p *Progress) Writer(w io.Writer) io.Writer {
	if p == nil {
		return w
	}
	return &writer{p, w}
}

type writer struct {
	p *Progress
	w io.Writer
}

func (w *writer) Write(text []byte) (int, error) {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held > 0 {
		p.kept = append(p.kept, kept{w.w, bytes.Clone(text)})
		return len(text), nil
	}
	bar := p.drawn
	p.erase()
	n, err := w.w.Write(text)
	if len(text) > 0 {
		p.within = text[len(text)-1] != '\n'
	}
	if bar != "" && !p.within {
		p.drawn = bar
		p.showLine("")
	}
	return n, err
}
