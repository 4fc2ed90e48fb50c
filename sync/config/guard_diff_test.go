package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoosened(t *testing.T) {
	t.Parallel()
	const base = `{owner: video, formerOwners: [old], archive: ./archive, audit: ./audit.jsonl, destinations: [hooks.example.com, "*.media.example.com"],
		keyServices: [awskms], defaults: {prune: owned, maxDeletes: 30%},
		projects: {prod: {rules: [rules], protect: ["billing-*", legal], tokenEnv: MKIO_TOKEN_PROD}}}`
	change := func(old, now string) string {
		if !strings.Contains(base, old) {
			t.Fatalf("the config has no %s", old)
		}
		return strings.Replace(base, old, now, 1)
	}
	for _, tt := range []struct {
		name, before, now string
		want              []string
	}{
		{"nothing", base, base, nil},
		{"no file at all", "", "", nil},
		{"the file removed", base, "", []string{"config file: was removed, and with it all that it guards"}},
		{"a first file", "", base, []string{
			"config file: is new: there was none to compare it with, so all of it is to be reviewed",
			`formerOwners: "old" was added: rules of that owner count as ours`,
			`keyServices: "awskms" was added: rule files may have it called`,
			"prod prune: none became owned",
		}},
		{"another owner", base, change("owner: video", "owner: audio"), []string{`owner: "video" became "audio"`}},
		{"no owner", base, `{destinations: [hooks.example.com], archive: ./archive, audit: ./audit.jsonl,
			projects: {prod: {rules: [rules], protect: ["billing-*", legal], tokenEnv: MKIO_TOKEN_PROD}}}`, []string{`owner: "video" was removed`}},
		{"a former owner more", base, change("[old]", "[old, other]"), []string{`formerOwners: "other" was added: rules of that owner count as ours`}},
		{"a former owner less", base, change("[old]", "[]"), nil},
		{"renamed", base, strings.Replace(change("owner: video", "owner: audio"), "[old]", "[old, video]", 1),
			[]string{`owner: "video" became "audio"`, `formerOwners: "video" was added, the owner until now`}},
		{"a host more", base, change(`"*.media`, `evil.example, "*.media`), []string{`destinations: "evil.example" was added: it may receive secrets`}},
		{"a host that a pattern covers", base, change(`"*.media`, `a.media.example.com, "*.b.media.example.com", "*.media`), nil},
		{"a host above the pattern", base, change(`"*.media`, `media.example.com, "*.media`), []string{`destinations: "media.example.com" was added: it may receive secrets`}},
		{"another port", base, change("[hooks.example.com,", `["hooks.example.com:8443", "a.media.example.com:1",`), []string{
			`destinations: "hooks.example.com:8443" was added: it may receive secrets`,
			`destinations: "a.media.example.com:1" was added: it may receive secrets`,
		}},
		{"a wider pattern", base, change(`"*.media.example.com"`, `"*.example.com"`), []string{`destinations: "*.example.com" was added: it may receive secrets`}},
		{"a host less", base, change(`hooks.example.com, `, ``), nil},
		{"no hosts", base, change(`destinations: [hooks.example.com, "*.media.example.com"],`, ``), []string{"destinations: was removed: secrets may go to any host"}},
		{"a key service more", base, change("[awskms]", "[awskms, hcvault]"), []string{`keyServices: "hcvault" was added: rule files may have it called`}},
		{"a key service less", base, change("[awskms]", "[]"), nil},
		{"durable", base, change("audit:", "archiveIsDurable: true, audit:"), []string{"archiveIsDurable: became true: under CI, a delete may store its history on the runner's disk"}},
		{"another archive", base, change("./archive", "./elsewhere"), []string{`archive: "./archive" became "./elsewhere": histories of deleted rules go elsewhere`}},
		{"no record", base, change("audit: ./audit.jsonl,", ""), []string{`audit: "./audit.jsonl" was removed: the record goes elsewhere`}},
		{"prune all", base, change("prune: owned", "prune: all"), []string{"prod prune: owned became all"}},
		{"prune none", base, change("prune: owned", "prune: none"), nil},
		{"more deletes", base, change("30%", "31%"), []string{"prod maxDeletes: 30% became 31%"}},
		{"fewer deletes", base, change("30%", "5%"), nil},
		{"a count", base, change("30%", "5"), []string{"prod maxDeletes: 30% became 5"}},
		{"no deletes", base, change("30%", "0"), nil},
		{"the default", base, change(", maxDeletes: 30%", ""), nil},
		{"in a project", base, change("rules: [rules],", "rules: [rules], maxDeletes: 100%, prune: all,"), []string{"prod prune: owned became all", "prod maxDeletes: 30% became 100%"}},
		{"less protected", base, change(`"billing-*", legal`, "legal"), []string{`prod protect: "billing-*" was removed: these rules may be deleted`}},
		{"more protected", base, change("legal", "legal, x"), nil},
		{"another token", base, change("MKIO_TOKEN_PROD", "MKIO_TOKEN_ADMIN"), []string{`prod tokenEnv: "MKIO_TOKEN_PROD" became "MKIO_TOKEN_ADMIN": another token is used`}},
		{"a project more", base, change("projects: {", "projects: {lab: {rules: [lab]}, "), []string{`lab projects: is new, with rules ["lab"]`, "lab prune: none became owned"}},
		{"a project less", `{owner: a, projects: {a: {rules: [r]}, b: {rules: [r]}}}`, `{owner: a, projects: {a: {rules: [r]}}}`, []string{`projects: "b" was removed: its rules are not compared with their files any more`}},
		{"a layer more", base, change("rules: [rules]", "rules: [rules, more]"), []string{`prod rules: ["rules"] became ["rules", "more"]: other files define its rules; later layers win`}},
		{"the token of the default", base, change(", tokenEnv: MKIO_TOKEN_PROD", ""), []string{`prod tokenEnv: "MKIO_TOKEN_PROD" became "MKIO_TOKEN": another token is used`}},
		{"the same token by name", `{projects: {a: {rules: [r]}}}`, `{projects: {a: {rules: [r], tokenEnv: MKIO_TOKEN}}}`, nil},
	} {
		var got []string
		for _, l := range CompareConfigs(parseConfig(t, tt.before), parseConfig(t, tt.now)) {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s: %s", l.Project, l.What, l.Text)))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func parseConfig(t *testing.T, text string) *File {
	t.Helper()
	if text == "" {
		return nil
	}
	c, problems := ParseFile("mkhooks.yaml", []byte(text))
	if c == nil {
		t.Fatalf("%s: %s", text, lines(problems))
	}
	return c
}
