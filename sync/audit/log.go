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

// Log is an audit log that a run adds to. Its methods may be called in parallel.
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
	faults  []Fault // of the earlier lines
}

// CheckPath reports why an audit log can't be kept at path, as far as possible without
// changing anything. It runs before a run asks and sends.
func CheckPath(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkDir(filepath.Dir(path))
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
	_, err = readLastLine(f)
	return err
}

// checkDir reports whether a file can be created in a directory, which itself
// may be absent.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		return checkDir(filepath.Dir(dir))
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: errors.New("is no folder")}
	}
	if err := atomicfile.CheckDir(dir); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: errors.Unwrap(err)}
	}
	return nil
}

// Open opens the audit log at path, creates it if it is absent, and locks it. Two
// runs never add to one file at once; the second run waits here. Open removes a
// torn line of an earlier run, and adds an entry about it.
func Open(path string, now func() time.Time) (*Log, error) {
	if err := atomicfile.MakeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := CheckPath(path); err != nil {
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
		return nil, errors.Join(err, l.closeFiles()) // nothing was written
	}
	return l, nil
}

// closeFiles closes the file and releases the lock.
func (l *Log) closeFiles() error { return errors.Join(l.file.Close(), l.lock.Close()) }

// resumeChain continues the chain at the end of the file.
func (l *Log) resumeChain() error {
	end, err := readLastLine(l.file)
	if err != nil {
		return err
	}
	if end.size == 0 { // its name may be new, and a power cut could remove it without a trace
		if err := atomicfile.SyncDir(filepath.Dir(l.path)); err != nil {
			return err
		}
	}
	l.head = end.head
	if end.last != nil {
		l.seq = end.last.Seq
	}
	c := &Chain{}
	if err := c.readLines(io.NewSectionReader(l.file, 0, end.size)); err != nil {
		return err
	}
	l.faults = c.Faults
	if len(end.torn) == 0 {
		return nil
	}
	// Windows does not truncate a file that is open only for appending.
	if err := os.Truncate(l.path, end.size); err != nil {
		return err
	}
	l.healed = &Healed{Bytes: end.tornBytes, SHA256: LineSum(end.torn), Text: shortenText(string(end.torn))}
	return l.appendSynced(&Entry{Kind: KindHealed, Healed: l.healed})
}

// Healed returns the torn line that this run found and removed; nil if there was
// none.
func (l *Log) Healed() *Healed { return l.healed }

// Faults returns the faults of the lines from before this run. The run still adds
// to them, because its writes must be recorded.
func (l *Log) Faults() []Fault { return l.faults }

// Head returns the SHA-256 of the last line. Kept elsewhere, it reveals a log that
// was cut or rewritten.
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

// Intent records that a write is about to leave, and returns only when that is on
// disk. of is for the result. If another file has replaced the log meanwhile,
// Intent fails: nobody would find the entry in the old file.
func (l *Log) Intent(w Write) (of int, err error) {
	if err := checkReplaced(l.path, l.file); errors.Is(err, errReplaced) { // the write reports any other error
		return 0, err
	}
	e := &Entry{Kind: KindIntent, Write: &w}
	err = l.appendSynced(e)
	return e.Seq, err
}

// Result records the result of a write.
func (l *Log) Result(w Write, r Result) error {
	return l.appendSynced(&Entry{Kind: KindResult, Write: &w, Result: shortenResult(r)})
}

// Step records a step that writes nothing. It may reach the disk later than its
// return, with the next intent: everything that depends on it comes after that.
func (l *Log) Step(w Write, r Result) error {
	_, err := l.appendEntry(&Entry{Kind: KindStep, Write: &w, Result: shortenResult(r)})
	return err
}

// shortenResult cuts the texts of other programs.
func shortenResult(r Result) *Result {
	r.Ref = shortenText(r.Ref)
	if r.Error != nil {
		r.Error = &Error{Kind: r.Error.Kind, Message: shortenText(r.Error.Message)}
	}
	return &r
}

// Close records how the run ended and releases the file.
func (l *Log) Close(end End) error {
	err := l.appendSynced(&Entry{Kind: KindEnd, End: &end})
	if err == nil {
		err = checkReplaced(l.path, l.file)
	}
	return errors.Join(err, l.closeFiles())
}

// appendSynced adds an entry and makes it durable.
func (l *Log) appendSynced(e *Entry) error {
	n, err := l.appendEntry(e)
	if err != nil {
		return err
	}
	return l.syncLines(n)
}

// appendEntry writes an entry. It returns the number of lines of this run, this entry
// included.
func (l *Log) appendEntry(e *Entry) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return 0, fmt.Errorf("nothing could be added to it since an earlier line could not be written: %w", l.broken)
	}
	e.Seq, e.Time, e.Run, e.Prev = l.seq+1, l.now().UTC(), l.run, l.head
	line, err := e.encodeLine()
	if err != nil {
		return 0, err
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		l.broken = err
		return 0, err
	}
	l.seq, l.head = e.Seq, LineSum(line)
	l.written++
	return l.written, nil
}

// syncLines returns when n lines of this run are on disk. Callers that come while
// another caller waits for the disk share the next sync. Otherwise parallel writes
// would queue for it.
func (l *Log) syncLines(n int) error {
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
		// The content on disk is now unknown, and a second sync would not tell.
		l.mu.Lock()
		l.broken = err
		l.mu.Unlock()
		return err
	}
	l.synced = written
	return nil
}

// logEnd is the end of a file.
type logEnd struct {
	size      int64  // up to the last complete line
	head      string // [Genesis] of an empty file
	last      *Entry
	torn      []byte // the bytes behind the last newline, as far as they were read
	tornBytes int
}

// logFile has the common methods of both kinds of files.
type logFile interface {
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// readLastLine reads the last line of an audit log.
func readLastLine(f logFile) (logEnd, error) {
	info, err := f.Stat()
	if err != nil {
		return logEnd{}, err
	}
	size := info.Size()
	from := max(0, size-2*(maxLine+1))
	tail := make([]byte, size-from)
	if _, err := f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return logEnd{}, err
	}
	newline := bytes.LastIndexByte(tail, '\n')
	if newline < 0 && from > 0 {
		return logEnd{}, errors.New("its last line is longer than any of a record; is this the file?")
	}
	torn := tail[newline+1:]
	end := logEnd{size: from + int64(newline) + 1, head: Genesis, torn: torn, tornBytes: len(torn)}
	if newline < 0 {
		return end, checkTorn(torn)
	}
	line := tail[bytes.LastIndexByte(tail[:newline], '\n')+1 : newline]
	if bytes.HasSuffix(line, []byte("\r")) {
		return logEnd{}, errors.New(crlf + "; " + crlfHint)
	}
	if end.last, err = decodeLine(line); err != nil {
		return logEnd{}, fmt.Errorf("its last line %w; look at it with mkhooks audit verify", err)
	}
	end.head = LineSum(line)
	return end, nil
}

// checkTorn refuses a file of a single broken line that is not the beginning of an
// entry. It is more likely another file altogether.
func checkTorn(line []byte) error {
	if len(line) > 0 && !bytes.HasPrefix(line, []byte(`{"seq":`)) && !bytes.HasPrefix([]byte(`{"seq":`), line) {
		return errors.New("it is no record: its first line is no entry")
	}
	return nil
}
