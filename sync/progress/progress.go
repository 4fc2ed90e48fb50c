// Package progress shows that long work continues, and how much is done. A
// terminal gets a bar. Any other output gets a line every few seconds if
// Verbose is set, and otherwise nothing.
//
// The bar shares its terminal with all other lines. Text written through
// [Progress.Writer] replaces the bar, and the bar is drawn again below it. The
// bar is erased when the work is done, and never appears for short work.
package progress

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// delay is how long work lasts before a bar appears.
	delay = 500 * time.Millisecond
	// refresh is the shortest time between two drawings of the bar.
	refresh = 100 * time.Millisecond
	// every is the time between two lines about a task if there is no bar.
	every = 5 * time.Second
	// usualWidth applies if a terminal does not report its width, in columns.
	usualWidth = 80
)

// Options set where and how progress is shown.
type Options struct {
	// Out receives the bar and the lines.
	Out io.Writer
	// Bar is true if Out is a terminal on which a line can be redrawn.
	Bar bool
	// Width returns the current columns of the terminal. Nil, or a result of 0,
	// means unknown.
	Width func() int
	// Color and ASCII set the look of the bar.
	Color, ASCII bool
	// Verbose requests lines if there is no bar. Quiet turns off both.
	Verbose, Quiet bool
}

// Progress shows the tasks of a run. It is safe for use by several goroutines.
// A nil Progress shows nothing.
type Progress struct {
	o Options

	mu        sync.Mutex
	tasks     []*Task       // not done, in the order they began
	stop      chan struct{} // ends the ticks; nil while there is no task
	closed    bool
	drawn     string     // the bar on the terminal's last line, or ""
	wide      int        // the columns available to the bar
	midLine   bool       // the text last written to the terminal does not end its line
	holders   int        // number of holders of the terminal, see Hold
	heldTexts []heldText // text written while the terminal is held
}

// heldText is text that waits until the terminal is released.
type heldText struct {
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

// isShown reports whether any task is shown.
func (p *Progress) isShown() bool {
	return p != nil && !p.o.Quiet && (p.o.Bar || p.o.Verbose)
}

// Task begins a task with total parts, 0 if the total is not known yet. The
// terminal gets the name unescaped, so the name must be a text of mkhooks
// itself.
//
// No task may begin or be in progress between a question and its reply.
func (p *Progress) Task(name string, total int) *Task {
	if !p.isShown() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	t := &Task{p: p, name: name, began: time.Now()}
	t.total.Store(int64(total))
	t.lastLine = t.began
	p.tasks = append(p.tasks, t)
	p.midLine = false // the person has replied, which ended the line
	if p.stop == nil {
		p.stop = make(chan struct{})
		go p.runTicker(p.stop)
	}
	return t
}

// Close ends all tasks and clears the line. Later tasks are not shown.
func (p *Progress) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.tasks = true, nil
	p.stopIfIdle()
	p.holders = 0
	p.writeHeld()
}

// Hold clears the bar and keeps all other text off the terminal, so that
// another program can ask a person there. Text written meanwhile appears when
// release is called.
func (p *Progress) Hold() (release func()) {
	if p == nil {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eraseBar()
	p.holders++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.holders = max(p.holders-1, 0); p.holders == 0 {
			p.midLine = false // the person has replied, which ended the line
			p.writeHeld()
		}
	})
}

// PrintLine writes a line at once, even while the terminal is held.
func (p *Progress) PrintLine(line string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eraseBar()
	_, _ = io.WriteString(p.o.Out, line+"\n") // nothing can be shown on a closed terminal
}

func (p *Progress) writeHeld() {
	for _, k := range p.heldTexts {
		_, _ = k.w.Write(k.text) // the Write that passed this text has already returned
	}
	p.heldTexts = nil
}

// stopIfIdle ends the ticks if no task is left.
func (p *Progress) stopIfIdle() {
	if len(p.tasks) > 0 {
		return
	}
	p.eraseBar()
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
}

// runTicker shows the tasks periodically until stop is closed.
func (p *Progress) runTicker(stop <-chan struct{}) {
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
		case <-stop: // closed while waiting for the lock
		default:
			p.showTasks(time.Now())
		}
		p.mu.Unlock()
	}
}

func (p *Progress) showTasks(now time.Time) {
	if p.o.Bar {
		p.drawBar(now)
		return
	}
	for _, t := range p.tasks {
		if now.Sub(t.lastLine) >= every {
			t.printLine(now)
		}
	}
}

// drawBar draws the bar of the newest task that has lasted at least delay.
func (p *Progress) drawBar(now time.Time) {
	if p.midLine || p.holders > 0 {
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
		blank := p.clearingText()
		p.drawn, p.wide = line, wide
		p.writeBar(blank)
		return
	}
	p.eraseBar()
}

// writeBar writes blank, which clears the line, and then the bar. The cursor
// returns to the beginning of the line. Otherwise the ^C that a terminal shows
// for an interrupt would begin a line below the bar.
func (p *Progress) writeBar(blank string) {
	_, _ = io.WriteString(p.o.Out, blank+p.drawn+"\r") // nothing can be shown on a closed terminal
}

// eraseBar clears the bar's line.
func (p *Progress) eraseBar() {
	if p.drawn != "" {
		_, _ = io.WriteString(p.o.Out, p.clearingText())
		p.drawn = ""
	}
}

// clearingText returns the text that clears the bar's line, or "" if there is no bar.
// It uses spaces because they work on every terminal.
func (p *Progress) clearingText() string {
	if p.drawn == "" {
		return ""
	}
	wide := p.wide
	if w := p.o.Width(); w > 0 {
		wide = min(wide, w-1)
	}
	return "\r" + strings.Repeat(" ", max(wide, 0)) + "\r"
}

// Writer returns a writer to w, which must be the bar's terminal or not a
// terminal. Text written through it appears complete, on separate lines. Text
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
	if p.holders > 0 {
		p.heldTexts = append(p.heldTexts, heldText{w.w, bytes.Clone(text)})
		return len(text), nil
	}
	bar := p.drawn
	p.eraseBar()
	n, err := w.w.Write(text)
	if len(text) > 0 {
		p.midLine = text[len(text)-1] != '\n'
	}
	if bar != "" && !p.midLine {
		p.drawn = bar
		p.writeBar("")
	}
	return n, err
}
