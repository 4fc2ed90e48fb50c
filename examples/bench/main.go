// Command bench measures the speed and memory that the README promises. Each
// figure has a floor, measured in the same run on the same machine. It prints a
// Markdown table and exits with 1 if a promise is broken.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	// The floors run in separate processes, like mkhooks.
	var floor func() error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "decode":
		floor = func() error { return decodeAll(os.Args[2]) }
	case len(os.Args) == 2 && os.Args[1] == "read":
		floor = readAll
	case len(os.Args) == 2 && os.Args[1] == "serve":
		floor = serveHistory
	case len(os.Args) == 5 && os.Args[1] == "serve-projects":
		floor = func() error { return serveMany(os.Args[2], os.Args[3], os.Args[4]) }
	}
	if floor != nil {
		if err := floor(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: error:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runCases(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

// bench is one run in a temporary directory.
type bench struct {
	ctx      context.Context
	dir      string
	self     string // path of this program, which measures the floors in child processes
	sealed   string // a rule file that sops encrypted
	rows     []row
	identity string
}

// row is one line of the table.
type row struct {
	what, measured, floor, limit string
	kept                         bool
}

// runCases runs the cases with the given names, or all cases without names.
func runCases(ctx context.Context, only []string) (err error) {
	dir, err := os.MkdirTemp("", "mkhooks-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b := &bench{ctx: ctx, dir: dir, self: self}
	cases := []struct {
		name string
		run  func() error
	}{
		{"start", b.measureStart}, {"plan", b.planInSync}, {"validate", b.validateMany}, {"apply", func() error { return b.applyCreations(false) }},
		{"apply", func() error { return b.applyCreations(true) }}, {"history", b.measureHistory}, {"scale", b.measureScale}, {"limit", b.limitedApply},
	}
	if err := errors.Join(b.buildPrograms(), b.makeKey()); err != nil {
		return err
	}
	for _, c := range cases {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		if err := c.run(); err != nil {
			return err
		}
	}
	return b.printTable()
}

func (b *bench) buildPrograms() error {
	fmt.Fprintln(os.Stderr, "bench: building ...")
	cmd := exec.CommandContext(b.ctx, "go", "build", "-o", b.dir+string(filepath.Separator), ".", "./examples/bench/linksops")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// usage is the time, memory and output of one process.
type usage struct {
	wall time.Duration
	cpu  time.Duration // of all cores
	peak int64         // bytes
	out  string
	errs string
}

// runProgram runs one program and fails unless it exits with 0.
func (b *bench) runProgram(env []string, name string, args ...string) (usage, error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Dir = b.dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SOPS_") && !strings.HasPrefix(v, "MKIO_") && !strings.HasPrefix(v, "CI=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err := cmd.Run()
	u := usage{wall: time.Since(began), out: out.String(), errs: errs.String()}
	if err != nil {
		return u, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, lastBytes(u.errs, 500))
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.peak = peakMemory(cmd.ProcessState)
	return u, nil
}

func lastBytes(s string, n int) string { return s[max(0, len(s)-n):] }

// runMedian runs a program n times and returns the run with the median time, with
// the largest peak of all runs.
func (b *bench) runMedian(n int, env []string, name string, args ...string) (usage, error) {
	var all []usage
	for range n {
		u, err := b.runProgram(env, name, args...)
		if err != nil {
			return u, err
		}
		all = append(all, u)
	}
	return medianUsage(all), nil
}

// medianUsage returns the run with the median time, with the largest peak of all
// runs.
func medianUsage(all []usage) usage {
	slices.SortFunc(all, func(x, y usage) int { return int(x.wall - y.wall) })
	m := all[len(all)/2]
	for _, u := range all {
		m.peak = max(m.peak, u.peak)
	}
	return m
}

// runAlternately runs two programs alternately and returns their median times. So other
// load on the machine affects both.
func (b *bench) runAlternately(n int, env []string, first, second []string) (x, y time.Duration, err error) {
	var xs, ys []time.Duration
	for range n {
		u, err := b.runProgram(env, first[0], first[1:]...)
		if err != nil {
			return 0, 0, err
		}
		xs = append(xs, u.wall)
		if u, err = b.runProgram(env, second[0], second[1:]...); err != nil {
			return 0, 0, err
		}
		ys = append(ys, u.wall)
	}
	slices.Sort(xs)
	slices.Sort(ys)
	return xs[n/2], ys[n/2], nil
}

func (b *bench) programPath(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) addRow(kept bool, what, measured, floor, limit string) {
	fmt.Fprintf(os.Stderr, "bench: %s: %s (%s; must reach: %s)\n", what, measured, floor, limit)
	b.rows = append(b.rows, row{what, measured, floor, limit, kept})
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/1e6) }

func ratio(a, b time.Duration) string { return fmt.Sprintf("%.2f", float64(a)/float64(b)) }

// printTable writes the table. It returns an error if promises are broken.
func (b *bench) printTable() error {
	fmt.Printf("\n%s/%s, %d cores, %s, Go %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuName(), strings.TrimPrefix(runtime.Version(), "go"))
	fmt.Println("| what | measured | beside it, in the same run | must reach | kept |")
	fmt.Println("| --- | --- | --- | --- | --- |")
	broken := 0
	for _, r := range b.rows {
		kept := "yes"
		if !r.kept {
			kept = "**no**"
			broken++
		}
		fmt.Printf("| %s | %s | %s | %s | %s |\n", r.what, r.measured, r.floor, r.limit, kept)
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d not kept", broken, len(b.rows))
	}
	return nil
}

func cpuName() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown CPU"
}
