package github

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

// licences runs .ci/licences and returns the file that it writes.
func licences(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "licences.txt")
	if out, err := bash(t, citest.Root(), `.ci/licences "$FILE"`, "FILE="+file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLicences: the file in releases and the image contains the texts of every
// module in the program, on every platform, unchanged.
func TestLicences(t *testing.T) {
	t.Parallel()
	text := licences(t)
	modules := 0
	for _, os := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", ".")
			cmd.Dir = citest.Root()
			cmd.Env = append(cmd.Environ(), "GOFLAGS=", "CGO_ENABLED=0", "GOOS="+os, "GOARCH="+arch)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for line := range strings.Lines(string(out)) {
				module, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
				if module == "" || seen[module] {
					continue
				}
				seen[module] = true
				modules++
				hasTexts(t, text, module, dir)
			}
		}
	}
	if modules < 6*50 {
		t.Errorf("%d modules were looked at", modules)
	}
	for _, want := range []string{
		"\nGo standard library " + runtime.Version() + " LICENSE\n", "\nGo standard library " + runtime.Version() + " PATENTS\n",
		"github.com/getsops/sops/v3 v", " shamir/LICENSE\n", // of a package only
		"github.com/inconshreveable/mousetrap v", // of Windows only
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in it", want)
		}
	}
	if again := licences(t); again != text {
		t.Error("another run writes something else")
	}
}

// hasTexts checks that the text contains each licence and notice of a module's
// directory below the module's name.
func hasTexts(t *testing.T, text, module, dir string) {
	t.Helper()
	n := 0
	for _, pattern := range []string{"LICEN[CS]E*", "COPYING*", "NOTICE*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			n++
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, below, found := strings.Cut(text, "\n"+module+" "+filepath.Base(file)+"\n")
			_, below, _ = strings.Cut(below, "====\n\n")
			if !found || !strings.HasPrefix(below, strings.ReplaceAll(string(data), "\r", "")) {
				t.Errorf("%s: %s is not in it (named: %v)", module, filepath.Base(file), found)
			}
		}
	}
	if n == 0 {
		t.Errorf("%s has no licence in %s", module, dir)
	}
}

// TestLicencesOfArchives: .ci/check-licences finds a module without a text. The
// release workflow checks the archives of all platforms with it.
func TestLicencesOfArchives(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "mkhooks")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = citest.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	text := licences(t)
	without := func(line string) string {
		if !strings.Contains(text, "\n"+line) {
			t.Fatalf("%q is not in it", line)
		}
		return strings.ReplaceAll(text, "\n"+line, "\nx"+line)
	}
	for name, c := range map[string]struct {
		files map[string]string
		says  string
	}{
		"whole":                 {map[string]string{"mkhooks": string(binary), "LICENSE": "x", "THIRD-PARTY-LICENSES.txt": text}, "licence texts of all modules are in 2 archives"},
		"a module is missing":   {map[string]string{"mkhooks": string(binary), "LICENSE": "x", "THIRD-PARTY-LICENSES.txt": without("github.com/spf13/cobra ")}, "no licence text of github.com/spf13/cobra v"},
		"Go is missing":         {map[string]string{"mkhooks": string(binary), "LICENSE": "x", "THIRD-PARTY-LICENSES.txt": without("Go standard library ")}, "no licence text of Go standard library go"},
		"nothing is in it":      {map[string]string{"mkhooks": string(binary), "LICENSE": "x", "THIRD-PARTY-LICENSES.txt": ""}, "no licence text of"},
		"the file is missing":   {map[string]string{"mkhooks": string(binary), "LICENSE": "x"}, "THIRD-PARTY-LICENSES.txt"},
		"our own is missing":    {map[string]string{"mkhooks": string(binary), "THIRD-PARTY-LICENSES.txt": text}, ""},
		"the program is none":   {map[string]string{"mkhooks": "#!/bin/sh\n", "LICENSE": "x", "THIRD-PARTY-LICENSES.txt": text}, ""},
		"the program is absent": {map[string]string{"LICENSE": "x", "THIRD-PARTY-LICENSES.txt": text}, ""},
	} {
		dir := t.TempDir()
		writeArchives(t, dir, c.files)
		out, err := bash(t, citest.Root(), `.ci/check-licences "$DIR"`, "DIR="+dir)
		if (err == nil) != (name == "whole") || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, err := bash(t, citest.Root(), `.ci/check-licences "$DIR"`, "DIR="+t.TempDir()); err == nil {
		t.Errorf("no archive: %s", out)
	}
}

// writeArchives writes the files into an archive of each kind.
func writeArchives(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	var tgz, zipped bytes.Buffer
	packed := gzip.NewWriter(&tgz)
	tarred, z := tar.NewWriter(packed), zip.NewWriter(&zipped)
	for name, text := range files {
		if err := tarred.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tarred.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if name == "mkhooks" {
			name = "mkhooks.exe"
		}
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{tarred, packed, z} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"mkhooks_1_linux_amd64.tar.gz": tgz.Bytes(), "mkhooks_1_windows_amd64.zip": zipped.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
