package sops

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
)

// opener opens documents that several rules take values of, each once: a
// shared file that 500 rules use is one call of a key service. It keeps the
// values, not the documents. The zero value is ready.
type opener struct {
	mu   sync.Mutex
	done map[opened]*opening
}

// opened is a document as it was read. Its name counts, too, because errors
// hold it.
type opened struct {
	file string
	hash [sha256.Size]byte
}

// opening is a document that is being opened, or was.
type opening struct {
	ended  chan struct{}
	values values
	err    error
}

// openOnce returns what do makes of a document, which it calls once, however many
// ask for it at the same time or later. Only a context that ended is not kept:
// that was one caller's.
func (o *opener) openOnce(ctx context.Context, file string, document []byte, do func(context.Context, string, []byte) (values, error)) (values, error) {
	key := opened{file, sha256.Sum256(document)}
	for {
		o.mu.Lock()
		f, others := o.done[key]
		if !others {
			f = &opening{ended: make(chan struct{})}
			if o.done == nil {
				o.done = map[opened]*opening{}
			}
			o.done[key] = f
		}
		o.mu.Unlock()
		if !others {
			o.openForAll(key, f, func() (values, error) { return do(ctx, file, document) })
		}
		select {
		case <-f.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !others || !isContextError(f.err) {
			return f.values, f.err
		}
	}
}

// openForAll opens a document for all who wait, and lets them go whatever happens.
func (o *opener) openForAll(key opened, f *opening, do func() (values, error)) {
	defer close(f.ended)
	defer func() {
		if recover() != nil { // its text could hold a value
			f.values, f.err = nil, &Error{File: key.file, Kind: Malformed, Message: "can't be opened, which is a fault in mkhooks"}
		}
		if isContextError(f.err) {
			o.mu.Lock()
			delete(o.done, key)
			o.mu.Unlock()
		}
	}()
	f.values, f.err = do()
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
