// Package cli holds the commands of mkhooks: flags, the order of the steps,
// what is printed where, and exit codes.
//
// It decides nothing about rules: comparing and guards are package plan,
// writing is package apply, and every document is printed by package report.
package cli

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/progress"
	"github.com/mkhooks/mkhooks/sync/report"
)

// Env is all of the outside world that a command may touch, files and the git
// command aside. Tests fill it by hand.
type Env struct {
	// Args are the arguments without the program's name.
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Getenv returns an environment variable, or "".
	Getenv func(string) string
	// StdinTTY, StdoutTTY and StderrTTY say which streams are a terminal:
	// they decide whether a question can be asked, and colour.
	StdinTTY, StdoutTTY, StderrTTY bool
	// Width is the terminal's width in columns; 0 means not known.
	Width int
	// StderrWidth returns that of standard error's, as it is now; nil means not
	// known.
	StderrWidth func() int
	Now         func() time.Time
	// Transport sends requests; nil means the client's own.
	Transport http.RoundTripper
	// Stop is closed by the first signal: what only reads ends at once, what
	// writes finishes what is under way. The second signal cancels the
	// context that [Main] is given. nil means never.
	Stop <-chan struct{}
	// HoldPipe is called before something is written to the service: from then
	// on output that nobody reads any more (apply | head) must be an error, and
	// not the end of the process. nil means that it is one already.
	HoldPipe func()
}

// Main runs the command that env.Args name and returns the exit code. Whatever
// the code, the document that was asked for is written before it returns.
func Main(ctx context.Context, env Env) int {
	// net/http logs what a server sends unasked, as it came, past all that is
	// searched and escaped here.
	log.SetOutput(io.Discard)
	a := &app{Env: env, root: ctx, known: secrets.NewScrubber(credentials(env.Getenv)...)}
	return a.run()
}

// app is one run of the program.
type app struct {
	Env
	// root ends with the second signal.
	root context.Context

	// suspects are arguments that look like a secret: no message repeats them.
	suspects []string

	// stderr keeps messages whole that come from side by side.
	stderr sync.Mutex

	// Flags that every command has.
	color   string
	verbose bool
	quiet   bool
	format  string
	reports []string
	formats []report.Format // that the command has
	out     string          // plan --out

	// common is shared by the clients of all projects; see lineTo. clients are
	// kept, because the rate limit of a project is one for the whole run.
	common  sharedTransport
	clients map[clientKey]*mkio.Client
	// tokens are those of which a warning was given, by where they come from.
	tokens map[string]bool

	// opener is what [app.decrypter] returns.
	opening sync.Once
	opener  *sops.Decrypter

	// known is searched for in every text of others: tokens, values that were sent,
	// and credentials of the environment that proxies and stores are sent.
	known *secrets.Scrubber

	// progress shows that long work goes on; nil until the flags are known.
	progress *progress.Progress
	// opened and applied count the secrets and the changes of an apply.
	opened, applied *progress.Task
	// meter is what drift --metrics tells.
	meter driftMetrics

	// named are the files with secrets of many rules that -v has named.
	named sync.Map

	// sinks are the files that get the document.
	sinks []*sink

	// tree has all commands.
	tree *cobra.Command
	// started is set once a command runs, so that an error after it is not
	// taken for one of the call.
	started bool
	// documentWritten is set once stdout carries the document that was asked
	// for, so that an error does not put a second one behind it.
	documentWritten bool
}

// context returns a context that ends with the first signal: for everything
// that only reads.
func (a *app) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(a.root)
	if a.Stop == nil {
		return ctx, cancel
	}
	go func() {
		select {
		case <-a.Stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// stopped reports whether a signal came.
func (a *app) stopped() bool {
	select {
	case <-a.Stop:
		return true
	default:
		return a.root.Err() != nil
	}
}

// credentials are what the environment holds for proxies and object stores, which
// may repeat it in their error texts.
func credentials(getenv func(string) string) []secrets.String {
	var out []secrets.String
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"} {
		out = append(out, secrets.NewString(getenv(name)))
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		u, err := url.Parse(getenv(name))
		if err != nil {
			continue
		}
		if password, ok := u.User.Password(); ok {
			out = append(out, secrets.NewString(password))
		}
	}
	return out
}
