package cli

import (
	"encoding/json"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkhooks/mkhooks/sync/report"
)

const versionLong = `Version prints the build of mkhooks: the version of its module, the commit and
its time, and whether files differed from the commit. A program installed with
"go install" from a version has no commit, only the version.`

func newVersionCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "version",
		Short:       "Print the version",
		Long:        versionLong,
		Example:     "  mkhooks version\n  mkhooks version --format json",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{formatsKey: "text,json"},
		RunE: func(*cobra.Command, []string) error {
			return a.writeDocument(document{
				text: func(w io.Writer, _ report.TextOptions) error { return writeLine(w, readBuild().String()) },
				json: func(w io.Writer) error {
					enc := json.NewEncoder(w)
					enc.SetIndent("", "  ")
					return enc.Encode(readBuild())
				},
			})
		},
	}
	cmd.Flags().StringVar(&a.format, "format", "text", "`FORMAT`: print this format: text or json")
	return cmd
}

// build describes the build of a program.
type build struct {
	FormatVersion int `json:"formatVersion"`
	// Version is the module version that the go command stamped. Without a
	// stamp it is "devel", with the commit if that is known.
	Version string `json:"version"`
	// Commit and Time identify the checkout; empty without a checkout.
	Commit string     `json:"commit,omitempty"`
	Time   *time.Time `json:"time,omitempty"`
	// Dirty reports changed files in the checkout.
	Dirty    bool   `json:"dirty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (b build) String() string {
	about := []string{b.Go, b.Platform}
	if b.Commit != "" {
		commit := "commit " + b.Commit[:min(12, len(b.Commit))]
		if b.Dirty {
			commit += " with changes"
		}
		if b.Time != nil {
			commit += " of " + b.Time.Format(time.DateOnly)
		}
		about = append([]string{commit}, about...)
	}
	return "mkhooks " + b.Version + " (" + strings.Join(about, ", ") + ")"
}

// readBuild returns the build of this program.
func readBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info)
}

func buildOf(info *debug.BuildInfo) build {
	b := build{FormatVersion: 1, Version: info.Main.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				at = at.UTC()
				b.Time = &at
			}
		case "vcs.modified":
			b.Dirty = s.Value == "true"
		}
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
		if len(b.Commit) >= 12 {
			b.Version += "-" + b.Commit[:12]
		}
		if b.Dirty {
			b.Version += "-dirty"
		}
	}
	return b
}

// version returns the version of this program.
func version() string { return readBuild().Version }
