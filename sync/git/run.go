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
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/shell"
)

// This is the only file that starts a program. A pull request or an unpacked
// archive can put any file into a repository, also its configuration. So only
// commands run that read refs and objects: rev-parse, cat-file, symbolic-ref
// and remote get-url. These commands read no file of the work tree, so they run
// no filter, no textconv and no external diff. They also run no hook and enter
// no submodule. The settings below are a second line of defence.

// settings are given to every command; they override the settings of the
// repository.
var settings = []string{
	"--no-pager",
	"-c", "safe.bareRepository=explicit", // a bare repository can be in any directory
	"-c", "core.fsmonitor=false", // a command
	"-c", "core.hooksPath=" + os.DevNull,
	"-c", "credential.helper=", // its values are commands; the empty value clears the list so far
	"-c", "protocol.allow=never", // absent objects are not fetched
	"-c", "submodule.recurse=false",
	"-c", "core.commitGraph=false", // its content is not verified
	"-c", "advice.graftFileDeprecated=false", // it would precede each error
}

// passed are the environment variables that Git gets: those that it needs to
// start and to find the user's configuration, which contains safe.directory. No
// token and no key is among them. GIT_* variables are also excluded: in a hook
// they name a repository, which may not be the repository of these files.
var passed = []string{
	"PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID",
	"USERPROFILE", "HOMEDRIVE", "HOMEPATH", "PROGRAMDATA", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP",
}

// gitEnvironment returns the complete environment of Git in the directory top.
func gitEnvironment(getenv func(string) string, top string) []string {
	env := []string{
		"LC_ALL=C",
		"GIT_CEILING_DIRECTORIES=" + filepath.Dir(top), // the repository is in top, or absent
		"GIT_NO_REPLACE_OBJECTS=1",                     // read the object with this id, not a replacement
		"GIT_GRAFT_FILE=" + os.DevNull,
		"GIT_NO_LAZY_FETCH=1",
		"GIT_ALLOW_PROTOCOL=none", // overrides every protocol.* of the repository
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

// patience limits the time of a Git command. A file of a hostile repository may
// never end.
const patience = time.Minute

// gitCommand returns a Git command in the top directory of the work tree.
func (r *Repository) gitCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append(append([]string{}, settings...), args...)...)
	cmd.Dir, cmd.Env = r.Top, r.env
	cmd.WaitDelay = time.Second
	return cmd
}

// runGit runs a Git command and returns what it prints.
func (r *Repository) runGit(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := r.gitCommand(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", r.explainFailure(ctx, err, stderr.String())
	}
	return stdout.String(), nil
}

// process is a Git command that handles several requests.
type process struct {
	ctx    context.Context
	cancel context.CancelFunc
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// startProcess starts a Git command. The caller must end it.
func (r *Repository) startProcess(ctx context.Context, args ...string) (*process, error) {
	p := &process{}
	p.ctx, p.cancel = context.WithTimeout(ctx, patience)
	p.cmd = r.gitCommand(p.ctx, args...)
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
		return nil, r.explainFailure(p.ctx, err, "")
	}
	return p, nil
}

// endProcess ends the process and returns its standard error.
func (p *process) endProcess() (stderr string) {
	_ = p.in.Close()
	_ = p.cmd.Wait() // the caller already has the output or an error
	p.cancel()
	return p.stderr.String()
}

// ErrNotInstalled reports that Git is not installed.
var ErrNotInstalled = errors.New("git is not installed")

// Error is an error of Git, or a refusal by this package.
type Error struct {
	// Message describes the problem in one line.
	Message string
	// Hint is a command that fixes the problem; empty if there is none.
	Hint string
	// silent reports that Git ended without a message, because the requested
	// item is absent.
	silent bool
}

func (e *Error) Error() string { return e.Message }

// isAbsent reports whether Git found no item of the name.
func isAbsent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.silent
}

// isDubious reports whether Git's message says that another user owns the
// repository. Older versions call it unsafe.
func isDubious(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, "dubious ownership") || strings.Contains(message, "unsafe repository")
}

// reasonIn returns the line of Git's standard error that contains the reason.
// Advice and warnings can precede it.
func reasonIn(stderr string) string {
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "hint:") && !strings.HasPrefix(line, "warning:") {
			return strings.TrimPrefix(strings.TrimPrefix(line, "fatal: "), "error: ")
		}
	}
	return ""
}

// safeDirectoryHint returns the command that makes Git accept the repository. It
// must write the file that Git reads here: a GIT_CONFIG_GLOBAL is not passed on.
func (r *Repository) safeDirectoryHint() string {
	command := "git config --global --add safe.directory " + shell.Path(filepath.ToSlash(r.Top))
	if r.otherGlobal {
		return "env -u GIT_CONFIG_GLOBAL " + command
	}
	return command
}

// explainFailure returns the reason why a command failed.
func (r *Repository) explainFailure(ctx context.Context, err error, stderr string) error {
	var exit *exec.ExitError
	line := reasonIn(stderr)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return ErrNotInstalled
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{Message: fmt.Sprintf("git did not end within %s in %s", patience, r.Top)}
	case ctx.Err() != nil:
		return ctx.Err()
	case isDubious(stderr):
		return &Error{
			Message: "git refuses the repository in " + r.Top + ": dubious ownership, another user owns it",
			Hint:    r.safeDirectoryHint(),
		}
	case line != "":
		return &Error{Message: line}
	case errors.As(err, &exit):
		return &Error{Message: "git ended with " + exit.String(), silent: exit.ExitCode() == 1}
	}
	return err
}
