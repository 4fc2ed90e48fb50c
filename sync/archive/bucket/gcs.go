package bucket

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/googleapis/gax-go/v2"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	storage "google.golang.org/api/storage/v1"
)

// gcs is a bucket of Google Cloud Storage for gocloud.dev/blob, with only the
// operations that mkhooks uses.
//
// gocloud.dev's driver also links the storage client's second transport: gRPC with
// Envoy's configuration language. That costs every start of mkhooks 5 ms and 25 MB,
// and it prints warnings on standard output. This driver uses Google's generated
// client of the JSON API, whose transport and credentials SOPS links already.
type gcs struct {
	driver.Bucket // nil: the rest of the interface is not used

	objects *storage.ObjectsService
	bucket  string
}

func openGCS(ctx context.Context, l parsedLocation) (*blob.Bucket, error) {
	options := []option.ClientOption{option.WithScopes(storage.DevstorageReadWriteScope), option.WithUserAgent("mkhooks")}
	if endpoint := l.query.Get("endpoint"); endpoint != "" {
		options = append(options, option.WithEndpoint(strings.TrimSuffix(endpoint, "/")+"/storage/v1/"))
	}
	if l.query.Get("anonymous") == "true" {
		options = append(options, option.WithoutAuthentication())
	}
	// The end of one upload must not end the connection's credentials.
	service, err := storage.NewService(context.WithoutCancel(ctx), options...)
	if err != nil {
		return nil, &credentialsError{err}
	}
	return blob.NewBucket(&gcs{objects: service.Objects, bucket: l.bucket}), nil
}

// Close does nothing: the client holds no resources.
func (*gcs) Close() error { return nil }

// As returns false: the client is not exposed.
func (*gcs) As(any) bool { return false }

// ErrorAs exposes the client's errors.
func (*gcs) ErrorAs(err error, to any) bool { return errors.As(err, to) }

// ErrorCode returns the kind of an error.
func (*gcs) ErrorCode(err error) gcerrors.ErrorCode {
	var answer *googleapi.Error
	if !errors.As(err, &answer) {
		return gcerrors.Unknown
	}
	switch answer.Code {
	case http.StatusBadRequest:
		return gcerrors.InvalidArgument
	case http.StatusUnauthorized, http.StatusForbidden:
		return gcerrors.PermissionDenied
	case http.StatusNotFound:
		return gcerrors.NotFound
	case http.StatusPreconditionFailed:
		return gcerrors.FailedPrecondition
	case http.StatusTooManyRequests:
		return gcerrors.ResourceExhausted
	}
	return gcerrors.Unknown
}

// Attributes returns the size of an object, and so shows whether it exists.
func (g *gcs) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	o, err := g.objects.Get(g.bucket, key).Context(ctx).Do()
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{ContentType: o.ContentType, Size: int64(o.Size), ETag: o.Etag}, nil
}

// Delete deletes an object.
func (g *gcs) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	return g.objects.Delete(g.bucket, key).Context(ctx).Do()
}

var errWhole = errors.New("an object is read whole")

// attempts limits how often a request is sent. firstWait is the wait before the
// first retry.
const (
	attempts  = 4
	firstWait = 500 * time.Millisecond
)

// newRetryPolicy returns a function that decides whether to send a request again after an
// error: if the fault may pass, and attempts are left. The caller checks whether
// the context ended.
func newRetryPolicy() func(error) bool {
	sent := 0
	return func(err error) bool {
		if err == nil {
			return false
		}
		var answer *googleapi.Error
		if errors.As(err, &answer) && answer.Code < 500 && answer.Code != http.StatusTooManyRequests && answer.Code != http.StatusRequestTimeout {
			return false
		}
		sent++
		return sent < attempts
	}
}

// NewRangeReader reads a complete object.
func (g *gcs) NewRangeReader(ctx context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	if offset != 0 || length >= 0 {
		return nil, errWhole
	}
	get := g.objects.Get(g.bucket, key).Context(ctx)
	res, err := get.Download()
	// The client itself only retries uploads.
	for again, wait := newRetryPolicy(), firstWait; again(err); wait *= 2 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		res, err = get.Download()
	}
	if err != nil {
		return nil, err
	}
	at, _ := http.ParseTime(res.Header.Get("Last-Modified")) // the zero time if unknown
	return &gcsReader{ReadCloser: res.Body, attributes: driver.ReaderAttributes{
		ContentType: res.Header.Get("Content-Type"), Size: max(res.ContentLength, 0), ModTime: at,
	}}, nil
}

type gcsReader struct {
	io.ReadCloser
	attributes driver.ReaderAttributes
}

func (r *gcsReader) Attributes() *driver.ReaderAttributes { return &r.attributes }
func (*gcsReader) As(any) bool                            { return false }

// NewTypedWriter begins an object. An object becomes visible as a whole, at the end
// of its upload.
func (g *gcs) NewTypedWriter(ctx context.Context, key, contentType string, o *driver.WriterOptions) (driver.Writer, error) {
	call := g.objects.Insert(g.bucket, &storage.Object{Name: key, ContentType: contentType}).Context(ctx).
		WithRetry(&gax.Backoff{Initial: firstWait}, newRetryPolicy())
	if o.IfNotExist {
		call.IfGenerationMatch(0)
	}
	if o.BeforeWrite != nil {
		err := o.BeforeWrite(func(to any) bool {
			p, ok := to.(**storage.ObjectsInsertCall)
			if ok {
				*p = call
			}
			return ok
		})
		if err != nil {
			return nil, err
		}
	}
	return &gcsWriter{call: call, contentType: contentType}, nil
}

// gcsWriter is written only by its Upload, as [blob.Bucket.Upload] does it.
type gcsWriter struct {
	call        *storage.ObjectsInsertCall
	contentType string
	err         error
}

func (*gcsWriter) Write([]byte) (int, error) { return 0, errWhole }

// Close returns the error of the upload: gocloud.dev checks the kind of this error.
func (w *gcsWriter) Close() error { return w.err }

// chunkTime limits the time for all attempts to upload one part.
const chunkTime = time.Minute

// Upload uploads all of r. An error of r leaves no object.
func (w *gcsWriter) Upload(r io.Reader) error {
	_, w.err = w.call.Media(r, googleapi.ContentType(w.contentType), googleapi.ChunkSize(partSize), googleapi.ChunkRetryDeadline(chunkTime)).Do()
	return nil
}
