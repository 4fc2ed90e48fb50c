package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// rawResponse responds with exactly this text, unlike any HTTP server.
func rawResponse(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte(text)) // a client that has left doesn't need it
		_ = conn.Close()
	}
}

// foreignPlaces are faults that insert a text at each place where service text
// enters. The tests of package mkio have more of them, in every form.
var foreignPlaces = map[string]func(s string) emulator.Fault{
	"status line": func(s string) emulator.Fault {
		return emulator.Fault{Respond: rawResponse("HTTP/1.1 " + s + "\r\n\r\n")}
	},
	"header line": func(s string) emulator.Fault {
		return emulator.Fault{Respond: rawResponse("HTTP/1.1 200 OK\r\n" + s + "\r\n\r\n")}
	},
	"Content-Length": func(s string) emulator.Fault {
		return emulator.Fault{Respond: rawResponse("HTTP/1.1 200 OK\r\nContent-Length: " + s + "\r\n\r\n")}
	},
	"Transfer-Encoding": func(s string) emulator.Fault {
		return emulator.Fault{Respond: rawResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + s + "\r\n\r\n")}
	},
	"something unasked": func(s string) emulator.Fault {
		return emulator.Fault{Respond: func(w http.ResponseWriter) {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil { // left open: the client keeps it for the next request
				_, _ = conn.Write([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}" + s))
			}
		}}
	},
	"Location": func(s string) emulator.Fault {
		return emulator.Fault{Status: 302, Header: map[string]string{"Location": "https://" + url.PathEscape(s) + ".example/"}}
	},
	"error detail": func(s string) emulator.Fault {
		return emulator.Fault{Status: 400, Body: `{"error":{"code":"c","detail":` + quoteJSON(s) + `},"ref":"r"}`}
	},
	"ref": func(s string) emulator.Fault {
		return emulator.Fault{Status: 400, Body: `{"error":{"code":"c"},"ref":` + quoteJSON(s) + `}`}
	},
	"error page": func(s string) emulator.Fault { return emulator.Fault{Status: 502, Body: "<html>" + s + "</html>"} },
	"page":       func(s string) emulator.Fault { return emulator.Fault{Body: "<html>" + s + "</html>"} },
	"field twice": func(s string) emulator.Fault {
		return emulator.Fault{Body: "{" + quoteJSON(s) + ":1," + quoteJSON(s) + ":2}"}
	},
	"next link": func(s string) emulator.Fault {
		return edit(func(b map[string]any) { b["@odata.nextLink"] = "https://" + url.PathEscape(s) + ".example/" })
	},
	"rule's name": func(s string) emulator.Fault {
		return eachRule(func(r map[string]any) { r["metadata"].(map[string]any)["name"] = s })
	},
	"rule's id": func(s string) emulator.Fault {
		return eachRule(func(r map[string]any) { r["metadata"].(map[string]any)["id"] = s })
	},
	"URL": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["url"] = "https://hooks.example.com/" + url.PathEscape(s) })
	},
	"host of the URL": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["url"] = "https://" + s + "/" })
	},
	"header's value": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["headers"] = map[string]any{"X-Source": s} })
	},
	"header's name": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["headers"] = map[string]any{s: "x"} })
	},
	"parameter's value": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["queryParams"] = map[string]any{"p": s} })
	},
	"parameter's name": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["queryParams"] = map[string]any{s: "x"} })
	},
	"auth name": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["authentication"] = map[string]any{"headers": map[string]any{s: "*"}} })
	},
	"auth value": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) {
			spec["authentication"] = map[string]any{"headers": map[string]any{"X-Secret": s}}
		})
	},
	"event": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["events"] = []any{s} })
	},
	"unknown field": func(s string) emulator.Fault { return eachSpec(func(spec map[string]any) { spec[s] = true }) },
	"unknown value": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["retry"] = map[string]any{"a": []any{s}} })
	},
	"marker": func(s string) emulator.Fault {
		return eachSpec(func(spec map[string]any) { spec["headers"] = map[string]any{"X-Mkhooks": "v=9;owner=" + s} })
	},
	"record's source": func(s string) emulator.Fault { return eachRecord(func(r map[string]any) { r["source"] = "/api/" + s }) },
	"record's type":   func(s string) emulator.Fault { return eachRecord(func(r map[string]any) { r["type"] = s }) },
	"record's status": func(s string) emulator.Fault { return eachRecord(func(r map[string]any) { r["status"] = s }) },
	"record's time":   func(s string) emulator.Fault { return eachRecord(func(r map[string]any) { r["created"] = s }) },
	"record's other":  func(s string) emulator.Fault { return eachRecord(func(r map[string]any) { r["attempt"] = s }) },
}

// anywhere lists the places that every response has.
const anywhere = "status line, header line, Content-Length, Transfer-Encoding, something unasked, Location, error detail, ref, error page, page, field twice, next link"

func edit(do func(map[string]any)) emulator.Fault { return emulator.Fault{Edit: do} }

// eachRule changes each rule of a response: a list or a single rule.
func eachRule(do func(rule map[string]any)) emulator.Fault {
	return edit(func(body map[string]any) {
		if _, one := body["spec"]; one {
			do(body)
		}
		list, _ := body["value"].([]any)
		for _, r := range list {
			if r, ok := r.(map[string]any); ok && r["spec"] != nil {
				do(r)
				break // two rules with the same name are not a list
			}
		}
	})
}

func eachSpec(do func(spec map[string]any)) emulator.Fault {
	return eachRule(func(rule map[string]any) { do(rule["spec"].(map[string]any)) })
}

// eachRecord changes each record of a history.
func eachRecord(do func(record map[string]any)) emulator.Fault {
	return edit(func(body map[string]any) {
		list, _ := body["value"].([]any)
		for _, r := range list {
			if r, ok := r.(map[string]any); ok && r["status"] != nil {
				do(r)
			}
		}
	})
}

// foreignRuns are the commands that read from the service, and the requests
// with altered responses. from counts the normal responses before these.
var foreignRuns = []struct {
	name   string
	kind   emulator.Kind
	from   int
	writes bool
	args   []string
}{
	{"plan", emulator.List, 0, false, []string{"plan", "--owner", "team", "--prune", "owned", "--out", "OUT/plan.json", "rules"}},
	{"plan of deletes", emulator.Events, 0, false, []string{"plan", "--owner", "team", "--prune", "owned", "--max-deletes", "9", "rules"}},
	{"drift", emulator.List, 0, false, []string{"drift", "--owner", "team", "rules"}},
	{"import", emulator.List, 0, false, []string{"import", "--out", "OUT/imported"}},
	{"history", emulator.Events, 0, false, []string{"history", "--all"}},
	{"history, records", emulator.Events, 0, false, []string{"history", "--records", "gone-*"}},
	{"history, export", emulator.Events, 0, false, []string{"history", "--export", "OUT/histories"}},
	{"release", emulator.Put, 0, true, []string{"release", "keep", "--yes", "--owner", "team", "--rules", "rules", "--audit", "OUT/audit.jsonl"}},
	{"apply, PUT", emulator.Put, 0, true, nil},
	{"apply, later reads", emulator.Get, 1, true, nil},
	{"apply, histories", emulator.Events, 3, true, nil},
	{"apply, DELETE", emulator.Delete, 0, true, nil},
}

// TestForeignTextIsWithheld inserts secrets at every place where service text
// enters. No command may write the token or a sent value to any output. Outputs
// are: terminal, log of -v, documents, summary page, audit log, saved plan,
// rule file and archive.
func TestForeignTextIsWithheld(t *testing.T) {
	t.Parallel()
	m := newMixed(t)
	forms := []func(string) string{
		func(s string) string { return s },
		func(s string) string { return strings.Trim(quoteJSON(s), `"`) },
		url.QueryEscape, html.EscapeString,
		func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		func(s string) string { return html.EscapeString(url.PathEscape(s)) },
		func(s string) string { return base64.URLEncoding.EncodeToString([]byte(quoteJSON(s))) },
	}
	n := 0
	for _, place := range slices.Sorted(maps.Keys(foreignPlaces)) {
		for _, run := range foreignRuns {
			if isRecord := strings.HasPrefix(place, "record"); isRecord != (run.kind == emulator.Events) && !strings.Contains(anywhere, place) {
				continue // the response lacks this part
			}
			n++
			value := scriptToken
			if run.writes && n%3 > 0 {
				value = []string{secretOne, secretTwo}[n%2]
				if run.name == "release" {
					value = secretOne // the only value that it sends
				}
			}
			said := forms[n%len(forms)](value)
			t.Run(place+" in "+run.name, func(t *testing.T) {
				t.Parallel()
				s := m.serveWith(emulator.Options{MaxTop: 100})
				f := foreignPlaces[place](said)
				f.Kind = run.kind
				if run.from > 0 {
					f.Nth, f.Times = run.from+1, 1000
				}
				fault := s.Fault(f)
				out := t.TempDir()
				args := run.args
				if args == nil {
					args = append(slices.Clone(m.apply), "--archive", "OUT/archive", "--audit", "OUT/audit.jsonl")
				}
				args = append(slices.Clone(args), "-v", "--retry-for", "10ms")
				if args[0] != "import" && run.name != "history, records" {
					args = append(args, "--report", "json=OUT/report.json", "--report", "markdown=OUT/report.md", "--report", "text=OUT/report.txt")
				}
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "OUT", out)
				}
				cmd := m.newProcess(s, args...)
				cmd.Env = append(cmd.Env, "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+filepath.Join(out, "summary.md"))
				var both bytes.Buffer
				cmd.Stdout, cmd.Stderr = &both, &both
				_ = cmd.Run() // several exit codes are right
				if fault.Hits() == 0 {
					t.Errorf("nothing was bent, so nothing was tested\n%s", both.String())
				}
				check := func(where, text string) {
					for _, word := range append(textParts(said), leaks(text)...) {
						if strings.Contains(text, word) || strings.Contains(word, " as ") {
							t.Errorf("%s has %q of %q\n%s", where, word, said, text)
							return
						}
					}
				}
				check("the terminal", both.String())
				err := filepath.WalkDir(out, func(path string, e os.DirEntry, err error) error {
					if err != nil || e.IsDir() {
						return err
					}
					data, err := os.ReadFile(path)
					if strings.HasSuffix(path, ".gz") {
						data = unzipped(t, data)
					}
					check(filepath.Base(path), path[len(out):]+"\n"+string(data))
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// textParts returns the parts of a text that every escape leaves recognizable.
func textParts(s string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(s, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) {
		if len(w) > 9 {
			out = append(out, w)
		}
	}
	if len(out) == 0 {
		out = append(out, fmt.Sprintf("%.10s", s))
	}
	return out
}

func unzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
