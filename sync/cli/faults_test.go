//go:build unix

package cli

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// cell is a fault at one place of one command.
type cell struct {
	fault, at, command string
	options            emulator.Options
	// args are more flags of the run. env extends its environment, where CELL
	// is the cell's directory. program replaces mkhooks.
	args, env []string
	program   []string
	// set makes the fault. mend ends it, in addition to the emulator's reset.
	set, mend func(w *faulty)
	// look runs checks in addition to the common checks.
	look func(w *faulty)
	// then are the flags of the next apply, if a change by another client
	// requires a decision.
	then []string
}

func (c cell) name() string { return c.fault + "/" + c.at + "/" + c.command }

// faulty is a running cell, with its service and its directory in the shared
// repository.
type faulty struct {
	*mixed
	cell
	s      *served
	folder string
	signal func(os.Signal)
	errs   *heard // stderr of the run

	listener net.Listener
	server   *http.Server
	was      map[string]emulator.Rule
	hit      func() int // returns the number of hits of the fault; nil if it affects no request

	mu    sync.Mutex
	taken []string // ids of rules that another client deleted
}

// TestFaults tests the matrix: each fault at each place of each command.
// testdata/faults.golden contains the messages, exit codes, changes and audit
// entries. In every cell the next run must converge.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a thousand processes: left out by -short")
	}
	t.Parallel()
	compareFaults(t, "testdata/faults.golden", runCells(t, faultCells()))
}

// runCells runs cells in parallel and returns their results.
func runCells(t *testing.T, cells []cell) []row {
	t.Helper()
	m := newMixed(t)
	m.history = map[string]int{"gone-busy": 25, "gone-empty": 0, "gone-few": 3}
	usual := map[string]outcome{}
	for i, command := range faultCommands {
		w := beginCell(t, m, cell{command: command, fault: "no fault"}, fmt.Sprintf("usual-%d", i))
		usual[command] = w.runFault()
		w.converges()
	}

	rows := make([]row, len(cells))
	var wg sync.WaitGroup
	next := make(chan int)
	for range 16 * runtime.GOMAXPROCS(0) { // most of them wait most of the time
		wg.Go(func() {
			for i := range next {
				t.Run(cells[i].name(), func(t *testing.T) {
					w := beginCell(t, m, cells[i], fmt.Sprintf("cell-%d", i))
					got := w.runFault()
					rows[i] = w.row(got, usual[w.command])
					if w.look != nil {
						w.look(w)
					}
					if w.hit != nil && w.hit() == 0 {
						t.Error("the fault befell no request")
					}
					w.converges()
				})
			}
		})
	}
	for i := range cells {
		next <- i
	}
	close(next)
	wg.Wait()
	return rows
}

// compareFaults compares the rows with a golden file, unless cells were skipped
// or left out by -run.
func compareFaults(t *testing.T, golden string, rows []row) {
	t.Helper()
	codes, ran := map[string]int{}, 0
	for _, r := range rows {
		if r.exit != "" {
			codes[r.exit]++
			ran++
		}
	}
	t.Logf("%d cells, by exit code: %v", ran, codes)
	if ran < len(rows) {
		t.Logf("%d cells did not run, so the table is not compared", len(rows)-ran)
		return
	}
	got := faultTable(rows)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got); look at it, then go test ./sync/cli -run %s -update:\n%s", golden, t.Name(), diff)
	}
}

// beginCell starts the service of a cell.
func beginCell(t *testing.T, m *mixed, c cell, folder string) *faulty {
	t.Helper()
	w := &faulty{mixed: &mixed{repo: &repo{t: t, dir: m.dir, key: m.key}, applied: m.applied, history: m.history}, cell: c, folder: folder}
	o := c.options
	o.Project = "demo"
	if o.Tokens == nil {
		o.Tokens = map[string][]emulator.Capability{scriptToken: emulator.AllCapabilities()}
	}
	if o.MaxTop == 0 {
		o.MaxTop = 10
	}
	var err error
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.s = &served{emulator.New(o), "http://" + w.listener.Addr().String(), newConnections()}
	w.up()
	t.Cleanup(func() { _ = w.server.Close() })
	w.fill(w.s)
	if err := os.Mkdir(filepath.Join(w.dir, folder), 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// up starts the server; after down it uses the same port.
func (w *faulty) up() {
	addr := w.listener.Addr().String()
	for range 500 {
		if w.server == nil { // the first time
			break
		}
		l, err := net.Listen("tcp", addr)
		if err == nil {
			w.listener = l
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.server = &http.Server{Handler: w.s.Server, ConnState: w.s.clients.state, ReadHeaderTimeout: time.Minute}
	go func(s *http.Server, l net.Listener) { _ = s.Serve(l) }(w.server, w.listener)
}

// down makes the service refuse connections.
func (w *faulty) down() { _ = w.server.Close() }

// in returns a path in the cell's directory.
func (w *faulty) in(name string) string { return w.folder + "/" + name }

// commandLine returns the command line of the cell.
func (w *faulty) commandLine(more ...string) []string { return append(w.lineOf(w.command), more...) }

func (w *faulty) lineOf(command string) []string {
	plan := []string{"--owner", "team", "--prune", "owned", "--max-deletes", "9", "--archive", w.in("archive"), "--format", "json", "rules"}
	lines := map[string][]string{
		"plan":    append([]string{"plan"}, plan...),
		"drift":   append([]string{"drift", "--deliveries"}, plan...),
		"apply":   append([]string{"apply", "--yes", "--drain", "1s", "--audit", w.in("audit.jsonl")}, plan...),
		"import":  {"import", "--out", w.in("imported")},
		"history": {"history", "--all", "--format", "json"},
	}
	return lines[command]
}

// outcome is the output and the exit code of a run.
type outcome struct {
	stdout, stderr string
	code           int
}

// runFault makes the fault and runs the command.
func (w *faulty) runFault() outcome {
	w.t.Helper()
	args := w.commandLine(w.args...)
	cmd := w.faultyProcess(args)
	start, signal := process(w.t, cmd)
	w.signal = signal
	if w.set != nil {
		w.set(w)
	}
	w.was = w.s.Rules()
	var out bytes.Buffer
	w.errs = newHeard()
	cmd.Stdout, cmd.Stderr = &out, w.errs
	timer := time.AfterFunc(5*time.Minute, func() { signal(os.Kill) })
	defer timer.Stop()
	start()
	_ = cmd.Wait() // only the exit code matters
	w.errs.markEnd()
	w.s.settle()
	return outcome{out.String(), w.errs.String(), cmd.ProcessState.ExitCode()}
}

// faultyProcess returns the process of the run with the fault.
func (w *faulty) faultyProcess(args []string) *exec.Cmd {
	cmd := w.repo.newProcess(w.s, args...)
	if len(w.program) > 0 {
		line := append(slices.Clone(w.program), args...)
		path, err := exec.LookPath(line[0])
		if err != nil {
			w.t.Skipf("NOT TESTED: %v", err)
		}
		cmd.Path, cmd.Args = path, line
	}
	for _, e := range w.env {
		cmd.Env = append(cmd.Env, strings.ReplaceAll(e, "CELL/", w.folder+"/"))
	}
	return cmd
}

// converges ends the fault and checks the next run. A reading command must work
// as usual. apply must make all changes and keep every history.
func (w *faulty) converges() {
	w.t.Helper()
	w.s.ClearFaults()
	if w.mend != nil {
		w.mend(w)
	}
	if w.command != "apply" {
		if w.command == "import" {
			w.mustRun(w.s, 0, w.commandLine()...)
			w.wantImported()
			return
		}
		w.mustRun(w.s, usualCode[w.command], w.commandLine()...)
		return
	}
	w.mustRun(w.s, 0, w.commandLine(w.then...)...)
	w.recordedWhole()
	w.mustRun(w.s, 0, w.lineOf("drift")...)
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, r := range w.was {
		if slices.Contains(w.taken, r.ID) {
			delete(w.was, name)
		}
	}
	w.checkArchived(w.in("archive"), w.was, w.s)
	noSecretOutsidePut(w.t, w.s)
}

// usualCode contains the exit code of each command without a fault.
var usualCode = map[string]int{"plan": 0, "drift": 2, "apply": 0, "import": 0, "history": 0}

// wantImported checks that every live rule without a file got one.
func (w *faulty) wantImported() {
	w.t.Helper()
	if n := w.imported(); n != len(w.history) {
		w.t.Errorf("%d rules were imported of %d", n, len(w.history))
	}
}

func (w *faulty) imported() int {
	files, err := filepath.Glob(filepath.Join(w.dir, w.in("imported"), "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return len(files)
}
