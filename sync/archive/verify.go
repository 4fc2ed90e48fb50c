package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mkhooks/mkhooks/sync/archive/bucket"
)

// maxManifest limits a manifest that is read, in bytes.
const maxManifest = 16 << 20

// maxLine limits one record that is read, in bytes.
const maxLine = 64 << 20

// limits limit the records of an archive that is read, stored and unpacked, in
// bytes. They exceed the limits for reading a history, so that every archive can be
// read back. A few MB of gzip can unpack to TB.
type limits struct{ stored, unpacked int64 }

var readLimits = limits{stored: 6 << 30, unpacked: 6 << 30}

// limitedReader is a reader of at most left bytes. A further byte is an error.
type limitedReader struct {
	from io.Reader
	left int64
	what string
	most int64
}

func limitReader(from io.Reader, most int64, what string) *limitedReader {
	return &limitedReader{from, most, what, most}
}

func (b *limitedReader) Read(p []byte) (int, error) {
	n, err := b.from.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("its records are more than %d bytes %s; an archive of mkhooks has no more", b.most, b.what)
	}
	return n, err
}

// FileError is what is wrong with one file or object of an archive.
type FileError struct {
	Location string
	problem  string
	cause    error // in place of problem
}

func fileError(location, format string, args ...any) *FileError {
	return &FileError{Location: location, problem: fmt.Sprintf(format, args...)}
}

// Problem returns what is wrong, without the location.
func (e *FileError) Problem() string {
	if e.cause != nil {
		return e.cause.Error()
	}
	return e.problem
}

// Error returns the location and what is wrong there.
func (e *FileError) Error() string {
	if e.cause != nil {
		return e.Location + ": " + e.Problem()
	}
	return e.Location + " " + e.Problem()
}

// Unwrap returns the cause, or nil.
func (e *FileError) Unwrap() error { return e.cause }

// Verify checks a stored archive, named by the location of its records or of its
// manifest. Both must exist, and the records must match the manifest. It returns
// the manifest as far as it can be relied on.
func Verify(ctx context.Context, location string) (Manifest, error) {
	store, base, err := openArchive(location)
	if err != nil {
		return Manifest{}, err
	}
	if f, ok := store.(*directory); ok {
		defer f.closeRoot()
	}
	data, err := readObject(ctx, store, base+manifestSuffix)
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fileError(store.Location(base+manifestSuffix), "is no manifest: it is not JSON of that shape, or cut short")
	}
	m.Sum = sumOf(data)
	if wrong := m.findProblem(data, base); wrong != "" {
		return Manifest{}, fileError(store.Location(base+manifestSuffix), "%s", wrong)
	}
	return m, checkRecords(ctx, store, m, countRecords)
}

// LocationIn returns the location of an archive with the same name in another store. An
// archive keeps its name when it is moved, and a path may be relative to another
// directory.
func LocationIn(place, location string) (string, error) {
	_, name, err := splitLocation(location)
	if err != nil {
		return "", err
	}
	store, err := Open(place)
	if err != nil {
		return "", err
	}
	return store.Location(name), nil
}

// IsUnreached reports whether an archive could not be checked, so that its state is
// unknown: its store can't be reached, or refuses.
func IsUnreached(err error) bool {
	var store *bucket.Error
	var system syscall.Errno
	return (errors.As(err, &store) || errors.As(err, &system)) && !errors.Is(err, fs.ErrNotExist)
}

// splitLocation splits the location of an object into the location of its store and its
// name.
func splitLocation(location string) (dir, name string, err error) {
	if bucket.IsLocation(location) {
		return bucket.SplitLocation(location)
	}
	path, err := directoryPath(location)
	if err != nil {
		return "", "", err
	}
	return filepath.Dir(path), filepath.Base(path), nil
}

// openArchive returns the store that contains an archive, and its name without a
// suffix.
func openArchive(location string) (store Store, base string, err error) {
	dir, name, err := splitLocation(location)
	if err != nil {
		return nil, "", err
	}
	base, ok := strings.CutSuffix(name, recordsSuffix)
	if !ok {
		base, ok = strings.CutSuffix(name, manifestSuffix)
	}
	if !ok {
		return nil, "", fileError(redactLocation(location), "is no archive: expected a name that ends in %s or %s", recordsSuffix, manifestSuffix)
	}
	store, err = Open(dir)
	return store, base, err
}

// readObject reads a small object.
func readObject(ctx context.Context, store Store, name string) ([]byte, error) {
	f, err := store.Open(ctx, name)
	if err != nil {
		return nil, describeReadError(store.Location(name), err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, describeReadError(store.Location(name), err)
	}
	if len(data) > maxManifest {
		return nil, fileError(store.Location(name), "is larger than any manifest: %d MiB", maxManifest>>20)
	}
	return data, nil
}

// describeReadError describes for people why an object can't be read.
func describeReadError(at string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // the operation and a part of the path do not help
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &FileError{Location: at, cause: fs.ErrNotExist}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fileError(at, "is cut short, or there is something behind its end")
	}
	return fmt.Errorf("read back %s: %w", at, err)
}

// checkRecords reads the stored records back. It checks their digest, that they
// unpack, and the result of count.
func checkRecords(ctx context.Context, store Store, m Manifest, count func(in io.Reader, most int) (int, error)) (err error) {
	return checkWithin(ctx, store, m, readLimits, count)
}

func checkWithin(ctx context.Context, store Store, m Manifest, limit limits, count func(in io.Reader, most int) (int, error)) (err error) {
	at := store.Location(m.RecordsFile)
	f, err := store.Open(ctx, m.RecordsFile)
	if err != nil {
		return describeReadError(at, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	hash := sha256.New()
	in := io.TeeReader(limitReader(f, limit.stored, "as they are stored"), hash)
	records, err := countUnpacked(in, limit, m.Records, count)
	if err != nil {
		return describeReadError(at, err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return describeReadError(at, err)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != m.SHA256 {
		return fileError(at, "has the SHA-256 %s, its manifest says %s", sum, m.SHA256)
	}
	if records > m.Records {
		return fileError(at, "holds more than the %d records that its manifest says", m.Records)
	}
	if records != m.Records {
		return fileError(at, "holds %d records, its manifest says %d", records, m.Records)
	}
	return nil
}

// countUnpacked unpacks the input and counts its records.
func countUnpacked(in io.Reader, limit limits, most int, count func(in io.Reader, most int) (int, error)) (int, error) {
	zip, err := gzip.NewReader(in)
	if err != nil {
		return 0, err
	}
	return count(limitReader(zip, limit.unpacked, "once they are unpacked"), most)
}

// countLines counts lines, and stops above most. That is enough if the records were
// checked when they were packed.
func countLines(in io.Reader, most int) (int, error) {
	n, block := 0, make([]byte, 64<<10)
	for {
		got, err := in.Read(block)
		n += bytes.Count(block[:got], []byte{'\n'})
		switch {
		case n > most:
			return n, nil
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

// countRecords counts lines, each of which must be JSON, and stops above most.
func countRecords(in io.Reader, most int) (int, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		switch err := lines.Err(); { // the bytes before an error also form a line
		case err != nil:
			return n, err
		case !json.Valid(lines.Bytes()):
			return n, fmt.Errorf("line %d is no JSON", n)
		case n > most:
			return n, nil
		}
	}
	return n, lines.Err()
}
