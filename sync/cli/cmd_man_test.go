package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// writeManual runs "mkhooks man" and returns its pages by file name.
func writeManual(t *testing.T, dir, epoch string) map[string]string {
	t.Helper()
	var out bytes.Buffer
	code := Main(t.Context(), Env{Args: []string{"man", filepath.Join(dir)}, Stdout: &out, Stderr: &out, Now: time.Now,
		Getenv: func(name string) string { return map[string]string{"SOURCE_DATE_EPOCH": epoch}[name] }})
	if code != 0 || out.Len() > 0 {
		t.Fatalf("mkhooks man: exit code %d: %s", code, &out)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[e.Name()] = string(data)
	}
	return pages
}

// eachCommand calls f with the page name of every command that help shows.
func eachCommand(c *cobra.Command, f func(name string)) {
	f(strings.ReplaceAll(c.CommandPath(), " ", "-"))
	for _, below := range c.Commands() {
		if !below.Hidden {
			eachCommand(below, f)
		}
	}
}

// checkPage checks that any man can show a page: sections in order, known
// requests, only ASCII.
func checkPage(t *testing.T, name, page string) {
	t.Helper()
	at := 0
	for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"} {
		i := strings.Index(page, `.SH "`+section+`"`)
		if i < at {
			t.Errorf("%s: section %s is missing, or not in its place", name, section)
			return
		}
		at = i
	}
	for line := range strings.Lines(page) {
		if request, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); strings.HasPrefix(request, ".") {
			switch request {
			case ".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".BR", ".RS", ".RE", ".nf", ".fi":
			default:
				t.Errorf("%s: unknown request %q", name, line)
			}
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("%s: a character that is not ASCII: %q", name, line)
		}
	}
}

func TestManualOfBadInput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args  []string
		epoch string
		code  int
		want  string
	}{
		"no folder":            {[]string{"man"}, "", exitInvalid, "expected one folder"},
		"a wrong date":         {[]string{"man", t.TempDir()}, "today", exitInvalid, "SOURCE_DATE_EPOCH"},
		"a file is in the way": {[]string{"man", file}, "", exitFailed, "not a directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			code := Main(t.Context(), Env{Args: tt.args, Stdout: &out, Stderr: &out, Now: time.Now, Getenv: func(string) string { return tt.epoch }})
			if code != tt.code || !strings.Contains(out.String(), tt.want) {
				t.Errorf("exit code %d, want %d: %s, want %q in it", code, tt.code, &out, tt.want)
			}
		})
	}
}

// TestManual checks that each command has a page with all sections, and that
// manual viewers report no errors.
func TestManual(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pages := writeManual(t, dir, "1790000000")
	again := writeManual(t, t.TempDir(), "1790000000")
	a := &app{Env: Env{Getenv: func(string) string { return "" }}}
	eachCommand(a.newRootCommand(), func(name string) {
		page, ok := pages[name+".1"]
		if !ok {
			t.Errorf("%s has no page", name)
			return
		}
		if page != again[name+".1"] {
			t.Errorf("%s: two runs wrote different pages", name)
		}
		checkPage(t, name, page)
		delete(pages, name+".1")
	})
	for name := range pages {
		t.Errorf("%s is the page of no command", name)
	}
	plan := again["mkhooks-plan.1"]
	for _, want := range []string{`.TH "MKHOOKS\-PLAN" "1" "2026-09-21"`, `\fB\-p\fR, \fB\-\-project\fR=\fIPROJECT\fR`, "MKIO_TOKEN", "mkhooks.yaml", "could not be read", `\fBmkhooks plan \-\-base origin/main`} {
		if !strings.Contains(plan, want) {
			t.Errorf("the page of plan lacks %q:\n%s", want, plan)
		}
	}
	if strings.Contains(again["mkhooks-schema.1"], "MKIO_TOKEN") {
		t.Error("the page of schema names a variable that it does not read")
	}
	for _, tool := range [][]string{{"mandoc", "-T", "lint", "-W", "warning"}, {"groff", "-man", "-ww", "-Tutf8"}} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			t.Logf("%s is not on the PATH: pages are NOT TESTED with it", tool[0])
			continue
		}
		for name := range again {
			cmd := exec.Command(tool[0], append(tool[1:], dir+"/"+name)...)
			var stderr, stdout bytes.Buffer
			cmd.Stderr, cmd.Stdout = &stderr, &stdout
			if err := cmd.Run(); err != nil || stderr.Len() > 0 || tool[0] == "mandoc" && stdout.Len() > 0 {
				t.Errorf("%s %s: %v\n%s%s", tool[0], name, err, &stderr, &stdout)
			}
		}
	}
}
