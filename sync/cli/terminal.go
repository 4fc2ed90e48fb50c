package cli

import (
	"os"
	"runtime"

	"golang.org/x/term"

	"github.com/mkhooks/mkhooks/sync/report"
)

// terminal is the terminal of this process. SOPS, gpg and age plugins ask for
// passphrases on it. It may exist even if no stream leads to it.
type terminal struct {
	a    *app
	file *os.File
}

// openTerminal opens the terminal of this process. It returns nil if there is
// none.
func openTerminal(a *app) *terminal {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err == nil && term.IsTerminal(int(f.Fd())) {
		return &terminal{a, f}
	}
	if err == nil {
		_ = f.Close() // nothing was written to it
	}
	if in, ok := a.Stdin.(*os.File); ok && a.StdinTTY {
		return &terminal{a, in}
	}
	return nil
}

// Hold keeps the progress bar and all lines off the terminal. release restores
// its mode: an interrupted passphrase prompt leaves the echo off.
func (t *terminal) Hold() (release func()) {
	free := t.a.progress.Hold()
	state, err := term.GetState(int(t.file.Fd()))
	return func() {
		if err == nil {
			_ = term.Restore(int(t.file.Fd()), state) // a closed terminal has no mode
		}
		free()
	}
}

// Say prints a line at once.
func (t *terminal) Say(line string) {
	if line != "" {
		line = "mkhooks: " + report.Escape(line)
	}
	t.a.progress.PrintLine(line)
}
