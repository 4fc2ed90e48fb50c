package parallel

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// caught returns the panic of a function.
func caught(t *testing.T, f func()) (p *Panic) {
	t.Helper()
	defer func() {
		r := recover()
		var ok bool
		if p, ok = r.(*Panic); !ok {
			t.Errorf("panicked with %v, want a *Panic", r)
		}
	}()
	f()
	return nil
}

func boom() error { panic("s3cr3t") }

// TestPanic: a panic reaches the waiting caller, with the stack and without its
// value. It ends the other functions through their context.
func TestPanic(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(){
		"a group": func() { var g Group; g.Go(boom); _ = g.Wait() },
		"a group with a limit": func() {
			var g Group
			g.SetLimit(1)
			for range 3 {
				g.Go(boom)
			}
			_ = g.Wait()
		},
		"a group with a context": func() {
			g, ctx := WithContext(context.Background())
			g.Go(boom)
			g.Go(func() error { <-ctx.Done(); return ctx.Err() })
			_ = g.Wait()
		},
		"a group in a group": func() {
			var outer Group
			outer.Go(func() error { var g Group; g.Go(boom); return g.Wait() })
			_ = outer.Wait()
		},
		"a start":            func() { _ = Start(boom)() },
		"a start in a group": func() { var g Group; g.Go(func() error { return Start(boom)() }); _ = g.Wait() },
	} {
		p := caught(t, run)
		if p == nil || !strings.Contains(string(p.Stack), "parallel.boom") || strings.Contains(string(p.Stack), "s3cr3t") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestErrors: without a panic, a group behaves like an errgroup.
func TestErrors(t *testing.T) {
	t.Parallel()
	want := errors.New("refused")
	g, ctx := WithContext(t.Context())
	g.Go(func() error { return want })
	g.Go(func() error { <-ctx.Done(); return nil })
	if err := g.Wait(); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
	if got := Start(func() int { return 7 })(); got != 7 {
		t.Errorf("got %d", got)
	}
}
