// Package prometheus tests the alerts in this directory; it contains no other
// code.
package prometheus

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/metrics"
	"github.com/mkhooks/mkhooks/sync/plan"
)

// text returns the metrics of a run in which all values are known.
func text() string {
	var sent metrics.Requests
	sent.Add("GET", 200, 1)
	now := time.Unix(1_800_000_000, 0)
	return string(metrics.FormatRun(metrics.Run{Version: "v1", Began: now, Finished: now, Projects: []metrics.Project{{
		Name: "prod", Plan: &plan.Project{}, Deliveries: true, Duration: time.Second, Requests: &sent, TokenExpiry: now,
	}}}, metrics.Successes{}))
}

var metric = regexp.MustCompile(`\bmkhooks_[a-z_]+`)

// TestNames: the alerts and the README only use metrics that mkhooks writes,
// and the README names all metrics.
func TestNames(t *testing.T) {
	t.Parallel()
	written := metric.FindAllString(text(), -1)
	for _, file := range []string{"alerts.yaml", "alerts_test.yaml", "README.md"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := metric.FindAllString(string(data), -1)
		for _, name := range names {
			if !slices.Contains(written, name) {
				t.Errorf("%s names %s, which mkhooks does not write", file, name)
			}
		}
		for _, name := range written {
			if file == "README.md" && !slices.Contains(names, name) {
				t.Errorf("%s does not name %s", file, name)
			}
		}
		for _, states := range regexp.MustCompile(`state=~?"([a-z_|]+)"`).FindAllStringSubmatch(string(data), -1) {
			for _, s := range strings.Split(states[1], "|") {
				if !slices.Contains(metrics.States, s) {
					t.Errorf("%s names the state %s, which no rule is in", file, s)
				}
			}
		}
		for _, s := range metrics.States {
			if file == "README.md" && !strings.Contains(string(data), "`"+s+"`") {
				t.Errorf("%s does not name the state %s", file, s)
			}
		}
	}
}

// TestPromtool checks the alerts with promtool: they are valid, and fire when
// they should.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("NOT TESTED: promtool, of Debian's package prometheus, is not on the PATH")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
