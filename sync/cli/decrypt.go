package cli

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/report"
)

// decrypter opens the secrets of rule files. It is one for the whole run: calls
// of key services have one limit, and what many rules share is opened once.
func (a *app) decrypter(o *ruleOptions) *sops.Decrypter {
	a.opening.Do(func() {
		options := sops.Options{KeyServices: o.keyServices, VaultAddr: a.Getenv("VAULT_ADDR"), AllowOddSecrets: o.allowOddSecrets, Getenv: a.Getenv}
		if t := openTerminal(a); t != nil {
			options.Terminal = t
		}
		a.opener = sops.New(options)
	})
	return a.opener
}

// logged is a decrypter that names each file it opens, with -v, and counts what
// it was asked for.
func (a *app) logged(d apply.Decrypter) apply.Decrypter { return loggedDecrypter{d, a} }

type loggedDecrypter struct {
	apply.Decrypter
	a *app
}

func (l loggedDecrypter) Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error) {
	defer l.a.opened.Add(1)
	for _, source := range s.Sources {
		if !l.a.verbose {
			break
		}
		if source.Take != nil { // many rules may share it: it is named once
			if _, known := l.a.named.LoadOrStore(source.File, nil); known {
				continue
			}
		}
		l.a.logLine("decrypt " + report.Escape(source.File))
	}
	return l.Decrypter.Auth(ctx, s)
}

// proveSecrets opens every sealed file and throws the values away. What can't
// be opened is a problem of its file, said once; opened is how many files could.
func (o *ruleOptions) proveSecrets(ctx context.Context, a *app, rules *config.Rules) (problems []schema.Problem, opened int, err error) {
	a.opened = a.progress.Task("open secrets", 0)
	defer a.opened.Done()
	d := a.logged(a.decrypter(o))
	var mu sync.Mutex
	files := map[string]bool{} // whether all is well with each
	said := map[schema.Problem]bool{}
	var group parallel.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, r := range rules.Rules {
		if r.Sealed.Sources == nil {
			continue
		}
		group.Go(func() error {
			_, err := d.Auth(ctx, r.Sealed)
			if errors.Is(err, context.Canceled) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, source := range r.Sealed.Sources {
				if _, seen := files[source.File]; !seen {
					files[source.File] = true
				}
			}
			for _, err := range secrets.Problems(err) {
				p := secretProblem(r.File, err)
				files[p.File] = false
				if !said[p] {
					said[p] = true
					problems = append(problems, p)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	for _, well := range files {
		if well {
			opened++
		}
	}
	schema.SortProblems(problems)
	return problems, opened, nil
}

// secretProblem is what opening secrets said, as a problem of the file that it
// is about: the rule's own, or one that it takes a value of.
func secretProblem(file string, err error) schema.Problem {
	p := schema.Problem{Position: schema.Position{File: file}, Severity: schema.Error}
	var wrong *sops.Error
	if errors.As(err, &wrong) {
		p.File = wrong.File
	}
	p.Message = strings.TrimPrefix(err.Error(), p.File+": ")
	p.Hint = hintOf(err)
	return p
}
