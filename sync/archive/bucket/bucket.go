// Package bucket stores objects in the object stores of AWS, Azure and Google, and
// in compatible stores, through gocloud.dev/blob. Each object is written once. None
// is replaced or deleted, except a probe's object.
//
// Each store's SDK finds its credentials by itself. No location holds credentials,
// and this package never reads them.
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

// stall limits the time for one step of reading or writing. The SDKs retry within
// it. With [partSize] it is enough for a connection of 90 KB/s.
const stall = 2 * time.Minute

// Each upload holds this much in memory: two parts, of the least size that S3
// takes.
const (
	partSize  = 5 << 20
	partsMost = 2
)

// Bucket is a folder of a bucket. It connects on first use.
type Bucket struct {
	location parsedLocation
	stall    time.Duration

	mu     sync.Mutex
	opened *blob.Bucket
}

// New returns the bucket at a location such as s3://bucket/folder. It does not
// connect yet.
func New(location string) (*Bucket, error) {
	l, err := parseLocation(location)
	if err != nil {
		return nil, err
	}
	return &Bucket{location: l, stall: stall}, nil
}

// Location returns the location of an object, as [SplitLocation] expects it.
func (b *Bucket) Location(name string) string { return b.location.objectLocation(name) }

// connect connects to the bucket.
func (b *Bucket) connect(ctx context.Context) (*blob.Bucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened != nil {
		return b.opened, nil
	}
	opened, err := openers[b.location.scheme](ctx, b.location)
	if err != nil {
		return nil, b.explainOpenError(err)
	}
	if b.location.prefix != "" {
		opened = blob.PrefixedBucket(opened, b.location.prefix)
	}
	b.opened = opened
	return opened, nil
}

// isConditional reports whether the store must refuse a name that is taken. A few
// S3-compatible stores do not support that. For them, the parameter
// conditional=false makes mkhooks look up the name before the upload ends. Names
// hold 64 random bits, which already keep objects apart; the condition is a second
// safeguard.
func (b *Bucket) isConditional() bool { return b.location.query.Get("conditional") != "false" }

// Open reads an object.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	op := b.beginOperation(ctx, false)
	var r *blob.Reader
	err := op.runStep(func() error {
		opened, err := b.connect(op.ctx)
		if err == nil {
			r, err = opened.NewReader(op.ctx, name, nil)
		}
		return err
	})
	if err != nil {
		op.endOperation()
		return nil, err
	}
	return &reader{op: op, from: r}, nil
}

// reader reads one object.
type reader struct {
	op   *operation
	from *blob.Reader
}

func (r *reader) Read(p []byte) (n int, err error) {
	err = r.op.runStep(func() (err error) {
		n, err = r.from.Read(p)
		return err
	})
	return n, err
}

func (r *reader) Close() error {
	defer r.op.endOperation()
	return r.from.Close()
}

// Writer writes one object. Exactly one of Commit and Discard ends it; a Discard
// after a Commit does nothing.
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

// errDiscarded cancels an upload.
var errDiscarded = errors.New("the upload was given up")

// Create begins an object. The store does not show it before [Writer.Commit].
func (b *Bucket) Create(ctx context.Context, name string) (*Writer, error) {
	op := b.beginOperation(ctx, true)
	var to *blob.Bucket
	err := op.runStep(func() (err error) {
		to, err = b.connect(op.ctx)
		return err
	})
	if err != nil {
		op.endOperation()
		return nil, err
	}
	from, pipe := io.Pipe()
	w := &Writer{op: op, b: b, to: to, name: name, hash: sha256.New(), pipe: pipe, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = recoverPanic(func() error {
			return to.Upload(op.ctx, name, from, &blob.WriterOptions{
				ContentType: contentType(name), IfNotExist: b.isConditional(), BufferSize: partSize, MaxConcurrency: partsMost,
			})
		})
		_ = from.CloseWithError(errDiscarded) // never fails; ends a Write that is in progress
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

// Write passes p to the upload and returns the number of bytes that it took.
func (w *Writer) Write(p []byte) (n int, err error) {
	err = w.op.runStep(func() error {
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

// Commit ends the upload. It returns after the store has acknowledged the complete
// object. If the name is taken, the error is [fs.ErrExist].
func (w *Writer) Commit(ctx context.Context) error {
	if w.ended {
		return errDiscarded
	}
	w.ended = true
	defer w.op.endOperation()
	defer context.AfterFunc(ctx, func() { w.op.cancel(context.Cause(ctx)) })()
	err := w.op.runStep(func() error {
		if !w.b.isConditional() {
			if taken, err := w.to.Exists(w.op.ctx, w.name); err != nil || taken {
				w.abortUpload()
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

// isStored reports whether the object holds the written bytes. If a response is
// lost, the SDK retries and is refused, because its first attempt took the name.
func (w *Writer) isStored(ctx context.Context) bool {
	r, err := w.b.Open(ctx, w.name)
	if err != nil {
		return false
	}
	stored := sha256.New()
	_, err = io.Copy(stored, r)
	return errors.Join(err, r.Close()) == nil && string(stored.Sum(nil)) == string(w.hash.Sum(nil))
}

// Discard drops the written bytes. A store may keep parts of an unfinished upload
// for a while, but they have no name and are not an object.
func (w *Writer) Discard() {
	if w.ended {
		return
	}
	w.ended = true
	w.abortUpload()
	w.op.endOperation()
}

// abortUpload ends the upload without an object, and waits for its end.
func (w *Writer) abortUpload() {
	_ = w.pipe.CloseWithError(errDiscarded) // never fails
	w.op.cancel(errDiscarded)
	<-w.done
}

// operation is one reading or writing. It ends when its context ends, or when one
// of its steps takes too long.
type operation struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	b      *Bucket
	writes bool
}

func (b *Bucket) beginOperation(ctx context.Context, writes bool) *operation {
	ctx, cancel := context.WithCancelCause(ctx)
	return &operation{ctx: ctx, cancel: cancel, b: b, writes: writes}
}

func (o *operation) endOperation() { o.cancel(context.Canceled) }

// runStep does one step within the time limit, and converts its error to an error that
// can be shown.
func (o *operation) runStep(do func() error) error {
	timer := time.AfterFunc(o.b.stall, func() { o.cancel(errStalled) })
	defer timer.Stop()
	err := recoverPanic(do)
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // a reader ends with exactly this value
		return err
	case o.ctx.Err() != nil:
		if cause := context.Cause(o.ctx); errors.Is(cause, errStalled) {
			return o.b.stallError()
		} else if !errors.Is(cause, errDiscarded) {
			return cause
		}
	}
	return o.b.explainError(err, o.writes)
}

// recoverPanic calls do, and converts a panic to an error. The driver of gocloud.dev
// does not check the responses of stores, and a proxy may respond in their place.
func recoverPanic(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{reason: "the answer is not one of this kind of store: " + tidyText(fmt.Sprint(p)), hint: inPlace}
		}
	}()
	return do()
}

// Probe checks whether objects can be stored, and leaves no object behind. It
// requests a write with a condition that can't hold. A store that permits the write
// checks the condition and then refuses. A store that ignores conditions writes an
// empty object, which is then deleted.
func (b *Bucket) Probe(ctx context.Context, name string) error {
	op := b.beginOperation(ctx, true)
	defer op.endOperation()
	return op.runStep(func() error {
		to, err := b.connect(op.ctx)
		if err != nil {
			return err
		}
		o := &blob.WriterOptions{ContentType: contentType(name)}
		if b.isConditional() {
			o.BeforeWrite = addImpossibleCondition
		}
		err = to.Upload(op.ctx, name, strings.NewReader(""), o)
		switch {
		case err == nil:
			// If only writes are allowed, the empty object stays.
			_ = to.Delete(op.ctx, name)
			return nil
		case gcerrors.Code(err) == gcerrors.FailedPrecondition || missesObject(err):
			return nil
		}
		return err
	})
}
