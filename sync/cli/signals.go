package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mkhooks/mkhooks/sync/apply"
)

// Signals are what [Main] and [Env] are to know of the signals of this process.
// The first one asks a run to stop at a safe place, the second ends the requests
// that are under way. A terminal that is closed is a signal like the others, if
// nohup does not say otherwise.
func Signals() (ctx context.Context, stop <-chan struct{}, holdPipe func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	first := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-signals
		close(first)
		<-signals
		cancel()
	}()
	return ctx, first, func() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
}

// warnOnInterrupt is a run that says on stderr at once that a signal came: what is
// under way may take minutes to end, and whoever pressed Ctrl-C would take it
// for stuck.
func (a *app) warnOnInterrupt(run func() *apply.Result) func() *apply.Result {
	return func() *apply.Result {
		if a.HoldPipe != nil {
			a.HoldPipe()
		}
		ended, said := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(said)
			select {
			case <-a.Stop:
				a.warn("interrupted: what is under way is finished, nothing more is started; interrupt again to give up what is under way, too")
			case <-ended:
			}
		}()
		result := run()
		close(ended)
		<-said
		return result
	}
}
