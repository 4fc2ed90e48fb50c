package progress

import (
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cheggaaa/pb/v3"
)

// Task is work with known progress. It is safe for use by several goroutines. A
// nil Task does nothing.
type Task struct {
	p        *Progress
	name     string
	began    time.Time
	lastLine time.Time // time of the last line about the task
	lines    int       // number of lines written

	done, total atomic.Int64
	bar         *pb.ProgressBar // created by the first drawing
}

// Add reports that n more parts are done.
func (t *Task) Add(n int) {
	if t != nil {
		t.done.Add(int64(n))
	}
}

// Grow adds n parts to the total.
func (t *Task) Grow(n int) {
	if t != nil {
		t.total.Add(int64(n))
	}
}

// Done ends the task, even if some parts are not done.
func (t *Task) Done() {
	if t == nil {
		return
	}
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.tasks, t)
	if i < 0 {
		return
	}
	p.tasks = slices.Delete(p.tasks, i, i+1)
	if t.lines > 0 {
		t.printLine(time.Now()) // a reader who saw the task begin must see its end
	}
	p.stopIfIdle()
}

// printLine prints a line with the progress of the task.
func (t *Task) printLine(now time.Time) {
	t.lastLine = now
	t.lines++
	far := fmt.Sprint(t.done.Load())
	if total := t.total.Load(); total > 0 {
		far += fmt.Sprintf(" of %d", total)
	}
	line := fmt.Sprintf("mkhooks: %s %s, %s\n", t.name, far, t.elapsed(now))
	if t.p.holders > 0 {
		t.p.heldTexts = append(t.p.heldTexts, heldText{t.p.o.Out, []byte(line)})
		return
	}
	_, _ = io.WriteString(t.p.o.Out, line) // nothing can be kept in a closed log
}

func (t *Task) elapsed(now time.Time) string { return now.Sub(t.began).Truncate(time.Second).String() }

// The templates of the bar. Package pb does the layout.
const (
	blocks pb.ProgressBarTemplate = `{{string . "name"}} {{counters . }} {{bar . "[" "█" "█" "░" "]"}} {{string . "share"}} {{string . "time"}}`
	ascii  pb.ProgressBarTemplate = `{{string . "name"}} {{counters . }} {{bar . "[" "=" ">" " " "]"}} {{string . "share"}} {{string . "time"}}`
	// counting is for a task with an unknown total.
	counting pb.ProgressBarTemplate = `{{string . "name"}} {{string . "count"}}, {{string . "time"}}`
)

// formatLine returns the task's bar in at most the given columns. Package pb
// only formats here: it starts no goroutine and writes nothing.
func (t *Task) formatLine(now time.Time, columns int) string {
	total, done := t.total.Load(), t.done.Load()
	if t.bar == nil {
		name := t.name
		if t.p.o.Color {
			name = "\x1b[1m" + name + "\x1b[0m"
		}
		t.bar = pb.New64(total).SetWriter(io.Discard).Set("name", name)
	}
	template := blocks
	switch {
	case total <= 0:
		template = counting
	case t.p.o.ASCII:
		template = ascii
	}
	t.bar.Set("time", t.elapsed(now)).Set("count", done)
	if total > 0 { // rounded down: 100 % only appears for completed work
		t.bar.Set("share", fmt.Sprintf("%d%%", 100*min(done, total)/total))
	}
	t.bar.SetTotal(total).SetCurrent(done).SetWidth(columns).SetTemplate(template)
	return pb.StripString(t.bar.String(), columns)
}
