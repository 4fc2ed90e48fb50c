package github

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mkhooks/mkhooks/examples/citest"
)

const (
	repository   = "team/hooks"
	actionsToken = "ghs_TokenOfTheJob"
	actionsApp   = 15368
	toolSHA      = "7001000000000000000000000000000000000000"
)

// forge emulates the part of GitHub's API that the scripts use. It grants the
// permissions of the job, and its pages are shorter than requested.
type forge struct {
	world   *citest.World
	api     string
	granted map[string]string // permissions of the running job
	used    map[string]string // permissions that the job has needed
	denied  string            // a permission that is always refused
	runs    int

	mu       sync.Mutex
	id       int
	pulls    []*pull
	checks   []map[string]any
	comments []map[string]any
	issues   []map[string]any
	sent     []string // bodies
}

// pull is a pull request.
type pull struct {
	number                int
	head, headRepo, merge string
	base                  string
	mergeCommit           string // empty until the merge
}

// pageSize is small, so that searches need more than one page.
const pageSize = 2

func newForge(w *citest.World) *forge {
	f := &forge{world: w, used: map[string]string{}, id: 100}
	mux := http.NewServeMux()
	repo := " /repos/" + repository
	handle := func(pattern, permission, level string, h func(r *http.Request, body map[string]any) (int, any)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+repo+path, func(rw http.ResponseWriter, r *http.Request) {
			f.serve(rw, r, permission, level, h)
		})
	}
	handle("GET /git/ref/heads/{branch...}", "contents", "read", f.ref)
	handle("GET /pulls/{number}", "pull-requests", "read", f.pull)
	handle("GET /commits/{sha}/pulls", "pull-requests", "read", f.pullsOf)
	handle("GET /commits/{sha}/check-runs", "checks", "read", f.checksOf)
	handle("POST /check-runs", "checks", "write", f.addCheck)
	// The comments of an issue need either permission; a job here has a single permission.
	handle("GET /issues/{number}/comments", "pull-requests|issues", "read", f.commentsOf)
	handle("POST /issues/{number}/comments", "pull-requests|issues", "write", f.addComment)
	handle("PATCH /issues/comments/{id}", "pull-requests|issues", "write", f.editComment)
	handle("GET /issues", "issues", "read", f.openIssues)
	handle("POST /issues", "issues", "write", f.addIssue)
	handle("PATCH /issues/{number}", "issues", "write", f.editIssue)
	server := httptest.NewServer(mux)
	w.Cleanup(server.Close)
	f.api = server.URL
	return f
}

func (f *forge) serve(rw http.ResponseWriter, r *http.Request, permission, level string, h func(*http.Request, map[string]any) (int, any)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+actionsToken {
		http.Error(rw, `{"message": "Bad credentials"}`, http.StatusUnauthorized)
		return
	}
	granted := ""
	for name := range strings.SplitSeq(permission, "|") {
		if g := f.granted[name]; name != f.denied && (g == "write" || g == level) {
			granted = g
			if f.used[name] != "write" {
				f.used[name] = level
			}
		}
	}
	if granted == "" {
		http.Error(rw, `{"message": "Resource not accessible by integration"}`, http.StatusForbidden)
		return
	}
	data, _ := io.ReadAll(r.Body)
	body := map[string]any{}
	if len(data) > 0 {
		f.sent = append(f.sent, string(data))
		if err := json.Unmarshal(data, &body); err != nil {
			http.Error(rw, `{"message": "Problems parsing JSON"}`, http.StatusBadRequest)
			return
		}
	}
	code, answer := h(r, body)
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(answer)
}

var missing = map[string]any{"message": "Not Found"}

// page returns the requested part of a list.
func page(r *http.Request, list []map[string]any) []map[string]any {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		n = 1
	}
	from := min((n-1)*pageSize, len(list))
	return append([]map[string]any{}, list[from:min(from+pageSize, len(list))]...)
}

func selected(list []map[string]any, keep func(map[string]any) bool) (out []map[string]any) {
	for _, m := range list {
		if keep(m) {
			out = append(out, m)
		}
	}
	return out
}

func bot() map[string]any { return map[string]any{"login": "github-actions[bot]", "type": "Bot"} }

func (f *forge) next() int { f.id++; return f.id }

func (f *forge) ref(r *http.Request, _ map[string]any) (int, any) {
	return 200, map[string]any{"object": map[string]any{"sha": f.world.Git("rev-parse", "refs/heads/"+r.PathValue("branch"))}}
}

func (p *pull) json() map[string]any {
	m := map[string]any{
		"number": p.number, "head": map[string]any{"sha": p.head, "repo": map[string]any{"full_name": p.headRepo}},
		"base":      map[string]any{"ref": p.base, "repo": map[string]any{"full_name": repository}},
		"merged_at": nil, "merge_commit_sha": p.merge,
	}
	if p.mergeCommit != "" {
		m["merged_at"], m["merge_commit_sha"] = "2026-11-01T00:00:00Z", p.mergeCommit
	}
	return m
}

func (f *forge) pull(r *http.Request, _ map[string]any) (int, any) {
	for _, p := range f.pulls {
		if fmt.Sprint(p.number) == r.PathValue("number") {
			return 200, p.json()
		}
	}
	return 404, missing
}

// pullsOf returns every pull request that contains the commit, as GitHub does.
func (f *forge) pullsOf(r *http.Request, _ map[string]any) (int, any) {
	var list []map[string]any
	for _, p := range f.pulls {
		if sha := r.PathValue("sha"); p.mergeCommit == sha || p.merge == sha || p.head == sha {
			list = append(list, p.json())
		}
	}
	return 200, page(r, list)
}

func (f *forge) checksOf(r *http.Request, _ map[string]any) (int, any) {
	q := r.URL.Query()
	list := selected(f.checks, func(c map[string]any) bool {
		return c["head_sha"] == r.PathValue("sha") && c["name"] == q.Get("check_name")
	})
	return 200, map[string]any{"total_count": len(list), "check_runs": page(r, list)}
}

func (f *forge) addCheck(_ *http.Request, body map[string]any) (int, any) {
	body["id"], body["app"] = f.next(), map[string]any{"id": actionsApp}
	f.checks = append(f.checks, body)
	return 201, body
}

func (f *forge) commentsOf(r *http.Request, _ map[string]any) (int, any) {
	return 200, page(r, selected(f.comments, func(c map[string]any) bool { return c["number"] == r.PathValue("number") }))
}

func (f *forge) addComment(r *http.Request, body map[string]any) (int, any) {
	c := map[string]any{"id": f.next(), "number": r.PathValue("number"), "user": bot(), "body": body["body"]}
	f.comments = append(f.comments, c)
	return 201, c
}

func (f *forge) editComment(r *http.Request, body map[string]any) (int, any) {
	for _, c := range f.comments {
		if fmt.Sprint(c["id"]) == r.PathValue("id") {
			c["body"] = body["body"]
			return 200, c
		}
	}
	return 404, missing
}

func (f *forge) openIssues(r *http.Request, _ map[string]any) (int, any) {
	label := r.URL.Query().Get("labels")
	return 200, page(r, selected(f.issues, func(i map[string]any) bool {
		labels, _ := i["labels"].([]any)
		return i["state"] == "open" && slices.Contains(labels, any(label))
	}))
}

func (f *forge) addIssue(_ *http.Request, body map[string]any) (int, any) {
	body["number"], body["state"], body["user"] = f.next(), "open", bot()
	f.issues = append(f.issues, body)
	return 201, body
}

func (f *forge) editIssue(r *http.Request, body map[string]any) (int, any) {
	for _, i := range f.issues {
		if fmt.Sprint(i["number"]) == r.PathValue("number") {
			for name, v := range body {
				i[name] = v
			}
			return 200, i
		}
	}
	return 404, missing
}

// sentBodies returns all sent bodies.
func (f *forge) sentBodies() []string { return f.sent }

// open opens a pull request of a branch, or of a fork.
func (f *forge) open(branch, headRepo string) *pull {
	p := &pull{number: len(f.pulls) + 7, headRepo: headRepo, base: "main"}
	f.pulls = append(f.pulls, p)
	f.synchronize(p, branch)
	return p
}

// synchronize creates the test merge that GitHub keeps for a pull request.
func (f *forge) synchronize(p *pull, branch string) {
	w := f.world
	p.head = w.Git("rev-parse", branch)
	tree := w.Git("merge-tree", "--write-tree", p.base, branch)
	p.merge = w.Git("commit-tree", tree, "-p", p.base, "-p", branch, "-m", "Merge")
	w.Git("update-ref", fmt.Sprintf("refs/pull/%d/merge", p.number), p.merge)
}

// mergeIn merges a pull request.
func (f *forge) mergeIn(p *pull) {
	w := f.world
	w.Git("switch", "--quiet", p.base)
	w.Git("merge", "--quiet", "--no-ff", "-m", "Merge", p.head)
	p.mergeCommit = w.Git("rev-parse", "HEAD")
}

// botComments returns the bodies of the bot's comments on a pull request or an issue.
func (f *forge) botComments(number int) (bodies []string) {
	for _, c := range f.comments {
		if c["number"] == fmt.Sprint(number) && c["user"].(map[string]any)["type"] == "Bot" {
			bodies = append(bodies, c["body"].(string))
		}
	}
	return bodies
}
