package atomicfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// names counts the files in a directory, so that no temporary file stays unseen.
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
		if err := Overwrite(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		content(t, file, text)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if err := Overwrite(dir, []byte("x"), 0o644); err == nil {
		t.Error("a folder was written over")
	}
	link := filepath.Join(dir, "link.prom")
	if err := os.Symlink(file, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if err := Overwrite(link, []byte("third"), 0o644); err == nil {
		t.Error("a link was written over")
	}
	content(t, file, "second")
	if n := names(t, dir); n != 2 {
		t.Errorf("%d files in the folder, want 2", n)
	}
}

// TestChangedMeanwhile saves a file like an editor at any moment between its
// reading and its replacement. The save is kept, and Retry continues from it.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	saves := map[string]func(path, text string) error{
		"in place": func(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) },
		"by rename": func(path, text string) error {
			return errors.Join(os.WriteFile(path+"~", []byte(text), 0o600), os.Rename(path+"~", path))
		},
	}
	for name, save := range saves {
		dir := t.TempDir()
		file := filepath.Join(dir, "a.yaml")
		if err := os.WriteFile(file, []byte("one\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		attempts := 0
		err := Retry(t.Context(), func() error {
			attempts++
			old, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if attempts <= 3 {
				if err := save(file, string(old)+"edited\n"); err != nil {
					return err
				}
			}
			return Replace(file, old, append(old, "two\n"...))
		})
		if err != nil || attempts != 4 {
			t.Errorf("%s: %d attempts, error %v", name, attempts, err)
		}
		content(t, file, "one\nedited\nedited\nedited\ntwo\n")

		// In the moment between the last check and the exchange.
		temp, err := newFile(file, []byte("three\n"), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := save(file, "edited again\n"); err != nil {
			t.Fatal(err)
		}
		if err := temp.replaceFile(file, []byte("one\n"), []byte("three\n")); runtime.GOOS == "linux" && !errors.Is(err, ErrChanged) {
			t.Errorf("%s: in the last moment: %v", name, err)
		}
		temp.Discard()
		if runtime.GOOS == "linux" {
			content(t, file, "edited again\n")
		}
		if n := names(t, dir); n != 1 {
			t.Errorf("%s: %d files in the folder, want 1", name, n)
		}
	}
}

// TestRetryEnds tests a file that is never at rest, and a run that is stopped.
func TestRetryEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := Retry(ctx, func() error {
		if n++; n == 3 {
			cancel()
		}
		return changedError("a.yaml")
	})
	if !errors.Is(err, context.Canceled) || n != 3 {
		t.Errorf("stopped: %d attempts, error %v", n, err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := 0
		err := Retry(t.Context(), func() error { n++; return changedError("a.yaml") })
		if !errors.Is(err, ErrChanged) || n != maxAttempts {
			t.Errorf("never at rest: %d attempts, error %v", n, err)
		}
	})
}

// TestSweep checks that only files of a killed process are removed, and not the
// files of a running process or other files.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := filepath.Join(dir, ".mkhooks-0123456789abcdef.tmp")
	keep := []string{".mkhooks-notes.tmp", ".mkhooks-0123456789abcdeg.tmp", "mkhooks-0123456789abcdef.tmp", ".mkhooks-0123456789abcdef"}
	for _, name := range append(keep, filepath.Base(left)) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open, err := createNamed(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	link := filepath.Join(dir, ".mkhooks-fedcba9876543210.tmp")
	if err := os.Symlink(filepath.Join(dir, keep[0]), link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	Sweep(dir)
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
	for _, path := range append(keep, filepath.Base(open.Name()), filepath.Base(link)) {
		if _, err := os.Lstat(filepath.Join(dir, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestTempHasNoName checks that a killed process leaves nothing while it writes, if
// the system supports files without a name.
func TestTempHasNoName(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux knows files without a name")
	}
	dir := t.TempDir()
	temp, err := NewTemp(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := names(t, dir); n != 0 && temp.name == "" {
		t.Errorf("%d files in the folder, want 0", n)
	}
	if err := temp.Commit(filepath.Join(dir, "a"), 0o600); err != nil {
		t.Fatal(err)
	}
	temp.Discard()
	if n := names(t, dir); n != 1 {
		t.Errorf("%d files in the folder, want 1", n)
	}
	// Without /proc, or on a file system without such files, it gets a name.
	temp, err = NewTemp(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := temp.WriteString("text"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(temp.copyNamed(), temp.renameTo(filepath.Join(dir, "b"))); err != nil {
		t.Fatal(err)
	}
	content(t, filepath.Join(dir, "b"), "text")
}

// TestLock checks that only one process at a time holds the lock of a file, of a
// file that is replaced meanwhile, or of a directory. A wait can be stopped.
func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(file, nil, 0o400); err != nil { // also read-only
		t.Fatal(err)
	}
	for _, path := range []string{file, dir} {
		var holders, most atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 5 {
					unlock, err := lockPath(t.Context(), path)
					if err != nil {
						t.Error(err)
						return
					}
					if now := holders.Add(1); now > most.Load() {
						most.Store(now)
					}
					holders.Add(-1)
					if path == file {
						if err := errors.Join(os.WriteFile(file+"~", nil, 0o400), os.Rename(file+"~", file)); err != nil {
							t.Error(err)
						}
					}
					unlock()
				}
			})
		}
		all.Wait()
		if most.Load() != 1 {
			t.Errorf("%s: %d holders at once", path, most.Load())
		}
	}
	unlock, err := LockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := LockDir(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while it waited: %v", err)
	}
}
