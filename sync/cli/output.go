package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/progress"
	"github.com/mkhooks/mkhooks/sync/report"
)

// textOptions returns the text options for a stream. tty: it is a terminal.
func (a *app) textOptions(tty bool) report.TextOptions {
	o := report.TextOptions{Verbose: a.verbose}
	switch a.color {
	case "always":
		o.Color = true
	case "auto":
		o.Color = tty && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
	}
	if tty {
		o.Width, o.ASCII = a.Width, !a.showsBlocks()
	}
	return o
}

// showsBlocks reports whether the terminal can show more than ASCII, judged by
// its locale. Without a locale it can, like most terminals.
func (a *app) showsBlocks() bool {
	if a.Getenv("TERM") == "dumb" {
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(a.Getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// logRequest prints one request for -v, without body, headers and query.
func (a *app) logRequest(l mkio.RequestLog) {
	line := l.Method + " " + report.Escape(l.Path)
	if l.Status > 0 {
		line += fmt.Sprintf(" %d", l.Status)
	}
	if l.Err != "" {
		line += " " + report.Escape(l.Err)
	}
	line += " " + l.Duration.Round(time.Millisecond).String()
	if l.Attempt > 1 {
		line += fmt.Sprintf(" attempt=%d", l.Attempt)
	}
	if l.Ref != "" {
		line += " ref=" + report.Escape(l.Ref)
	}
	a.logLine(line)
}

// logLine prints one complete log line to stderr.
func (a *app) logLine(line string) {
	if a.scrubber.Reveals(line) {
		line = withheldText
	}
	a.stderr.Lock()
	defer a.stderr.Unlock()
	fmt.Fprintln(a.Stderr, "mkhooks: "+line)
}

// startProgress shows progress on stderr and keeps it apart from all other
// lines.
func (a *app) startProgress() {
	a.progress = progress.New(progress.Options{
		Out: a.Stderr, Bar: a.StderrTTY && a.Getenv("TERM") != "dumb", Width: a.StderrWidth,
		Color: a.textOptions(a.StderrTTY).Color, ASCII: !a.showsBlocks(), Verbose: a.verbose, Quiet: a.quiet,
	})
	a.Stderr = a.progress.Writer(a.Stderr)
	if a.StdoutTTY { // usually the same terminal
		a.Stdout = a.progress.Writer(a.Stdout)
	}
}

// logChange returns a function that reports each finished change: to the bar,
// and with -v to the log. The argument several: the run covers more than one
// project.
func (a *app) logChange(several bool) func(apply.Change) {
	return func(c apply.Change) {
		a.applyTask.Add(1)
		if !a.verbose {
			return
		}
		rule := c.Rule
		if several {
			rule = c.Project + "/" + rule
		}
		a.logLine(fmt.Sprintf("%s rule %s: %s", c.Action, report.Escape(rule), c.Status))
	}
}
