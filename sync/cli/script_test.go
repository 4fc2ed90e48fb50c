package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/term"

	"github.com/mkhooks/mkhooks/secrets/sops/sopstest"
	"github.com/mkhooks/mkhooks/sync/archive/bucket/buckettest"
	"github.com/mkhooks/mkhooks/sync/emulator"
)

// TestMain makes the test binary the program itself. Scripts then run it as a
// process, with real signals, streams and exit codes.
func TestMain(m *testing.M) {
	testscript.Main(stopping{m}, programs)
}

// programs are the programs that the test binary can be, by name.
var programs = map[string]func(){"mkhooks": mainForTest}

// stopping stops the object stores of the tests after the last test.
type stopping struct{ *testing.M }

func (s stopping) Run() int {
	defer buckettest.Stop()
	return s.M.Run()
}

// mainForTest replaces main of main.go.
func mainForTest() { os.Exit(runForTest(time.Now)) }

func runForTest(now func() time.Time) int {
	ctx, stop, holdPipe := HandleSignals()
	return Main(ctx, Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Environ: os.Environ,
		StdinTTY: term.IsTerminal(int(os.Stdin.Fd())), StdoutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		StderrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Now:       now, Transport: http.DefaultTransport, Stop: stop, HoldPipe: holdPipe,
	})
}

// scriptToken is the token that script emulators accept. readToken may only
// read.
const (
	scriptToken = "token-of-the-test-scripts"
	readToken   = "token-that-may-only-read"
)

// TestScripts runs testdata/script/*.txtar: whole commands against an emulator
// over HTTP, with the real sops command and a separate age key for each script.
//
// Commands in addition to testscript's: "emulator start [FLAGS]" serves the
// file seed.yaml if it exists; "emulator put NAME FILE", "delete NAME", "fault
// ...", "token NAME", "requests METHOD N", "show NAME FILE"; "sops ARGS";
// "encrypt FILE..."; "digest NAME COMMAND".
func TestScripts(t *testing.T) {
	t.Parallel()
	sops, err := sopstest.Command()
	if err != nil {
		t.Fatalf("find the sops command: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			key, err := age.GenerateX25519Identity()
			if err != nil {
				return err
			}
			file := filepath.Join(env.WorkDir, ".age-key")
			env.Setenv("SOPS_AGE_KEY_FILE", file)
			env.Setenv("RECIPIENT", key.Recipient().String())
			env.Setenv("SOPS", sops)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("CI", "")
			config := "creation_rules:\n  - age: " + key.Recipient().String() +
				"\n    encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n"
			if err := os.WriteFile(filepath.Join(env.WorkDir, ".sops.yaml"), []byte(config), 0o600); err != nil {
				return err
			}
			return os.WriteFile(file, []byte(key.String()+"\n"), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"emulator": scriptEmulator,
			"sops":     scriptSops,
			"encrypt": func(ts *testscript.TestScript, neg bool, args []string) {
				scriptSops(ts, neg, append([]string{"encrypt", "--in-place"}, args...))
			},
			"exitcode": scriptExitCode,
			"digest":   scriptDigest,
			"replace":  scriptReplace,
			"forge":    scriptForge,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" { // root may write to any directory
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("there is no condition %s", cond)
		},
		RequireExplicitExec: false,
	})
}

// scriptSops runs the real sops command.
func scriptSops(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) > 2 && args[0] == "encrypt" {
		for _, file := range args[2:] {
			ts.Check(ts.Exec(ts.Getenv("SOPS"), "encrypt", "--in-place", file))
		}
		return
	}
	err := ts.Exec(ts.Getenv("SOPS"), args...)
	if (err != nil) != neg {
		ts.Fatalf("sops %s: %v", strings.Join(args, " "), err)
	}
}

// scriptExitCode runs a command and compares its exit code: exitcode 4 mkhooks
// apply ...
func scriptExitCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// scriptDigest runs a command that prints a plan as JSON, and stores its digest
// in a variable: digest NAME mkhooks plan --format json ...
func scriptDigest(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec(args[1], args[2:]...))
	var p struct {
		Digest string `json:"digest"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &p))
	ts.Setenv(args[0], p.Digest)
}

// scriptReplace replaces text in a file: replace FILE OLD NEW.
func scriptReplace(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}

// emulators of the running scripts, by working directory.
var emulators sync.Map

func scriptEmulator(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] == "start" {
		startEmulator(ts, args[1:])
		return
	}
	v, ok := emulators.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("emulator start comes first")
	}
	project := "demo"
	if name, ok := strings.CutPrefix(args[0], "@"); ok { // emulator @PROJECT VERB ...
		project, args = name, args[1:]
	}
	s := v.(emulator.Projects)[project]
	if s == nil {
		ts.Fatalf("there is no project %s", project)
	}
	switch args[0] {
	case "put":
		var spec map[string]any
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[2])), &spec))
		s.Put(args[1], spec)
	case "change": // change NAME FIELD[.NAME] JSON: keeps the rest, the marker included; null removes
		spec := s.Rules()[args[1]].Spec
		var v any
		ts.Check(json.Unmarshal([]byte(args[3]), &v))
		in := spec
		field, name, nested := strings.Cut(args[2], ".")
		if nested {
			in, field = spec[field].(map[string]any), name
		}
		if in[field] = v; v == nil {
			delete(in, field)
		}
		s.Put(args[1], spec)
	case "delete":
		s.Delete(args[1])
	case "vanish": // after it is read by its name
		s.Fault(emulator.Fault{Kind: emulator.Get, Rule: args[1], Nth: 1, Before: func() { s.Delete(args[1]) }})
	case "token":
		ts.Setenv("MKIO_TOKEN", map[string]string{"read": readToken, "full": scriptToken, "wrong": "a-wrong-token"}[args[1]])
	case "fault":
		s.Fault(parseFault(ts, args[1:]))
	case "clear":
		s.ClearFaults()
	case "reset":
		s.ResetRequests()
	case "requests":
		countRequests(ts, s, args[1], args[2])
	case "show":
		data, err := json.MarshalIndent(s.Rules()[args[1]].Spec, "", "  ")
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), append(data, '\n'), 0o600))
	case "event": // event NAME STATUS
		s.AddEvents(args[1], emulator.Event{Status: args[2]})
	default:
		ts.Fatalf("emulator %s?", args[0])
	}
}

func startEmulator(ts *testscript.TestScript, flags []string) {
	o := emulator.Options{
		Project: "demo",
		Tokens:  map[string][]emulator.Capability{scriptToken: emulator.AllCapabilities(), readToken: {emulator.CanGet}},
	}
	o.EchoErrors = slices.Contains(flags, "echo")
	o.NoSupplemental = slices.Contains(flags, "no-totals")
	o.TrimMarker = slices.Contains(flags, "drop-marker")
	if slices.Contains(flags, "oldest-first") {
		o.RecordOrder = emulator.OldestFirst
	}
	if slices.Contains(flags, "few-readable") {
		o.ReadableRecords = 3
	}
	if slices.Contains(flags, "small-pages") {
		o.MaxTop = 2
	}
	if slices.Contains(flags, "own-spelling") {
		o.Rewrite = func(_ string, spec map[string]any) {
			spec["url"] = strings.TrimSuffix(fmt.Sprint(spec["url"]), "/") + "/"
		}
	}
	if slices.Contains(flags, "extra-field") {
		o.ExtraFields = map[string]any{"retryPolicy": map[string]any{"attempts": 3}}
	}
	served := emulator.Projects{}
	names := []string{"demo"}
	for _, f := range flags {
		if list, ok := strings.CutPrefix(f, "projects="); ok {
			names = strings.Split(list, ",")
		}
	}
	for _, name := range names {
		o.Project = name
		s := emulator.New(o)
		if seed, err := os.Open(ts.MkAbs("seed.yaml")); err == nil {
			err = s.LoadSeed(seed)
			seed.Close()
			ts.Check(err)
		}
		served[name] = s
	}
	h := httptest.NewServer(served)
	emulators.Store(ts.Getenv("WORK"), served)
	ts.Defer(h.Close)
	ts.Setenv("MKIO_BASE_URL", h.URL)
	ts.Setenv("MKIO_PROJECT", "demo")
	ts.Setenv("MKIO_TOKEN", scriptToken)
}

// parseFault parses "KIND
// STATUS|delay:TIME|drop-before|drop-after|cut|body:FILE|link-... [TIMES]".
func parseFault(ts *testscript.TestScript, args []string) emulator.Fault {
	f := emulator.Fault{Kind: emulator.Kind(args[0]), Times: 1}
	file, isBody := strings.CutPrefix(args[1], "body:")
	link, isLink := strings.CutPrefix(args[1], "link-")
	if status, err := strconv.Atoi(args[1]); err == nil {
		f.Status = status
	} else if isBody {
		f.Body = ts.ReadFile(file)
	} else if isLink {
		f.Link = emulator.Link(link)
	} else if wait, isWait := strings.CutPrefix(args[1], "delay:"); isWait {
		d, err := time.ParseDuration(wait)
		ts.Check(err)
		f.Before = func() { time.Sleep(d) }
	} else if args[1] == "cut" {
		f.Cut = 20
	} else {
		f.Drop = emulator.Drop(strings.TrimPrefix(args[1], "drop-"))
	}
	if len(args) > 2 {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		f.Times = n
	}
	return f
}

// countRequests compares the number of requests of a method since the last
// reset.
func countRequests(ts *testscript.TestScript, s *emulator.Server, method, want string) {
	n := 0
	for _, r := range s.Requests() {
		if r.Method == method {
			n++
		}
	}
	if fmt.Sprint(n) != want {
		ts.Fatalf("%d %s requests, want %s", n, method, want)
	}
}
