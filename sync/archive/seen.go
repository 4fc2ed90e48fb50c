package archive

import (
	"context"
	"fmt"

	"github.com/mkhooks/mkhooks/sync/webhook"
)

// Seen are earlier reads of a history that is about to be stored. A service that
// listed a record must list it again: otherwise nobody knows whether the history is
// complete. A service that removes old records by itself looks the same, so a person
// has to decide.
//
// Seen holds the records of first pages. The zero value is no read.
type Seen struct {
	records int
	counted bool
	first   map[recordKey]int
}

// recordKey identifies a record. The status is not part of it, because it changes.
type recordKey struct {
	created      int64
	source, kind string
}

func keyOf(e webhook.Event) recordKey {
	return recordKey{e.Created.UnixNano(), e.Source, string(e.Type)}
}

// Look adds the first page of a history.
func (s *Seen) Look(ctx context.Context, src Source) error {
	shot, err := readFirstPage(ctx, src)
	if err == nil {
		s.add(shot)
	}
	return err
}

// Count adds the number of records that an earlier read counted.
func (s *Seen) Count(records int) {
	s.records, s.counted = max(s.records, records), true
}

// Records returns the largest number of records that a read counted, or nil.
func (s *Seen) Records() *int {
	if s == nil || !s.counted {
		return nil
	}
	n := s.records
	return &n
}

func (s *Seen) add(shot snapshot) {
	if shot.hasTotal {
		s.Count(shot.total)
	}
	if s.first == nil {
		s.first = map[recordKey]int{}
	}
	page := map[recordKey]int{}
	for _, e := range shot.first {
		k := keyOf(e)
		page[k]++
		s.first[k] = max(s.first[k], page[k])
	}
}

// lost returns an error if a reading of total records lacks a record. missing are the
// records of earlier reads that it did not list.
func (s *Seen) lost(total int, missing map[recordKey]int) error {
	if total < s.records {
		out := &changedError{how: fmt.Sprintf("an earlier read counted %d records, and the service now counts %d", s.records, total), wayOut: mayExpire, fewer: total}
		if total == 0 {
			out.wayOut = allLost
		}
		return out
	}
	n := 0
	for _, more := range missing {
		n += more
	}
	if n > 0 {
		return &changedError{how: fmt.Sprintf("the service no longer lists %d of the records that an earlier read showed", n), wayOut: lookFirst}
	}
	return nil
}
