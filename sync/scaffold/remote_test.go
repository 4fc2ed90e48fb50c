package scaffold

import (
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

func TestParseRemote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Remote{
		"git@github.com:org/repo.git":                           {"github.com", "org", "repo"},
		"github.com:org/repo":                                   {"github.com", "org", "repo"},
		"https://github.com/org/Repo.git":                       {"github.com", "org", "Repo"},
		"https://github.com/org/repo/":                          {"github.com", "org", "repo"},
		"https://user:t0p@github.com/org/repo.git":              {"github.com", "org", "repo"},
		"https://ghp_abcdefghijklmnop@github.com/org/repo":      {"github.com", "org", "repo"},
		"https://github.com/org/repo.git?token=abc":             {"github.com", "org", "repo"},
		"ssh://git@github.example.com:2222/org/sub/repo.git":    {"github.example.com", "org", "repo"},
		"git://host/repo.git":                                   {"host", "", "repo"},
		"user:t0p@host:org/repo":                                {"host", "org", "repo"},
		"/srv/git/repo.git":                                     {"", "", "repo"},
		"../repo":                                               {"", "", "repo"},
		"file:///srv/git/repo.git":                              {"", "", "repo"},
		`C:\git\repo.git`:                                       {"", "", "repo"},
		"https://github.com/org/мой репо.git":                   {"github.com", "org", "мой репо"},
		"https://github.com":                                    {"github.com", "", ""},
		"https://%zz/org/repo":                                  {},
		"":                                                      {},
		"https://host/ghp_0123456789abcdefghijklmnopqrstuvwxyz": {"host", "", ""},
	} {
		if got := ParseRemote(in); got != want {
			t.Errorf("ParseRemote(%q) = %+v, want %+v", in, got, want)
		}
	}
}

func TestOwnerName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"repo": "repo", "Repo": "repo", "Video Platform!": "video-platform", "мой репо": "", "v2.rules_x": "v2.rules_x",
		".github": "github", "--x": "x", "": "", "a/b": "a-b", strings.Repeat("ab-", 40): strings.Repeat("ab-", 21) + "a",
	} {
		got := OwnerName(in)
		if got != want || got != "" && webhook.CheckOwner(got) != nil {
			t.Errorf("OwnerName(%q) = %q, want %q", in, got, want)
		}
	}
}
