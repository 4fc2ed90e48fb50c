package cli

import (
	"os"
	"runtime"

	"golang.org/x/term"

	"github.com/mkhooks/mkhooks/sync/report"
)

// terminal is that of this process, on which SOPS, gpg and plugins of age ask
// for passphrases. It may be there although no stream leads to it.
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

// Hold keeps the bar and all lines off the terminal. release puts its mode
// back: whoever is interrupted at a passphrase has left it without an echo.
func (t *terminal) Hold() (release func()) {
	free := t.a.progress.Hold()
	state, err := term.GetState(int(t.file.Fd()))
	return func() {
		if err == nil {
			_ = term.Restore(int(t.file.Fd()), state) // a terminal that is gone has no mode
		}
		free()
	}
}

// Say shows a line at once.
func (t *terminal) Say(line string) {
	if line != "" {
		line = "mkhooks: " + report.Escape(line)
	}
	t.a.progress.Say(line)
}
