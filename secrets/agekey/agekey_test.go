package agekey

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// secretOf returns the secret key in a file.
func secretOf(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "AGE-SECRET-KEY-1") {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("%s holds no key", file)
	return ""
}

func TestMakeAndFind(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "new", "age", "keys.txt")
	getenv := env("SOPS_AGE_KEY_FILE", file)
	if key, err := Find(getenv); key != nil || err != nil {
		t.Fatalf("before: %v, %v", key, err)
	}
	made, err := Create(file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.ParseX25519Identity(secretOf(t, file))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Key{Recipient: identity.Recipient().String(), File: file, Created: true}); *made != want {
		t.Errorf("made %+v, want %+v", *made, want)
	}
	for path, want := range map[string]fs.FileMode{file: 0o600, filepath.Dir(file): 0o700, filepath.Dir(filepath.Dir(file)): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s has the mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	found, err := Find(getenv)
	if err != nil || found == nil || found.Recipient != made.Recipient || found.Created || found.Exposed {
		t.Errorf("after: %+v, %v", found, err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if found, err := Find(getenv); runtime.GOOS != "windows" && (err != nil || !found.Exposed) {
		t.Errorf("a key that others may read is not said to be one: %+v, %v", found, err)
	}
	if _, err := Create(file, time.Now()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second key: %v, want fs.ErrExist", err)
	}
}

// TestMakeKeepsComments also uses a file that other users may read. Make
// restricts its mode before the key is in the file.
func TestMakeKeepsComments(t *testing.T) {
	t.Parallel()
	for old, kept := range map[string]string{"": "", "# mine": "# mine\n", "# mine\n\n": "# mine\n\n"} {
		file := filepath.Join(t.TempDir(), "keys.txt")
		if err := os.WriteFile(file, []byte(old), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(file, time.Now()); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(data), kept+"# created: ") || !strings.Contains(string(data), "\nAGE-SECRET-KEY-1") {
			t.Errorf("%q became a file of other lines", old)
		}
		key, err := Find(env("SOPS_AGE_KEY_FILE", file))
		if err != nil || key == nil || key.Exposed {
			t.Errorf("%q: found %+v, %v", old, key, err)
		}
	}
}

// TestMakeLeavesLinks uses a link to a file without a key. Make does not follow
// the link, so the mode of the target stays the same.
func TestMakeLeavesLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("# mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	_, err := Create(link, time.Now())
	data, _ := os.ReadFile(target)
	info, statErr := os.Stat(target)
	if statErr != nil {
		t.Fatal(statErr)
	}
	if err == nil || string(data) != "# mine\n" || info.Mode().Perm() != 0o644 {
		t.Errorf("%v; the target holds %d bytes and has the mode %o", err, len(data), info.Mode().Perm())
	}
}

// TestFindLarge uses files of the maximum size, and of one byte more.
func TestFindLarge(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key := identity.String() + "\n"
	comments := strings.Repeat("#\n", maxFile/2)
	for name, c := range map[string]struct {
		text string
		fine bool
	}{
		"the most":      {comments[:maxFile-len(key)-len(key)%2] + strings.Repeat("\n", len(key)%2) + key, true},
		"one byte more": {comments[:maxFile-len(key)-len(key)%2] + strings.Repeat("\n", len(key)%2+1) + key, false},
	} {
		file := filepath.Join(t.TempDir(), "keys.txt")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := Find(env("SOPS_AGE_KEY_FILE", file))
		if (err == nil) != c.fine || c.fine && found == nil || !c.fine && !strings.Contains(err.Error(), "too large") {
			t.Errorf("%s, %d bytes: %+v, %v", name, len(c.text), found, err)
		}
	}
}

func TestPlace(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	if got, err := DefaultPath(env("SOPS_AGE_KEY_FILE", "a/b")); got != "a/b" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	want := filepath.Join(dir, "sops", "age", "keys.txt")
	if got, err := DefaultPath(os.Getenv); got != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	secret := identity.String()
	for name, c := range map[string]struct{ text, want string }{
		"space":      {secret + " \n", "line 1 is no age key"},
		"cut":        {"# mine\n" + secret[:40] + "\n", "line 2 is no age key"},
		"ssh":        {"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", "line 1 is no age key"},
		"passphrase": {"age-encryption.org/v1\n-> scrypt x\n", "locked with a passphrase"},
		"armored":    {"-----BEGIN AGE ENCRYPTED FILE-----\nYWJj\n", "locked with a passphrase"},
		"plugin":     {"AGE-PLUGIN-YUBIKEY-1ABC\n", "that of a plugin"},
		"fine":       {secret + "\n", ""},
		"hybrid":     {hybrid.String() + "\n" + secret + "\n", ""},
	} {
		file := filepath.Join(t.TempDir(), "keys.txt")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := Find(env("SOPS_AGE_KEY_FILE", file))
		switch {
		case c.want == "" && (err != nil || key == nil):
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case err != nil && strings.Contains(err.Error(), secret[:30]):
			t.Errorf("%s: the error holds the key", name)
		case name == "hybrid" && (key.Recipient != hybrid.Recipient().String() || key.More != 1):
			t.Errorf("%s: found %+v", name, key)
		}
	}
}

func TestFindElsewhere(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key, err := Find(env("SOPS_AGE_KEY", " "+identity.String()+"\n", "SOPS_AGE_KEY_FILE", "nowhere"))
	if err != nil || key == nil || key.File != "" || key.Recipient != identity.Recipient().String() {
		t.Errorf("from the variable: %+v, %v", key, err)
	}
	if _, err := Find(env("SOPS_AGE_KEY_CMD", "pass age")); err == nil {
		t.Error("a command that is not run is no error")
	}
	dir := t.TempDir()
	if _, err := Find(env("SOPS_AGE_KEY_FILE", dir)); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a folder: %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if _, err := Create(link, time.Now()); err == nil || !strings.Contains(err.Error(), "link that leads nowhere") {
		t.Errorf("a link: %v", err)
	}
}

func TestCheckRecipient(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{
		identity.Recipient().String():        true,
		"age1yubikey1qwt50d05nh5vutpdzmlg":   true,
		identity.String():                    false,
		strings.ToLower(identity.String()):   false,
		identity.Recipient().String()[:50]:   false,
		"age1pq1qqqq":                        false,
		"":                                   false,
		"age1":                               false,
		"ssh-ed25519 AAAA":                   false,
		identity.Recipient().String() + "\n": false,
		"age1x1y\nencrypted_regex: nothing":  false,
	} {
		err := CheckRecipient(s)
		if (err == nil) != want {
			t.Errorf("CheckRecipient(%.8s...) = %v, want ok %v", s, err, want)
		}
		if err != nil && len(s) > 8 && strings.Contains(err.Error(), s) {
			t.Errorf("the error holds what was given")
		}
	}
}
