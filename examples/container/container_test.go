package container

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/examples/citest"
)

func TestMain(m *testing.M) { citest.Main(m) }

// instruction is an instruction of a Dockerfile, with its continued lines
// joined.
type instruction struct{ name, args string }

// dockerfile returns the stages of the Dockerfile.
func dockerfile(t *testing.T) (stages [][]instruction) {
	t.Helper()
	data, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.ReplaceAll(string(data), "\\\n", "")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, args, _ := strings.Cut(line, " ")
		if name == "FROM" {
			stages = append(stages, nil)
		}
		last := &stages[len(stages)-1]
		*last = append(*last, instruction{name, strings.TrimSpace(args)})
	}
	return stages
}

// TestDockerfile checks all rules that need no build: the final image is based
// on scratch and runs as a numeric user. Its stage runs no command, and the
// build stage only uses the checkout and Go modules.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	stages := dockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("got %d stages, want 2", len(stages))
	}
	want := []instruction{
		{"FROM", "scratch"},
		{"COPY", "--from=build /image/ /"},
		{"USER", "65532:65532"},
		{"WORKDIR", "/repo"},
		{"ENTRYPOINT", `["/usr/local/bin/mkhooks"]`},
	}
	if got := stages[1]; !slices.Equal(got, want) {
		t.Errorf("the last stage is\n%v\nwant\n%v", got, want)
	}
	for _, i := range stages[0] {
		if i.name == "ADD" || i.name == "RUN" && strings.Contains(i.args, "curl") {
			t.Errorf("%s %s: what is built comes from the checkout and Go's modules alone", i.name, i.args)
		}
	}
}

// image runs the commands of the Dockerfile on this machine. It returns a
// directory with the content of the image for the platform of this machine.
func image(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := ""
	for _, i := range dockerfile(t)[0] {
		if i.name == "RUN" && strings.Contains(i.args, "go build") {
			script = strings.ReplaceAll(i.args, "/image", dir+"/image")
		}
	}
	if script == "" {
		t.Fatal("the Dockerfile builds nothing")
	}
	// A test may run in a directory without a Git checkout.
	script = strings.Replace(script, "-buildvcs=true", "-buildvcs=auto", 1)
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = citest.Root()
	cmd.Env = append(os.Environ(), "GOFLAGS=", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return dir
}

// checkImage checks that the image contains only the program, certificates and
// licences, and that the program needs no library.
func checkImage(t *testing.T, dir string) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(dir, "image"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(filepath.Join(dir, "image"), path)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{
		"etc/ssl/certs/ca-certificates.crt", "usr/local/bin/mkhooks", "usr/share/doc/mkhooks/LICENSE", "usr/share/doc/mkhooks/THIRD-PARTY-LICENSES.txt",
	}; !slices.Equal(files, want) {
		t.Errorf("the image holds %v, want %v", files, want)
	}
	texts, err := os.ReadFile(filepath.Join(dir, "image", "usr/share/doc/mkhooks/THIRD-PARTY-LICENSES.txt"))
	if err != nil || !strings.Contains(string(texts), "\ngithub.com/getsops/sops/v3 v") || !strings.Contains(string(texts), "\nGo standard library go") {
		t.Errorf("the licences of modules: %v, %d bytes", err, len(texts))
	}
	f, err := elf.Open(filepath.Join(dir, "image", "usr/local/bin/mkhooks"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Error("the program is not static: the image has no libraries")
		}
	}
}

// engine runs containers.
type engine struct {
	testing.TB
	command []string
	image   string
	// mounts for every run
	mounts []string
}

// engines are the programs that can build and run an image. Podman is first,
// because it needs no service.
var engines = []string{"podman", "docker"}

// start finds an engine that works here, and builds the last stage with it.
func start(t *testing.T, dir string) *engine {
	t.Helper()
	data, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	last := string(data[strings.LastIndex(string(data), "\nFROM "):])
	context := t.TempDir()
	if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte(last), 0o600); err != nil {
		t.Fatal(err)
	}
	why := []string{}
	for _, name := range engines {
		if _, err := exec.LookPath(name); err != nil {
			why = append(why, name+" is not on the PATH")
			continue
		}
		e := &engine{TB: t, command: []string{name}, image: "localhost/mkhooks-test-" + strings.ToLower(filepath.Base(filepath.Dir(dir)))}
		if _, err := exec.LookPath("runc"); name == "podman" && err == nil {
			e.command = append(e.command, "--runtime", "runc")
		}
		args := append(e.command[1:], "build", "--tag", e.image, "--build-context", "build="+dir, context)
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			why = append(why, name+" can't build: "+lastLine(out))
			continue
		}
		t.Cleanup(func() { _ = exec.Command(name, "rmi", "--force", e.image).Run() })
		if out, code := e.run("none", nil, "version"); code >= 125 {
			why = append(why, name+" can't run: "+lastLine([]byte(out)))
			continue
		}
		return e
	}
	t.Skipf("no engine of containers works here: the image is NOT RUN (%s)", strings.Join(why, "; "))
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// run runs the image as the README describes, and returns its output and exit
// code.
func (e *engine) run(network string, env []string, args ...string) (string, int) {
	e.Helper()
	all := append(slices.Clone(e.command[1:]), "run", "--rm", "--read-only", "--user", "65532:65532", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "--network", network, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
	if e.command[0] == "podman" {
		all = append(all, "--read-only-tmpfs=false") // as strict as other engines by default
	}
	for _, m := range e.mounts {
		all = append(all, "-v", m)
	}
	for _, v := range env {
		all = append(all, "-e", v)
	}
	out, err := exec.Command(e.command[0], append(append(all, e.image), args...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		e.Fatal(err)
	}
	code := 0
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(out), code
}

// want runs the image and checks the exit code and a text in the output.
func (e *engine) want(code int, text, network string, env []string, args ...string) {
	e.Helper()
	out, got := e.run(network, env, args...)
	if got != code || !strings.Contains(out, text) {
		e.Errorf("mkhooks %s: exit code %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, text, out)
	}
}
