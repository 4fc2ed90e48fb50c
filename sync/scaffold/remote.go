package scaffold

import (
	"net/url"
	"path"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Remote contains the parts of a git remote's URL. It never contains the URL itself,
// because users put tokens there.
type Remote struct {
	// Host is empty for a local path.
	Host string
	// Account is the first part of the path on the host.
	Account string
	// Repo is the last part of the path, without .git.
	Repo string
}

// ParseRemote parses the URL of a git remote in any form that git accepts:
// https://host/org/repo.git, ssh://git@host/org/repo, git@host:org/repo.git, or a
// path. Parts that it can't parse are empty.
func ParseRemote(remote string) Remote {
	remote = strings.TrimSpace(remote)
	var r Remote
	place := remote
	if strings.Contains(remote, "://") {
		u, err := url.Parse(remote)
		if err != nil {
			return Remote{}
		}
		r.Host, place = strings.ToLower(u.Hostname()), u.Path
	} else if host, rest, ok := strings.Cut(withoutUser(remote), ":"); ok && len(host) > 1 && !strings.ContainsAny(host, `/\`) {
		// The form of scp; one letter before the colon is a drive.
		r.Host, place = strings.ToLower(host), rest
	}
	place = strings.Trim(path.Clean("/"+strings.ReplaceAll(place, `\`, "/")), "/")
	r.Repo = strings.TrimSuffix(path.Base(place), ".git")
	if account, rest, ok := strings.Cut(place, "/"); ok && rest != "" && r.Host != "" {
		r.Account = account
	}
	if r.Repo == "." || webhook.IsCredentialValue(r.Repo) || webhook.IsCredentialValue(r.Account) {
		return Remote{Host: r.Host}
	}
	return r
}

// withoutUser removes the user before the host of a remote without a scheme.
func withoutUser(remote string) string {
	head, _, _ := strings.Cut(remote, "/")
	return remote[strings.LastIndexByte(head, '@')+1:]
}

// OnGitHub reports whether the host is github.com or seems to be a company's GitHub.
func (r Remote) OnGitHub() bool { return strings.Contains(r.Host, "github") }

// OwnerName derives an owner from the name of a repository or directory: lower case,
// with "-" in place of characters that an owner can't contain. It returns "" if
// nothing valid remains.
func OwnerName(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-", r) {
			b.WriteRune(r)
		} else if !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	out := strings.TrimLeft(b.String(), "._-")
	out = strings.TrimRight(out[:min(len(out), 64)], "._-")
	if webhook.CheckOwner(out) != nil {
		return ""
	}
	return out
}
