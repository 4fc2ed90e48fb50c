package gitlab

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
	projectID = 17
	botID     = 4242
	botToken  = "glpat-TokenOfTheBot"
)

type (
	object  = map[string]any
	handler = func(r *http.Request, body object) (int, any)
)

// forge emulates the part of GitLab's API that the scripts use. Its pages are
// shorter than requested.
type forge struct {
	world *citest.World
	api   string

	mu       sync.Mutex
	id       int
	requests []*request
	statuses []object
	notes    []object
	issues   []object
	sent     []string // bodies
}

// request is a merge request.
type request struct {
	iid          int
	head, target string
	source       int    // the source project
	merged       string // the merge commit, empty until the merge
}

const pageSize = 2

func newForge(w *citest.World) *forge {
	f := &forge{world: w, id: 100}
	mux := http.NewServeMux()
	handle := func(pattern string, h handler) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(fmt.Sprintf("%s /api/v4%s", method, strings.Replace(path, "/P/", fmt.Sprintf("/projects/%d/", projectID), 1)),
			func(rw http.ResponseWriter, r *http.Request) { f.serve(rw, r, h) })
	}
	handle("GET /user", func(*http.Request, object) (int, any) { return 200, object{"id": botID} })
	handle("GET /P/repository/branches/{branch}", func(r *http.Request, _ object) (int, any) {
		return 200, object{"commit": object{"id": w.Git("rev-parse", "refs/heads/"+r.PathValue("branch"))}}
	})
	handle("GET /P/merge_requests/{iid}", f.request)
	handle("GET /P/repository/commits/{sha}/merge_requests", f.requestsOf)
	handle("GET /P/repository/commits/{sha}/statuses", f.statusesOf)
	handle("POST /P/statuses/{sha}", f.addStatus)
	for _, kind := range []string{"merge_requests", "issues"} {
		handle("GET /P/"+kind+"/{iid}/notes", f.notesOf(kind))
		handle("POST /P/"+kind+"/{iid}/notes", f.addNote(kind))
		handle("PUT /P/"+kind+"/{iid}/notes/{id}", f.editNote)
	}
	handle("GET /P/issues", f.openIssues)
	handle("POST /P/issues", f.addIssue)
	handle("PUT /P/issues/{iid}", f.editIssue)
	server := httptest.NewServer(mux)
	w.Cleanup(server.Close)
	f.api = server.URL + "/api/v4"
	return f
}

func (f *forge) serve(rw http.ResponseWriter, r *http.Request, h handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Header.Get("PRIVATE-TOKEN") != botToken {
		http.Error(rw, `{"message": "401 Unauthorized"}`, http.StatusUnauthorized)
		return
	}
	data, _ := io.ReadAll(r.Body)
	body := object{}
	if len(data) > 0 {
		f.sent = append(f.sent, string(data))
		if err := json.Unmarshal(data, &body); err != nil {
			http.Error(rw, `{"message": "400 Bad request"}`, http.StatusBadRequest)
			return
		}
	}
	code, answer := h(r, body)
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(answer)
}

var missing = object{"message": "404 Not found"}

func page(r *http.Request, list []object) []object {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		n = 1
	}
	from := min((n-1)*pageSize, len(list))
	return append([]object{}, list[from:min(from+pageSize, len(list))]...)
}

func selected(list []object, keep func(object) bool) (out []object) {
	for _, m := range list {
		if keep(m) {
			out = append(out, m)
		}
	}
	return out
}

func user(id int) object { return object{"id": id} }

func (f *forge) next() int { f.id++; return f.id }

func (q *request) json() object {
	o := object{"iid": q.iid, "sha": q.head, "target_branch": q.target, "target_project_id": projectID, "source_project_id": q.source,
		"state": "opened", "merge_commit_sha": nil, "squash_commit_sha": nil}
	if q.merged != "" {
		o["state"], o["merge_commit_sha"] = "merged", q.merged
	}
	return o
}

func (f *forge) request(r *http.Request, _ object) (int, any) {
	for _, q := range f.requests {
		if fmt.Sprint(q.iid) == r.PathValue("iid") {
			return 200, q.json()
		}
	}
	return 404, missing
}

func (f *forge) requestsOf(r *http.Request, _ object) (int, any) {
	var list []object
	for _, q := range f.requests {
		if sha := r.PathValue("sha"); q.merged == sha || q.head == sha {
			list = append(list, q.json())
		}
	}
	return 200, page(r, list)
}

func (f *forge) statusesOf(r *http.Request, _ object) (int, any) {
	name := r.URL.Query().Get("name")
	return 200, page(r, selected(f.statuses, func(s object) bool { return s["sha"] == r.PathValue("sha") && s["name"] == name }))
}

func (f *forge) addStatus(r *http.Request, body object) (int, any) {
	body["id"], body["sha"], body["author"], body["status"] = f.next(), r.PathValue("sha"), user(botID), body["state"]
	f.statuses = append(f.statuses, body)
	return 201, body
}

func (f *forge) notesOf(kind string) handler {
	return func(r *http.Request, _ object) (int, any) {
		return 200, page(r, selected(f.notes, func(n object) bool { return n["of"] == kind+r.PathValue("iid") }))
	}
}

func (f *forge) addNote(kind string) handler {
	return func(r *http.Request, body object) (int, any) {
		n := object{"id": f.next(), "of": kind + r.PathValue("iid"), "author": user(botID), "system": false, "body": body["body"]}
		f.notes = append(f.notes, n)
		return 201, n
	}
}

func (f *forge) editNote(r *http.Request, body object) (int, any) {
	for _, n := range f.notes {
		if fmt.Sprint(n["id"]) == r.PathValue("id") {
			n["body"] = body["body"]
			return 200, n
		}
	}
	return 404, missing
}

func (f *forge) openIssues(r *http.Request, _ object) (int, any) {
	label := r.URL.Query().Get("labels")
	return 200, page(r, selected(f.issues, func(i object) bool {
		return i["state"] == "opened" && slices.Contains(strings.Split(i["labels"].(string), ","), label)
	}))
}

func (f *forge) addIssue(_ *http.Request, body object) (int, any) {
	body["iid"], body["state"], body["author"] = f.next(), "opened", user(botID)
	f.issues = append(f.issues, body)
	return 201, body
}

func (f *forge) editIssue(r *http.Request, body object) (int, any) {
	for _, i := range f.issues {
		if fmt.Sprint(i["iid"]) != r.PathValue("iid") {
			continue
		}
		for name, v := range body {
			i[name] = v
		}
		if body["state_event"] == "close" {
			i["state"] = "closed"
		}
		return 200, i
	}
	return 404, missing
}

// open opens a merge request of a branch; source is the source project.
func (f *forge) open(branch string, source int) *request {
	q := &request{iid: len(f.requests) + 7, target: "main", source: source}
	f.requests = append(f.requests, q)
	f.pushed(q, branch)
	return q
}

// pushed sets the head of a merge request to the new tip of the branch.
func (f *forge) pushed(q *request, branch string) {
	q.head = f.world.Git("rev-parse", branch)
	f.world.Git("update-ref", fmt.Sprintf("refs/merge-requests/%d/head", q.iid), q.head)
}

// merge merges a merge request.
func (f *forge) merge(q *request) {
	f.world.Git("switch", "--quiet", q.target)
	f.world.Git("merge", "--quiet", "--no-ff", "-m", "Merge", q.head)
	q.merged = f.world.Git("rev-parse", "HEAD")
}

// botNotes returns the bot's notes on a merge request or an issue.
func (f *forge) botNotes(kind string, iid int) (bodies []string) {
	for _, n := range f.notes {
		if n["of"] == kind+fmt.Sprint(iid) && n["author"].(object)["id"] == botID {
			bodies = append(bodies, n["body"].(string))
		}
	}
	return bodies
}
