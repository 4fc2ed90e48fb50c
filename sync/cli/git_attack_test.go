package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// gitWorld is a config repository in Git where an attacker may add files. Every
// attack command writes the file canary. Git itself is wrapped, to inspect its
// directory and environment.
type gitWorld struct {
	*repo
	canary, log, bin, real string
	// env is added to the environment of mkhooks.
	env []string
}

func newGitWorld(t *testing.T) *gitWorld {
	t.Helper()
	w := &gitWorld{repo: newRepo(t)}
	if real, err := filepath.EvalSymlinks(w.dir); err == nil {
		w.dir = real
	}
	outside := t.TempDir()
	w.canary, w.log, w.bin = filepath.Join(outside, "canary"), filepath.Join(outside, "log"), filepath.Join(outside, "bin")
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	w.real = real
	w.key = filepath.Join(outside, "key")
	if err := os.Rename(filepath.Join(w.dir, "age-key.txt"), w.key); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.bin, 0o700); err != nil {
		t.Fatal(err)
	}
	wrapper := "#!/bin/sh\n{ echo \"cwd=$PWD args=$*\"; env; } >>" + w.log + "\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(w.bin, "git"), []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	w.writeFile("mkhooks.yaml", "owner: team\ndestinations: [hooks.example.com]\narchive: ./archive\naudit: ./audit.jsonl\nprojects:\n  demo: {rules: [rules]}\n")
	w.writeFile(".gitignore", "/archive/\n/audit.jsonl*\n")
	w.writeRule("rules", "jobs", "jobs", secretOne)
	w.git(".", "init", "-q", "-b", "main")
	w.commit("One rule")
	return w
}

// git runs Git itself in a directory of the repository.
func (w *gitWorld) git(dir string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command(w.real, append([]string{"-c", "user.name=Team", "-c", "user.email=team@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = filepath.Join(w.dir, dir)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *gitWorld) commit(message string) {
	w.t.Helper()
	w.git(".", "add", "-A")
	w.git(".", "commit", "-q", "-m", message)
}

// canaryCommand returns a command that writes the canary and acts as a filter.
func (w *gitWorld) canaryCommand() string {
	return "sh -c 'env >" + w.canary + "; cat' canary"
}

// evilURL returns an address that runs a command when it is fetched.
func (w *gitWorld) evilURL() string {
	w.hooks(filepath.Join(filepath.Dir(w.canary), "run"))
	return "ext::" + filepath.Join(filepath.Dir(w.canary), "run", "post-checkout")
}

// evilConfig returns a configuration with every key that can make Git run a
// command.
func (w *gitWorld) evilConfig() string {
	run := w.canaryCommand()
	q := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
	var b strings.Builder
	fmt.Fprintf(&b, "[core]\n repositoryformatversion = 1\n bare = false\n fsmonitor = %s\n sshCommand = %s\n gitProxy = %s\n pager = %s\n editor = %s\n askPass = %s\n hooksPath = %s\n alternateRefsCommand = %s\n",
		q(run), q(w.evilURL()[len("ext::"):]), q(run), q(run), q(run), q(run), q(filepath.Join(filepath.Dir(w.canary), "hooks")), q(run))
	fmt.Fprintf(&b, "[diff]\n external = %s\n[diff \"x\"]\n textconv = %s\n command = %s\n[filter \"x\"]\n clean = %s\n smudge = %s\n process = %s\n required = true\n",
		q(run), q(run), q(run), q(run), q(run), q("sh -c 'env >"+w.canary+"' canary"))
	fmt.Fprintf(&b, "[credential]\n helper = %s\n[gpg]\n program = %s\n[log]\n showSignature = true\n[pager]\n rev-parse = %s\n cat-file = %s\n status = %s\n[alias]\n rev-parse = %s\n cat-file = %s\n symbolic-ref = %s\n",
		q("!"+run), q(run), q(run), q(run), q(run), q("!"+run), q("!"+run), q("!"+run))
	fmt.Fprintf(&b, "[submodule]\n recurse = true\n[extensions]\n partialClone = evil\n[remote \"evil\"]\n promisor = true\n url = %s\n uploadpack = %s\n fetch = +refs/heads/*:refs/remotes/evil/*\n[protocol]\n allow = always\n[protocol \"ext\"]\n allow = always\n",
		q(w.evilURL()), q(run))
	return b.String()
}

// hooks writes all hooks that reading or indexing could run.
func (w *gitWorld) hooks(dir string) {
	for _, name := range []string{"post-index-change", "reference-transaction", "fsmonitor-watchman", "post-checkout", "pre-auto-gc", "post-rewrite", "query-watchman"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("#!/bin/sh\nenv >"+w.canary+"\n"), 0o700); err != nil {
			w.t.Fatal(err)
		}
	}
}

// bareIn puts the files of a bare repository into a directory, as a pull
// request can: nothing in it is called .git. Git treats the directory as the
// repository.
func (w *gitWorld) bareIn(dir string) {
	at := filepath.Join(w.dir, dir)
	made := filepath.Join(filepath.Dir(w.canary), "made")
	w.git(".", "init", "-q", made)
	if err := os.WriteFile(filepath.Join(made, ".gitattributes"), []byte("* filter=x diff=x\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(at, "*.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			w.t.Fatal(err)
		}
		// Other content of the same size, so that Git must read the work tree.
		if err := os.WriteFile(filepath.Join(made, filepath.Base(f)), append(data[:len(data)-1:len(data)-1], ' '), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	w.gitAt(made, "add", "-A")
	w.gitAt(made, "commit", "-q", "-m", "Evil")
	for _, name := range []string{"HEAD", "index", "objects", "refs", ".gitattributes"} {
		from := filepath.Join(made, ".git", name)
		if name == ".gitattributes" {
			from = filepath.Join(made, name)
		}
		if out, err := exec.Command("cp", "-R", from, at).CombinedOutput(); err != nil {
			w.t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, empty := range []string{"objects/info", "objects/pack", "refs/tags"} { // a commit has no empty directory
		w.writeFile(filepath.Join(dir, empty, "keep"), "")
	}
	w.writeFile(filepath.Join(dir, "config"), strings.Replace(w.evilConfig(), "[core]", "[core]\n worktree = .", 1))
	w.hooks(filepath.Join(at, "hooks"))
	w.writeFile(filepath.Join(dir, "info/attributes"), "* filter=x\n")
}

func (w *gitWorld) gitAt(dir string, args ...string) {
	w.t.Helper()
	cmd := exec.Command(w.real, append([]string{"-C", dir, "-c", "user.name=E", "-c", "user.email=e@example.com"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// hostile gives the attacker control of the repository's configuration: an
// unpacked archive can contain any .git.
func (w *gitWorld) hostile() {
	w.writeFile(".git/config", w.evilConfig())
	w.hooks(filepath.Join(w.dir, ".git", "hooks"))
	w.hooks(filepath.Join(filepath.Dir(w.canary), "hooks"))
}

// gitAttack is an attack on programs that run Git.
type gitAttack struct {
	name string
	set  func(w *gitWorld)
	// proof is a call of Git that does run the attack's command: its directory
	// and arguments. It proves that the attack works.
	proof []string
	// config is the config file, if it is not the default.
	config string
	// foreign: the checked-out commit is the attacker's or absent, so it is not
	// compared.
	foreign bool
}

func gitAttacks() []gitAttack {
	status := func(dir string) []string { return []string{dir, "status", "--porcelain"} }
	touched := func(w *gitWorld) { // makes Git read the file again
		w.writeFile("rules/second.yaml", "metadata: {name: second}\nspec: {url: https://hooks.example.com/2, enabled: true, events: [MediaKind.JobFinished]}\n")
	}
	own := func(w *gitWorld) { w.hostile(); touched(w) }
	return []gitAttack{
		{name: "a bare repository in a rule path", set: func(w *gitWorld) { w.bareIn("rules") }, proof: status("rules")},
		{name: "one in a parent of a rule path", set: func(w *gitWorld) {
			w.writeFile("mkhooks.yaml", "owner: team\nprojects: {demo: {rules: [deep/rules]}}\n")
			w.writeRule("deep/rules", "jobs", "jobs", "")
			w.writeRule("deep", "other", "other", "")
			w.bareIn("deep")
		}, proof: status("deep/rules")},
		{name: "one in the directory of the config file", set: func(w *gitWorld) {
			w.writeFile("sub/mkhooks.yaml", "owner: team\nprojects: {demo: {rules: [rules]}}\n")
			w.writeRule("sub/rules", "jobs", "jobs", "")
			w.bareIn("sub")
		}, proof: status("sub"), config: "sub/mkhooks.yaml"},
		{name: "one at the top, and no .git", set: func(w *gitWorld) {
			if err := os.RemoveAll(filepath.Join(w.dir, ".git")); err != nil {
				w.t.Fatal(err)
			}
			w.bareIn(".")
		}, proof: status("."), foreign: true},
		{name: "one at the top, beside an empty .git", set: func(w *gitWorld) {
			if err := os.RemoveAll(filepath.Join(w.dir, ".git")); err != nil {
				w.t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(w.dir, ".git"), 0o700); err != nil {
				w.t.Fatal(err)
			}
			w.bareIn(".")
		}, proof: status("."), foreign: true},
		{name: "a file .git in a rule path", set: func(w *gitWorld) {
			w.writeFile("evil/x.yaml", "a: b\n")
			w.bareIn("evil")
			w.writeFile("evil/config", w.evilConfig())
			w.writeFile("rules/.git", "gitdir: ../evil\n")
		}, proof: status("rules")},
		{name: "a directory .git in a rule path", set: func(w *gitWorld) {
			w.git("rules", "init", "-q")
			w.writeFile("rules/.git/config", w.evilConfig())
		}, proof: status("rules")},
		{name: "a file .git at the top, for a directory among the rules", set: func(w *gitWorld) {
			w.bareIn("rules")
			w.writeFile("rules/config", w.evilConfig())
			if err := os.Rename(filepath.Join(w.dir, ".git"), filepath.Join(filepath.Dir(w.canary), "old")); err != nil {
				w.t.Fatal(err)
			}
			w.writeFile(".git", "gitdir: rules\n")
		}, proof: status("."), foreign: true},
		{name: "a link .git at the top, for a directory among the rules", set: func(w *gitWorld) {
			w.bareIn("rules")
			w.writeFile("rules/config", w.evilConfig())
			if err := os.Rename(filepath.Join(w.dir, ".git"), filepath.Join(filepath.Dir(w.canary), "old")); err != nil {
				w.t.Fatal(err)
			}
			if err := os.Symlink("rules", filepath.Join(w.dir, ".git")); err != nil {
				w.t.Fatal(err)
			}
		}, proof: status("."), foreign: true},
		{name: "a file .git at the top, for a repository elsewhere", set: func(w *gitWorld) {
			elsewhere := filepath.Join(filepath.Dir(w.canary), "elsewhere")
			if err := os.Rename(filepath.Join(w.dir, ".git"), elsewhere); err != nil {
				w.t.Fatal(err)
			}
			w.writeFile(".git", "gitdir: "+elsewhere+"\n")
			if err := os.WriteFile(filepath.Join(elsewhere, "config"), []byte(w.evilConfig()), 0o600); err != nil {
				w.t.Fatal(err)
			}
			touched(w)
		}, proof: status(".")},
		{name: "core.fsmonitor and hooks of the repository itself", set: own, proof: status(".")},
		{name: "filters of .gitattributes", set: func(w *gitWorld) {
			own(w)
			w.writeFile(".gitattributes", "* filter=x diff=x\n")
			w.writeFile("rules/.gitattributes", "* filter=x diff=x working-tree-encoding=utf-16\n")
		}, proof: []string{".", "-c", "core.fsmonitor=", "hash-object", "--path=rules/jobs.yaml", "rules/jobs.yaml"}},
		{name: "filters of info/attributes", set: func(w *gitWorld) { own(w); w.writeFile(".git/info/attributes", "* filter=x\n") },
			proof: []string{".", "-c", "core.fsmonitor=", "hash-object", "--path=rules/jobs.yaml", "rules/jobs.yaml"}},
		{name: "an external diff", set: func(w *gitWorld) {
			own(w)
			w.writeRule("rules", "jobs", "changed", secretOne)
		}, proof: []string{".", "-c", "core.fsmonitor=", "diff"}},
		{name: "textconv", set: func(w *gitWorld) { own(w); w.writeFile(".git/info/attributes", "* diff=x\n") },
			proof: []string{".", "-c", "core.fsmonitor=", "cat-file", "--textconv", "HEAD:rules/jobs.yaml"}},
		{name: "objects that a remote of the repository would have", set: func(w *gitWorld) {
			own(w)
			id := w.git(".", "-c", "core.fsmonitor=", "rev-parse", "HEAD^{tree}")
			if err := os.Remove(filepath.Join(w.dir, ".git/objects", id[:2], id[2:])); err != nil {
				w.t.Fatal(err)
			}
		}, proof: []string{".", "-c", "core.fsmonitor=", "ls-tree", "HEAD"}, foreign: true},
		{name: "the same over ssh", set: func(w *gitWorld) {
			own(w)
			w.writeFile(".git/config", strings.ReplaceAll(w.evilConfig(), w.evilURL(), "ssh://git.invalid/x"))
			id := w.git(".", "-c", "core.fsmonitor=", "rev-parse", "HEAD^{tree}")
			if err := os.Remove(filepath.Join(w.dir, ".git/objects", id[:2], id[2:])); err != nil {
				w.t.Fatal(err)
			}
		}, proof: []string{".", "-c", "core.fsmonitor=", "ls-tree", "HEAD"}, foreign: true},
		{name: "a submodule", set: func(w *gitWorld) {
			library := filepath.Join(filepath.Dir(w.canary), "library")
			w.git(".", "init", "-q", library)
			w.gitAt(library, "commit", "-q", "--allow-empty", "-m", "Library")
			w.git(".", "submodule", "--quiet", "add", library, "rules/library")
			w.commit("Add a library")
			w.writeRule("rules/library", "more", "more", "")
			w.writeFile(".git/modules/rules/library/config", strings.Replace(w.evilConfig(), "[core]", "[core]\n worktree = ../../../../rules/library", 1))
			w.git(".", "config", "submodule.recurse", "true")
		}, proof: status("rules/library")},
		{name: "a work tree elsewhere", set: func(w *gitWorld) {
			own(w)
			w.writeFile(".git/config", strings.Replace(w.evilConfig(), "[core]", "[core]\n worktree = "+filepath.Dir(w.canary), 1))
		}, proof: status("."), foreign: true},
		{name: "the environment", set: func(w *gitWorld) {
			touched(w)
			w.env = []string{
				"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.fsmonitor", "GIT_CONFIG_VALUE_0=" + w.canaryCommand(), "GIT_EXTERNAL_DIFF=" + w.canaryCommand(),
				"GIT_PAGER=" + w.canaryCommand(), "GIT_SSH_COMMAND=" + w.canaryCommand(), "GIT_ASKPASS=" + w.canaryCommand(), "GIT_TRACE=" + w.canary,
				"GIT_TRACE2_EVENT=" + w.canary, "GIT_TEMPLATE_DIR=/", "GIT_PROXY_COMMAND=" + w.canaryCommand(),
			}
		}},
	}
}

// TestGitRunsNothing checks repositories from an attacker's pull request. plan,
// drift, apply, plan --base and init must run none of their commands, and must
// pass no token and no key to Git. Git itself runs only at the top of the work
// tree.
func TestGitRunsNothing(t *testing.T) {
	t.Parallel()
	for _, attack := range gitAttacks() {
		t.Run(attack.name, func(t *testing.T) {
			t.Parallel()
			w := newGitWorld(t)
			head := w.git(".", "rev-parse", "HEAD")
			attack.set(w)
			if attack.proof != nil {
				cmd := exec.CommandContext(t.Context(), "timeout", append([]string{"-s", "KILL", "10", w.real}, attack.proof[1:]...)...)
				cmd.Dir = filepath.Join(w.dir, attack.proof[0])
				out, _ := cmd.CombinedOutput() // the exit code doesn't matter
				if _, err := os.Stat(w.canary); err != nil {
					t.Fatalf("the attack runs nothing even with git %v:\n%s", attack.proof[1:], out)
				}
				if err := os.Remove(w.canary); err != nil {
					t.Fatal(err)
				}
			}
			if !attack.foreign {
				head = w.git(".", "-c", "core.fsmonitor=", "rev-parse", "HEAD")
			}
			s := serveEmulator(t, emulator.Options{})
			for _, args := range [][]string{
				{"plan", "--format", "json"}, {"plan", "--base", "HEAD"}, {"plan", "--base", "main"}, {"plan", "--base", head},
				{"drift"}, {"apply", "--yes"}, {"init", "-p", "demo"},
			} {
				if attack.config != "" && args[0] != "init" {
					args = append(slices.Clone(args), "--config", attack.config)
				}
				stdout, stderr := w.attacked(s, args)
				if slices.Contains(args, "json") {
					w.checkCommit(stdout, stderr, head, attack.foreign)
				}
			}
		})
	}
}

// attacked runs mkhooks and checks that no attack command ran.
func (w *gitWorld) attacked(s *served, args []string) (stdout, stderr string) {
	w.t.Helper()
	cmd := w.newProcess(s, args...)
	for i, e := range cmd.Env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			cmd.Env[i] = "PATH=" + w.bin + string(filepath.ListSeparator) + path
		}
	}
	cmd.Env = append(append(cmd.Env, "SOPS_AGE_KEY=AGE-SECRET-KEY-TEST", "VAULT_TOKEN=vault-t0ken", "AWS_SECRET_ACCESS_KEY=aws-s3cret"), w.env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // refused or not
	if got, err := os.ReadFile(w.canary); err == nil {
		w.t.Errorf("mkhooks %v ran a command of the attacker, with the environment:\n%s", args, got)
		_ = os.Remove(w.canary)
	}
	log, err := os.ReadFile(w.log)
	if err != nil {
		return out.String(), errs.String()
	}
	for _, secret := range []string{scriptToken, "MKIO_", "SOPS_", "VAULT_", "AWS_", w.key} {
		if strings.Contains(string(log), secret) {
			w.t.Errorf("mkhooks %v gives Git %s:\n%s", args, secret, log)
		}
	}
	for line := range strings.Lines(string(log)) {
		if dir, ok := strings.CutPrefix(line, "cwd="); ok && !strings.HasPrefix(dir, w.dir+" ") {
			w.t.Errorf("mkhooks %v runs Git elsewhere than in %s: %s", args, w.dir, line)
		}
	}
	if err := os.Remove(w.log); err != nil {
		w.t.Fatal(err)
	}
	return out.String(), errs.String()
}

// checkCommit checks that the plan contains the commit of the repository, or
// none.
func (w *gitWorld) checkCommit(stdout, stderr, head string, foreign bool) {
	w.t.Helper()
	var p plan.Plan
	if err := json.Unmarshal([]byte(stdout), &p); err != nil {
		w.t.Fatalf("no plan: %v\n%s%s", err, stdout, stderr)
	}
	switch {
	case foreign && p.Source.Commit != "" && !p.Source.Dirty, !foreign && p.Source.Commit != head:
		w.t.Errorf("source %+v, and the commit is %s\n%s", p.Source, head, stderr)
	}
}
