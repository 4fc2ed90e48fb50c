package complete

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pageOf returns records by their numbers; a letter after a number is its status.
func pageOf(words string) []webhook.Event {
	var out []webhook.Event
	for _, word := range strings.Fields(words) {
		e := webhook.Event{Status: webhook.Sent, Type: "MediaKind.JobFinished"}
		if number, pending := strings.CutSuffix(word, "p"); pending {
			word, e.Status = number, webhook.Pending
		}
		e.Source, e.Created = "/jobs/"+word, start.Add(time.Duration(len(word))*time.Second)
		out = append(out, e)
	}
	return out
}

// TestCheck checks readings in both directions. incomplete is the reason for the
// archive, mayMiss the reason for alerts.
func TestCheck(t *testing.T) {
	t.Parallel()
	type page struct {
		words string
		total int
	}
	for name, tt := range map[string]struct {
		pages               []page
		mayMiss, incomplete string
	}{
		"none":                         {nil, "does not say", "does not say"},
		"empty":                        {[]page{{"", 0}}, "", ""},
		"whole":                        {[]page{{"1 2", 3}, {"3", 3}}, "", ""},
		"a full last page":             {[]page{{"1 2", 2}, {"", 2}}, "", ""},
		"equal on one page":            {[]page{{"1 1 2", 3}}, "", ""},
		"equal on one of two pages":    {[]page{{"1 1", 3}, {"2", 3}}, "", ""},
		"not neighbours":               {[]page{{"1 2 1", 3}}, "", ""},
		"equal across pages":           {[]page{{"1 2", 3}, {"2", 3}}, "1 record on two", "1 record on two"},
		"equal across pages, later":    {[]page{{"1 2", 5}, {"3 4", 5}, {"1", 5}}, "1 record on two", "1 record on two"},
		"a page twice":                 {[]page{{"1 2", 4}, {"1 2", 4}}, "2 records on two", "2 records on two"},
		"a page twice, turned":         {[]page{{"1 2", 4}, {"2 1", 4}}, "2 records on two", "2 records on two"},
		"it ended meanwhile":           {[]page{{"1 2p", 3}, {"2", 3}}, "1 record on two", "1 record on two"},
		"fewer":                        {[]page{{"1 2", 3}}, "counts 3 records and lists 2", "counts 3 records and lists 2"},
		"more":                         {[]page{{"1 2", 1}}, "counts 1 records and lists 2", "counts 1 records and lists 2"},
		"grown, shifted":               {[]page{{"1 2", 3}, {"2 3", 4}}, "", "went from 3 to 4"},
		"grown, at the end":            {[]page{{"1 2", 3}, {"3 4", 4}}, "", "went from 3 to 4"},
		"grown, not listed":            {[]page{{"1 2", 3}, {"3", 5}}, "", "went from 3 to 5"},
		"grown, a record is lost":      {[]page{{"1 2", 3}, {"2", 4}}, "1 record on two", "1 record on two"},
		"grown, more repeated":         {[]page{{"1 2", 3}, {"1 2", 4}}, "2 records on two", "2 records on two"},
		"fallen":                       {[]page{{"1 2", 4}, {"3", 3}}, "went from 4 to 3", "went from 4 to 3"},
		"fallen and grown":             {[]page{{"1", 3}, {"2", 2}, {"3", 3}}, "went from 3 to 2", "went from 3 to 2"},
		"equal across pages, and more": {[]page{{"1 1", 4}, {"1 2", 4}}, "1 record on two", "1 record on two"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c Check
			for _, p := range tt.pages {
				c.Page(pageOf(p.words), p.total, true)
			}
			for range 2 { // asking changes nothing
				for _, pair := range [][2]string{{c.MayMiss(), tt.mayMiss}, {c.Incomplete(), tt.incomplete}} {
					if got, want := pair[0], pair[1]; want == "" && got != "" || !strings.Contains(got, want) {
						t.Errorf("says %q, want %q", got, want)
					}
				}
			}
			if tt.incomplete == "" {
				c.Contradict("")
				c.Contradict("the counts contradict")
				if got := c.Incomplete(); got != "the counts contradict" {
					t.Errorf("says %q", got)
				}
			}
		})
	}
}

// TestCheckTakesLittleMemory checks the size of a long reading.
func TestCheckTakesLittleMemory(t *testing.T) {
	t.Parallel()
	var c Check
	const pages, size = 100, 1000
	for p := range pages {
		var page []webhook.Event
		for i := range size {
			page = append(page, webhook.Event{Created: start, Source: fmt.Sprintf("/jobs/%d/%d", p, i)})
		}
		c.Page(page, pages*size, true)
	}
	if why := c.Incomplete(); why != "" || cap(c.seen) > 2*pages*size {
		t.Errorf("%q, holds %d hashes", why, cap(c.seen))
	}
}
