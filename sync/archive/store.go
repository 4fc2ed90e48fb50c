package archive

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/mkhooks/mkhooks/sync/archive/bucket"
)

// Store keeps named objects. It is small enough for an object store to implement
// it: an upload that becomes visible only as a whole is a [Writer].
type Store interface {
	// Create begins a new object. Its name is not visible before [Writer.Commit].
	Create(ctx context.Context, name string) (Writer, error)
	// Open reads a committed object.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Location returns the location of an object of this name, for people and
	// receipts.
	Location(name string) string
}

// Writer writes one object. Exactly one of Commit and Discard ends it; a Discard
// after a Commit does nothing.
type Writer interface {
	io.Writer
	// Commit makes the written bytes durable and gives the object its name. It
	// never replaces an object: if the name is taken, the error is [fs.ErrExist].
	Commit(ctx context.Context) error
	// Discard drops the written bytes.
	Discard()
}

// Open returns the store at location: a directory's path or a file: URL, or a
// bucket such as s3://bucket/folder, azblob://container/folder or
// gs://bucket/folder. A directory is made when the first object is stored in it; a
// bucket is never made. Open does not access either.
func Open(location string) (Store, error) {
	if bucket.IsLocation(location) {
		b, err := bucket.New(location)
		if err != nil {
			return nil, err
		}
		return bucketStore{b}, nil
	}
	path, err := directoryPath(location)
	if err != nil {
		return nil, err
	}
	return newDirectory(path)
}

// CheckConfigured returns why a location is not allowed in a config file. Everyone
// who may open a pull request can change that file. It may name a directory or a
// bucket, but no other server and no other credentials.
func CheckConfigured(location string) error {
	if bucket.IsLocation(location) {
		return bucket.CheckShared(location)
	}
	_, err := directoryPath(location)
	return err
}

// bucketStore is a bucket as a [Store].
type bucketStore struct{ *bucket.Bucket }

// Create begins a new object.
func (o bucketStore) Create(ctx context.Context, name string) (Writer, error) {
	w, err := o.Bucket.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// directoryPath returns the directory that a location names.
func directoryPath(location string) (string, error) {
	scheme, _, isURL := strings.Cut(location, ":")
	switch {
	case location == "":
		return "", fmt.Errorf("archive location is empty: expected a folder, such as ./archive")
	case !isURL || !isScheme(scheme):
		return location, nil // a path, perhaps with a colon in it, or with a drive letter
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case "file":
	default:
		return "", fmt.Errorf("archive location %q: %s: is not supported; expected a folder, such as ./archive, or s3://, azblob:// or gs://", redactLocation(location), scheme)
	}
	u, err := url.Parse(location)
	if err != nil {
		return "", fmt.Errorf("archive location is no file: URL; expected one such as file:///var/archive, or a folder")
	}
	path := u.Path
	if u.Opaque != "" { // file:archive
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return "", fmt.Errorf("archive location %q has a wrong percent sign", location)
		}
	}
	switch {
	case u.Host != "" && u.Host != "localhost":
		return "", fmt.Errorf("archive location %q names the host %q; expected file:///path, with three slashes, for a folder of this machine", redactLocation(location), u.Host)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return "", fmt.Errorf("archive location %q has more than a path; expected file:///path", redactLocation(location))
	case path == "":
		return "", fmt.Errorf("archive location %q has no path; expected file:///path", location)
	}
	return drivePath(path), nil
}

// isScheme reports whether s can begin a URL. One letter is a drive.
func isScheme(s string) bool {
	return len(s) > 1 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789+-.") == "" && !strings.ContainsAny(s[:1], "0123456789+-.")
}

// drivePath converts /C:/x, the form of a file: URL, to C:/x.
func drivePath(path string) string {
	if len(path) >= 3 && path[0] == '/' && path[2] == ':' && isScheme("a"+path[1:2]) {
		return path[1:]
	}
	return path
}

// redactLocation returns location without the parts that may hold a key: user
// information, and the text from the question mark on.
func redactLocation(location string) string {
	before, _, _ := strings.Cut(location, "?")
	if i := strings.LastIndexByte(before, '@'); i >= 0 {
		before = "…" + before[i:]
	}
	return before
}

// probeSize is the number of bytes written to check whether a store is writable:
// the gzipped records of a usual history.
const probeSize = 64 << 10

// Probe checks whether an object can be stored, and leaves no object behind. It
// runs before a rule is paused: a rule whose history can't be stored must continue
// to deliver.
func Probe(ctx context.Context, store Store) error {
	name := "probe-" + randomPart()
	if b, ok := store.(bucketStore); ok {
		if err := b.Bucket.Probe(ctx, name); err != nil {
			return fmt.Errorf("store in %s: %w", store.Location(name), err)
		}
		return nil
	}
	w, err := store.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("create %s: %w", store.Location(name), err)
	}
	defer w.Discard()
	if _, err := w.Write(make([]byte, probeSize)); err != nil {
		return fmt.Errorf("write %s: %w", store.Location(name), err)
	}
	return nil
}
