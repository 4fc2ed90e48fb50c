package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/sync/plan"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Prepared is a plan of one project. Every secret that it sends has been decrypted
// and checked.
type Prepared struct {
	deps  Deps
	plan  *plan.Plan
	items map[string]preparedRule // by rule
}

// preparedRule is a rule ready to be sent.
type preparedRule struct {
	desired webhook.Desired
	auth    secrets.Auth
	digest  webhook.Digest // the desired digest
}

// Prepare decrypts and checks the authentication of every rule that p would create
// or update in the client's project. It writes nothing. The error joins the
// problems of all files, in the order of the files. It holds no value.
func Prepare(ctx context.Context, p *plan.Plan, rules []Rule, deps Deps) (*Prepared, error) {
	out := &Prepared{deps: deps.withDefaults(), plan: p, items: map[string]preparedRule{}}
	byName := make(map[string]*Rule, len(rules))
	for i := range rules {
		byName[rules[i].Name] = &rules[i]
	}
	var (
		mu       sync.Mutex
		problems []problem
		group    errgroup.Group
	)
	group.SetLimit(out.deps.Concurrency)
	for _, project := range out.clientProjects(p) {
		for _, c := range project.Changes {
			if c.Blocked != nil || c.Action == plan.Delete {
				continue
			}
			rule := byName[c.Rule]
			if rule == nil || webhook.DesiredDigest(rule.Desired, project.Owner) != c.DesiredDigest {
				return nil, fmt.Errorf("rule %q: the plan was not made from these files", c.Rule)
			}
			group.Go(func() error {
				auth, err := out.decryptRule(ctx, rule)
				out.deps.Client.AddSecrets(auth)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					problems = append(problems, problem{rule.File, rule.Name, err})
				}
				out.items[c.Rule] = preparedRule{desired: rule.Desired, auth: auth, digest: c.DesiredDigest}
				return nil
			})
		}
	}
	_ = group.Wait() // problems holds every error
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return out, joinProblems(problems)
}

// clientProjects returns the parts of a plan that belong to this run's client.
func (p *Prepared) clientProjects(pl *plan.Plan) []*plan.Project {
	var out []*plan.Project
	for i := range pl.Projects {
		if pl.Projects[i].Name == p.deps.Client.Project() {
			out = append(out, &pl.Projects[i])
		}
	}
	return out
}

// problem is an error in one file.
type problem struct {
	file, rule string
	err        error
}

// joinProblems returns one error that joins all problems, in the order of the files; nil
// without problems. It reports a problem of a file that many rules use only once.
func joinProblems(problems []problem) error {
	slices.SortFunc(problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.rule, b.rule))
	})
	var errs []error
	said := map[string]bool{}
	for _, p := range problems {
		for _, err := range secrets.Problems(p.err) {
			if text := err.Error(); !said[text] {
				said[text] = true
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// decryptRule returns the checked authentication of one rule.
func (p *Prepared) decryptRule(ctx context.Context, rule *Rule) (auth secrets.Auth, err error) {
	defer func() {
		// The text of the panic could hold a value.
		if recover() != nil {
			auth, err = secrets.Auth{}, fmt.Errorf("%s: opening its secrets broke down, which is a fault in mkhooks", rule.File)
		}
	}()
	if rule.Spec.Auth.Len() == 0 {
		return secrets.Auth{}, nil
	}
	auth = rule.Sealed.Plain
	if len(rule.Sealed.Sources) > 0 {
		if p.deps.Secrets == nil {
			return secrets.Auth{}, fmt.Errorf("%s: there is nothing to open its secrets with", rule.File)
		}
		if auth, err = p.deps.Secrets.Auth(ctx, rule.Sealed); err != nil {
			return secrets.Auth{}, err
		}
	}
	paths, values := auth.Values()
	var errs []error
	for _, path := range paths {
		if p.deps.Client.IsToken(values[path]) {
			errs = append(errs, fmt.Errorf("%s: spec.authentication.%s is the token of MK.IO, which each receiver of deliveries would get", rule.File, strings.Replace(path, "/", ".", 1)))
		}
		if wrong := values[path].CheckForm(); wrong != "" {
			errs = append(errs, fmt.Errorf("%s: spec.authentication.%s %s", rule.File, strings.Replace(path, "/", ".", 1), wrong))
		}
	}
	if !sameNames(auth, rule.Spec.Auth) {
		errs = append(errs, fmt.Errorf("%s: spec.authentication holds other names than when it was read", rule.File))
	}
	return auth, errors.Join(errs...)
}

// sameNames reports whether auth holds exactly the names that a spec lists.
func sameNames(auth secrets.Auth, want webhook.AuthNames) bool {
	var have webhook.AuthNames
	for name := range auth.Headers {
		have.Headers = append(have.Headers, name)
	}
	for name := range auth.QueryParams {
		have.QueryParams = append(have.QueryParams, name)
	}
	return webhook.SpecDigest(webhook.Spec{Auth: have}) == webhook.SpecDigest(webhook.Spec{Auth: want})
}
