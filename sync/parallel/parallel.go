// Package parallel runs functions at the same time. A panic in a function
// surfaces at the caller that awaits its result; it does not end the process.
// Go would print the panic's value, which may be a secret. It would also exit
// with 2, which means that a difference was found.
package parallel

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Panic replaces the panic value of a function. It has the stack and omits the
// value.
type Panic struct {
	// Stack is the trace of the function that panicked.
	Stack []byte
}

// Group is an errgroup that keeps panics. The zero Group has no limit.
type Group struct {
	group        errgroup.Group
	contextGroup *errgroup.Group // group with a context; otherwise nil
	panicked     atomic.Pointer[Panic]
}

// WithContext returns a group, and a context that ends with its first error.
func WithContext(ctx context.Context) (*Group, context.Context) {
	of, ctx := errgroup.WithContext(ctx)
	return &Group{contextGroup: of}, ctx
}

func (g *Group) inner() *errgroup.Group {
	if g.contextGroup != nil {
		return g.contextGroup
	}
	return &g.group
}

// SetLimit limits how many functions run at the same time.
func (g *Group) SetLimit(n int) { g.inner().SetLimit(n) }

// errPanicked ends the context of a group. [Group.Wait] never returns it.
var errPanicked = errors.New("a function panicked")

// Go runs a function when the limit allows it.
func (g *Group) Go(f func() error) {
	g.inner().Go(func() (err error) {
		defer keepPanic(&g.panicked, func() { err = errPanicked })
		return f()
	})
}

// Wait waits for all functions and returns their first error. It panics with a
// [*Panic] if a function panicked.
func (g *Group) Wait() error {
	err := g.inner().Wait()
	if p := g.panicked.Load(); p != nil {
		panic(p)
	}
	return err
}

// Start runs a function and returns a function that awaits the result. The
// returned function panics with a [*Panic] if f panicked.
func Start[T any](f func() T) (await func() T) {
	var panicked atomic.Pointer[Panic]
	var out T
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer keepPanic(&panicked, func() {})
		out = f()
	}()
	return func() T {
		<-done
		if p := panicked.Load(); p != nil {
			panic(p)
		}
		return out
	}
}

// keepPanic recovers a panic, stores it unless an earlier panic is stored, and calls
// then.
func keepPanic(first *atomic.Pointer[Panic], then func()) {
	r := recover()
	if r == nil {
		return
	}
	p, nested := r.(*Panic)
	if !nested {
		p = &Panic{debug.Stack()}
	}
	first.CompareAndSwap(nil, p)
	then()
}
