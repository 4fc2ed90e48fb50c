// Command demo shows the main purpose of mkhooks on this machine alone. It
// builds mkhooks and sops, starts the emulator on a free loopback port with
// live rules and history, and makes a temporary age key. Then it runs each step
// of a rule's life and shows each command before it runs. It ends by itself,
// and deletes all its files, also if a step fails or is interrupted.
package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"filippo.io/age"
)

//go:embed rules seed.json
var files embed.FS

const (
	project = "demo"
	token   = "demo-token"
	keyFile = "age-key.txt"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runDemo(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo: error:", err)
		os.Exit(1)
	}
}

// demo is one run in a temporary directory.
type demo struct {
	ctx context.Context
	dir string
	bin string
	url string
}

func runDemo(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "mkhooks-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{ctx: ctx, dir: filepath.Join(dir, "repo"), bin: filepath.Join(dir, "bin")}
	if err := d.buildTools(); err != nil {
		return err
	}
	if err := d.prepareRepository(); err != nil {
		return err
	}
	stop, err := d.startEmulator()
	if err != nil {
		return err
	}
	defer stop()
	return d.runStory()
}

// buildTools builds mkhooks and sops into the directory of the run. The first build
// compiles SOPS with all its key services, which takes a minute or two.
func (d *demo) buildTools() error {
	fmt.Println("building mkhooks and sops ...")
	if err := os.MkdirAll(d.bin, 0o700); err != nil {
		return err
	}
	cmd := exec.CommandContext(d.ctx, "go", "build", "-o", d.bin+string(filepath.Separator), ".", "github.com/getsops/sops/v3/cmd/sops")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}

// prepareRepository creates the config repository: rule files, a new age key, .sops.yaml,
// and the seed of the emulator.
func (d *demo) prepareRepository() error {
	for _, name := range []string{"rules", "archive"} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o700); err != nil {
			return err
		}
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	write := func(name, text string) error {
		return os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600)
	}
	if err := write(keyFile, key.String()+"\n"); err != nil {
		return err
	}
	if err := write(".sops.yaml", "creation_rules:\n  - age: "+key.Recipient().String()+
		"\n    encrypted_regex: ^authentication$\n    mac_only_encrypted: true\n"); err != nil {
		return err
	}
	rules, err := fs.Glob(files, "rules/*.yaml")
	if err != nil {
		return err
	}
	for _, name := range append(rules, "seed.json") {
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := write(name, string(text)); err != nil {
			return err
		}
	}
	for _, name := range rules {
		if _, err := d.newCommand("sops", "encrypt", "--in-place", name).Output(); err != nil {
			return fmt.Errorf("sops encrypt %s: %w", name, err)
		}
	}
	return nil
}

// startEmulator starts the emulator and returns a function that stops it.
func (d *demo) startEmulator() (stop func(), err error) {
	cmd := d.newCommand("mkhooks", "emulate", "--listen", "127.0.0.1:0", "--project", project, "--token", token, "--seed", "seed.json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "MKIO_BASE_URL=")
	if !ok {
		stop()
		return nil, fmt.Errorf("the emulator did not say where it listens: %q, %w", line, err)
	}
	d.url = url
	fmt.Println("the emulator serves project", project, "at", url)
	return stop, nil
}

// newCommand returns a command in the directory of the run. Its environment has no
// key; the caller may add a key.
func (d *demo) newCommand(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(d.ctx, filepath.Join(d.bin, name), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir = d.dir
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "SOPS_") && !strings.HasPrefix(name, "MKIO_") &&
			!slices.Contains([]string{"CI", "GITHUB_ACTIONS", "XDG_CONFIG_HOME", "HOME"}, name) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+d.dir, "MKIO_BASE_URL="+d.url, "MKIO_PROJECT="+project, "MKIO_TOKEN="+token)
	return cmd
}

// printStep prints the purpose of the next step.
func printStep(text string) { fmt.Printf("\n# %s\n", text) }

// runStep prints a command, runs it, and fails unless it exits with want.
func (d *demo) runStep(want int, key bool, name string, args ...string) error {
	shown := strings.Join(append([]string{name}, quoteArg(args)...), " ")
	if key {
		shown = "SOPS_AGE_KEY_FILE=" + keyFile + " " + shown
	}
	fmt.Println("\n$ " + shown)
	cmd := d.newCommand(name, args...)
	if key {
		cmd.Env = append(cmd.Env, "SOPS_AGE_KEY_FILE="+filepath.Join(d.dir, keyFile))
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return fmt.Errorf("%s: %w", shown, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("%s: exit code %d, expected %d", shown, got, want)
	}
	if want != 0 {
		fmt.Printf("(exit code %d)\n", want)
	}
	return nil
}

func quoteArg(args []string) []string {
	out := make([]string, 0, len(args))
	for _, a := range args {
		if strings.ContainsAny(a, ` "'*[]`) {
			a = "'" + a + "'"
		}
		out = append(out, a)
	}
	return out
}

// runStory runs all steps and checks the exit code of each.
func (d *demo) runStory() error {
	const owner = "demo-repo"
	secretPath := `["spec"]["authentication"]["headers"]["X-Webhook-Secret"]`
	steps := []func() error{
		func() error {
			printStep("Rule files, their auth values encrypted with SOPS. Checking needs no network and no key.")
			return d.runStep(0, false, "mkhooks", "validate", "rules")
		},
		func() error {
			printStep("What would change? Planning sends GETs only and decrypts nothing.")
			return d.runStep(0, false, "mkhooks", "plan", "--owner", owner, "rules")
		},
		func() error {
			printStep("Apply. This is the first command that needs the key.")
			return d.runStep(0, true, "mkhooks", "apply", "--owner", owner, "--yes", "rules")
		},
		func() error {
			printStep("Again: nothing is left to do.")
			return d.runStep(0, false, "mkhooks", "plan", "--owner", owner, "rules")
		},
		func() error {
			printStep("Behind the tool's back, someone pauses channel-alerts and drops an event.")
			return d.changeLiveRule("channel-alerts")
		},
		func() error {
			printStep("Drift says which side moved, and exits with 2 for the scheduler.")
			return d.runStep(2, false, "mkhooks", "drift", "--owner", owner, "rules")
		},
		func() error {
			printStep("A secret is rotated in its file ...")
			return d.runStep(0, true, "sops", "set", "rules/job-notifications.yaml", secretPath, `"a-new-demo-secret"`)
		},
		func() error {
			printStep("... and plan sees it without a key, beside the drift.")
			return d.runStep(0, false, "mkhooks", "plan", "--owner", owner, "rules")
		},
		func() error {
			printStep("nightly-report is no longer wanted: its file goes.")
			fmt.Println("\n$ rm rules/nightly-report.yaml")
			return os.Remove(filepath.Join(d.dir, "rules", "nightly-report.yaml"))
		},
		func() error {
			printStep("One apply brings back the drift, sends the new secret, and deletes the rule once its history is stored.")
			return d.runStep(0, true, "mkhooks", "apply", "--owner", owner, "--prune", "owned", "--archive", "archive", "--yes", "rules")
		},
		func() error {
			printStep("What the archive holds:")
			return d.showArchive()
		},
		func() error {
			printStep("The result: files and service agree. legacy-feed was never ours, so it was left alone.")
			return d.runStep(0, false, "mkhooks", "drift", "--owner", owner, "--prune", "owned", "--archive", "archive", "rules")
		},
	}
	for _, step := range steps {
		if err := d.ctx.Err(); err != nil {
			return errors.New("interrupted")
		}
		if err := step(); err != nil {
			return err
		}
	}
	fmt.Println("\ndemo: done; everything it made is removed")
	return nil
}

// changeLiveRule changes a live rule as the web application would: it keeps the headers
// and changes the rest.
func (d *demo) changeLiveRule(rule string) error {
	address := d.url + "/api/v1/projects/" + project + "/webhook/rules/" + rule
	body, err := d.sendRequest(http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	var live struct {
		Spec map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(body, &live); err != nil {
		return fmt.Errorf("GET %s: %w", address, err)
	}
	live.Spec["enabled"] = false
	live.Spec["events"] = []string{"MediaKind.ChannelInstanceError"}
	changed, err := json.Marshal(map[string]any{"spec": live.Spec})
	if err != nil {
		return err
	}
	fmt.Printf("\n$ curl -X PUT .../webhook/rules/%s -d '{\"spec\": {\"enabled\": false, ...}}'\n", rule)
	_, err = d.sendRequest(http.MethodPut, address, changed)
	return err
}

func (d *demo) sendRequest(method, address string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(d.ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, address, resp.Status)
	}
	return data, err
}

// showArchive lists the archive and prints the manifest.
func (d *demo) showArchive() error {
	root := filepath.Join(d.dir, "archive")
	fmt.Println("\n$ ls archive; cat archive/*manifest.json")
	found := false
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Printf("%8d  %s\n", info.Size(), filepath.Base(path))
		if !strings.HasSuffix(path, "manifest.json") {
			return nil
		}
		found = true
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Println(strings.TrimSpace(string(text)))
		return nil
	})
	if err == nil && !found {
		err = errors.New("the archive holds no manifest")
	}
	return err
}
