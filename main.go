// Command mkhooks makes the webhook rules of MK.IO projects match a directory of
// YAML files. It shows a plan before it changes anything.
package main

import (
	"net/http"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/mkhooks/mkhooks/sync/cli"
	_ "github.com/mkhooks/mkhooks/sync/collect"
)

func main() {
	ctx, stop, holdPipe := cli.HandleSignals()
	width, _, _ := term.GetSize(int(os.Stdout.Fd()))
	os.Exit(cli.Main(ctx, cli.Env{
		Args:      os.Args[1:],
		Stdin:     os.Stdin,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Getenv:    os.Getenv,
		Environ:   os.Environ,
		StdinTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		StdoutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		StderrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Width:     width,
		Now:       time.Now,
		Transport: http.DefaultTransport,
		Stop:      stop,
		HoldPipe:  holdPipe,
		StderrWidth: func() int {
			width, _, _ := term.GetSize(int(os.Stderr.Fd()))
			return width
		},
	}))
}
