package systemd

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

func TestMain(m *testing.M) { citest.Main(m) }

var units = []string{"mkhooks-drift.service", "mkhooks-drift.timer", "mkhooks-apply@.service", "mkhooks-tell.service"}

// settings returns the settings of a unit file in order; a setting may occur
// several times.
func settings(t *testing.T, unit string) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(data), "\\\n", " ")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			out[name] = append(out[name], strings.Join(strings.Fields(value), " "))
		}
	}
	return out
}

// TestUnits checks the settings for safety, and the references between the
// units.
func TestUnits(t *testing.T) {
	t.Parallel()
	hardened := map[string]string{
		"DynamicUser": "yes", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes",
		"PrivateUsers": "yes", "PrivateDevices": "yes", "RestrictAddressFamilies": "AF_INET AF_INET6", "MemoryDenyWriteExecute": "yes",
		"SystemCallErrorNumber": "EPERM", "Type": "oneshot",
	}
	for _, unit := range []string{"mkhooks-drift.service", "mkhooks-apply@.service"} {
		s := settings(t, unit)
		for name, want := range hardened {
			if got := s[name]; !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %s is %q, want %q", unit, name, got, want)
			}
		}
		if got := s["OnFailure"]; !slices.Equal(got, []string{"mkhooks-tell.service"}) {
			t.Errorf("%s: OnFailure is %q: nobody is told", unit, got)
		}
	}
	drift := settings(t, "mkhooks-drift.service")
	if got := drift["SuccessExitStatus"]; !slices.Equal(got, []string{"2"}) || !slices.Equal(drift["OnSuccess"], []string{"mkhooks-tell.service"}) {
		t.Errorf("drift: SuccessExitStatus %q, OnSuccess %q: drift is no failure, and is told", got, drift["OnSuccess"])
	}
	if got := drift["LoadCredential"]; len(got) != 1 || !strings.HasPrefix(got[0], "token:") {
		t.Errorf("drift gets %q, want the token that may read and nothing else", got)
	}
	if got := settings(t, "mkhooks-apply@.service")["SuccessExitStatus"]; got != nil {
		t.Errorf("apply: SuccessExitStatus is %q: whatever it could not do is a failure", got)
	}
}

// TestSystemdAnalyze runs systemd-analyze on copies of the units. The programs
// of the copies exist.
func TestSystemdAnalyze(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not on the PATH: the units are NOT TESTED with it")
	}
	dir := t.TempDir()
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, unit := range units {
		data, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("/usr/local/bin/mkhooks", program, "/usr/local/lib/mkhooks/tell.sh", program).Replace(string(data))
		file := filepath.Join(dir, unit)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	for _, unit := range []string{"mkhooks-drift.service", "mkhooks-apply@.service"} {
		// The threshold counts in tenths: 2.0, of 10, is "OK".
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", filepath.Join(dir, unit)).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze security %s: %v\n%s", unit, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Log(lines[len(lines)-1])
	}
}

// TestRuns runs the commands of the units, unchanged, against the emulator.
func TestRuns(t *testing.T) {
	w := citest.New(t)
	credentials, state, metrics := w.WriteCredentials("token-read", "token", "age-key"), t.TempDir(), t.TempDir()
	// Each unit sees only the credentials that it loads, under their names in
	// the unit.
	loaded := func(unit string) string {
		dir := t.TempDir()
		for _, c := range settings(t, unit)["LoadCredential"] {
			name, from, _ := strings.Cut(c, ":")
			data, err := os.ReadFile(filepath.Join(credentials, filepath.Base(from)))
			if err != nil {
				t.Fatalf("%s loads %s: %v", unit, c, err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o400); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	here := func(unit, value, instance string) string {
		return strings.NewReplacer("%d", loaded(unit), "%S/mkhooks", state, "%i", instance, "/usr/local/bin/mkhooks", "mkhooks",
			"/etc/mkhooks/", w.Dir+"/", "/var/lib/mkhooks-metrics", metrics).Replace(value)
	}
	apply := settings(t, "mkhooks-apply@.service")
	w.RunUnattended(citest.Unattended{
		Drift: here("mkhooks-drift.service", settings(t, "mkhooks-drift.service")["ExecStart"][0], ""),
		Apply: func(digest string) string { return here("mkhooks-apply@.service", apply["ExecStart"][0], digest) },
		Env:   []string{here("mkhooks-apply@.service", apply["Environment"][0], "")},
		State: state,
	})
}

// TestTell: each exit code has a matching message. Drift is a warning.
func TestTell(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("there is no /bin/sh: not tested")
	}
	for _, status := range []string{"0", "1", "2", "3", "4", "5", "KILL"} {
		cmd := exec.Command("./tell.sh")
		cmd.Env = []string{"MONITOR_UNIT=mkhooks-drift.service", "MONITOR_EXIT_STATUS=" + status, "PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) || err != nil {
			t.Errorf("%s: %v", status, err)
		}
		level := map[string]string{"0": "", "2": "<4>"}
		want, special := level[status]
		if !special {
			want = "<3>"
		}
		if !strings.HasPrefix(string(out), want) || (status == "0") != (len(out) == 0) {
			t.Errorf("exit code %s: got %s, want it to begin with %s", status, strconv.Quote(string(out)), strconv.Quote(want))
		}
	}
}
