//go:build unix

package cli

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// place defines the requests and commands that a fault affects.
type place struct {
	name     string
	commands []string
	// once matches one request; ever matches the first and all later requests.
	once, ever emulator.Fault
}

// faultPlaces are all places where a command calls the service.
var faultPlaces = []place{
	{"list", faultCommands, emulator.Fault{Kind: emulator.List, Times: 1}, emulator.Fault{Kind: emulator.List}},
	{"events", []string{"plan", "drift", "apply", "history"}, busy(emulator.Events, 1), emulator.Fault{Kind: emulator.Events}},
	{"events of --deliveries", []string{"drift"},
		emulator.Fault{Kind: emulator.Events, Rule: "keep", Times: 1}, emulator.Fault{Kind: emulator.Events, Rule: "keep"}},
	{"get", []string{"apply"}, emulator.Fault{Kind: emulator.Get, Rule: "update", Times: 1}, emulator.Fault{Kind: emulator.Get}},
	{"PUT", []string{"apply"}, emulator.Fault{Kind: emulator.Put, Rule: "update", Times: 1}, emulator.Fault{Kind: emulator.Put}},
	{"PUT that pauses", []string{"apply"}, busy(emulator.Put, 1), everBusy(emulator.Put, 1)},
	{"events to archive", []string{"apply"}, busy(emulator.Events, 2), everBusy(emulator.Events, 2)},
	{"get before DELETE", []string{"apply"}, busy(emulator.Get, 2), everBusy(emulator.Get, 2)},
	{"DELETE", []string{"apply"}, busy(emulator.Delete, 1), emulator.Fault{Kind: emulator.Delete}},
}

// busy matches a request for the deleted rule with the longest history.
func busy(kind emulator.Kind, nth int) emulator.Fault {
	return emulator.Fault{Kind: kind, Rule: "gone-busy", Nth: nth, Times: 1}
}

func everBusy(kind emulator.Kind, nth int) emulator.Fault {
	f := busy(kind, nth)
	f.Times = -1
	return f
}

// wrong is a kind of wrong response.
type wrong struct {
	name string
	// do adds it to the fault.
	do func(w *faulty, f *emulator.Fault)
	// onceAlone skips the permanent fault: such a response is not retried.
	onceAlone bool
	// args are more flags; ever are the flags for a permanent fault.
	args, ever []string
	// memory measures the memory of the run. alone makes writes sequential,
	// because the fault affects all requests in flight.
	memory, alone bool
}

// Flags of a run with a permanent fault, and of a run that outlasts its fault.
var (
	soonGivesUp = []string{"--retry-for", "1s"}
	holdsOut    = []string{"--retry-for", "20s"}
)

func withStatus(code int, body string, header ...string) func(*faulty, *emulator.Fault) {
	return func(_ *faulty, f *emulator.Fault) {
		f.Status, f.Body = code, body
		if len(header) == 2 {
			f.Header = map[string]string{header[0]: header[1]}
		}
	}
}

func withBody(text string) func(*faulty, *emulator.Fault) {
	return func(_ *faulty, f *emulator.Fault) { f.Body = text }
}

const proxyPage = "<html><head><title>502 Bad Gateway</title></head><body>\n<h1>502</h1>the proxy is sorry</body></html>"

// httpDate returns a time in the format of Retry-After.
func httpDate(in time.Duration) string { return time.Now().Add(in).UTC().Format(http.TimeFormat) }

// wrongs are the faults of single responses.
var wrongs = []wrong{
	{name: "429", do: withStatus(429, "")},
	{name: "429 with Retry-After in seconds", do: withStatus(429, "", "Retry-After", "1")},
	{name: "429 with Retry-After as a date", do: func(w *faulty, f *emulator.Fault) {
		in := 2 * time.Second
		if f.Times != 1 { // permanent
			in = time.Hour
		}
		withStatus(429, "", "Retry-After", httpDate(in))(w, f)
	}},
	{name: "500", do: withStatus(500, "")},
	{name: "502 with a page", do: withStatus(502, proxyPage, "Content-Type", "text/html")},
	{name: "404 with a page", do: withStatus(404, proxyPage, "Content-Type", "text/html")},
	{name: "503", do: withStatus(503, "")},
	{name: "504", do: withStatus(504, "")},
	{name: "connection refused", do: refuse, alone: true,
		// The first attempt ends with a closed connection. Another attempt must
		// follow before the precheck expires.
		ever: []string{"--retry-for", "3s"}},
	{name: "closed before the answer", do: func(_ *faulty, f *emulator.Fault) { f.Drop = emulator.DropBefore }},
	{name: "reset before the answer", do: func(_ *faulty, f *emulator.Fault) { f.Respond = reset }},
	{name: "reset after it took effect", do: func(_ *faulty, f *emulator.Fault) { f.Respond, f.Effect = reset, true }},
	{name: "body cut", do: func(_ *faulty, f *emulator.Fault) { f.Cut = 9 }},
	{name: "stalled", do: func(_ *faulty, f *emulator.Fault) { f.Stall = true },
		args: []string{"--timeout", "10s"}}, // no other response takes that long
	{name: "not JSON", do: withBody(proxyPage), onceAlone: true},
	{name: "another shape", do: withBody(`{"rules":[]}`), onceAlone: true},
	{name: "a number for text", do: func(_ *faulty, f *emulator.Fault) { f.Edit = numberForText }, onceAlone: true},
	{name: "200 MB", do: func(_ *faulty, f *emulator.Fault) { f.Respond, f.Effect = respondLarge, true }, onceAlone: true, memory: true,
		args: []string{"--timeout", "4m"}}, // a busy machine needs time for this much data
	{name: "nested 100,000 deep", do: withBody(`{"value":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + "}"), onceAlone: true},
	{name: "an unknown field nested 5,000 deep", do: func(_ *faulty, f *emulator.Fault) { f.Edit = deepField }, onceAlone: true},
}

// refuse stops the service at a request, without a response. Unless the fault
// is permanent, the service comes back after a while.
func refuse(w *faulty, f *emulator.Fault) {
	forEver := f.Times != 1
	f.Drop, f.Times = emulator.DropBefore, 1
	f.Before = func() {
		w.down()
		if !forEver {
			time.AfterFunc(300*time.Millisecond, w.up)
		} else if w.mend == nil {
			w.mend = (*faulty).up
		}
	}
}

// reset resets the connection.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // makes Close reset the connection
	}
	_ = c.Close()
}

// respondLarge responds with 200 MB of a list.
func respondLarge(w http.ResponseWriter) {
	part := []byte(`{"created":"2026-10-01T00:00:00Z","source":"` + strings.Repeat("x", 1<<16) + `","status":"Sent","type":"MediaKind.JobFinished"},`)
	if _, err := w.Write([]byte(`{"value":[`)); err != nil {
		return
	}
	for n := 0; n < 200<<20; n += len(part) {
		if _, err := w.Write(part); err != nil {
			return // the client has given up
		}
	}
}

// firstItem returns the first rule or record of a response.
func firstItem(body map[string]any) map[string]any {
	if value, ok := body["value"].([]any); ok {
		if len(value) == 0 {
			return nil
		}
		body, _ = value[0].(map[string]any)
	}
	return body
}

func numberForText(body map[string]any) {
	body = firstItem(body)
	if spec, ok := body["spec"].(map[string]any); ok {
		spec["url"] = 7
	} else if body != nil {
		body["source"] = 7
	}
}

func deepField(body map[string]any) {
	deep := []any{}
	for range 5000 {
		deep = []any{deep}
	}
	body = firstItem(body)
	if spec, ok := body["spec"].(map[string]any); ok {
		spec["deep"] = deep
	} else if body != nil {
		body["deep"] = deep
	}
}

// faultCells returns all cells of the matrix.
func faultCells() []cell {
	var out []cell
	for _, wr := range wrongs {
		for _, at := range faultPlaces {
			for _, command := range at.commands {
				out = append(out, wr.cell(at.name, command, "once", at.once, holdsOut))
				if !wr.onceAlone {
					out = append(out, wr.cell(at.name, command, "for ever", at.ever, slices.Concat(soonGivesUp, wr.ever)))
				}
			}
		}
	}
	out = append(out, pagingCells()...)
	return out
}

func (wr wrong) cell(at, command, times string, f emulator.Fault, args []string) cell {
	name := wr.name
	if !wr.onceAlone {
		name += " " + times
	}
	c := cell{fault: name, at: at, command: command, args: slices.Concat(wr.args, args), set: func(w *faulty) {
		wr.do(w, &f)
		w.hit = w.s.Fault(f).Hits
	}}
	if wr.memory {
		c.watchMemory()
	}
	if wr.alone && command == "apply" {
		c.args = append(c.args, "--concurrency", "1")
	}
	return c
}

// underRace reports whether the race detector was built in.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// watchMemory checks that the run needs little memory.
func (c *cell) watchMemory() {
	c.program, c.env = []string{"mkhooks-odd"}, []string{oddMemory + "=CELL/memory"}
	c.look = func(w *faulty) {
		kib, err := os.ReadFile(filepath.Join(w.dir, w.in("memory")))
		if runtime.GOOS != "linux" || underRace() {
			return // unreadable, or the race detector takes four times as much
		}
		n, err2 := strconv.Atoi(string(kib))
		if w.t.Logf("%d MiB", n>>10); err != nil || err2 != nil || n > 300<<10 {
			w.t.Errorf("took %d MiB of memory: %v, %v", n>>10, err, err2)
		}
	}
}

// pagingCells returns cells with faults in the paging of lists and histories.
// Rules are listed with and without their count.
func pagingCells() []cell {
	var out []cell
	links := []struct {
		name string
		link emulator.Link
	}{
		{"a page repeated", emulator.LinkRepeat}, {"a page dropped", emulator.LinkSkip}, {"an empty page with a next link", emulator.LinkEmpty},
		{"next link to another host", emulator.LinkElsewhere}, {"next link to itself", emulator.LinkItself}, {"next link missing", emulator.LinkLost},
	}
	for _, l := range links {
		for _, at := range faultPlaces {
			if at.name == "list" || strings.HasPrefix(at.name, "events") {
				for _, command := range at.commands {
					out = append(out, pagingCell(l.name, l.link, at, command, "once", emulator.Options{}), pagingCell(l.name, l.link, at, command, "for ever", emulator.Options{}))
					if at.name == "list" {
						out = append(out, pagingCell(l.name, l.link, at, command, "for ever", emulator.Options{ListPaging: true}))
					}
				}
			}
		}
	}
	return out
}

func pagingCell(name string, link emulator.Link, at place, command, times string, o emulator.Options) cell {
	f := at.once
	if times == "for ever" {
		f = at.ever
	}
	where := at.name
	if at.name == "list" {
		o.MaxTop = 3
		if o.ListPaging {
			where = "list with a total"
		}
	}
	f.Link = link
	return cell{fault: name + " " + times, at: where, command: command, options: o, args: soonGivesUp, set: func(w *faulty) {
		w.hit = w.s.Fault(f).Hits
	}}
}
