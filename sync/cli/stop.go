package cli

import "github.com/mkhooks/mkhooks/sync/apply"

// telling is a run that says on stderr at once that a signal came: what is
// under way may take minutes to end, and whoever pressed Ctrl-C would take it
// for stuck.
func (a *app) telling(run func() *apply.Result) func() *apply.Result {
	return func() *apply.Result {
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
