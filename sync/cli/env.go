// Package cli contains the commands of mkhooks: flags, the order of steps,
// output and exit codes.
//
// It decides nothing about rules. Package plan compares them and applies
// guards, package apply writes them, and package report prints every document.
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

// Env is a command's access to the outside world, except for files and the git
// command. Tests set it by hand.
type Env struct {
	// Args are the arguments without the program's name.
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Getenv returns an environment variable; "" if it is not set.
	Getenv func(string) string
	// Environ returns the environment as NAME=VALUE. It serves to find tokens
	// under other names; nil: only MKIO_TOKEN is known.
	Environ func() []string
	// StdinTTY, StdoutTTY and StderrTTY tell which streams are a terminal. They
	// control questions and colour.
	StdinTTY, StdoutTTY, StderrTTY bool
	// Width is the terminal width in columns; 0: unknown.
	Width int
	// StderrWidth returns the current width of standard error; nil: unknown.
	StderrWidth func() int
	Now         func() time.Time
	// Transport sends requests; nil: the client's default.
	Transport http.RoundTripper
	// Stop is closed by the first signal; nil: never. Then reads end at once,
	// and writes in flight finish. The second signal cancels the context of
	// [Main].
	Stop <-chan struct{}
	// HoldPipe is called before anything is written to the service. From then
	// on, a closed output pipe (apply | head) must be an error, not the end of
	// the process. nil: it already is an error.
	HoldPipe func()
}

// Main runs the command in env.Args and returns its exit code. It writes the
// requested document for every exit code.
func Main(ctx context.Context, env Env) int {
	// net/http logs unsolicited server data as it is, so it would bypass
	// masking and escaping.
	log.SetOutput(io.Discard)
	a := &app{Env: env, rootContext: ctx, scrubber: secrets.NewScrubber(envCredentials(env.Getenv)...), keys: keysOf(env)}
	for _, k := range a.keys {
		a.scrubber.Add(k.value)
	}
	return a.runCommand()
}

// app is one run of the program.
type app struct {
	Env
	// rootContext ends with the second signal.
	rootContext context.Context

	// suspects are arguments that look like a secret. Messages must not repeat
	// them.
	suspects []string

	// stderr keeps parallel messages from mixing.
	stderr sync.Mutex

	// Flags that every command has.
	color   string
	verbose bool
	quiet   bool
	format  string
	reports []string
	formats []report.Format // of the command
	out     string          // plan --out

	// common is shared by the clients of all projects; see transportTo. clients
	// caches them, because a run has a single rate limit for each project.
	common  sharedTransport
	clients map[clientKey]*mkio.Client
	// tokens are the sources of tokens that a warning was printed for.
	tokens map[string]bool

	// opener is the result of [app.sharedDecrypter].
	decrypterOnce   sync.Once
	openedDecrypter *sops.Decrypter

	// scrubber finds secrets in external texts. It contains tokens, sent values,
	// and the credentials of proxies and object stores.
	scrubber *secrets.Scrubber
	// keys are the tokens and age keys of the environment.
	keys []environmentKey

	// progress reports long work; nil before the flags are parsed.
	progress *progress.Progress
	// decryptTask and applied count the secrets and the changes of an apply.
	decryptTask, applyTask *progress.Task
	// meter collects the metrics of drift --metrics.
	meter driftMetrics

	// loggedFiles contains the shared secrets files that -v has logged.
	loggedFiles sync.Map

	// sinks are the files that receive the document.
	sinks []*sink

	// rootCommand contains all commands.
	rootCommand *cobra.Command
	// started is set when a command starts. Later errors are not about the
	// command line.
	started bool
	// documentWritten is set after the requested document went to stdout. An
	// error must not add a second document.
	documentWritten bool
}

// readContext returns a context that ends with the first signal. It is for
// operations that only read.
func (a *app) readContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(a.rootContext)
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

// isStopped reports whether a signal arrived.
func (a *app) isStopped() bool {
	select {
	case <-a.Stop:
		return true
	default:
		return a.rootContext.Err() != nil
	}
}

// envCredentials returns the environment's credentials for proxies and object
// stores. Their error texts may repeat these values.
func envCredentials(getenv func(string) string) []secrets.String {
	var out []secrets.String
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET", "VAULT_TOKEN"} {
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
