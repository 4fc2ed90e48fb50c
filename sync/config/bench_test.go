package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// BenchmarkValidate10000 reads 10,000 encrypted rule files. Its floor decodes the
// same files into nodes on all cores; reading must not take twice as long. The
// metric "x-floor" of the second benchmark is the ratio.
func BenchmarkValidate10000(b *testing.B) {
	sealed, err := os.ReadFile("testdata/ok/sealed.yaml")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	var files []string
	for i := range 10_000 {
		file := filepath.Join(dir, fmt.Sprintf("rule-%05d.yaml", i))
		text := strings.Replace(string(sealed), "name: ", fmt.Sprintf("name: rule-%05d-", i), 1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		files = append(files, file)
	}
	benchLayers(b, dir, files)
	var floor float64
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			decodeAll(b, files)
		}
		floor = b.Elapsed().Seconds() / float64(b.N)
	})
	b.Run("validate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rules, problems, err := LoadRules(context.Background(), []string{dir}, Options{})
			if err != nil || len(rules.Rules) != len(files) {
				b.Fatalf("%d rules, problems %v, error %v", len(rules.Rules), problems, err)
			}
		}
		if floor > 0 {
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/floor, "x-floor")
		}
	})
}

// benchLayers reads the files as a layer below another layer, which overrides part
// of every second rule. The metric "x-floor" is the ratio to decoding the files of
// both layers.
func benchLayers(b *testing.B, common string, files []string) {
	prod := b.TempDir()
	both := slices.Clone(files)
	for i := 0; i < len(files); i += 2 {
		file := filepath.Join(prod, filepath.Base(files[i]))
		text := fmt.Sprintf("metadata: {name: rule-%05d-sealed}\nspec:\n  url: https://prod.example.com/\n  headers: {X-Source: prod}\n", i)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		both = append(both, file)
	}
	var floor float64
	b.Run("layers floor", func(b *testing.B) {
		for b.Loop() {
			decodeAll(b, both)
		}
		floor = b.Elapsed().Seconds() / float64(b.N)
	})
	b.Run("layers", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rules, problems, err := LoadRules(context.Background(), []string{common, prod}, Options{Layered: true})
			if err != nil || len(rules.Rules) != len(files) || len(problems) > 0 {
				b.Fatalf("%d rules, problems %v, error %v", len(rules.Rules), problems, err)
			}
		}
		if floor > 0 {
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/floor, "x-floor")
		}
	})
}

// decodeAll reads files and decodes them into nodes, on all cores.
func decodeAll(b *testing.B, files []string) {
	var wg sync.WaitGroup
	n := runtime.GOMAXPROCS(0)
	for worker := range n {
		wg.Go(func() {
			for i := worker; i < len(files); i += n {
				data, err := os.ReadFile(files[i])
				var node yaml.Node
				if err != nil || yaml.Unmarshal(data, &node) != nil {
					b.Error(files[i], err)
				}
			}
		})
	}
	wg.Wait()
}
