package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ location, path, problem string }{
		"a relative path":       {"archive", "archive", ""},
		"a path with a dot":     {"./a/../archive/", "archive", ""},
		"a drive":               {`C:\archive`, `C:\archive`, ""},
		"a colon in a path":     {"./a:b", "a:b", ""},
		"file with three":       {"file:///var/x%20y", "/var/x y", ""},
		"file with a host":      {"file://localhost/var", "/var", ""},
		"file with one":         {"file:/var", "/var", ""},
		"file relative":         {"file:arch%20ive", "arch ive", ""},
		"file with a drive":     {"file:///C:/archive", "C:/archive", ""},
		"nothing":               {"", "", "is empty: expected a folder"},
		"a key in a URL":        {"s3://b?awssecret=hunter2hunter2", "", "has a parameter that it can't have, awssecret; it can have "},
		"another scheme":        {"ftp://user:hunter2hunter2@host/x", "", "ftp: is not supported"},
		"file of another host":  {"file://server/share", "", `names the host "server"`},
		"file with two slashes": {"file://archive", "", "expected file:///path, with three slashes"},
		"file with a query":     {"file:///a?b=c", "", "has more than a path"},
		"file without a path":   {"file:", "", "no path"},
		"a file":                {file, "", "is no folder"},
		"below a file":          {filepath.Join(file, "x"), "", "archive folder: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, err := Open(tt.location)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("Open(%q): %v, want an error with %q", tt.location, err, tt.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := store.Location("x"), filepath.Join(filepath.FromSlash(tt.path), "x"); got != want {
				t.Errorf("Open(%q) stores in %q, want %q", tt.location, got, want)
			}
		})
	}
}

func TestOpenMakesNoFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "archive")
	open(t, dir)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open made %s", dir)
	}
}

func put(t *testing.T, store Store, name, content string) error {
	t.Helper()
	w, err := store.Create(t.Context(), name)
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	return w.Commit(t.Context())
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir)
	if err := put(t, store, "x", "first"); err != nil {
		t.Fatal(err)
	}
	if err := put(t, store, "x", "second"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second object x: %v, want fs.ErrExist", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.WriteFile(filepath.Join(dir, "temp"), []byte("third"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := takeAndRename(root, "temp", "x"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("without hard links, a second object x: %v, want fs.ErrExist", err)
	}
	if err := takeAndRename(root, "temp", "y"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"x": "first", "y": "third"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want || err != nil {
			t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
		}
	}
	if left := names(t, dir); len(left) != 2 {
		t.Errorf("the folder holds %q, want x and y", left)
	}
}

func TestNoLinkIsFollowed(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(outside, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "x")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	store := open(t, dir)
	if err := put(t, store, "x", "evil"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an object where a link is: %v, want fs.ErrExist", err)
	}
	if r, err := store.Open(t.Context(), "x"); err == nil {
		_ = r.Close()
		t.Error("a link was opened")
	}
	if err := put(t, store, "../y", "evil"); err == nil {
		t.Error("an object was stored above the folder")
	}
	if got, err := os.ReadFile(outside); string(got) != "kept" || err != nil {
		t.Errorf("the file outside holds %q, %v", got, err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("permissions don't bind this user")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := Save(t.Context(), open(t, dir), request(), still(whole(nil, 1)).read, patient())
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one of permission that names %s", err, dir)
	}
}

func TestBaseName(t *testing.T) {
	t.Parallel()
	r := Request{Project: "con.x", Rule: webhook.Rule{Name: `a/..\b:"<>|?* ü`, ID: "7F3a-1"}, When: time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))}
	one, two := baseName(r), baseName(r)
	prefix := "con-x_a----b---------_7F3a-1_20260301T120000Z_"
	if !strings.HasPrefix(one, prefix) || len(one) != len(prefix)+16 {
		t.Errorf("name %q, want %q and 16 digits", one, prefix)
	}
	if one == two {
		t.Errorf("two archives have the name %q", one)
	}
	long := strings.Repeat("é/", 300)
	if n := len(tempPrefix + randomPart() + "-" + baseName(Request{Project: long, Rule: webhook.Rule{Name: long, ID: long}}) + manifestSuffix); n > 255 {
		t.Errorf("a name is %d bytes long, file systems take 255", n)
	}
	if got := baseName(Request{}); !strings.HasPrefix(got, "-_-_-_") {
		t.Errorf("name of nothing is %q", got)
	}
}
