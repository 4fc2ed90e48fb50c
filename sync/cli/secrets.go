package cli

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/report"
)

// decrypter opens the secrets of rule files. It is one for the whole run: calls
// of key services have one limit, and what many rules share is opened once.
func (a *app) decrypter(o *ruleOptions) *sops.Decrypter {
	a.opening.Do(func() {
		a.opener = sops.New(sops.Options{KeyServices: o.keyServices, VaultAddr: a.Getenv("VAULT_ADDR")})
	})
	return a.opener
}

// logged is a decrypter that names each file it opens, with -v, and counts it.
func (a *app) logged(d apply.Decrypter) apply.Decrypter { return loggedDecrypter{d, a} }

type loggedDecrypter struct {
	apply.Decrypter
	a *app
}

func (l loggedDecrypter) Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error) {
	if l.a.verbose {
		l.a.logLine("decrypt " + report.Escape(s.File))
	}
	defer l.a.opened.Add(1)
	return l.Decrypter.Auth(ctx, s)
}

// proveSecrets opens every sealed file and throws the values away. What can't
// be opened is a problem of its file; opened is how many could.
func (o *ruleOptions) proveSecrets(ctx context.Context, a *app, rules *config.Rules) (problems []schema.Problem, opened int, err error) {
	a.opened = a.progress.Task("open secrets", 0)
	defer a.opened.Done()
	d := a.logged(a.decrypter(o))
	var mu sync.Mutex
	var ok atomic.Int64
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, r := range rules.Rules {
		if r.Sealed.Document == nil {
			continue
		}
		group.Go(func() error {
			_, err := d.Auth(ctx, r.Sealed)
			if err == nil {
				ok.Add(1)
				return nil
			}
			if errors.Is(err, context.Canceled) {
				return err
			}
			p := schema.Problem{Position: schema.Position{File: r.File}, Message: withoutFile(err, r.File), Severity: schema.Error}
			var hinted interface{ Hint() string }
			if errors.As(err, &hinted) {
				p.Hint = hinted.Hint()
			}
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, p)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	schema.SortProblems(problems)
	return problems, int(ok.Load()), nil
}

// withoutFile is the text of an error without the file's name, which stands
// before a problem anyway.
func withoutFile(err error, file string) string {
	text := strings.TrimPrefix(err.Error(), file+": ")
	return strings.ReplaceAll(text, "\n"+file+": ", "; ")
}
