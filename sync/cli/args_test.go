package cli

import (
	"strings"
	"testing"
)

// TestNoArgumentIsRepeated checks that a value is refused at any position of a
// command line, and that no output repeats it.
func TestNoArgumentIsRepeated(t *testing.T) {
	t.Parallel()
	r := manyValues(t, 2)
	r.writeRule("more", "other", "x", secretOne)
	const (
		plain  = "s3cr3t-Passw0rd!"                             // like a word
		random = "9f86d081884c7d659a2feaa0c55ad015"             // from openssl rand -hex
		base64 = "q9Zk3+Tt7LwY0a/Xr5VbN2mE8uHsDcGf1JiKoPnQ4e0=" // from openssl rand -base64
		jwt    = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"
		dashes = "--s3cr3t9Passw0rd"
	)
	set := []string{"secret", "set"}
	calls := []struct {
		name string
		args []string // VALUE is replaced
	}{
		{"behind the path", append(set, "jobs", "headers.X-H0", "VALUE")},
		{"in the place of the path", append(set, "jobs", "VALUE")},
		{"before the path", append(set, "jobs", "VALUE", "headers.X-H0")},
		{"in the place of the rule", append(set, "VALUE")},
		{"before the rule", append(set, "VALUE", "jobs", "headers.X-H0")},
		{"in the place of the command", []string{"secret", "VALUE"}},
		{"without set", []string{"secret", "jobs", "headers.X-H0", "VALUE"}},
		{"with =", append(set, "jobs", "headers.X-H0=VALUE")},
		{"with :", append(set, "jobs", "headers.X-H0:VALUE")},
		{"parameter with =", append(set, "jobs", "queryParams.code=VALUE")},
		{"as a flag", append(set, "jobs", "headers.X-H0", "--value=VALUE")},
		{"as a flag, apart", append(set, "jobs", "headers.X-H0", "--value", "VALUE")},
		{"as a shorthand", append(set, "jobs", "headers.X-H0", "-vVALUE")},
		{"behind --", append(set, "jobs", "headers.X-H0", "--", "VALUE")},
		{"twice", append(set, "jobs", "VALUE", "VALUE")},
		{"file and value", append(set, "rules/jobs.yaml", "headers.X-H0", "VALUE")},
		{"shared, behind the key", append(set, "rules/shared.yaml", "key0", "VALUE")},
		{"shared, in the place of the key", append(set, "rules/shared.yaml", "VALUE")},
		{"no rules here", append(set, "--rules", "nowhere", "VALUE")},
		{"bad flag value", []string{"plan", "--timeout", "VALUE", "rules"}},
		{"token flag", []string{"plan", "--token=VALUE", "rules"}},
		{"token shorthand", []string{"plan", "-tVALUE", "rules"}},
	}
	for _, c := range calls {
		for _, value := range []string{plain, random, base64, jwt, dashes} {
			args := make([]string, 0, len(c.args))
			for _, arg := range c.args {
				args = append(args, strings.ReplaceAll(arg, "VALUE", value))
			}
			for _, stdin := range []string{"a-value\nb-value\n", "a-value"} {
				if stdin == "a-value" && value != plain {
					continue // it would show nothing more
				}
				out, errs, code := r.runWith(nil, stdin, args...)
				if code != exitInvalid {
					t.Errorf("%s: exit code %d, want %d: %q\n%s%s", c.name, code, exitInvalid, args, out, errs)
				}
				for _, part := range []string{value, strings.TrimLeft(value, "-")} {
					if strings.Contains(out+errs, part) {
						t.Errorf("%s: the value is repeated: %q\n%s%s", c.name, args, out, errs)
					}
				}
			}
		}
	}
	// No command repeats an argument that looks like a secret.
	for _, args := range [][]string{
		{"VALUE"}, {"help", "VALUE"}, {"plan", "VALUE"}, {"validate", "VALUE"}, {"validate", "--format", "json", "VALUE"}, {"validate", "--VALUE"},
		{"show", "VALUE"}, {"schema", "VALUE"}, {"completion", "VALUE"}, {"audit", "VALUE"}, {"audit", "show", "VALUE"}, {"audit", "verify", "VALUE"},
		{"restore", "--out", "rules", "VALUE"}, {"plan", "--color", "VALUE"}, {"plan", "--prune", "VALUE", "rules"}, {"plan", "--token-file", "VALUE", "rules"},
		{"plan", "--format", "VALUE", "rules"}, {"version", "VALUE"}, {"config", "VALUE"}, {"show-rule", "VALUE"},
	} {
		for _, value := range []string{random, jwt} {
			call := strings.Split(strings.ReplaceAll(strings.Join(args, " "), "VALUE", value), " ")
			out, errs, code := r.runMkhooks(nil, call...)
			if code == exitOK {
				t.Errorf("%q: exit code 0", call)
			}
			if strings.Contains(out+errs, value) {
				t.Errorf("%q: the argument is repeated\n%s%s", call, out, errs)
			}
		}
	}
	if text := r.decrypted("rules/jobs.yaml") + r.decrypted("rules/shared.yaml"); strings.Contains(text, "s3cr3t") {
		t.Errorf("a value was written as a name:\n%s", text)
	}
}

// TestMayBeSecret checks that messages may repeat the names and paths that
// people use.
func TestMayBeSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"jobs", "job-notifications", "headers.X-Webhook-Secret", "rules/prod/job-notifications-2024-10-01.yaml", "JobNotifications2024", "--allow-destination",
		"https://hooks.example.com/a1b2c3d4e5f6a7b8c9", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", "archive/demo_jobs_20261128T174500Z.manifest.json", "30s", "",
	} {
		if mayBeSecret(text) {
			t.Errorf("%q is taken for a secret", text)
		}
	}
	if got := findSuspects([]string{"apply", "--expect", "9f86d081884c7d659a2feaa0c55ad015", "--head=9f86d081884c7d659a2feaa0c55ad015"}); len(got) > 0 {
		t.Errorf("digests are taken for secrets: %v", got)
	}
}
