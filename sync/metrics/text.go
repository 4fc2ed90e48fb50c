package metrics

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/plan"
)

// Names of the metrics that are read back.
const (
	lastSuccess        = "mkhooks_last_success_timestamp_seconds"
	projectLastSuccess = "mkhooks_project_last_success_timestamp_seconds"
)

// family is a metric with a sample for each set of labels.
type family struct {
	name, help string
	samples    []sample
}

type sample struct {
	labels []string // name, value, name, value, ...
	value  string
}

func (f *family) addSample(value string, labels ...string) {
	f.samples = append(f.samples, sample{labels, value})
}

// FormatRun formats a run in the text format. before holds the successes of the
// previous file.
func FormatRun(r Run, before Successes) []byte {
	return formatFamilies(append(runFamilies(r, before), projectFamilies(r, before)...))
}

func runFamilies(r Run, before Successes) []family {
	build := family{name: "mkhooks_build_info", help: "The version of mkhooks that ran."}
	build.addSample("1", "version", r.Version)
	code := family{name: "mkhooks_run_exit_code", help: "Exit code of the last run: 0 no difference, 2 differences, 1 not read, 3 invalid input, 130 interrupted."}
	code.addSample(strconv.Itoa(r.ExitCode))
	took := family{name: "mkhooks_run_duration_seconds", help: "How long the last run took."}
	took.addSample(formatSeconds(r.Finished.Sub(r.Began)))
	at := family{name: "mkhooks_last_run_timestamp_seconds", help: "When the last run ended."}
	at.addSample(formatUnix(r.Finished))
	good := family{name: lastSuccess, help: "When the last run ended that could read every project; 0 where none has."}
	if r.isReadable() {
		before.run = r.Finished
	}
	good.addSample(formatUnix(before.run))
	return []family{build, code, took, at, good}
}

func projectFamilies(r Run, before Successes) []family {
	readable := family{name: "mkhooks_project_readable", help: "Whether the last run could read the project whole."}
	good := family{name: projectLastSuccess, help: "When the last run ended that could read the project; 0 where none has."}
	took := family{name: "mkhooks_project_duration_seconds", help: "How long the last run took to read the project."}
	rules := family{name: "mkhooks_rules", help: "Rules by which side moved, or why they are left alone."}
	changes := family{name: "mkhooks_changes", help: "Changes that apply would make, blocked ones included."}
	blocked := family{name: "mkhooks_changes_blocked", help: "Changes that a guard holds back."}
	failing := family{name: "mkhooks_rules_failing_deliveries", help: "Rules whose latest deliveries failed; with --deliveries alone."}
	unknown := family{name: "mkhooks_rules_unknown_deliveries", help: "Rules of which it could not be told whether their latest deliveries failed; with --deliveries alone."}
	requests := family{name: "mkhooks_requests", help: "Requests that the last run sent, by the class of their status; none where no answer came."}
	retries := family{name: "mkhooks_retries", help: "Requests of the last run that were sent again."}
	expiry := family{name: "mkhooks_token_expiry_timestamp_seconds", help: "When the token ends, where it says so."}
	for _, p := range r.Projects {
		label := []string{"project", p.Name}
		with := func(more ...string) []string { return append(slices.Clone(label), more...) }
		is, last := "0", before.projects[p.Name]
		if p.Plan != nil {
			is, last = "1", r.Finished
			states := countByState(p.Plan)
			for _, s := range States {
				rules.addSample(strconv.Itoa(states[s]), with("state", s)...)
			}
			held, actions := 0, map[plan.Action]int{}
			for _, c := range p.Plan.Changes {
				actions[c.Action]++
				if c.Blocked != nil {
					held++
				}
			}
			for _, a := range []plan.Action{plan.Create, plan.Update, plan.Delete} {
				changes.addSample(strconv.Itoa(actions[a]), with("action", string(a))...)
			}
			blocked.addSample(strconv.Itoa(held), label...)
			if p.Deliveries {
				failing.addSample(strconv.Itoa(len(p.Plan.Failing)), label...)
				unknown.addSample(strconv.Itoa(len(p.Plan.DeliveriesUnknown)), label...)
			}
		}
		readable.addSample(is, label...)
		good.addSample(formatUnix(last), label...)
		if p.Duration > 0 {
			took.addSample(formatSeconds(p.Duration), label...)
		}
		if p.Requests != nil {
			kinds, sent, again := p.Requests.snapshot()
			for _, k := range kinds {
				requests.addSample(strconv.Itoa(sent[k]), with("method", k.method, "status", k.status)...)
			}
			retries.addSample(strconv.Itoa(again), label...)
		}
		if !p.TokenExpiry.IsZero() {
			expiry.addSample(formatUnix(p.TokenExpiry), label...)
		}
	}
	if len(r.Projects) == 0 { // the names are unknown: keep the last successes, so that they age
		for _, name := range slices.Sorted(maps.Keys(before.projects)) {
			good.addSample(formatUnix(before.projects[name]), "project", name)
		}
	}
	return []family{readable, good, took, rules, changes, blocked, failing, unknown, requests, retries, expiry}
}

// snapshot returns the kinds of requests in order, the number of requests of each
// kind, and the number of retries.
func (r *Requests) snapshot() (kinds []request, sent map[request]int, retries int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds = slices.SortedFunc(maps.Keys(r.sent), func(x, y request) int {
		return cmp.Or(cmp.Compare(x.method, y.method), cmp.Compare(x.status, y.status))
	})
	return kinds, maps.Clone(r.sent), r.retries
}

func formatUnix(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.Unix(), 10)
}

func formatSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// formatFamilies formats the metrics that have a sample.
func formatFamilies(families []family) []byte {
	var b bytes.Buffer
	for _, f := range families {
		if len(f.samples) == 0 {
			continue
		}
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", f.name, f.help, f.name)
		for _, s := range f.samples {
			b.WriteString(f.name)
			for i := 0; i < len(s.labels); i += 2 {
				b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
				fmt.Fprintf(&b, `%s="%s"`, s.labels[i], escapeLabel(s.labels[i+1]))
			}
			if len(s.labels) > 0 {
				b.WriteByte('}')
			}
			b.WriteString(" " + s.value + "\n")
		}
	}
	return b.Bytes()
}

// escapeLabel escapes the value of a label. The format has three escapes and only
// allows UTF-8.
func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

func unescapeLabel(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(s)
}
