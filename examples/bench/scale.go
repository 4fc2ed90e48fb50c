package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/config"
	"github.com/mkhooks/mkhooks/sync/emulator"
	"github.com/mkhooks/mkhooks/sync/webhook"
)

const (
	perProject  = 500
	scaleOwner  = "bench"
	differsEach = 50 // one of this many rules differs, so that the plan contains changes
)

// measureScale plans 2, 20 and 200 projects of 500 encrypted rules each. The floor
// decodes the same files. Local work is the CPU time of the process on all
// cores: it excludes the emulator on the same machine.
func (b *bench) measureScale() error {
	type size struct {
		rules         int
		plan, floor   time.Duration // of all cores
		wall, noDelay time.Duration
		peak          int64
	}
	var sizes []size
	for _, projects := range []int{2, 20, 200} {
		fmt.Fprintf(os.Stderr, "bench: %d projects of %d rules ...\n", projects, perProject)
		dir, err := b.writeProjects(projects)
		if err != nil {
			return err
		}
		s := size{rules: projects * perProject}
		for _, wait := range []time.Duration{0, latency} {
			url, stop, err := b.serveProjects(dir, projects, wait)
			if err != nil {
				return err
			}
			u, err := b.planProjects(dir, url, projects)
			stop()
			if err != nil {
				return err
			}
			s.wall, s.plan, s.peak = u.wall, u.cpu, u.peak
			if wait == 0 {
				s.noDelay = u.wall
			}
		}
		floor, err := b.runMedian(3, nil, b.self, "decode", filepath.Join(dir, "rules"))
		if err != nil {
			return err
		}
		s.floor = floor.cpu
		sizes = append(sizes, s)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	big := sizes[len(sizes)-1]
	b.addRow(big.plan*10 <= big.floor*25, "plan of 200 projects × 500 encrypted rules, latency 20 ms, local work (time of all cores)",
		ms(big.plan), "decoding the same files into yaml.Node: "+ms(big.floor)+", ratio "+ratio(big.plan, big.floor), "ratio 2.5")
	b.addRow(big.wall*10 <= big.noDelay*11, "how long that takes, requests and local work side by side",
		ms(big.wall), "without latency "+ms(big.noDelay)+"; its requests one after the other alone: "+ms(200*latency), "1.1 × without latency")
	b.addRow(big.peak <= 600<<20, "peak memory of that", fmt.Sprintf("%d MiB", big.peak>>20), "–", "600 MiB")
	for i := 1; i < len(sizes); i++ {
		less, more := sizes[i-1], sizes[i]
		b.addRow(more.plan <= 11*less.plan && more.peak <= 10*less.peak,
			fmt.Sprintf("10 times the rules: from %s to %s", formatCount(less.rules), formatCount(more.rules)),
			fmt.Sprintf("%s times the work, %.1f times the memory", ratio(more.plan, less.plan), float64(more.peak)/float64(less.peak)),
			fmt.Sprintf("%s and %d MiB, then %s and %d MiB", ms(less.plan), less.peak>>20, ms(more.plan), more.peak>>20),
			"11 times the time, 10 times the memory")
	}
	return nil
}

// formatCount formats a number with commas.
func formatCount(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// writeProjects writes a config file with n projects and their rules.
func (b *bench) writeProjects(n int) (dir string, err error) {
	name := fmt.Sprintf("scale-%d", n)
	dir = filepath.Join(b.dir, name)
	config := "owner: " + scaleOwner + "\ndestinations: [hooks.example.com]\nprojects:\n"
	for i := range n {
		p := projectName(i)
		if _, err := b.writeRules(filepath.Join(name, "rules", p), perProject, true); err != nil {
			return "", err
		}
		config += "  " + p + ": {rules: [rules/" + p + "]}\n"
	}
	return dir, os.WriteFile(filepath.Join(dir, "mkhooks.yaml"), []byte(config), 0o600)
}

func projectName(i int) string { return fmt.Sprintf("project-%03d", i) }

// planProjects plans all projects without a key.
func (b *bench) planProjects(dir, url string, projects int) (usage, error) {
	env := []string{"MKIO_BASE_URL=" + url, "MKIO_TOKEN=bench-token", "SOPS_AGE_KEY_FILE=/nonexistent"}
	u, err := b.runMedian(3, env, b.programPath("mkhooks"), "plan", "--config", filepath.Join(dir, "mkhooks.yaml"))
	if err != nil {
		return u, err
	}
	want := fmt.Sprintf("Plan: %s to update, %s in sync.", formatCount(projects*perProject/differsEach), formatCount(projects*(perProject-perProject/differsEach)))
	if !strings.Contains(u.out, want) {
		return u, fmt.Errorf("the plan of %d projects does not say %q:\n%s", projects, want, lastBytes(u.out, 500))
	}
	return u, nil
}

// serveProjects serves the live rules of all projects from a separate process:
// a child process starts with the memory of its parent.
func (b *bench) serveProjects(dir string, projects int, wait time.Duration) (url string, stop func(), err error) {
	server := exec.CommandContext(b.ctx, b.self, "serve-projects", dir, strconv.Itoa(projects), wait.String())
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = server.Process.Kill() // it stores nothing
		_ = server.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("serve the projects: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// serveMany serves the rules below dir as after an apply. Every differsEach-th
// rule has been changed since.
func serveMany(dir, projects, wait string) error {
	n, err := strconv.Atoi(projects)
	if err != nil {
		return err
	}
	latency, err := time.ParseDuration(wait)
	if err != nil {
		return err
	}
	served := emulator.Projects{}
	for i := range n {
		name := projectName(i)
		s := emulator.New(emulator.Options{
			Project:  name,
			Tokens:   map[string][]emulator.Capability{"bench-token": emulator.AllCapabilities()},
			PageSize: 1000, MaxTop: 1000, Latency: latency, ListPaging: true,
		})
		rules, problems, err := config.LoadRules(context.Background(), []string{filepath.Join(dir, "rules", name)}, config.Options{})
		if err != nil || len(rules.Rules) != perProject {
			return fmt.Errorf("read the rules of %s: %d valid, %v, %w", name, len(rules.Rules), problems, err)
		}
		for j, r := range rules.Rules {
			s.Put(r.Name, liveSpec(name, r.Desired, j%differsEach == 0))
		}
		served[name] = s
	}
	h := httptest.NewServer(http.Handler(served))
	fmt.Println(h.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the process is killed
	select {}
}

// liveSpec returns the live spec of a rule after an apply.
func liveSpec(project string, d webhook.Desired, changed bool) map[string]any {
	m := webhook.Marker{Owner: scaleOwner, ID: webhook.RuleID(project, d.Name), Spec: webhook.SpecDigest(d.Spec), Auth: d.AuthDigest}
	headers := map[string]any{webhook.MarkerHeader: m.String()}
	for name, value := range d.Spec.Headers {
		headers[name] = value
	}
	params := map[string]any{}
	for name, value := range d.Spec.QueryParams {
		params[name] = value
	}
	var events []any
	for _, e := range d.Spec.Events {
		events = append(events, string(e))
	}
	return map[string]any{
		"url": d.Spec.URL, "enabled": d.Spec.Enabled != changed, "events": events, "headers": headers, "queryParams": params,
		"authentication": map[string]any{
			"headers":     map[string]any{"X-Webhook-Secret": "stored"},
			"queryParams": map[string]any{"code": "stored"},
		},
	}
}

// limitedApply applies 2,500 creations in one project; the service accepts
// 1,000 per minute.
func (b *bench) limitedApply() error {
	const n = 2500
	dir, err := b.writeRules("limited", n, false)
	if err != nil {
		return err
	}
	s := emulator.New(emulator.Options{
		Project:  "bench",
		Tokens:   map[string][]emulator.Capability{"bench-token": emulator.AllCapabilities()},
		PageSize: 1000, MaxTop: 1000, ListPaging: true, RateLimit: true,
	})
	h := httptest.NewServer(s)
	defer h.Close()
	u, err := b.runProgram(append(serverEnv(h.URL), "SOPS_AGE_KEY_FILE="+b.identity), b.programPath("mkhooks"), "apply", "--owner", "bench", "--yes", "--concurrency", "64", dir)
	if err != nil {
		return err
	}
	refused, puts := 0, 0
	for _, r := range s.Requests() {
		if r.Status == http.StatusTooManyRequests {
			refused++
		}
		if r.Method == http.MethodPut {
			puts++
		}
	}
	allowed := (n - 1) / 1000 * time.Minute
	b.addRow(refused == 0 && puts == n && u.wall*100 <= allowed*105, "apply of 2,500 creations in one project, 1,000 writes a minute",
		fmt.Sprintf("%.1f s, %d answers of 429", u.wall.Seconds(), refused), fmt.Sprintf("the limit allows it in %.0f s, ratio %s", allowed.Seconds(), ratio(u.wall, allowed)),
		"no 429, within 5 %")
	return nil
}
