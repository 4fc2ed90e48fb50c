package cli

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// tty records the output to a terminal.
type tty struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tty) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *tty) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// TestBar checks that long work shows a progress bar on a terminal. No bar
// appears during a question or with -q, and none remains at the end.
func TestBar(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.writeRule("rules", "slow", "slow", "")
	s := serveEmulator(t, emulator.Options{Latency: 700 * time.Millisecond})
	for _, quiet := range []bool{true, false} {
		var out bytes.Buffer
		errs := &tty{}
		args := []string{"apply", "--owner", "team", r.dir + "/rules"}
		if quiet {
			args = append(args, "-q")
		}
		code := Main(t.Context(), Env{
			Args: args, Stdout: &out, Stderr: errs, StdinTTY: true, StderrTTY: true,
			StderrWidth: func() int { return 60 }, Now: time.Now, Transport: http.DefaultTransport,
			Getenv: func(name string) string {
				return map[string]string{"MKIO_TOKEN": scriptToken, "MKIO_PROJECT": "demo", "MKIO_BASE_URL": s.url, "NO_COLOR": "1"}[name]
			},
			Stdin: &answering{rest: strings.NewReader("yes\n"), meanwhile: func() {
				before := errs.String()
				time.Sleep(700 * time.Millisecond)
				if after := errs.String(); !strings.HasSuffix(before, `Only "yes" is taken: `) || after != before {
					t.Errorf("the question is\n%q, after a while\n%q", before, after)
				}
			}},
		})
		if code != exitOK {
			t.Fatalf("exit code %d\n%s%s", code, out.String(), errs)
		}
		text := errs.String()
		for _, bar := range []string{"read projects 0 / 1 [░", "apply 0 / 1 [░"} {
			if strings.Contains(text, bar) == quiet {
				t.Errorf("quiet: %v, but of the bar %q:\n%q", quiet, bar, text)
			}
		}
		if last := text[strings.LastIndex(strings.TrimSuffix(text, "\r"), "\r")+1:]; strings.TrimSpace(last) != "" && !quiet {
			t.Errorf("%q is left on the terminal", last)
		}
		if strings.Contains(out.String(), "\r") || strings.Contains(text, "\x1b") {
			t.Errorf("the document, or a terminal without colour, got escapes:\n%q\n%q", out.String(), text)
		}
		s.Delete("slow")
	}
}
