package git

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// world is the repository of a test. Its Git calls run as a user would run
// them.
type world struct {
	t   *testing.T
	dir string
}

func newWorld(t *testing.T, initArgs ...string) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, dir}
	w.git(append([]string{"init", "-q", "-b", "main"}, initArgs...)...)
	return w
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = w.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) link(target, name string) {
	w.t.Helper()
	if err := os.Symlink(target, w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.RemoveAll(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) commit() string {
	w.t.Helper()
	w.git("add", "-A")
	w.git("commit", "-q", "--allow-empty", "-m", "A commit")
	return w.git("rev-parse", "HEAD")
}

// getenv returns the environment of the test.
func getenv(name string) string {
	for _, e := range os.Environ() {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

func (w *world) open(dir string) *Repository {
	w.t.Helper()
	r, err := Open(w.t.Context(), getenv, w.path(dir))
	if err != nil || r == nil {
		w.t.Fatalf("open %s: %v, %v", dir, r, err)
	}
	return r
}

func (w *world) tree() *Tree {
	w.t.Helper()
	r := w.open(".")
	head, err := r.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	tree, err := r.OpenTree(w.t.Context(), head)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(tree.Close)
	return tree
}

func isYAML(name string) bool { return strings.HasSuffix(name, ".yaml") }

// TestDiffers: the files of a run either equal the commit or differ from it,
// for each state of the work tree.
func TestDiffers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		commit, change func(w *world)
		files          []string
		want           bool
		err            string
	}{
		"unchanged":                 {files: []string{"rules/a.yaml"}},
		"another content":           {change: func(w *world) { w.write("rules/a.yaml", "a: 2\n") }, files: []string{"rules/a.yaml"}, want: true},
		"of the same size, touched": {change: func(w *world) { w.write("rules/a.yaml", "a: 1\n") }, files: []string{"rules/a.yaml"}},
		"not in the commit":         {change: func(w *world) { w.write("rules/b.yaml", "b: 1\n") }, files: []string{"rules/a.yaml", "rules/b.yaml"}, want: true},
		"ignored by Git":            {commit: func(w *world) { w.write(".gitignore", "b.yaml\n") }, change: func(w *world) { w.write("rules/b.yaml", "b: 1\n") }, files: []string{"rules/a.yaml", "rules/b.yaml"}, want: true},
		"assumed to be unchanged": {change: func(w *world) {
			w.git("update-index", "--assume-unchanged", "rules/a.yaml")
			w.write("rules/a.yaml", "a: 2\n")
		}, files: []string{"rules/a.yaml"}, want: true},
		"staged, and not committed":     {change: func(w *world) { w.write("rules/a.yaml", "a: 2\n"); w.git("add", "-A") }, files: []string{"rules/a.yaml"}, want: true},
		"deleted":                       {commit: func(w *world) { w.write("rules/b.yaml", "b: 1\n") }, change: func(w *world) { w.remove("rules/b.yaml") }, files: []string{"rules/a.yaml"}, want: true},
		"deleted, and no rule file":     {commit: func(w *world) { w.write("rules/b.md", "b\n") }, change: func(w *world) { w.remove("rules/b.md") }, files: []string{"rules/a.yaml"}},
		"deleted in a hidden directory": {commit: func(w *world) { w.write("rules/.x/b.yaml", "b\n") }, change: func(w *world) { w.remove("rules/.x") }, files: []string{"rules/a.yaml"}},
		"checked out with CRLF":         {change: func(w *world) { w.write("rules/a.yaml", "a: 1\r\n") }, files: []string{"rules/a.yaml"}},
		"an empty file":                 {commit: func(w *world) { w.write("rules/b.yaml", "") }, files: []string{"rules/b.yaml"}},
		"made a link": {commit: func(w *world) { w.write("rules/b.yaml", "a: 1\n") }, change: func(w *world) {
			w.remove("rules/b.yaml")
			w.link("a.yaml", "rules/b.yaml")
		}, files: []string{"rules/b.yaml"}, want: true},
		"a link that is committed": {commit: func(w *world) { w.link("a.yaml", "rules/b.yaml") }, files: []string{"rules/b.yaml"}},
		"a link to another file": {commit: func(w *world) { w.link("a.yaml", "rules/b.yaml"); w.write("rules/c.yaml", "c: 1\n") }, change: func(w *world) {
			w.remove("rules/b.yaml")
			w.link("c.yaml", "rules/b.yaml")
		}, files: []string{"rules/b.yaml"}, want: true},
		"a file behind a directory that is a link": {commit: func(w *world) { w.link("../other", "rules/o"); w.write("other/x.yaml", "x: 1\n") }, files: []string{"rules/o/x.yaml"}},
		"a changed one behind a link": {commit: func(w *world) { w.link("../other", "rules/o"); w.write("other/x.yaml", "x: 1\n") },
			change: func(w *world) { w.write("other/x.yaml", "x: 2\n") }, files: []string{"rules/o/x.yaml"}, want: true},
		"a link round in a circle": {commit: func(w *world) { w.link("b.yaml", "rules/b.yaml") }, files: []string{"rules/b.yaml"}, want: true},
		"made a directory": {commit: func(w *world) { w.write("rules/b.yaml", "b: 1\n") }, change: func(w *world) {
			w.remove("rules/b.yaml")
			w.write("rules/b.yaml/c.yaml", "c: 1\n")
		}, files: []string{"rules/b.yaml/c.yaml"}, want: true},
		"a submodule": {commit: func(w *world) {
			library := newWorld(w.t)
			library.write("l.yaml", "l: 1\n")
			library.commit()
			w.git("submodule", "--quiet", "add", library.dir, "rules/library")
		}, files: []string{"rules/a.yaml", "rules/library/l.yaml"}, want: true, err: "rules/library is a submodule"},
		"a submodule that is not checked out": {commit: func(w *world) {
			library := newWorld(w.t)
			library.commit()
			w.git("submodule", "--quiet", "add", library.dir, "rules/library")
		}, change: func(w *world) { w.remove("rules/library") }, files: []string{"rules/a.yaml"}, want: true, err: "rules/library is a submodule"},
		"outside": {files: []string{"../x.yaml"}, want: true, err: "lies outside the work tree"},
	} {
		for _, format := range []string{"sha1", "sha256"} {
			t.Run(name+", "+format, func(t *testing.T) {
				t.Parallel()
				if format == "sha256" && strings.Contains(name, "submodule") {
					t.Skip("git has no submodule of another object format")
				}
				w := newWorld(t, "--object-format="+format)
				w.write("rules/a.yaml", "a: 1\n")
				if tt.commit != nil {
					tt.commit(w)
				}
				w.commit()
				if tt.change != nil {
					tt.change(w)
				}
				var files []string
				for _, f := range tt.files {
					files = append(files, w.path(f))
				}
				got, err := w.tree().Differs(files, []string{w.path("rules")}, isYAML)
				if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("differs %t, %v; expected %t, %q", got, err, tt.want, tt.err)
				}
			})
		}
	}
}

// TestOpen: each directory has a repository, has none, or is refused.
func TestOpen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		set func(w *world) (dir string)
		// top is the top directory of the repository, "" if there is none.
		top, err string
	}{
		"the top":             {set: func(*world) string { return "." }, top: "."},
		"a directory in it":   {set: func(w *world) string { w.write("a/b/c", ""); return "a/b" }, top: "."},
		"a link to one in it": {set: func(w *world) string { w.write("a/b/c", ""); w.link("a/b", "l"); return "l" }, top: "."},
		"a bare repository":   {set: func(w *world) string { w.git("init", "-q", "--bare", "b"); return "b" }, top: "."},
		"a repository in it":  {set: func(w *world) string { w.git("init", "-q", "sub"); return "sub" }, top: "sub"},
		"a linked work tree": {set: func(w *world) string {
			w.commit()
			w.git("worktree", "add", "-q", "linked")
			return "linked"
		}, top: "linked"},
		"a submodule": {set: func(w *world) string {
			library := newWorld(w.t)
			library.commit()
			w.git("submodule", "--quiet", "add", library.dir, "sub")
			return "sub"
		}, top: "sub"},
		"a repository kept elsewhere": {set: func(w *world) string {
			w.git("init", "-q", "--separate-git-dir", filepath.Join(w.t.TempDir(), "kept"), "sub")
			return "sub"
		}, top: "sub"},
		"a file .git that names nothing": {set: func(w *world) string { w.write("s/.git", "gitdir: nowhere\n"); return "s" }, err: "names a repository that is not there"},
		"a file .git of something else":  {set: func(w *world) string { w.write("s/.git", "hello\n"); return "s" }, err: "is neither a repository"},
		"an empty directory .git":        {set: func(w *world) string { w.write("s/.git/x", ""); return "s" }, err: "not a git repository"},
		"a repository among the files": {set: func(w *world) string {
			w.git("init", "-q", "--bare", "s/b")
			w.write("s/.git", "gitdir: b\n")
			return "s"
		}, err: "inside the work tree"},
		"a link .git to one among the files": {set: func(w *world) string { w.git("init", "-q", "--bare", "s/b"); w.link("b", "s/.git"); return "s" }, err: "inside the work tree"},
		"a dangling link .git":               {set: func(w *world) string { w.write("s/x", ""); w.link("nowhere", "s/.git"); return "s" }, err: "cannot be followed"},
		"another work tree":                  {set: func(w *world) string { w.git("config", "core.worktree", w.t.TempDir()); return "." }, err: "is not that of the work tree"},
		"a bare one called .git":             {set: func(w *world) string { w.git("config", "core.bare", "true"); return "." }, err: "work tree"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			dir := tt.set(w)
			r, err := Open(t.Context(), getenv, w.path(dir))
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("opened %v, %v; expected the error %q", r, err, tt.err)
				}
			case err != nil || r == nil || r.Top != w.path(tt.top):
				t.Errorf("opened %v, %v; expected %s", r, err, w.path(tt.top))
			}
		})
	}
	if r, err := Open(t.Context(), getenv, t.TempDir()); r != nil || err != nil {
		t.Errorf("outside any repository: %v, %v", r, err)
	}
	none := func(name string) string {
		if name == "PATH" {
			return ""
		}
		return getenv(name)
	}
	if r, err := Open(t.Context(), none, newWorld(t).dir); r == nil || err != nil {
		t.Errorf("with no PATH to hand on: %v, %v", r, err)
	}
}

// TestObjects: the id of a commit determines its content. A replacement, a
// damaged object or an object of another kind does not change the content.
// TestAmbiguous: a name that may mean two commits names none.
func TestAmbiguous(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("a", "1")
	first := w.commit()
	w.git("update-ref", "refs/remotes/origin/main", first)
	w.git("update-ref", "refs/remotes/origin/HEAD", first)
	w.git("tag", "same", first)
	w.git("branch", "same", first)
	w.git("tag", "v1", first)
	w.write("a", "2")
	second := w.commit()
	w.git("tag", "origin/main", second)
	w.git("tag", "twice", second)
	w.git("branch", "twice", first)
	w.git("tag", first[:8], second)
	w.git("tag", first, second)
	w.git("tag", "cafe", first)
	w.git("tag", second[:9], second)
	r := w.open(".")
	for ref, want := range map[string]string{
		"HEAD": second, "HEAD~1": first, "HEAD^": first, first: first, second: second, second[:10]: second,
		"refs/remotes/origin/main": first, "refs/tags/origin/main": second, "same": first, "v1": first, "v1^{commit}": first, "origin": first,
		"origin/main": "", "origin/main~0": "", "twice": "", "twice^0": "", first[:8]: "", first[:8] + "~0": "",
	} {
		got, err := r.Commit(t.Context(), ref)
		if got != want || (want == "") != (err != nil) {
			t.Errorf("%s: %s, %v, want %s", ref, got, err, want)
		}
		var several *AmbiguousError
		if want == "" && (!errors.As(err, &several) || len(several.Names) < 2) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		set func(w *world, blob, tree string)
		err string
	}{
		"as it is": {set: func(*world, string, string) {}},
		"replaced": {set: func(w *world, blob, _ string) {
			w.write("other", "weak: true\n")
			w.git("replace", blob, w.git("hash-object", "-w", "other"))
		}},
		"a replaced commit": {set: func(w *world, _, _ string) {
			head := w.git("rev-parse", "HEAD")
			w.write("mkhooks.yaml", "weak: true\n")
			w.git("replace", head, w.commit())
			w.git("update-ref", "HEAD", head)
		}},
		"damaged": {set: func(w *world, blob, _ string) { w.forge(blob, "blob 11\x00weak: true\n") }, err: "is damaged: its content has another id"},
		"a damaged tree": {set: func(w *world, blob, tree string) {
			w.write("other", "weak: true\n")
			w.git("hash-object", "-w", "other")
			w.forge(tree, "tree 0\x00")
		}, err: "is damaged: its content has another id"},
		"absent": {set: func(w *world, blob, _ string) { w.remove(".git/objects/" + blob[:2] + "/" + blob[2:]) }, err: "the repository lacks the blob"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("mkhooks.yaml", "strong: true\n")
			head := w.commit()
			tt.set(w, w.git("rev-parse", "HEAD:mkhooks.yaml"), w.git("rev-parse", "HEAD^{tree}"))
			r := w.open(".")
			tree, err := r.OpenTree(t.Context(), head)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			data, err := tree.File("mkhooks.yaml")
			switch {
			case tt.err == "" && (err != nil || string(data) != "strong: true\n"):
				t.Errorf("read %q, %v", data, err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("read %q, %v; expected the error %q", data, err, tt.err)
			}
		})
	}
}

// forge stores an object under the id of another object.
func (w *world) forge(id, content string) {
	w.t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, err := z.Write([]byte(content))
	if err = errors.Join(err, z.Close()); err != nil {
		w.t.Fatal(err)
	}
	file := ".git/objects/" + id[:2] + "/" + id[2:]
	w.remove(file)
	w.write(file, b.String())
}

// TestLinksInTree: a link in a commit is followed inside the repository only.
func TestLinksInTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("a/b/file", "text\n")
	for name, target := range map[string]string{
		"in": "a/b/file", "a/up": "../a/b/file", "dir": "a/b", "out": "../file", "absolute": "/etc/passwd", "round": "round", "gone": "a/nothing", "a/b/root": "../../..",
	} {
		w.link(target, name)
	}
	w.commit()
	tree := w.tree()
	for file, want := range map[string]string{
		"a/b/file": "text\n", "in": "text\n", "a/up": "text\n", "dir/file": "text\n", "out": "outside", "absolute": "outside", "a/b/root/x": "outside",
		"round": "circle", "gone": "", "a": "", "nothing": "", "a/b/file/x": "",
	} {
		data, err := tree.File(file)
		got := string(data)
		switch {
		case errors.Is(err, ErrOutside):
			got = "outside"
		case err != nil && strings.Contains(err.Error(), "circle"):
			got = "circle"
		case err != nil:
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, expected %q", file, got, want)
		}
	}
}

// TestStopped: stopping a run also stops Git.
func TestStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	head := w.commit()
	r := w.open(".")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Head(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Head: %v", err)
	}
	if _, err := r.OpenTree(ctx, head); err == nil {
		t.Error("Tree read a commit")
	}
}
