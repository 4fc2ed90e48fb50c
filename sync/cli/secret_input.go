package cli

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/mkhooks/mkhooks/secrets"
	"github.com/mkhooks/mkhooks/secrets/sops"
	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/report"
)

// askSecrets reads a value for each path, from the terminal or from standard
// input. problemOf returns the problem of a value, or "".
func (a *app) askSecrets(ctx context.Context, found config.RuleFile, paths []string, problemOf func(secrets.String) string) (map[string]secrets.String, error) {
	values := map[string]secrets.String{}
	if !a.StdinTTY {
		return values, a.readSecrets(paths, values)
	}
	terminal, ok := a.Stdin.(*os.File)
	if !ok {
		return nil, invalidf("pass the value on standard input", "standard input is a terminal that can't be read without showing what is typed")
	}
	of := "rule " + found.Name
	if found.Name == "" { // a shared secrets file
		of = found.File
	}
	for _, p := range paths {
		// Check at once, so that nobody types the other values in vain.
		for range 3 {
			value, err := a.askTwice(ctx, terminal, dottedPath(p)+" of "+of)
			if err != nil {
				return nil, err
			}
			if problem := problemOf(value); problem != "" {
				a.printMessage("error", "what was typed "+problem)
				if value.IsOdd() {
					a.printMessage("hint", sops.OddHint)
				}
				continue
			}
			values[p] = value
			break
		}
		if _, ok := values[p]; !ok {
			return nil, invalidf("", "no value for %s; nothing was changed", dottedPath(p))
		}
	}
	return values, nil
}

// readSecrets reads values from standard input: all of it for one path,
// otherwise a line for each path.
func (a *app) readSecrets(paths []string, values map[string]secrets.String) error {
	data, err := io.ReadAll(io.LimitReader(a.Stdin, int64(maxSecret*len(paths))+1))
	if err != nil {
		return failed(fmt.Errorf("read standard input: %w", err))
	}
	if len(data) > maxSecret*len(paths) {
		return invalidf("", "standard input holds more than %d KiB; expected a secret", maxSecret*len(paths)>>10)
	}
	if len(data) == 0 {
		return invalidf("", "standard input is empty; expected %s", countNoun(len(paths), "value", "values, a line each"))
	}
	if len(paths) == 1 {
		values[paths[0]] = secretOf(data)
		return nil
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if len(lines) != len(paths) {
		return invalidf("", "standard input holds %s; expected %d, one for each PATH", countNoun(len(lines), "line", "lines"), len(paths))
	}
	for i, l := range lines {
		values[paths[i]] = secretOf(l)
	}
	return nil
}

// askTwice asks for a hidden value twice, because a typo would also be hidden.
func (a *app) askTwice(ctx context.Context, terminal *os.File, what string) (secrets.String, error) {
	for range 3 {
		first, err := a.askHidden(ctx, terminal, "Value for "+what+" (it will not be shown): ")
		if err != nil {
			return secrets.String{}, err
		}
		second, err := a.askHidden(ctx, terminal, "Again: ")
		if err != nil {
			return secrets.String{}, err
		}
		if subtle.ConstantTimeCompare(first, second) == 1 {
			return secretOf(first), nil
		}
		a.printMessage("error", "the two differ")
	}
	return secrets.String{}, invalidf("", "the two values differed three times; nothing was changed")
}

// askHidden reads one line without echo. A signal ends the wait and restores
// the echo of the terminal.
func (a *app) askHidden(ctx context.Context, terminal *os.File, prompt string) ([]byte, error) {
	fd := int(terminal.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, failed(fmt.Errorf("read from the terminal: %w", err))
	}
	fmt.Fprint(a.Stderr, report.Escape(strings.TrimSuffix(prompt, " "))+" ")
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		_ = term.Restore(fd, state)
		fmt.Fprintln(a.Stderr)
		return nil, ctx.Err()
	case g := <-got:
		fmt.Fprintln(a.Stderr)
		if g.err != nil && g.err != io.EOF {
			return nil, failed(fmt.Errorf("read from the terminal: %w", g.err))
		}
		if g.err == io.EOF && len(g.line) == 0 {
			return nil, invalidf("", "no value was typed; nothing was changed")
		}
		return g.line, nil
	}
}

// maxSecret limits the size of a value, in bytes.
const maxSecret = 64 << 10

// secretOf makes a secret from a line or a file, without one line end.
func secretOf(data []byte) secrets.String {
	return secrets.NewString(strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"))
}
