package cli

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/mkhooks/mkhooks/schema"
	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/sync/apply"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/parallel"
	"github.com/mkhooks/mkhooks/sync/report"
)

// sharedDecrypter returns the decrypter of this run. All rules use the same
// decrypter, so that key service calls share a limit, and shared files are
// decrypted once.
func (a *app) sharedDecrypter(o *ruleOptions) *sops.Decrypter {
	a.decrypterOnce.Do(func() {
		options := sops.Options{KeyServices: o.keyServices, VaultAddr: a.Getenv("VAULT_ADDR"), AllowOddSecrets: o.allowOddSecrets, IsToken: a.isToken, Getenv: a.Getenv}
		if t := openTerminal(a); t != nil {
			options.Terminal = t
		}
		a.openedDecrypter = sops.New(options)
	})
	return a.openedDecrypter
}

// withLogging wraps a decrypter. It counts the requests and, with -v, logs each
// decrypted file.
func (a *app) withLogging(d apply.Decrypter) apply.Decrypter { return loggedDecrypter{d, a} }

type loggedDecrypter struct {
	apply.Decrypter
	a *app
}

func (l loggedDecrypter) Auth(ctx context.Context, s secrets.Sealed) (secrets.Auth, error) {
	defer l.a.decryptTask.Add(1)
	for _, source := range s.Sources {
		if !l.a.verbose {
			break
		}
		if source.Take != nil { // many rules may share the file: log it once
			if _, known := l.a.loggedFiles.LoadOrStore(source.File, nil); known {
				continue
			}
		}
		l.a.logLine("decrypt " + report.Escape(source.File))
	}
	return l.Decrypter.Auth(ctx, s)
}

// proveSecrets decrypts every encrypted file and discards the values. A file
// that can't be decrypted becomes a problem, reported once. opened counts the
// other files.
func (o *ruleOptions) proveSecrets(ctx context.Context, a *app, rules *config.Rules) (problems []schema.Problem, opened int, err error) {
	a.decryptTask = a.progress.Task("open secrets", 0)
	defer a.decryptTask.Done()
	d := a.withLogging(a.sharedDecrypter(o))
	var mu sync.Mutex
	files := map[string]bool{} // false after a problem
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

// secretProblem turns a decryption error into a problem of the file that caused
// it: the rule's file or a shared file.
func secretProblem(file string, err error) schema.Problem {
	p := schema.Problem{Position: schema.Position{File: file}, Message: err.Error(), Severity: schema.Error}
	var wrong *sops.Error
	if errors.As(err, &wrong) {
		p.File, p.Message = wrong.File, wrong.Problem()
	}
	p.SetHint(errorHint(err))
	return p
}
