package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Chain holds the entries of an audit log, and its faults.
type Chain struct {
	Entries []*Entry
	// Head is the SHA-256 of the last line; [Genesis] of an empty log.
	Head string
	// Faults are in the order of the lines.
	Faults []Fault
	keep   bool
	sums   map[string]bool
	// Torn is true if the last line is torn, which the next run repairs.
	Torn bool
}

// Fault is one error in an audit log.
type Fault struct {
	Line    int // from 1
	Message string
	Hint    string
}

// Read reads an audit log and checks its chain. Errors in the log are faults. The
// returned error is an error of the reader.
func Read(r io.Reader) (*Chain, error) {
	c := &Chain{keep: true, sums: map[string]bool{Genesis: true}}
	if err := c.readLines(r); err != nil {
		return nil, err
	}
	return c, nil
}

// Limits of an audit log that is read. A file that is not an audit log, or that
// never ends, must not fill the memory with its faults. 1,000 applies of 2,000
// rules have some 4,000,000 lines.
const (
	maxFaults  = 1_000
	maxEntries = 5_000_000
)

const (
	crlf     = "its lines end in CRLF, which is not how they were written: Git, or an editor, made that of them"
	crlfHint = "write *.jsonl -text into .gitattributes, and check the file out again"
)

// readLines does the work of [Read] for c, which keeps entries and heads if keep is set.
func (c *Chain) readLines(r io.Reader) error {
	c.Head = Genesis
	lines := bufio.NewReaderSize(r, 64<<10)
	seq, returns := 0, false
	for n := 1; ; n++ {
		if c.keep && (len(c.Faults) >= maxFaults || n > maxEntries) {
			c.Faults = append(c.Faults, Fault{Line: n, Message: fmt.Sprintf("and what is behind it is not looked at any more: at most %d faults and %d lines of a record are", maxFaults, maxEntries)})
			return nil
		}
		line, err := readLine(lines)
		switch {
		case errors.Is(err, io.EOF):
			if c.Torn = len(line) > 0; n == 1 && checkTorn(line) != nil {
				c.addFault(n, "", "is no entry of a record; is this the file?")
			}
			return nil
		case errors.Is(err, errLong):
			c.addFault(n, "", "is longer than any entry of a record; is this the file?")
			return nil
		case err != nil:
			return err
		}
		if bytes.HasSuffix(line, []byte("\r")) {
			if !returns {
				c.addFault(n, crlfHint, crlf)
			}
			// Other faults are searched in the lines without the carriage return.
			line, returns = line[:len(line)-1], true
		}
		e, err := decodeLine(line)
		if err != nil {
			c.addFault(n, "the lines behind it are judged by themselves", "%s", err)
			c.setHead(line)
			seq++
			continue
		}
		c.checkLink(n, e, seq)
		seq = e.Seq
		c.setHead(line)
		if c.keep {
			c.Entries = append(c.Entries, e)
		}
	}
}

// setHead makes line the last line.
func (c *Chain) setHead(line []byte) {
	if c.Head = LineSum(line); c.keep {
		c.sums[c.Head] = true
	}
}

// HasHead reports whether head was the head of the audit log at some time.
func (c *Chain) HasHead(head string) bool { return c.sums[head] }

// checkLink checks that an entry follows from the line before it: its prev and its seq.
func (c *Chain) checkLink(n int, e *Entry, seq int) {
	const hint = "compare with a copy of the file, such as an earlier commit's"
	switch {
	case n == 1 && e.Prev != Genesis:
		c.addFault(n, hint, "is entry %d, and not the first of its record: what stood before it is gone", e.Seq)
	case e.Prev != c.Head:
		c.addFault(n, hint, "does not follow from the line before it, entry %d: that one was changed, or lines between them were removed or moved (this is entry %d)", seq, e.Seq)
	case e.Seq != seq+1:
		c.addFault(n, hint, "has number %d behind number %d", e.Seq, seq)
	}
}

func (c *Chain) addFault(line int, hint, format string, args ...any) {
	if len(c.Faults) >= maxFaults {
		return
	}
	c.Faults = append(c.Faults, Fault{Line: line, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

var errLong = errors.New("a line that is too long")

// readLine reads a line without its newline. With [io.EOF] it returns the bytes
// behind the last newline.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine+1:
			return nil, errLong
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return line, err
		default:
			return line[:len(line)-1], nil
		}
	}
}

// Run holds the entries of one run.
type Run struct {
	ID    string
	Start *Entry // nil if it is missing
	End   *Entry // nil if the run crashed, or is still in progress
	// followed is true if another run came after it: two runs never add to an audit
	// log at once.
	followed bool
	// Writes are in order of their intents, steps included.
	Writes []LoggedWrite
}

// LoggedWrite is a write, or a step, and its result.
type LoggedWrite struct {
	Intent *Entry // nil for a step
	Result *Entry // nil if no entry has the result
}

// Subject returns the subject of the write or step.
func (w LoggedWrite) Subject() *Write {
	if w.Intent != nil {
		return w.Intent.Write
	}
	return w.Result.Write
}

// InFlight reports whether the write had left, or was about to, when its run
// crashed. It may have taken effect.
func (w LoggedWrite) InFlight() bool { return w.Intent != nil && w.Result == nil }

// DescribeUnfinished describes a run that has no end.
func (r Run) DescribeUnfinished() string {
	if r.followed {
		return "died"
	}
	return "died, or is still under way"
}

// Runs groups the entries by run, in the order in which the runs began.
func (c *Chain) Runs() []Run {
	var order []string
	runs := map[string]*Run{}
	intents := map[int]*writePosition{}
	for _, e := range c.Entries {
		if e.Kind == KindHealed {
			continue // it belongs to the run before
		}
		r := runs[e.Run]
		if r == nil {
			r = &Run{ID: e.Run}
			runs[e.Run] = r
			order = append(order, e.Run)
		}
		switch e.Kind {
		case KindStart:
			r.Start = e
		case KindEnd:
			r.End = e
		case KindIntent:
			intents[e.Seq] = &writePosition{r, len(r.Writes)}
			r.Writes = append(r.Writes, LoggedWrite{Intent: e})
		case KindStep:
			r.Writes = append(r.Writes, LoggedWrite{Result: e})
		case KindResult:
			if p := intents[e.Result.Of]; p != nil && p.run == r {
				r.Writes[p.at].Result = e
			} else {
				r.Writes = append(r.Writes, LoggedWrite{Result: e})
			}
		}
	}
	out := make([]Run, 0, len(order))
	for i, id := range order {
		r := runs[id]
		r.followed = i < len(order)-1
		out = append(out, *r)
	}
	return out
}

type writePosition struct {
	run *Run
	at  int
}

// StartTime returns the time of the run's first entry; zero without entries.
func (r Run) StartTime() time.Time {
	if r.Start != nil {
		return r.Start.Time
	}
	switch {
	case len(r.Writes) > 0 && r.Writes[0].Intent != nil:
		return r.Writes[0].Intent.Time
	case len(r.Writes) > 0:
		return r.Writes[0].Result.Time
	case r.End != nil:
		return r.End.Time
	}
	return time.Time{}
}

// Change is everything that a run did to one rule.
type Change struct {
	Project, Rule, Action string
	Writes                []LoggedWrite
}

// Changes groups a run's writes by rule, in the order in which they began.
func (r Run) Changes() []Change {
	var out []Change
	at := map[[2]string]int{}
	for _, w := range r.Writes {
		of := w.Subject()
		key := [2]string{of.Project, of.Rule}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, Change{Project: of.Project, Rule: of.Rule, Action: of.Action})
		}
		out[i].Writes = append(out[i].Writes, w)
	}
	return out
}

// LastWrite returns the write that determines the result of the change. That is the last
// write that left, or a later step in which the change ended, or else the last
// step.
func (c Change) LastWrite() LoggedWrite {
	last := c.Writes[0]
	for _, w := range c.Writes {
		switch {
		case w.Intent != nil, last.Intent == nil && !w.saysLeft():
			last = w
		case w.Result.Result != nil && w.Result.Result.Error != nil && w.Subject().Step == "archive":
			last = w
		}
	}
	return last
}

// saysLeft reports whether a step only records the state that the change left
// behind.
func (w LoggedWrite) saysLeft() bool {
	return w.Intent == nil && w.Result.Result != nil && w.Result.Result.Left != nil
}

// Archive returns the archive of the rule's history; nil if the history was not
// stored.
func (c Change) Archive() *Archive {
	for i := len(c.Writes) - 1; i >= 0; i-- {
		if r := c.Writes[i].Result; r != nil && r.Result != nil && r.Result.Archive != nil {
			return r.Result.Archive
		}
	}
	return nil
}
