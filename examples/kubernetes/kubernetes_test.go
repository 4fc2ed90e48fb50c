package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/mkhooks/mkhooks/examples/citest"
)

func TestMain(m *testing.M) { citest.Main(m) }

// object is the part of a manifest that the tests check.
type object struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Spec     struct {
		jobSpec
		ConcurrencyPolicy string
		JobTemplate       struct{ Spec jobSpec }
	}
}

type jobSpec struct {
	BackoffLimit          *int
	ActiveDeadlineSeconds int
	PodFailurePolicy      struct {
		Rules []struct {
			Action      string
			OnExitCodes struct {
				ContainerName string
				Operator      string
				Values        []int
			}
		}
	}
	Template struct{ Spec podSpec }
}

type podSpec struct {
	RestartPolicy                string
	AutomountServiceAccountToken *bool
	SecurityContext              struct {
		RunAsNonRoot                   bool
		RunAsUser, RunAsGroup, FSGroup int
		SeccompProfile                 struct{ Type string }
	}
	InitContainers, Containers []container
	Volumes                    []volume
}

type container struct {
	Name, Image     string
	Command, Args   []string
	Env             []struct{ Name, Value string }
	SecurityContext struct {
		AllowPrivilegeEscalation *bool
		Privileged               bool
		ReadOnlyRootFilesystem   bool
		Capabilities             struct{ Add, Drop []string }
	}
	Resources    struct{ Limits, Requests map[string]any }
	VolumeMounts []struct {
		Name, MountPath string
		ReadOnly        bool
	}
}

type volume struct {
	Name                  string
	EmptyDir              *struct{ SizeLimit string }
	PersistentVolumeClaim *struct{ ClaimName string }
	HostPath              any
	Secret                *struct {
		SecretName  string
		DefaultMode int
		Items       []struct{ Key, Path string }
	}
}

// objects returns the objects of the manifests in this directory, by kind and
// name.
func objects(t *testing.T) map[string]object {
	t.Helper()
	names, err := filepath.Glob("*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("manifests: %v, %v", names, err)
	}
	out := map[string]object{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
			var doc yaml.Node
			if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			one, err := yaml.Marshal(&doc)
			if err != nil {
				t.Fatal(err)
			}
			var o object
			// The parser of Kubernetes: it reads 0440 as an octal number.
			if err := sigsyaml.Unmarshal(one, &o); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out[o.Kind+"/"+o.Metadata.Name] = o
		}
	}
	return out
}

// jobs returns the two jobs.
func jobs(t *testing.T) (drift, apply jobSpec) {
	t.Helper()
	all := objects(t)
	cron, ok := all["CronJob/mkhooks-drift"]
	job, found := all["Job/"]
	if !ok || !found {
		t.Fatalf("found neither or one of a CronJob mkhooks-drift and a Job: %v", all)
	}
	if cron.Spec.ConcurrencyPolicy != "Forbid" {
		t.Errorf("concurrencyPolicy is %q: two runs at once tell twice", cron.Spec.ConcurrencyPolicy)
	}
	return cron.Spec.JobTemplate.Spec, job.Spec.jobSpec
}

// TestPods: no container is root or can become root, and only volumes are
// writable.
func TestPods(t *testing.T) {
	t.Parallel()
	drift, apply := jobs(t)
	for name, spec := range map[string]jobSpec{"drift": drift, "apply": apply} {
		pod := spec.Template.Spec
		if s := pod.SecurityContext; !s.RunAsNonRoot || s.RunAsUser != 65532 || s.RunAsGroup != 65532 || s.FSGroup != 65532 || s.SeccompProfile.Type != "RuntimeDefault" {
			t.Errorf("%s: securityContext is %+v", name, s)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s: the pod gets a token of the cluster", name)
		}
		if pod.RestartPolicy != "Never" || spec.BackoffLimit == nil || spec.ActiveDeadlineSeconds == 0 {
			t.Errorf("%s: restartPolicy %q, backoffLimit %v, activeDeadlineSeconds %d", name, pod.RestartPolicy, spec.BackoffLimit, spec.ActiveDeadlineSeconds)
		}
		volumes := map[string]volume{}
		for _, v := range pod.Volumes {
			volumes[v.Name] = v
			if v.HostPath != nil {
				t.Errorf("%s: volume %s is a path of the host", name, v.Name)
			}
			if v.EmptyDir != nil && v.EmptyDir.SizeLimit == "" {
				t.Errorf("%s: volume %s has no limit", name, v.Name)
			}
			if s := v.Secret; s != nil && (s.DefaultMode != 0o440 || len(s.Items) == 0) {
				t.Errorf("%s: volume %s has mode %o and items %v", name, v.Name, s.DefaultMode, s.Items)
			}
		}
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			s := c.SecurityContext
			if s.Privileged || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem ||
				!slices.Equal(s.Capabilities.Drop, []string{"ALL"}) || len(s.Capabilities.Add) > 0 {
				t.Errorf("%s: container %s has securityContext %+v", name, c.Name, s)
			}
			if c.Resources.Limits["memory"] == nil || c.Resources.Requests["memory"] == nil {
				t.Errorf("%s: container %s has no limit of memory", name, c.Name)
			}
			for _, m := range c.VolumeMounts {
				v, ok := volumes[m.Name]
				if !ok {
					t.Errorf("%s: container %s mounts %s, which is no volume", name, c.Name, m.Name)
				}
				if v.Secret != nil && !m.ReadOnly {
					t.Errorf("%s: container %s can write to the secret %s", name, c.Name, m.Name)
				}
			}
			for _, e := range c.Env {
				if strings.Contains(e.Name, "TOKEN") || e.Name == "SOPS_AGE_KEY" {
					t.Errorf("%s: container %s has %s in its environment: secrets are files", name, c.Name, e.Name)
				}
			}
		}
	}
}

// TestExitCodes: a failure that a retry can't fix fails at once, and reports
// its exit code.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	drift, apply := jobs(t)
	rules := drift.PodFailurePolicy.Rules
	if len(rules) == 0 || rules[0].Action != "FailJob" || rules[0].OnExitCodes.Operator != "In" ||
		rules[0].OnExitCodes.ContainerName != "drift" || !slices.Equal(rules[0].OnExitCodes.Values, []int{2, 3}) {
		t.Errorf("drift: podFailurePolicy is %+v", rules)
	}
	if *drift.BackoffLimit != 2 || *apply.BackoffLimit != 0 {
		t.Errorf("backoffLimit is %d for drift, %d for apply", *drift.BackoffLimit, *apply.BackoffLimit)
	}
}

// TestSecrets: drift gets the token that can only read, and no secret of apply.
func TestSecrets(t *testing.T) {
	t.Parallel()
	drift, apply := jobs(t)
	if got := secrets(drift); !slices.Equal(got, []string{"mkhooks-drift/token"}) {
		t.Errorf("drift mounts the secrets %v", got)
	}
	if got := secrets(apply); !slices.Equal(got, []string{"mkhooks-apply/token", "mkhooks-apply/age-key"}) {
		t.Errorf("apply mounts the secrets %v", got)
	}
}

func secrets(spec jobSpec) (out []string) {
	for _, v := range spec.Template.Spec.Volumes {
		if v.Secret != nil {
			for _, i := range v.Secret.Items {
				out = append(out, v.Secret.SecretName+"/"+i.Key)
			}
		}
	}
	return out
}

// TestRuns runs the commands of the containers, unchanged, against the
// emulator. The repository is behind a link, as git-sync creates it.
func TestRuns(t *testing.T) {
	w := citest.New(t)
	drift, apply := jobs(t)
	repo, state, metrics := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.Symlink(w.Dir, filepath.Join(repo, "current")); err != nil {
		t.Fatal(err)
	}
	credentials := map[string]string{"drift": w.WriteCredentials("token", "", ""), "apply": w.WriteCredentials("", "token", "age-key")}
	command := func(name string, spec jobSpec) (line string, env []string) {
		c := spec.Template.Spec.Containers[0]
		if c.Name != name || len(c.Command) > 0 {
			t.Fatalf("the first container is %s with command %v, want %s with the image's own", c.Name, c.Command, name)
		}
		here := strings.NewReplacer("/repo/", repo+"/", "/run/secrets/mkhooks", credentials[name], "/state", state, "/metrics", metrics)
		for _, e := range c.Env {
			env = append(env, e.Name+"="+here.Replace(e.Value))
		}
		return "mkhooks " + here.Replace(strings.Join(c.Args, " ")), env
	}
	driftLine, none := command("drift", drift)
	if len(none) > 0 {
		t.Errorf("drift has the environment %v, want none", none)
	}
	applyLine, env := command("apply", apply)
	const placeholder = "--expect=00000000000000000000000000000000"
	if !strings.Contains(applyLine, placeholder) {
		t.Fatalf("apply expects no digest: %s", applyLine)
	}
	w.RunUnattended(citest.Unattended{
		Drift: driftLine,
		Apply: func(digest string) string { return strings.Replace(applyLine, placeholder, "--expect="+digest, 1) },
		Env:   env,
		State: state,
	})
}

// TestSchemas validates the manifests with the schemas of Kubernetes: no field
// is misspelt, missing, or of another type.
func TestSchemas(t *testing.T) {
	t.Parallel()
	validator := validator(t)
	names, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// The validator generates no names, unlike a cluster.
		data = bytes.ReplaceAll(data, []byte("generateName: mkhooks-apply-"), []byte("name: mkhooks-apply-1"))
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(validator, "--version", "1.30", dir).CombinedOutput()
	if err != nil || strings.Count(string(out), "OK") != len(names) {
		t.Errorf("kubectl-validate: %v\n%s", err, out)
	}
	// The validator must find an error, so that its silence means something.
	data, err := os.ReadFile("drift.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"readOnlyRootFilesystem": "readOnlyRootFileSystem", `schedule: "17 3 * * *"`: "schedule: [17]"} {
		file := filepath.Join(t.TempDir(), "drift.yaml")
		if err := os.WriteFile(file, bytes.ReplaceAll(data, []byte(from), []byte(to)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(validator, "--version", "1.30", file).CombinedOutput(); err == nil {
			t.Errorf("kubectl-validate takes %s in place of %s:\n%s", to, from, out)
		}
	}
}

// validator returns the path of the command that .ci/servers installs.
func validator(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "mkhooks-servers", "kubectl-validate")
	if _, err := os.Stat(file); err != nil {
		t.Skip("kubectl-validate is not installed (.ci/servers does it): the manifests are NOT TESTED against Kubernetes' schemas")
	}
	return file
}
