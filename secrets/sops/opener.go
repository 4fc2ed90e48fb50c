package sops

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
)

// opener decrypts documents that several rules use, each once: a shared file
// that 500 rules use costs one call of a key service. It keeps the values, not
// the documents. The zero value is ready to use.
type opener struct {
	mu   sync.Mutex
	done map[documentID]*opening
}

// documentID identifies a document by name and content. The name is included
// because errors contain it.
type documentID struct {
	file string
	hash [sha256.Size]byte
}

// opening is the decryption of a document, in progress or ended.
type opening struct {
	ended  chan struct{}
	values values
	err    error
}

// openOnce returns the result of do for a document. It calls do once, however
// many callers ask for the document. A context error is not kept, because it
// belongs to one caller.
func (o *opener) openOnce(ctx context.Context, file string, document []byte, do func(context.Context, string, []byte) (values, error)) (values, error) {
	key := documentID{file, sha256.Sum256(document)}
	for {
		o.mu.Lock()
		f, others := o.done[key]
		if !others {
			f = &opening{ended: make(chan struct{})}
			if o.done == nil {
				o.done = map[documentID]*opening{}
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

// openForAll decrypts a document for all waiting callers. It always wakes them,
// also after a panic.
func (o *opener) openForAll(key documentID, f *opening, do func() (values, error)) {
	defer close(f.ended)
	defer func() {
		if recover() != nil { // the text of the panic could contain a value
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
