package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mkhooks/mkhooks/sync/atomicfile"
)

// Log is a record that a run adds to. Its methods may be called side by side.
type Log struct {
	path string
	file *os.File
	lock io.Closer
	now  func() time.Time
	run  string

	mu      sync.Mutex
	seq     int
	head    string
	written int   // lines of this run
	broken  error // the first error of a write: nothing is added behind it

	syncing sync.Mutex
	synced  int // lines of this run that are on disk
	healed  *Healed
	faults  []Fault // of what was there before
}

// Check reports why a record can't be kept at path, as far as that can be told
// without changing anything: what is found out before a run asks and sends.
func Check(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkFolder(filepath.Dir(path))
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("is a link or no file; name the file itself")}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = lastLine(f)
	return err
}

// checkFolder reports whether a file can be made in a folder, which may be
// still to be made itself.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		return checkFolder(filepath.Dir(dir))
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: errors.New("is no folder")}
	}
	if err := atomicfile.CheckFolder(dir); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: errors.Unwrap(err)}
	}
	return nil
}

// Open opens the record at path, makes it where there is none, and locks it:
// two runs never add to one file at once, and a second one waits here. What a
// run left half written is taken off, and told by an entry.
func Open(path string, now func() time.Time) (*Log, error) {
	if err := atomicfile.MakeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := Check(path); err != nil {
		return nil, err
	}
	file, lock, err := openLocked(path)
	if err != nil {
		return nil, err
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	l := &Log{path: path, file: file, lock: lock, now: now, run: hex.EncodeToString(id)}
	if err := l.resumeChain(); err != nil {
		return nil, errors.Join(err, l.close()) // nothing was written
	}
	return l, nil
}

// close gives the file free for others.
func (l *Log) close() error { return errors.Join(l.file.Close(), l.lock.Close()) }

// resumeChain takes up the chain where the file ends.
func (l *Log) resumeChain() error {
	end, err := lastLine(l.file)
	if err != nil {
		return err
	}
	if end.size == 0 { // its name may be new, and would tell nothing if it were gone after a power cut
		if err := atomicfile.SyncFolder(filepath.Dir(l.path)); err != nil {
			return err
		}
	}
	l.head = end.head
	if end.last != nil {
		l.seq = end.last.Seq
	}
	c := &Chain{}
	if err := c.read(io.NewSectionReader(l.file, 0, end.size)); err != nil {
		return err
	}
	l.faults = c.Faults
	if len(end.torn) == 0 {
		return nil
	}
	// Windows cuts no file that is open for adding alone.
	if err := os.Truncate(l.path, end.size); err != nil {
		return err
	}
	l.healed = &Healed{Bytes: end.tornBytes, SHA256: Sum(end.torn), Text: cut(string(end.torn))}
	return l.appendSynced(&Entry{Kind: KindHealed, Healed: l.healed})
}

// Healed is the half-written line that this run found and took off; nil where
// there was none.
func (l *Log) Healed() *Healed { return l.healed }

// Faults are what is wrong with the lines that were there before this run: it
// adds to them all the same, because what it does must be on record.
func (l *Log) Faults() []Fault { return l.faults }

// Head is the SHA-256 of the last line: what to keep elsewhere, so that a cut
// or rewritten record shows.
func (l *Log) Head() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Start records that a run begins.
func (l *Log) Start(s Start) error {
	s.FormatVersion = FormatVersion
	if s.Lifted == nil {
		s.Lifted = []string{}
	}
	return l.appendSynced(&Entry{Kind: KindStart, Start: &s})
}

// Intent records that a write is about to leave, and returns only when that is
// on disk. of is for the result. A record that was replaced by another file
// meanwhile takes no more: whoever looks there would not find it.
func (l *Log) Intent(w Write) (of int, err error) {
	if err := replaced(l.path, l.file); errors.Is(err, errReplaced) { // what else is wrong the write will tell
		return 0, err
	}
	e := &Entry{Kind: KindIntent, Write: &w}
	err = l.appendSynced(e)
	return e.Seq, err
}

// Result records what came of a write.
func (l *Log) Result(w Write, r Result) error {
	return l.appendSynced(&Entry{Kind: KindResult, Write: &w, Result: short(r)})
}

// Step records something that writes nothing. It may reach the disk later than
// its return, with the next intent: what hangs on it comes after that.
func (l *Log) Step(w Write, r Result) error {
	_, err := l.append(&Entry{Kind: KindStep, Write: &w, Result: short(r)})
	return err
}

// short cuts the texts that come from elsewhere.
func short(r Result) *Result {
	r.Ref = cut(r.Ref)
	if r.Error != nil {
		r.Error = &Error{Kind: r.Error.Kind, Message: cut(r.Error.Message)}
	}
	return &r
}

// Close records how the run ended and gives the file free for others.
func (l *Log) Close(end End) error {
	err := l.appendSynced(&Entry{Kind: KindEnd, End: &end})
	if err == nil {
		err = replaced(l.path, l.file)
	}
	return errors.Join(err, l.close())
}

// appendSynced adds an entry and makes it durable.
func (l *Log) appendSynced(e *Entry) error {
	n, err := l.append(e)
	if err != nil {
		return err
	}
	return l.sync(n)
}

// append writes an entry. n is how many lines of this run there are with it.
func (l *Log) append(e *Entry) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return 0, fmt.Errorf("nothing could be added to it since an earlier line could not be written: %w", l.broken)
	}
	e.Seq, e.Time, e.Run, e.Prev = l.seq+1, l.now().UTC(), l.run, l.head
	line, err := e.encode()
	if err != nil {
		return 0, err
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		l.broken = err
		return 0, err
	}
	l.seq, l.head = e.Seq, Sum(line)
	l.written++
	return l.written, nil
}

// sync returns when n lines of this run are on disk. Whoever comes while
// another one waits for the disk shares the next go: writes side by side would
// otherwise queue for it.
func (l *Log) sync(n int) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if l.synced >= n {
		return nil
	}
	l.mu.Lock()
	written, broken := l.written, l.broken
	l.mu.Unlock()
	if broken != nil {
		return broken
	}
	if err := l.file.Sync(); err != nil {
		// What is on disk now is not known, and a second sync would not tell.
		l.mu.Lock()
		l.broken = err
		l.mu.Unlock()
		return err
	}
	l.synced = written
	return nil
}

// ending is how a file ends.
type ending struct {
	size      int64  // up to the last whole line
	head      string // [Genesis] of an empty file
	last      *Entry
	torn      []byte // what stands behind the last newline, as far as it was read
	tornBytes int
}

// file is what both kinds of files can do.
type file interface {
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// lastLine reads the last line of a record.
func lastLine(f file) (ending, error) {
	info, err := f.Stat()
	if err != nil {
		return ending{}, err
	}
	size := info.Size()
	from := max(0, size-2*(maxLine+1))
	tail := make([]byte, size-from)
	if _, err := f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return ending{}, err
	}
	newline := bytes.LastIndexByte(tail, '\n')
	if newline < 0 && from > 0 {
		return ending{}, errors.New("its last line is longer than any of a record; is this the file?")
	}
	torn := tail[newline+1:]
	end := ending{size: from + int64(newline) + 1, head: Genesis, torn: torn, tornBytes: len(torn)}
	if newline < 0 {
		return end, notTorn(torn)
	}
	line := tail[bytes.LastIndexByte(tail[:newline], '\n')+1 : newline]
	if bytes.HasSuffix(line, []byte("\r")) {
		return ending{}, errors.New(crlf + "; " + crlfHint)
	}
	if end.last, err = decode(line); err != nil {
		return ending{}, fmt.Errorf("its last line %w; look at it with mkhooks audit verify", err)
	}
	end.head = Sum(line)
	return end, nil
}

// notTorn refuses a file of a single broken line that is no half of an entry:
// more likely it is another file altogether.
func notTorn(line []byte) error {
	if len(line) > 0 && !bytes.HasPrefix(line, []byte(`{"seq":`)) && !bytes.HasPrefix([]byte(`{"seq":`), line) {
		return errors.New("it is no record: its first line is no entry")
	}
	return nil
}
