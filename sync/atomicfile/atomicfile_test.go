package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// names lists a folder, so that no temporary file stays unseen.
func names(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func content(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q, error %v, want %q", path, got, err, want)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, []byte("older"), []byte("new")); !errors.Is(err, ErrChanged) {
		t.Errorf("a file that someone changed: %v", err)
	}
	content(t, file, "old")
	if err := Replace(file, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	content(t, file, "new")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink(file, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if err := Replace(link, []byte("new"), []byte("newer")); err == nil {
		t.Error("a link was written through")
	}
	if err := Replace(filepath.Join(dir, "none"), nil, []byte("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	content(t, file, "new")
	if n := names(t, dir); n != 2 {
		t.Errorf("%d files in the folder, want 2", n)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	if err := Create(file, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if err := Create(file, []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v", err)
	}
	content(t, file, "one")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err == nil {
		if err := Create(link, []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a link that leads nowhere: %v", err)
		}
	}
	if n := names(t, dir); n != 2 {
		t.Errorf("%d files in the folder, want 2", n)
	}
	if err := Create(filepath.Join(dir, "no", "folder"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.prom")
	for _, text := range []string{"first", "second"} {
		if err := Put(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		content(t, file, text)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if err := Put(dir, []byte("x"), 0o644); err == nil {
		t.Error("a folder was written over")
	}
	link := filepath.Join(dir, "link.prom")
	if err := os.Symlink(file, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if err := Put(link, []byte("third"), 0o644); err == nil {
		t.Error("a link was written over")
	}
	content(t, file, "second")
	if n := names(t, dir); n != 2 {
		t.Errorf("%d files in the folder, want 2", n)
	}
}
