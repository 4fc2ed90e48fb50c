package scaffold

import (
	"net/url"
	"path"
	"strings"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Remote is what the URL of a git remote tells. It never holds the URL itself,
// in which people keep tokens.
type Remote struct {
	// Host is empty for a path on this machine.
	Host string
	// Account is the first part of the path on that host.
	Account string
	// Repo is the last part of the path, without .git.
	Repo string
}

// ParseRemote reads the URL of a git remote in any of the forms that git takes:
// https://host/org/repo.git, ssh://git@host/org/repo, git@host:org/repo.git, or
// a path. What it can't read is empty.
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
	if r.Repo == "." || webhook.ValueIsCredential(r.Repo) || webhook.ValueIsCredential(r.Account) {
		return Remote{Host: r.Host}
	}
	return r
}

// withoutUser cuts off what stands before the host of a remote without a scheme.
func withoutUser(remote string) string {
	head, _, _ := strings.Cut(remote, "/")
	return remote[strings.LastIndexByte(head, '@')+1:]
}

// OnGitHub reports whether the host is github.com or seems to be a GitHub of
// a company's own.
func (r Remote) OnGitHub() bool { return strings.Contains(r.Host, "github") }

// OwnerName makes an owner of the name of a repo or folder: lower case, and "-"
// for what an owner's name can't hold. It is empty where nothing is left.
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
