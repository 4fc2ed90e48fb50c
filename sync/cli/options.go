package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/archive"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/mkio"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/report"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const defaultBaseURL = "https://app.mk.io"

// ruleOptions control how rule files are read.
type ruleOptions struct {
	allowPlaintextAuth    bool
	allowPlainCredentials bool
	allowOddSecrets       bool
	allowPlaceholders     bool // only for plan and drift, which send nothing
	keyServices           []string
	allowEmpty            bool
	// layersOf is the config file that defines the paths, so that each path is
	// a layer. It is nil for paths from the command line.
	layersOf *config.File
	trace    string // the rule whose origins are recorded
	// about reports whether the run covers a rule; nil means all rules.
	about func(rule string) bool
	// silent omits problems in the files of other rules.
	silent bool
}

func (o *ruleOptions) AddFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.allowPlaintextAuth, "allow-plaintext-auth", false, "accept plaintext auth values (for tests)")
	f.BoolVar(&o.allowPlainCredentials, "allow-plain-credentials", false, "only warn about plain headers or parameters that look like credentials")
	o.addOddSecrets(f)
	f.BoolVar(&o.allowEmpty, "allow-empty", false, "accept paths without rule files, and runs without rules")
	f.StringArrayVar(&o.keyServices, "key-service", nil, "`SERVICE`: allow this cloud key service besides age and PGP: awskms, gcpkms, azkv, hcvault or hckms (repeatable)")
}

// addOddSecrets adds the flag of commands that seal or decrypt.
func (o *ruleOptions) addOddSecrets(f *pflag.FlagSet) {
	f.BoolVar(&o.allowOddSecrets, "allow-odd-secrets", false, "accept secrets that look like a variable, a placeholder or a damaged value")
}

// addPlaceholders adds the flag of commands that show a plan and send nothing.
func (o *ruleOptions) addPlaceholders(f *pflag.FlagSet) {
	f.BoolVar(&o.allowPlaceholders, "allow-placeholders", false, "plan rules that contain placeholders; they are blocked")
}

// keyServiceNames are the values of --key-service.
var keyServiceNames = []string{"awskms", "gcpkms", "azkv", "hcvault", "hckms"}

func (o *ruleOptions) checkKeyServices() error {
	for _, k := range o.keyServices {
		if !slices.Contains(keyServiceNames, k) {
			return invalidf("", "--key-service %q: expected one of %s", k, strings.Join(keyServiceNames, ", "))
		}
	}
	return nil
}

func (o *ruleOptions) parseOptions(a *app) config.Options {
	return config.Options{
		AllowPlaintextAuth:    o.allowPlaintextAuth,
		AllowPlainCredentials: o.allowPlainCredentials,
		AllowOddSecrets:       o.allowOddSecrets,
		CheckForm:             a.sharedDecrypter(o).CheckForm,
		AllowPlaceholders:     o.allowPlaceholders,
		KeyServices:           o.keyServices,
		VaultAddr:             a.Getenv("VAULT_ADDR"),
		Layered:               o.layersOf != nil,
		Trace:                 o.trace,
		Only:                  o.about,
		Silent:                o.silent,
		AllowEmpty:            o.allowEmpty,
	}
}

// connectOptions select projects and control the connection to them.
type connectOptions struct {
	projects  []string // names, or patterns of names in the config file
	baseURL   string
	tokenFile string
	tokenEnv  string // from the config file; empty means MKIO_TOKEN
	retryFor  time.Duration
	timeout   time.Duration
}

func (o *connectOptions) AddFlags(f *pflag.FlagSet) {
	addProjects(f, &o.projects, "`PROJECT`: select this project, or a pattern of names in the config file (repeatable; default $MKIO_PROJECT, then all)")
	f.StringVar(&o.baseURL, "base-url", "", "`URL`: connect to this service (default $MKIO_BASE_URL, then "+defaultBaseURL+")")
	f.StringVar(&o.tokenFile, "token-file", "", "`FILE`: read the token from this file (default $MKIO_TOKEN)")
	f.DurationVar(&o.retryFor, "retry-for", 2*time.Minute, "`TIME`: retry a failed request for at most this time")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "`TIME`: limit one attempt of a request to this time")
}

// addProjects adds -p.
func addProjects(f *pflag.FlagSet, projects *[]string, usage string) {
	f.StringArrayVarP(projects, "project", "p", nil, usage)
}

// clientKey identifies a client.
type clientKey struct {
	project  string
	readOnly bool
}

// projectClient returns the client of a project. readOnly refuses all methods except
// GET.
func (o *connectOptions) projectClient(a *app, project string, readOnly bool) (*mkio.Client, error) {
	is := clientKey{project, readOnly}
	if c, ok := a.clients[is]; ok {
		return c, nil
	}
	c, err := o.newClient(a, project, readOnly)
	if err != nil {
		return nil, err
	}
	if a.clients == nil {
		a.clients = map[clientKey]*mkio.Client{}
	}
	a.clients[is] = c
	return c, nil
}

func (o *connectOptions) newClient(a *app, project string, readOnly bool) (*mkio.Client, error) {
	raw := cmp.Or(o.baseURL, a.Getenv("MKIO_BASE_URL"), defaultBaseURL)
	base, err := mkio.CheckBaseURL(raw)
	if err != nil {
		return nil, invalid(err)
	}
	if o.retryFor <= 0 || o.timeout <= 0 {
		return nil, invalidf("", "--retry-for and --timeout: expected more than 0s")
	}
	token, err := o.readToken(a)
	if err != nil {
		return nil, err
	}
	a.warnOfExpiry(cmp.Or(o.tokenFile, o.tokenEnv), token)
	expiry, _ := mkio.TokenExpiry(token)
	common := a.transportTo(base)
	client, err := mkio.New(mkio.Options{
		BaseURL:   base,
		Project:   project,
		Token:     token,
		Transport: common.transport,
		Gate:      common.gate,
		ReadOnly:  readOnly,
		Known:     a.scrubber,
		RetryFor:  o.retryFor,
		Timeout:   o.timeout,
		UserAgent: "mkhooks/" + version(),
		Log:       a.requestLog(a.meter.startProject(project, expiry)),
	})
	if err != nil {
		return nil, invalid(err)
	}
	return client, nil
}

// maxInFlight limits the requests in flight of a run, over all its projects.
const maxInFlight = 64

// sharedTransport is shared by all clients of a run.
type sharedTransport struct {
	transport http.RoundTripper
	gate      mkio.Semaphore
}

// transportTo returns the same transport for all clients: one connection pool
// and one limit for the whole run. Rate limits are separate for each project.
func (a *app) transportTo(base string) sharedTransport {
	if a.common.transport == nil {
		a.logProxy(base)
		a.common = sharedTransport{mkio.PoolConnections(a.Transport), mkio.NewSemaphore(maxInFlight)}
	}
	return a.common
}

// maxTokenFile limits the size of a token file, in bytes.
const maxTokenFile = 64 << 10

// readToken reads the token from --token-file or MKIO_TOKEN.
func (o *connectOptions) readToken(a *app) (secrets.String, error) {
	from := cmp.Or(o.tokenEnv, "MKIO_TOKEN")
	value := a.Getenv(from)
	if o.tokenFile != "" {
		from = o.tokenFile
		f, err := os.Open(o.tokenFile)
		if err != nil {
			return secrets.String{}, invalidf("--token-file names a file that holds the token and nothing else", "read the token: %w", err)
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
		if err != nil {
			return secrets.String{}, invalidf("--token-file names a file that holds the token and nothing else", "read the token: %w", err)
		}
		if len(data) > maxTokenFile {
			return secrets.String{}, invalidf("--token-file names a file that holds the token and nothing else", "%s: larger than 64 KiB, expected a token", from)
		}
		value = string(data)
	}
	value = strings.TrimSpace(value)
	if problem := secrets.NewString(value).TokenProblem(); problem != "" {
		hint := "export " + from + "=... with the token and nothing else"
		if o.tokenFile != "" {
			hint = "--token-file names a file that holds the token and nothing else"
		}
		return secrets.String{}, invalidf(hint, "%s: %s; expected a token of MK.IO, so nothing was sent", from, problem)
	}
	if value == "" {
		if o.tokenFile != "" {
			return secrets.String{}, invalidf("", "%s: expected a token, the file is empty", from)
		}
		return secrets.String{}, invalidf("export "+from+"=..., or --token-file FILE; plan and drift need webhooks.config.get only",
			"no token: %s is not set", from)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return secrets.String{}, invalidf("a token is one line of visible ASCII, without \"Bearer \" before it",
			"%s: this can't be a token: it has white space or other characters in it", from)
	}
	return secrets.NewString(value), nil
}

// warnOfExpiry warns once about a JWT that has expired or expires within 14
// days. from is the token's source, empty for MKIO_TOKEN.
func (a *app) warnOfExpiry(from string, token secrets.String) {
	const soon = 14 * 24 * time.Hour
	at, ok := mkio.TokenExpiry(token)
	if !ok || a.tokens[from] {
		return
	}
	if a.tokens == nil {
		a.tokens = map[string]bool{}
	}
	a.tokens[from] = true
	day := at.UTC().Format("2006-01-02 15:04 UTC")
	switch left := at.Sub(a.Now()); {
	case left <= 0:
		a.warn("the token expired on %s", day)
	case left < soon:
		a.warn("the token expires on %s", day)
	}
}

// logProxy logs the proxy for requests with -v. The proxy sees the request
// targets, and a wrong proxy causes many time-outs. Its user and password are
// left out.
func (a *app) logProxy(base string) {
	t, ok := a.Transport.(*http.Transport)
	if !a.verbose || !ok || t.Proxy == nil {
		return
	}
	r, err := http.NewRequest(http.MethodGet, base, nil)
	if err != nil {
		return
	}
	if u, err := t.Proxy(r); err != nil {
		a.logLine("the proxy of the environment can't be used: it is no URL")
	} else if u != nil {
		a.logLine("proxy " + report.Escape(u.Scheme+"://"+u.Host))
	}
}

// addRules adds --rules for a command whose arguments are not rule paths.
func addRules(f *pflag.FlagSet, rules *[]string) {
	f.StringArrayVar(rules, "rules", nil, "`PATH`: read rule files from this path (repeatable)")
}

// planOptions are the settings and guards of a run.
type planOptions struct {
	owner        string
	prune        string
	only         []string
	onlyLabel    string // flag or command before a rule of only in messages; empty means --only
	maxDeletes   string
	protect      []string
	destinations []string
	archive      string
	// archiveIsShared: the archive comes from the config file.
	archiveIsShared bool
	audit           string

	// Settings that only the config file has.
	formerOwners   []string
	fileMaxDeletes string
	fileProtect    []string // a prefix of protect
	// narrowedRules are the rules in the paths that a run is narrowed to; nil means
	// all. shown are these paths.
	narrowedRules map[string]bool
	namedPaths    []string

	archiveIsDurable  bool
	resendAuth        bool
	dropUnknown       bool
	deleteActive      bool
	dropAuth          []string
	takeOver          []string
	adopt             []string
	allowDestinations []string
}

// ruleLabel returns the flag or command before a rule of only, for messages.
func (o *planOptions) ruleLabel() string { return cmp.Or(o.onlyLabel, "--only ") }

func (o *planOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.owner, "owner", "", "`NAME`: mark the rules as owned by this config repository")
	f.StringVar(&o.prune, "prune", "none", "`WHICH`: delete live rules without a file: none, owned or all")
	f.StringArrayVar(&o.only, "only", nil, "`RULE`: plan only rules that match this name or pattern, without deletes (repeatable)")
	f.StringVar(&o.maxDeletes, "max-deletes", "", "`N`: limit the deletes in each project, as a count or a share of the owned rules (default 30%)")
	f.StringArrayVar(&o.protect, "protect", nil, "`RULE`: never delete rules that match this name or pattern (repeatable)")
	f.StringArrayVar(&o.destinations, "destination", nil, "`HOST`: allow this host to receive secrets, such as *.example.com or a.example:8443 (repeatable)")
	f.StringVar(&o.archive, "archive", "", "`LOCATION`: store delivery histories here before deletes: a directory, s3://, azblob:// or gs://")
	f.BoolVar(&o.archiveIsDurable, "archive-is-durable", false, "state that the archive directory outlives this machine (required under CI)")
	f.BoolVar(&o.resendAuth, "resend-auth", false, "send all rules with auth again")
	f.BoolVar(&o.dropUnknown, "drop-unknown", false, "allow updates that drop unknown fields")
	f.BoolVar(&o.deleteActive, "delete-active", false, "allow deletes while records are in flight")
	f.StringArrayVar(&o.dropAuth, "drop-auth", nil, "`RULE`: allow this rule to lose its auth (repeatable)")
	f.StringArrayVar(&o.takeOver, "take-over", nil, "`RULE`: take over this rule from another owner (repeatable)")
	f.StringArrayVar(&o.adopt, "adopt", nil, "`RULE`: allow adoption to change this live rule (repeatable)")
	f.StringArrayVar(&o.allowDestinations, "allow-destination", nil, "`HOST`: also allow this host to receive secrets, in this run only (repeatable)")
}

// addAudit adds the flag of commands that write.
func (o *planOptions) addAudit(f *pflag.FlagSet) {
	f.StringVar(&o.audit, "audit", "", "`FILE`: record every write in this audit log")
}

// checkedOptions checks how flags combine and returns the options of package plan.
func (o *planOptions) checkedOptions(a *app) (plan.Options, error) {
	none := plan.Options{}
	if o.owner != "" {
		if err := webhook.CheckOwner(o.owner); err != nil {
			return none, invalid(fmt.Errorf("--%w", err))
		}
	}
	prune := plan.Prune(o.prune)
	switch prune {
	case plan.PruneNone, plan.PruneAll:
	case plan.PruneOwned:
		if o.owner == "" {
			return none, invalidf("pass --owner NAME", "--prune owned needs an owner: without one nothing says which rules are ours")
		}
	default:
		return none, invalidf("", "--prune %q: expected none, owned or all", o.prune)
	}
	limit, err := plan.ParseLimit(cmp.Or(o.maxDeletes, o.fileMaxDeletes, config.DefaultMaxDeletes))
	if err != nil {
		return none, invalid(fmt.Errorf("--max-deletes: %w", err))
	}
	for _, d := range slices.Concat(o.destinations, o.allowDestinations) {
		if err := webhook.CheckDestination(d); err != nil {
			return none, invalid(fmt.Errorf("--destination %w", err), "a host, *.host or host:port, such as hooks.example.com")
		}
	}
	if o.archiveIsShared {
		if err := archive.CheckConfigured(o.archive); err != nil {
			return none, invalid(err, "pass it with --archive LOCATION, or set what the store's SDK reads, such as AWS_ENDPOINT_URL")
		}
	}
	return plan.Options{
		Prune: prune, MaxDeletes: limit, MaxDeletesLifted: o.maxDeletes != "" && config.MayDeleteMore(cmp.Or(o.fileMaxDeletes, config.DefaultMaxDeletes), o.maxDeletes),
		Only: o.only, Narrowed: o.narrowedRules,
		Protect: o.protect, Destinations: o.destinations,
		ResendAuth: o.resendAuth, DropAuth: o.dropAuth, TakeOver: o.takeOver,
		AllowDestinations: o.allowDestinations, Adopt: o.adopt, DropUnknown: o.dropUnknown, DeleteActive: o.deleteActive,
		Archive: o.archive, ArchiveSet: o.archive != "", ArchiveLocal: config.IsDirectory(o.archive), ArchiveDurable: o.archiveIsDurable,
		CI: a.Getenv("CI") == "true",
	}, nil
}
