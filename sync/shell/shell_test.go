package shell

import (
	"os/exec"
	"testing"
)

// TestWord checks with a real shell that it reads each word back.
func TestWord(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here to ask")
	}
	for _, s := range []string{"", "plain", "rules/a.yaml", "a b", "it's", `"q"`, "$HOME", "`id`", "a\nb", "*", "~", "-x", "!x", "ünï", `\`, "a;b", "#c", "a=b", "host:8443"} {
		out, err := exec.Command(sh, "-c", "printf %s "+Word("")+Word(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("sh reads %s as %q, want %q (%v)", Word(s), out, s, err)
		}
	}
	for s, want := range map[string]string{"-x": "./-x", "a b": "'a b'", "rules/": "rules/"} {
		if got := Path(s); got != want {
			t.Errorf("Path(%q) = %s, want %s", s, got, want)
		}
	}
}
