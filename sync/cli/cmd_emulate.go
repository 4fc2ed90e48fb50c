package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

const emulateLong = `Emulate serves a local emulator of the webhook-rules API, in memory, for tests
and experiments. It emulates bearer tokens, masks, paging, full replacement,
delivery histories that are deleted with their rule, and the error messages of
the service.

It prints MKIO_BASE_URL=http://... on standard output, and serves until it is
interrupted. It listens only on loopback unless --expose is given.`

type emulateOptions struct {
	listen, token, seed string
	projects            []string
	expose, rateLimit   bool
	pageSize            int
	latency             time.Duration
}

func newEmulateCommand(a *app) *cobra.Command {
	var o emulateOptions
	cmd := &cobra.Command{
		Use:     "emulate",
		Short:   "Serve a local emulator of the API",
		Long:    emulateLong,
		Example: "  mkhooks emulate --listen 127.0.0.1:8080 --token T --project P --seed live.json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return runEmulate(a, o) },
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (o *emulateOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`ADDRESS`: listen on this address; port 0 selects a free port")
	f.StringArrayVarP(&o.projects, "project", "p", []string{"demo"}, "`PROJECT`: serve this project (repeatable)")
	f.StringVar(&o.token, "token", "", "`TOKEN`: accept this text as a token with all capabilities")
	f.StringVar(&o.seed, "seed", "", "`FILE`: load rules and histories from this JSON or YAML file into every project")
	f.BoolVar(&o.expose, "expose", false, "allow an address beyond loopback")
	f.BoolVar(&o.rateLimit, "rate-limit", false, "enforce the published rate limits")
	f.IntVar(&o.pageSize, "page-size", 100, "`N`: limit the records in a page")
	f.DurationVar(&o.latency, "latency", 0, "`TIME`: delay every response by this time")
}

func runEmulate(a *app, o emulateOptions) error {
	if o.token == "" {
		return usagef("mkhooks emulate --token T", "emulate: --token is needed: any text that clients must send")
	}
	if o.pageSize < 1 || o.latency < 0 {
		return invalidf("", "emulate: expected --page-size of at least 1, and --latency not below 0s")
	}
	if err := checkListen(o.listen, o.expose); err != nil {
		return err
	}
	served := emulator.Projects{}
	for _, name := range o.projects {
		server, err := o.newServer(a, name)
		if err != nil {
			return err
		}
		served[name] = server
	}
	ctx, cancel := a.readContext()
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return failed(fmt.Errorf("emulate: %w", err))
	}
	fmt.Fprintf(a.Stdout, "MKIO_BASE_URL=http://%s\n", listener.Addr())
	return serveListener(ctx, listener, served)
}

// newServer returns the emulator of one project, with the rules of the seed.
func (o *emulateOptions) newServer(a *app, project string) (*emulator.Server, error) {
	server := emulator.New(emulator.Options{
		Project:   project,
		Tokens:    map[string][]emulator.Capability{o.token: emulator.AllCapabilities()},
		PageSize:  o.pageSize,
		MaxTop:    o.pageSize,
		Latency:   o.latency,
		RateLimit: o.rateLimit,
		Now:       a.Now,
	})
	if o.seed == "" {
		return server, nil
	}
	f, err := os.Open(o.seed)
	if err != nil {
		return nil, invalid(fmt.Errorf("emulate: %w", err))
	}
	defer f.Close()
	if err := server.LoadSeed(f); err != nil {
		return nil, invalid(fmt.Errorf("emulate: %s: %w", o.seed, err))
	}
	return server, nil
}

// checkListen refuses an address that other machines can reach. Every client
// that connects can read and change the served rules.
func checkListen(address string, expose bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return invalidf("", "--listen %q: expected host:port, such as 127.0.0.1:8080", address)
	}
	ip := net.ParseIP(host)
	if expose || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return invalidf("--listen 127.0.0.1:8080, or add --expose", "--listen %q reaches beyond this machine", address)
}

func serveListener(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return failed(fmt.Errorf("emulate: %w", err))
	}
	return nil
}
