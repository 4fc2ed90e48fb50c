package config

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// TestHoldings checks that each encrypted value in a file belongs to the rule that
// contains it, at every URL that the rule has with it. Changes in later layers do
// not matter. ENC[x] represents a value.
func TestHoldings(t *testing.T) {
	t.Parallel()
	const (
		head = "metadata: {name: jobs}\nspec:\n  url: https://a.example/\n"
		jobs = head + "  authentication: {headers: {X-Secret: 'ENC[s]'}}\n"
	)
	layer := func(spec string) string { return "metadata: {name: jobs}\nspec:\n" + spec }
	for name, tt := range map[string]struct {
		files  string
		paths  string // "common prod" unless given
		want   string
		unread string
	}{
		"one file":           {files: "-- common/a.yaml --\n" + jobs, want: "jobs s a.example"},
		"two values":         {files: "-- common/a.yaml --\n" + head + "  authentication: {headers: {X: 'ENC[s]'}, queryParams: {q: 'ENC[t]'}}\n", want: "jobs s a.example; jobs t a.example"},
		"another URL later":  {files: "-- common/a.yaml --\n" + jobs + "-- prod/a.yaml --\n" + layer("  url: https://b.example/\n"), want: "jobs s a.example; jobs s b.example"},
		"a value added":      {files: "-- common/a.yaml --\n" + jobs + "-- prod/a.yaml --\n" + layer("  authentication: {headers: {X-Two: 'ENC[t]'}}\n"), want: "jobs s a.example; jobs t a.example"},
		"a value replaced":   {files: "-- common/a.yaml --\n" + jobs + "-- prod/a.yaml --\n" + layer("  url: https://b.example/\n  authentication: {headers: {X-Secret: 'ENC[t]'}}\n"), want: "jobs s a.example; jobs t b.example"},
		"a value removed":    {files: "-- common/a.yaml --\n" + jobs + "-- prod/a.yaml --\n" + layer("  url: https://b.example/\n  authentication: {headers: {X-Secret: null}}\n"), want: "jobs s a.example"},
		"headers removed":    {files: "-- common/a.yaml --\n" + jobs + "-- prod/a.yaml --\n" + layer("  url: https://b.example/\n  authentication: {headers: null}\n"), want: "jobs s a.example"},
		"auth removed":       {files: "-- common/a.yaml --\n" + jobs + "-- prod/a.yaml --\n" + layer("  url: https://b.example/\n  authentication: null\n"), want: "jobs s a.example"},
		"the rule removed":   {files: "-- common/a.yaml --\n" + jobs + "-- prod/a.yaml --\nmetadata: {name: jobs}\nspec: null\n", want: "jobs s a.example"},
		"clear text instead": {files: "-- common/a.yaml --\n" + jobs + "-- prod/a.yaml --\n" + layer("  url: https://b.example/\n  authentication: {headers: {X-Secret: text}}\n"), want: "jobs s a.example"},
		"the URL comes later": {files: "-- common/a.yaml --\n" + layer("  authentication: {headers: {X-Secret: 'ENC[s]'}}\n") + "-- prod/a.yaml --\n" + layer("  url: https://b.example/\n"),
			want: "jobs s b.example"},
		"the URL comes later, without the value": {files: "-- common/a.yaml --\n" + layer("  authentication: {headers: {X-Secret: 'ENC[s]'}}\n") +
			"-- prod/a.yaml --\n" + layer("  url: https://b.example/\n  authentication: null\n"), want: "jobs s b.example"},
		"a rule that is not valid": {files: "-- common/a.yaml --\n" + jobs + "  nonsense: 1\n", want: "jobs s a.example"},
		"two files of one layer":   {files: "-- common/a.yaml --\n" + jobs + "-- common/b.yaml --\n" + strings.ReplaceAll(jobs, "[s]", "[t]"), want: "jobs s a.example; jobs t a.example"},
		"a value in a wrong place": {files: "-- common/a.yaml --\n" + head + "  headers: {X-A: 'ENC[s]'}\n  events: ['ENC[t]']\n", want: "jobs s a.example; jobs t a.example"},
		"values of SOPS itself":    {files: "-- common/a.yaml --\n" + head + "sops: {mac: 'ENC[s]', age: [{enc: 'ENC[t]'}]}\n", want: ""},
		"a shared value": {files: "-- common/a.yaml --\n" + head + "  authentication: {headers: {X: {$secret: s.yaml#k}}}\n-- common/s.yaml --\nk: 'ENC[s]'\nother: 'ENC[t]'\n",
			want: "jobs s a.example"},
		"a shared value with text before it": {files: "-- common/a.yaml --\n" + head + "  authentication: {headers: {X: {$secret: s.yaml#k, prefix: 'Bearer '}}}\n-- common/s.yaml --\nk: 'ENC[s]'\n",
			want: "jobs s a.example"},
		"a shared value replaced": {files: "-- common/a.yaml --\n" + head + "  authentication: {headers: {X: {$secret: s.yaml#k}}}\n-- common/s.yaml --\nk: 'ENC[s]'\n-- prod/s.yaml --\nk: 'ENC[t]'\n",
			want: "jobs s a.example; jobs t a.example"},
		"a shared value replaced, with another URL": {files: "-- common/a.yaml --\n" + head + "  authentication: {headers: {X: {$secret: s.yaml#k}}}\n-- common/s.yaml --\nk: 'ENC[s]'\n" +
			"-- prod/s.yaml --\nk: 'ENC[t]'\n-- prod/a.yaml --\n" + layer("  url: https://b.example/\n"), want: "jobs s a.example; jobs t b.example"},
		"a reference out of the layer": {files: "-- common/a.yaml --\n" + head + "  authentication: {headers: {X: {$secret: ../s.yaml#k}}}\n-- s.yaml --\nk: 'ENC[s]'\n", want: ""},
		"a file that can't be read":    {files: "-- common/a.yaml --\n" + jobs + "-- common/b.yaml --\nmetadata: {name: [\n", want: "jobs s a.example", unread: "common/b.yaml"},
		"a path that is not there":     {files: "-- common/a.yaml --\n" + jobs, paths: "common absent", want: "jobs s a.example", unread: "absent"},
		"a path without a file":        {files: "-- common/a.yaml --\n" + jobs, paths: "common prod", want: "jobs s a.example", unread: "prod"},
		"a path that is a file":        {files: "-- common/a.yaml --\n" + head + "  authentication: {headers: {X: {$secret: s.yaml#k}}}\n-- common/s.yaml --\nk: 'ENC[s]'\n", paths: "common/a.yaml", want: "jobs s a.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			layers := "common"
			if strings.Contains(tt.files, "-- prod/") {
				layers += " prod"
			}
			for _, layer := range []string{"common", "prod"} {
				if err := os.Mkdir(filepath.Join(dir, layer), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range txtar.Parse([]byte(tt.files)).Files {
				if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var paths []string
			for _, p := range strings.Fields(cmp.Or(tt.paths, layers)) {
				paths = append(paths, filepath.Join(dir, p))
			}
			words := map[webhook.ValueDigest]string{webhook.DigestOfValue("ENC[s]"): "s", webhook.DigestOfValue("ENC[t]"): "t"}
			var h Holdings
			for range 2 { // the second pass uses the cache
				held, unread, err := h.Project(context.Background(), "demo", paths)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, x := range held {
					if x.Project != "demo" {
						t.Errorf("a value of project %q", x.Project)
					}
					got = append(got, x.Rule+" "+words[x.Value]+" "+webhook.OriginOf(x.URL).String())
				}
				slices.Sort(got)
				if s := strings.Join(got, "; "); s != tt.want {
					t.Errorf("held: %s\nwant: %s", s, tt.want)
				}
				for i := range unread {
					unread[i] = strings.TrimPrefix(filepath.ToSlash(unread[i]), filepath.ToSlash(dir)+"/")
				}
				if s := strings.Join(unread, "; "); s != tt.unread {
					t.Errorf("not read: %q, want %q", s, tt.unread)
				}
			}
		})
	}
}
