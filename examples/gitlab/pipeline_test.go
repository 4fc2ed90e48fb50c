package gitlab

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mkhooks/mkhooks/examples/citest"
)

// job is a job of .gitlab-ci.yml.
type job struct {
	Rules []struct {
		If string `yaml:"if"`
	} `yaml:"rules"`
	Script      []string `yaml:"script"`
	Before      []string `yaml:"before_script"`
	Environment string   `yaml:"environment"`
	Resource    string   `yaml:"resource_group"`
}

// pipeline returns the jobs of the example, with their shared settings.
func pipeline(t testing.TB) map[string]job {
	t.Helper()
	data, err := os.ReadFile(".gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(data, &nodes); err != nil {
		t.Fatal(err)
	}
	jobs := map[string]job{}
	for name, node := range nodes {
		if slices.Contains([]string{"stages", "variables"}, name) {
			continue
		}
		var j job
		if err := node.Decode(&j); err != nil {
			t.Fatal(err)
		}
		jobs[name] = j
	}
	return jobs
}

// lab is a config repository on GitLab. Git and mkhooks are real; only GitLab's
// API and runner are emulated.
type lab struct {
	*citest.World
	*forge
	// Variables of the project. The protected variables reach only jobs of main
	// in the environment "mkhooks".
	plain, protected map[string]string
}

func newLab(t *testing.T) *lab {
	w := citest.New(t)
	w.Secrets = append(w.Secrets, botToken)
	l := &lab{
		World: w, forge: newForge(w),
		plain:     map[string]string{"MKIO_TOKEN_READ": citest.ReadToken, "MKHOOKS_GITLAB_TOKEN": botToken},
		protected: map[string]string{"MKIO_TOKEN": citest.WriteToken, "SOPS_AGE_KEY": w.Key},
	}
	t.Cleanup(func() {
		for _, text := range l.sent {
			w.WantNoSecret("what was sent to GitLab", text)
		}
	})
	return l
}

// ofRequest returns the variables of the pipeline of a merge request.
func (l *lab) ofRequest(q *request) map[string]string {
	return map[string]string{
		"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_SHA": q.head, "CI_MERGE_REQUEST_IID": fmt.Sprint(q.iid),
		"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": q.target, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": fmt.Sprint(q.source), "CI_MERGE_REQUEST_PROJECT_ID": fmt.Sprint(projectID),
	}
}

// ofMain returns the variables of a pipeline on main: push, schedule or web.
func (l *lab) ofMain(source string, more ...string) map[string]string {
	v := map[string]string{"CI_PIPELINE_SOURCE": source, "CI_COMMIT_BRANCH": "main", "CI_COMMIT_SHA": l.Git("rev-parse", "main")}
	for _, m := range more {
		name, value, _ := strings.Cut(m, "=")
		v[name] = value
	}
	return v
}

// run is the outcome of a pipeline: its jobs, success, and output.
type run struct {
	t    *testing.T
	jobs []string
	ok   bool
	out  string
	tree string // the clone of the last job
}

func (r *run) want(ok bool, jobs string, texts ...string) *run {
	r.t.Helper()
	if got := strings.Join(r.jobs, " "); r.ok != ok || got != jobs {
		r.t.Errorf("pipeline: jobs %q, success %v; expected %q, %v\n%s", got, r.ok, jobs, ok, r.out)
	}
	for _, text := range texts {
		if !strings.Contains(r.out, text) {
			r.t.Errorf("%q is not in the output:\n%s", text, r.out)
		}
	}
	return r
}

// start runs the jobs of a pipeline with a matching rule.
func (l *lab) start(t *testing.T, variables map[string]string) *run {
	t.Helper()
	r := &run{t: t, ok: true}
	jobs := pipeline(t)
	all := map[string]string{
		"CI": "true", "GITLAB_CI": "true", "CI_API_V4_URL": l.api, "CI_PROJECT_ID": fmt.Sprint(projectID), "CI_DEFAULT_BRANCH": "main",
		"CI_JOB_URL": "https://gitlab.example/job/1", "CI_JOB_TOKEN": "job-token-of-a-runner", "PROJECT": "demo", "MKIO_BASE_URL": l.URL,
		"SCRIPTS": filepath.Join(citest.Root(), "examples", "gitlab"),
	}
	maps.Copy(all, variables)
	// A pipeline of a fork's merge request runs in the fork, which has none of
	// these variables.
	if source := variables["CI_MERGE_REQUEST_SOURCE_PROJECT_ID"]; source != "" && source != fmt.Sprint(projectID) {
		all["CI_PROJECT_ID"] = source
	} else {
		maps.Copy(all, l.plain)
	}
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		j := jobs[name]
		if name == "default" || name == "workflow" || !j.runs(all) {
			continue
		}
		r.jobs = append(r.jobs, name)
		env := maps.Clone(all)
		if j.Environment == "mkhooks" && variables["CI_COMMIT_BRANCH"] == "main" {
			maps.Copy(env, l.protected)
		}
		r.tree = filepath.Join(t.TempDir(), "clone")
		l.Git("clone", "--quiet", "--no-checkout", "file://"+l.Dir, r.tree)
		l.GitIn(r.tree, "checkout", "--quiet", "--detach", env["CI_COMMIT_SHA"])
		var list []string
		for _, k := range slices.Sorted(maps.Keys(env)) {
			list = append(list, k+"="+env[k])
		}
		out, code := l.Bash(r.tree, list, strings.Join(j.Script, "\n"))
		r.out += "-- " + name + " --\n" + out
		r.ok = r.ok && code == 0
	}
	return r
}

// runs reports whether a rule of the job matches: clauses joined with &&.
func (j job) runs(variables map[string]string) bool {
	for _, r := range j.Rules {
		all := true
		for clause := range strings.SplitSeq(r.If, "&&") {
			left, right, compared := strings.Cut(strings.TrimSpace(clause), "==")
			v := value(left, variables)
			all = all && (compared && v == value(right, variables) || !compared && v != "")
		}
		if all {
			return true
		}
	}
	return false
}

func value(word string, variables map[string]string) string {
	word = strings.TrimSpace(word)
	switch {
	case strings.HasPrefix(word, "$"):
		return variables[word[1:]]
	case strings.HasPrefix(word, `"`):
		return strings.Trim(word, `"`)
	case word == "null":
		return ""
	}
	panic("rule: can't read " + word)
}

// digest returns the digest at the end of a plan in the output.
func (r *run) digest() string {
	r.t.Helper()
	m := regexp.MustCompile(`(?m)^Digest ([0-9a-f]{32})$`).FindStringSubmatch(r.out)
	if m == nil {
		r.t.Fatalf("the job shows no digest:\n%s", r.out)
	}
	return m[1]
}
