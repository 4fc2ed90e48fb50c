package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mkhooks/mkhooks/sync/emulator"
)

// records is the number of records in the history.
const records = 1_000_000

// measureHistory reads and archives a history of a million records. The floor reads
// the same pages with the standard library and discards them.
func (b *bench) measureHistory() error {
	// A separate process serves the history: a child process starts with the
	// memory of its parent, which would falsify the measurement.
	server := exec.CommandContext(b.ctx, b.self, "serve")
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Kill() // it stores nothing
		_ = server.Wait()
	}()
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("serve the history: %w", err)
	}
	env := serverEnv(strings.TrimSpace(url))
	const times = 3
	archive := filepath.Join(b.dir, "histories")
	version, err := b.runMedian(3, nil, b.programPath("mkhooks"), "version")
	if err != nil {
		return err
	}
	var floors, reads, stores []usage
	for range times {
		for _, m := range []struct {
			to   *[]usage
			args []string
		}{
			{&floors, []string{b.self, "read"}},
			{&reads, []string{b.programPath("mkhooks"), "history", "jobs"}},
			{&stores, []string{b.programPath("mkhooks"), "history", "--export", archive, "jobs"}},
		} {
			u, err := b.runProgram(env, m.args[0], m.args[1:]...)
			if err != nil {
				return err
			}
			*m.to = append(*m.to, u)
		}
	}
	floor, read, store := medianUsage(floors), medianUsage(reads), medianUsage(stores)
	const what = "history of 1,000,000 records in pages of 1,000, "
	beside := "reading the same pages with net/http and encoding/json: " + ms(floor.wall)
	b.addRow(2*read.wall <= 3*floor.wall, what+"summed up, medians of 3", ms(read.wall), beside+", ratio "+ratio(read.wall, floor.wall), "ratio 1.5")
	b.addRow(2*store.wall <= 3*floor.wall, "the same, archived and read back", ms(store.wall), beside+", ratio "+ratio(store.wall, floor.wall), "ratio 1.5")
	for _, m := range []struct {
		what string
		u    usage
	}{{"memory of summing up", read}, {"memory of archiving", store}} {
		above := m.u.peak - version.peak
		b.addRow(above <= 64<<20, m.what+", above start", fmt.Sprintf("%d MiB", above>>20), fmt.Sprintf("`mkhooks version`: %d MiB", version.peak>>20), "64 MiB")
	}
	return nil
}

// serveHistory serves a rule with a history of a million records, until the
// process is killed.
func serveHistory() error {
	s := benchServer(0, 1000)
	s.Put("jobs", map[string]any{"url": "https://hooks.example.com/mkio", "enabled": true, "events": []any{"MediaKind.JobFinished"}})
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range records {
		e := emulator.Event{
			Created: at.Add(time.Duration(i) * 7 * time.Second), Type: "MediaKind.JobFinished", Status: emulator.Sent,
			Source: fmt.Sprintf("/subscriptions/5e8f2a/mediaservices/bench/transforms/encode/jobs/job-%08x", uint32(i)*2654435761),
		}
		if i%50 == 0 {
			e.Status = emulator.Failed
		}
		s.AddEvents("jobs", e)
	}
	h := httptest.NewServer(s)
	fmt.Println(h.URL)
	select {}
}

// readAll measures the floor of history: it reads all pages of a rule and
// discards them. It decodes each page, because the page contains the link to
// the next page.
func readAll() error {
	base := os.Getenv("MKIO_BASE_URL") + "/api/v1/projects/" + os.Getenv("MKIO_PROJECT") + "/webhook/rules/jobs/events"
	n := 0
	for next := base + "?$top=1000"; next != ""; {
		req, err := http.NewRequest(http.MethodGet, next, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+os.Getenv("MKIO_TOKEN"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		var page struct {
			Value []struct {
				Created time.Time `json:"created"`
				Source  string    `json:"source"`
				Type    string    `json:"type"`
				Status  string    `json:"status"`
			} `json:"value"`
			Next string `json:"@odata.nextLink"`
		}
		data, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err == nil {
			err = json.Unmarshal(data, &page)
		}
		if err != nil {
			return err
		}
		n += len(page.Value)
		next = page.Next
	}
	if n != records {
		return fmt.Errorf("read %d records, expected %d", n, records)
	}
	return nil
}
