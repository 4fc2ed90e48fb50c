package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/atomicfile"
)

// Extension is the required ending of the file name. The textfile collector
// skips all other files without a message.
const Extension = ".prom"

// maxFile is the largest size of a file that is read back, in bytes.
const maxFile = 64 << 20

// File is a file of metrics. It is complete at any time. Everybody may read it,
// because the node exporter runs as another user.
type File struct {
	path   string
	before Successes
}

// Successes are the times of the last successful runs, as read from a file.
type Successes struct {
	run      time.Time
	projects map[string]time.Time
}

// Open reads the earlier successes from a file of metrics, if it exists, and
// checks whether the file can be written. It refuses a file that mkhooks did
// not write.
func Open(path string) (*File, error) {
	if filepath.Ext(path) != Extension {
		return nil, fmt.Errorf("expected a name that ends in %s: the node exporter passes over others", Extension)
	}
	data, err := readMetricsFile(path)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 && !bytes.HasPrefix(data, []byte("# HELP mkhooks_")) {
		return nil, errors.New("is there already, and holds something else than metrics of mkhooks; it is not replaced")
	}
	if err := atomicfile.CheckDir(filepath.Dir(path)); err != nil {
		return nil, withoutPath(err)
	}
	return &File{path, parseSuccesses(data)}, nil
}

// readMetricsFile returns the content of a regular file, or nil if it is
// absent.
func readMetricsFile(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, withoutPath(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("is a link or no file; name the file itself")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("is there already, and larger than %d MiB; it is not replaced", maxFile>>20)
	}
	return data, nil
}

// withoutPath returns a file error without its path.
func withoutPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Write replaces the file.
func (f *File) Write(r Run) error {
	before := f.before.withoutFuture(r.Finished)
	if err := atomicfile.Overwrite(f.path, FormatRun(r, before), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", f.path, withoutPath(err))
	}
	return nil
}

// skew is how far a clock may have been set back since the previous run.
const skew = time.Minute

// withoutFuture clears times in the future. They come from a wrong clock, and an alert
// on the age of the last success would be silent until then.
func (s Successes) withoutFuture(now time.Time) Successes {
	out := Successes{run: s.run, projects: map[string]time.Time{}}
	if out.run.After(now.Add(skew)) {
		out.run = time.Time{}
	}
	for name, at := range s.projects {
		if at.After(now.Add(skew)) {
			at = time.Time{}
		}
		out.projects[name] = at
	}
	return out
}

// parseSuccesses reads back the successes that [FormatRun] wrote. It ignores lines
// that Text would not write.
func parseSuccesses(data []byte) Successes {
	s := Successes{projects: map[string]time.Time{}}
	for line := range strings.Lines(string(data)) {
		metric, value, ok := cutLast(strings.TrimSuffix(line, "\n"), ' ')
		at, err := strconv.ParseInt(value, 10, 64)
		if !ok || err != nil || at <= 0 {
			continue
		}
		if metric == lastSuccess {
			s.run = time.Unix(at, 0)
		} else if name, ok := strings.CutPrefix(metric, projectLastSuccess+`{project="`); ok && strings.HasSuffix(name, `"}`) {
			s.projects[unescapeLabel(strings.TrimSuffix(name, `"}`))] = time.Unix(at, 0)
		}
	}
	return s
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
