package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

const latency = 20 * time.Millisecond

// measureStart compares the start of mkhooks with a program that only links SOPS.
// mkhooks must not do more at start than "version" needs.
func (b *bench) measureStart() error {
	x, y, err := b.runAlternately(20, nil, []string{b.programPath("mkhooks"), "version"}, []string{b.programPath("linksops")})
	if err != nil {
		return err
	}
	b.addRow(float64(x) <= 1.5*float64(y), "start (`mkhooks version`), medians of 20", ms(x),
		"a program that only links SOPS: "+ms(y)+", ratio "+ratio(x, y), "ratio 1.5")
	return nil
}

// serveEmulator starts an emulator in this process.
func (b *bench) serveEmulator(wait time.Duration, pageSize int) (s *emulator.Server, env []string, stop func()) {
	s = benchServer(wait, pageSize)
	h := httptest.NewServer(s)
	return s, append(serverEnv(h.URL), "SOPS_AGE_KEY_FILE="+b.identity), h.Close
}

func benchServer(wait time.Duration, pageSize int) *emulator.Server {
	return emulator.New(emulator.Options{
		Project:  "bench",
		Tokens:   map[string][]emulator.Capability{"bench-token": emulator.AllCapabilities()},
		PageSize: pageSize, MaxTop: pageSize, Latency: wait, ListPaging: true,
	})
}

// serverEnv returns the environment of programs that use an emulator.
func serverEnv(url string) []string {
	return []string{"MKIO_BASE_URL=" + url, "MKIO_PROJECT=bench", "MKIO_TOKEN=bench-token"}
}

// planInSync plans 1,000 rules in pages of 100.
func (b *bench) planInSync() error {
	dir, err := b.writeRules("plan", 1000, true)
	if err != nil {
		return err
	}
	s, env, stop := b.serveEmulator(latency, 100)
	defer stop()
	plan := []string{"plan", "--owner", "bench", "--detailed-exitcode", dir}
	if _, err := b.runProgram(env, b.programPath("mkhooks"), "apply", "--owner", "bench", "--yes", "--concurrency", "64", dir); err != nil {
		return err
	}
	s.ResetRequests()
	if _, err := b.runProgram(env, b.programPath("mkhooks"), plan...); err != nil {
		return err
	}
	gets, others := 0, 0
	for _, r := range s.Requests() {
		if r.Method == "GET" {
			gets++
		} else {
			others++
		}
	}
	b.addRow(gets == 10 && others == 0, "requests of a plan, 1,000 live rules in pages of 100",
		fmt.Sprintf("%d GET, %d others", gets, others), "–", "10 GET")
	// Planning needs no key.
	noKey := append([]string{"SOPS_AGE_KEY_FILE=/nonexistent"}, env[:3]...)
	p, v, err := b.runAlternately(9, noKey, append([]string{b.programPath("mkhooks")}, plan...), []string{b.programPath("mkhooks"), "version"})
	if err != nil {
		return err
	}
	limit := time.Duration(1.3*float64(10*latency+v)) + 150*time.Millisecond
	b.addRow(p <= limit, "plan, 1,000 encrypted rules in sync, latency 20 ms, no key at hand, medians of 9", ms(p),
		"10 × 20 ms + version ("+ms(v)+"), ratio "+ratio(p, 10*latency+v), "1.3 × that + 150 ms = "+ms(limit))
	return nil
}

// validateMany compares validate of 10,000 encrypted files with a plain decode
// of them.
func (b *bench) validateMany() error {
	dir, err := b.writeRules("validate", 10_000, true)
	if err != nil {
		return err
	}
	var peak int64
	x, y, err := b.runAlternately(5, nil, []string{b.programPath("mkhooks"), "validate", dir}, []string{b.self, "decode", dir})
	if err != nil {
		return err
	}
	u, err := b.runMedian(3, nil, b.programPath("mkhooks"), "validate", dir)
	if err != nil {
		return err
	}
	peak = u.peak
	b.addRow(x <= 2*y, "validate, 10,000 encrypted rule files, medians of 5", ms(x),
		"decoding the same files into yaml.Node on all cores: "+ms(y)+", ratio "+ratio(x, y), "ratio 2")
	b.addRow(peak <= 300<<20, "peak memory of that", fmt.Sprintf("%d MiB", peak>>20), "–", "300 MiB")
	return nil
}

// decodeAll measures the floor of validate: it reads every file and decodes it
// into a yaml.Node, on all cores.
func decodeAll(dir string) error {
	var paths []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".yaml") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, path := range paths {
		group.Go(func() error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var node yaml.Node
			return yaml.Unmarshal(data, &node)
		})
	}
	if len(paths) == 0 {
		return errors.New("no file to decode")
	}
	return group.Wait()
}

// applyCreations applies 500 creations with a read before each write, 16 in
// parallel.
func (b *bench) applyCreations(auth bool) error {
	const n, concurrency = 500, 16
	what, name := "apply of 500 creations, latency 20 ms, no auth", "plain"
	if auth {
		what, name = "the same with age auth", "sealed"
	}
	dir, err := b.writeRules("apply-"+name, n, auth)
	if err != nil {
		return err
	}
	version, err := b.runMedian(9, nil, b.programPath("mkhooks"), "version")
	if err != nil {
		return err
	}
	var times []time.Duration
	var alone time.Duration
	opened := 0
	for range 3 {
		_, env, stop := b.serveEmulator(latency, 100)
		u, err := b.runProgram(env, b.programPath("mkhooks"), "apply", "-v", "--owner", "bench", "--yes", dir)
		if err == nil && auth {
			var d usage
			d, err = b.runProgram(env, b.programPath("mkhooks"), "validate", "--decrypt", dir)
			alone = max(alone, d.wall)
		}
		stop()
		if err != nil {
			return err
		}
		times = append(times, u.wall)
		opened = strings.Count(u.errs, "mkhooks: decrypt ")
	}
	slices.Sort(times)
	got := medianOf(times)
	ideal := 2 * n * latency / concurrency
	limit := time.Duration(1.6*float64(ideal)) + version.wall + alone
	floor := "2 × 500 × 20 ms / 16 = " + ms(ideal) + ", start " + ms(version.wall)
	if auth {
		floor += ", decrypting alone (`validate --decrypt`) " + ms(alone)
	}
	b.addRow(got <= limit, what+", medians of 3", ms(got), floor+"; ratio "+ratio(got, ideal+version.wall+alone), "1.6 × the first + the rest = "+ms(limit))
	if auth {
		b.addRow(opened == n, "keys opened by that apply", fmt.Sprintf("%d files", opened), "by the plans above: none", "one file a rule sent")
	}
	return nil
}
