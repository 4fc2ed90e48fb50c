// Package bucket keeps objects in the object stores of AWS, Azure and Google,
// and in those that speak their protocols, through gocloud.dev/blob. Each
// object is written once; none is replaced or deleted, but for a probe's own.
//
// Credentials are those that each store's SDK finds by itself: no location
// holds one, and nothing here reads one.
package bucket

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// stall is how long a store may leave one step of a reading or writing
// without an end. The SDKs try again within it. At [partSize] it is enough for
// a line of 90 KB/s.
const stall = 2 * time.Minute

// Each upload holds this much in memory: two parts, of the least size that S3
// takes.
const (
	partSize  = 5 << 20
	partsMost = 2
)

// Bucket is a folder of a bucket. It is connected to when it is first used.
type Bucket struct {
	place place
	stall time.Duration

	mu     sync.Mutex
	opened *blob.Bucket
}

// New returns the bucket at a location such as s3://bucket/folder. It reaches
// for nothing yet.
func New(location string) (*Bucket, error) {
	l, err := parse(location)
	if err != nil {
		return nil, err
	}
	return &Bucket{place: l, stall: stall}, nil
}

// Location is where an object is, as [Split] takes it apart.
func (b *Bucket) Location(name string) string { return b.place.objectLocation(name) }

// connect connects to the bucket.
func (b *Bucket) connect(ctx context.Context) (*blob.Bucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened != nil {
		return b.opened, nil
	}
	opened, err := openers[b.place.scheme](ctx, b.place)
	if err != nil {
		return nil, b.notOpened(err)
	}
	if b.place.prefix != "" {
		opened = blob.PrefixedBucket(opened, b.place.prefix)
	}
	b.opened = opened
	return opened, nil
}

// conditional reports whether the store is asked to refuse a name that is
// taken. A few stores that speak S3 refuse to be asked: for them, the
// parameter conditional=false has the name looked at before the upload ends.
// Names hold 64 random bits, so neither is what keeps objects apart: this is
// the second net.
func (b *Bucket) conditional() bool { return b.place.query.Get("conditional") != "false" }

// Open reads an object.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	op := b.begin(ctx, false)
	var r *blob.Reader
	err := op.step(func() error {
		opened, err := b.connect(op.ctx)
		if err == nil {
			r, err = opened.NewReader(op.ctx, name, nil)
		}
		return err
	})
	if err != nil {
		op.end()
		return nil, err
	}
	return &reader{op: op, from: r}, nil
}

// reader is an object that is read.
type reader struct {
	op   *operation
	from *blob.Reader
}

func (r *reader) Read(p []byte) (n int, err error) {
	err = r.op.step(func() (err error) {
		n, err = r.from.Read(p)
		return err
	})
	return n, err
}

func (r *reader) Close() error {
	defer r.op.end()
	return r.from.Close()
}

// Writer is an object that is written. Exactly one of Commit and Discard ends
// it; a Discard after a Commit does nothing.
type Writer struct {
	op   *operation
	b    *Bucket
	to   *blob.Bucket
	name string

	hash  hash.Hash
	pipe  *io.PipeWriter
	done  chan struct{} // closed when the upload ended
	err   error         // of the upload
	ended bool
}

// errDiscarded ends an upload before its end.
var errDiscarded = errors.New("the upload was given up")

// Create begins an object. The store shows nothing of it before [Writer.Commit].
func (b *Bucket) Create(ctx context.Context, name string) (*Writer, error) {
	op := b.begin(ctx, true)
	var to *blob.Bucket
	err := op.step(func() (err error) {
		to, err = b.connect(op.ctx)
		return err
	})
	if err != nil {
		op.end()
		return nil, err
	}
	from, pipe := io.Pipe()
	w := &Writer{op: op, b: b, to: to, name: name, hash: sha256.New(), pipe: pipe, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = contained(func() error {
			return to.Upload(op.ctx, name, from, &blob.WriterOptions{
				ContentType: contentType(name), IfNotExist: b.conditional(), BufferSize: partSize, MaxConcurrency: partsMost,
			})
		})
		_ = from.CloseWithError(errDiscarded) // never fails; ends a Write that is under way
	}()
	return w, nil
}

func contentType(name string) string {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return "application/gzip"
	case strings.HasSuffix(name, ".json"):
		return "application/json"
	}
	return "application/octet-stream"
}

// Write hands on what the store takes.
func (w *Writer) Write(p []byte) (n int, err error) {
	err = w.op.step(func() error {
		n, err = w.pipe.Write(p)
		if err != nil {
			<-w.done
			err = errors.Join(w.err, err)
		}
		return err
	})
	w.hash.Write(p[:n])
	return n, err
}

// Commit ends the upload; the store has acknowledged the whole of it when it
// returns. Where the name is taken, the error is [fs.ErrExist].
func (w *Writer) Commit(ctx context.Context) error {
	if w.ended {
		return errDiscarded
	}
	w.ended = true
	defer w.op.end()
	defer context.AfterFunc(ctx, func() { w.op.cancel(context.Cause(ctx)) })()
	err := w.op.step(func() error {
		if !w.b.conditional() {
			if taken, err := w.to.Exists(w.op.ctx, w.name); err != nil || taken {
				w.abort()
				return errors.Join(err, errTaken(taken))
			}
		}
		_ = w.pipe.Close() // never fails
		<-w.done
		return w.err
	})
	if errors.Is(err, fs.ErrExist) && w.isStored(ctx) {
		return nil
	}
	return err
}

func errTaken(taken bool) error {
	if taken {
		return fs.ErrExist
	}
	return nil
}

// isStored reports whether the object holds what was written. An SDK that
// tries again because an answer was lost is told that the name is taken: by
// its own first attempt.
func (w *Writer) isStored(ctx context.Context) bool {
	r, err := w.b.Open(ctx, w.name)
	if err != nil {
		return false
	}
	stored := sha256.New()
	_, err = io.Copy(stored, r)
	return errors.Join(err, r.Close()) == nil && string(stored.Sum(nil)) == string(w.hash.Sum(nil))
}

// Discard throws away what was written. What a store keeps of it for a while,
// parts of an upload without an end, has no name and is no object.
func (w *Writer) Discard() {
	if w.ended {
		return
	}
	w.ended = true
	w.abort()
	w.op.end()
}

// abort ends the upload without an object, and waits for that.
func (w *Writer) abort() {
	_ = w.pipe.CloseWithError(errDiscarded) // never fails
	w.op.cancel(errDiscarded)
	<-w.done
}

// operation is one reading or writing: it ends when its context does, or when
// one step of it takes too long.
type operation struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	b      *Bucket
	writes bool
}

func (b *Bucket) begin(ctx context.Context, writes bool) *operation {
	ctx, cancel := context.WithCancelCause(ctx)
	return &operation{ctx: ctx, cancel: cancel, b: b, writes: writes}
}

func (o *operation) end() { o.cancel(context.Canceled) }

// step does one step, for as long as a step may take, and makes its error one
// that can be shown.
func (o *operation) step(do func() error) error {
	timer := time.AfterFunc(o.b.stall, func() { o.cancel(errStalled) })
	defer timer.Stop()
	err := contained(do)
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // the end of a reader is this value
		return err
	case o.ctx.Err() != nil:
		if cause := context.Cause(o.ctx); errors.Is(cause, errStalled) {
			return o.b.stalled()
		} else if !errors.Is(cause, errDiscarded) {
			return cause
		}
	}
	return o.b.explain(err, o.writes)
}

// contained does it, and makes an error of a panic: gocloud.dev takes for
// granted what stores answer, and a proxy may answer in their place.
func contained(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{reason: "the answer is not one of this kind of store: " + tidy(fmt.Sprint(p)), hint: inPlace}
		}
	}()
	return do()
}

// Probe finds out whether objects can be stored and leaves nothing behind. It
// asks for a write under a condition that can't hold: a store that is allowed
// to write, and so comes to look at the condition, says that it does not hold.
// A store that overlooks conditions writes an empty object, which is deleted
// again.
func (b *Bucket) Probe(ctx context.Context, name string) error {
	op := b.begin(ctx, true)
	defer op.end()
	return op.step(func() error {
		to, err := b.connect(op.ctx)
		if err != nil {
			return err
		}
		o := &blob.WriterOptions{ContentType: contentType(name)}
		if b.conditional() {
			o.BeforeWrite = impossible
		}
		err = to.Upload(op.ctx, name, strings.NewReader(""), o)
		switch {
		case err == nil:
			// Where writing is all that is allowed, the empty object stays.
			_ = to.Delete(op.ctx, name)
			return nil
		case gcerrors.Code(err) == gcerrors.FailedPrecondition || missesObject(err):
			return nil
		}
		return err
	})
}
