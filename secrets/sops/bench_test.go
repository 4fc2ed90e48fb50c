package sops_test

import (
	"context"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
)

// BenchmarkAuth500 decrypts 500 files on all cores. Each file has a different
// data key.
func BenchmarkAuth500(b *testing.B) {
	files := make([]secrets.Sealed, 500)
	for i := range files {
		files[i] = sealed(string(sopstest.Seal(b, document, recipient)))
	}
	d := sops.New(sops.Options{})
	for b.Loop() {
		var group errgroup.Group
		group.SetLimit(runtime.GOMAXPROCS(0))
		for _, f := range files {
			group.Go(func() error {
				_, err := d.Auth(context.Background(), f)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}
