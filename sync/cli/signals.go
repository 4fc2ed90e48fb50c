package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mkhooks/mkhooks/sync/apply"
)

// HandleSignals handles the signals of this process for [Main] and [Env]. The first
// signal asks the run to stop at a safe point; the second cancels the requests
// in flight. Closing the terminal is also a signal, unless nohup ignores it.
func HandleSignals() (ctx context.Context, stop <-chan struct{}, holdPipe func()) {
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

// warnOnInterrupt wraps run to report a signal on stderr at once. Work in
// flight may take minutes to finish, and without the message the run would look
// stuck.
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
