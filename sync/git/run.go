package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/shell"
)

// This is the only file that starts a program. A repository can hold anything
// that a pull request or an unpacked archive put there, its configuration
// included. So only commands are run that read refs and objects: rev-parse,
// cat-file, symbolic-ref and remote get-url. None of them reads a file of the
// work tree, so none runs a filter, a textconv or an external diff, and none
// runs a hook or enters a submodule. What the settings below switch off is a
// second line of defence.

// settings are given to every command; they beat those of the repository.
var settings = []string{
	"--no-pager",
	"-c", "safe.bareRepository=explicit", // a bare repository can lie in any directory
	"-c", "core.fsmonitor=false", // a command
	"-c", "core.hooksPath=" + os.DevNull,
	"-c", "credential.helper=", // commands; the empty one ends the list before it
	"-c", "protocol.allow=never", // objects that are absent are not fetched
	"-c", "submodule.recurse=false",
	"-c", "core.commitGraph=false", // what it says of a commit is not verified
}

// passed are the variables of the environment that Git gets: what it needs to
// start, and to find the user's configuration, which holds safe.directory. No
// token, no key and no GIT_* variable is among them. Of the last, those that a
// hook has name a repository, and it need not be the one of these files.
var passed = []string{
	"PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID",
	"USERPROFILE", "HOMEDRIVE", "HOMEPATH", "PROGRAMDATA", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP",
}

// environment returns all of the environment that Git gets in the directory top.
func environment(getenv func(string) string, top string) []string {
	env := []string{
		"LC_ALL=C",
		"GIT_CEILING_DIRECTORIES=" + filepath.Dir(top), // the repository is here, or nowhere
		"GIT_NO_REPLACE_OBJECTS=1",                     // an object is the one that its id names
		"GIT_GRAFT_FILE=" + os.DevNull,
		"GIT_NO_LAZY_FETCH=1",
		"GIT_ALLOW_PROTOCOL=none", // beats every protocol.* of the repository
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ATTR_NOSYSTEM=1",
	}
	for _, name := range passed {
		if value := getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// patience limits a command of Git. A file of a hostile repository can be one
// that never ends.
const patience = time.Minute

// command returns a Git command in the top directory of the work tree.
func (r *Repository) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append(append([]string{}, settings...), args...)...)
	cmd.Dir, cmd.Env = r.Top, r.env
	cmd.WaitDelay = time.Second
	return cmd
}

// output runs a Git command and returns what it prints.
func (r *Repository) output(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := r.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", r.explain(ctx, err, stderr.String())
	}
	return stdout.String(), nil
}

// process is a Git command that is asked and answers for a while.
type process struct {
	ctx    context.Context
	cancel context.CancelFunc
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// start starts a Git command. It must be ended.
func (r *Repository) start(ctx context.Context, args ...string) (*process, error) {
	p := &process{}
	p.ctx, p.cancel = context.WithTimeout(ctx, patience)
	p.cmd = r.command(p.ctx, args...)
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		var out io.Reader
		if out, err = p.cmd.StdoutPipe(); err == nil {
			p.out = bufio.NewReader(out)
			err = p.cmd.Start()
		}
	}
	if err != nil {
		defer p.cancel()
		return nil, r.explain(p.ctx, err, "")
	}
	return p, nil
}

// end ends the process and returns what it said on standard error.
func (p *process) end() (stderr string) {
	_ = p.in.Close()
	_ = p.cmd.Wait() // what it was asked for has been read, or failed
	p.cancel()
	return p.stderr.String()
}

// ErrNotInstalled says that there is no Git to run.
var ErrNotInstalled = errors.New("git is not installed")

// Error is a refusal of Git, or of this package on its behalf.
type Error struct {
	// Message says what was refused, in one line.
	Message string
	// Hint is a command that mends it; empty if none does.
	Hint string
	// silent is set if Git ended without a word: what it was asked for is absent.
	silent bool
}

func (e *Error) Error() string { return e.Message }

// isAbsent reports whether Git found nothing of the name.
func isAbsent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.silent
}

// dubious matches how Git says that somebody else owns the repository; older
// versions call it unsafe.
var dubious = regexp.MustCompile(`(?i)dubious ownership|unsafe repository`)

// explain returns why a command failed.
func (r *Repository) explain(ctx context.Context, err error, stderr string) error {
	var exit *exec.ExitError
	line, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	line = strings.TrimPrefix(strings.TrimPrefix(line, "fatal: "), "error: ")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return ErrNotInstalled
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{Message: fmt.Sprintf("git did not end within %s in %s", patience, r.Top)}
	case ctx.Err() != nil:
		return ctx.Err()
	case dubious.MatchString(stderr):
		return &Error{
			Message: "git refuses the repository in " + r.Top + ": dubious ownership, another user owns it",
			Hint:    "git config --global --add safe.directory " + shell.Path(filepath.ToSlash(r.Top)),
		}
	case line != "":
		return &Error{Message: line}
	case errors.As(err, &exit):
		return &Error{Message: "git ended with " + exit.String(), silent: exit.ExitCode() == 1}
	}
	return err
}
