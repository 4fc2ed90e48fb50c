package cli

import (
	"slices"
	"strings"

	"github.com/mkhooks/mkhooks/secrets"
)

// environmentKey is a token or an age key of the environment.
type environmentKey struct {
	name  string
	value secrets.String
	// finds searches a text for the value alone; nil if the value is so short
	// that it may also be a project or a word.
	finds *secrets.Scrubber
}

// minKey is the minimum length of a key that must not be an argument. The tokens
// of test beds are short words such as demo.
const minKey = 16

// keysOf returns the keys of the environment. They are known before the flags are
// parsed, so that no message about a flag can show them.
func keysOf(env Env) []environmentKey {
	names := []string{"MKIO_TOKEN"}
	if env.Environ != nil {
		for _, entry := range env.Environ() {
			if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "MKIO_TOKEN") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	var out []environmentKey
	add := func(name, value string) {
		if value = strings.TrimSpace(value); value == "" {
			return
		}
		k := environmentKey{name: name, value: secrets.NewString(value)}
		if len(value) >= minKey {
			k.finds = secrets.NewScrubber(k.value)
		}
		out = append(out, k)
	}
	for _, name := range names {
		add(name, env.Getenv(name))
	}
	for _, word := range strings.Fields(env.Getenv("SOPS_AGE_KEY")) {
		if strings.HasPrefix(strings.ToUpper(word), "AGE-") { // the other words are comments
			add("SOPS_AGE_KEY", word)
		}
	}
	return out
}

// isToken reports whether an auth value holds a token of the environment. Each
// receiver of deliveries would get it.
func (a *app) isToken(value secrets.String) bool {
	return slices.ContainsFunc(a.keys, func(k environmentKey) bool { return value.HoldsToken(k.value) })
}

// sentOn are the variables whose values go into requests or messages.
var sentOn = []string{
	"MKIO_PROJECT", "MKIO_BASE_URL", "VAULT_ADDR", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AZURE_STORAGE_ACCOUNT",
	"SOPS_AGE_KEY_FILE", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "GITHUB_STEP_SUMMARY", "GITHUB_ACTOR", "GITHUB_SHA",
}

// refuseMisplaced refuses a command line or variable that holds a key of the
// environment. It runs before the flags are parsed: nothing is opened, named or
// sent.
func (a *app) refuseMisplaced() error {
	for _, k := range a.keys {
		if k.finds == nil {
			continue
		}
		for i, arg := range a.Args {
			if k.finds.Reveals(arg) {
				return invalidf(exposedHint, "argument %d holds the value of %s, or a part of it; nothing was read or sent", i+1, k.name)
			}
		}
		for _, name := range sentOn {
			if k.finds.Reveals(a.Getenv(name)) {
				return invalidf("unset "+name, "%s holds the value of %s, or a part of it; nothing was read or sent", name, k.name)
			}
		}
	}
	return nil
}
