package archive

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mkhooks/mkhooks/sync/archive/bucket/buckettest"
)

func TestMain(m *testing.M) { buckettest.Main(m) }

// each runs a test against each kind of object store.
func each(t *testing.T, test func(t *testing.T, s *buckettest.Store)) {
	t.Parallel()
	for _, kind := range buckettest.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, buckettest.New(t, kind))
		})
	}
}

// saveIn stores a small history. However that ends, it checks that every archive is
// complete.
func saveIn(t *testing.T, s *buckettest.Store) (*StoredHistory, error) {
	t.Helper()
	c, err := Save(t.Context(), open(t, s.Location("mkhooks")), request(), still(whole(records(3), 2)).read, patient())
	s.SetFault(nil)
	for _, name := range s.Names(t) {
		if !strings.HasSuffix(name, manifestSuffix) {
			continue
		}
		if err != nil {
			t.Errorf("%s is there, which says that there is an archive", name)
		}
		if _, err := Verify(t.Context(), s.Location(name)); err != nil {
			t.Error(err)
		}
	}
	return c, err
}

// uploads reports whether a request uploads an object, or a part of an object.
func uploads(r *http.Request) bool {
	return r.Method == http.MethodPut || r.Method == http.MethodPost && r.URL.Query().Has("uploadType")
}

// cut ends a connection without a response.
func cut() { panic(http.ErrAbortHandler) }

func TestSaveInBuckets(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		store := open(t, s.Location("mkhooks"))
		if err := Probe(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		if got := s.Names(t); len(got) > 0 {
			t.Fatalf("the probe left %q", got)
		}
		c, err := Save(t.Context(), store, request(), still(whole(records(3), 2)).read, patient())
		if err != nil {
			t.Fatal(err)
		}
		m, err := Verify(t.Context(), c.Receipt.Location)
		if err != nil {
			t.Fatal(err)
		}
		if m.Records != 3 || m.SHA256 != c.Receipt.SHA256 || !IsArchive(c.Receipt.Location) {
			t.Errorf("manifest %+v of receipt %+v", m, c.Receipt)
		}
		base := "mkhooks/" + strings.TrimSuffix(m.RecordsFile, recordsSuffix)
		if diff := cmp.Diff([]string{base + recordsSuffix, base + manifestSuffix}, s.Names(t)); diff != "" {
			t.Errorf("objects (-want +got):\n%s", diff)
		}
		if _, err := Verify(t.Context(), strings.Replace(c.Receipt.Location, recordsSuffix, manifestSuffix, 1)); err != nil {
			t.Error(err)
		}
		s.Put(t, base+recordsSuffix, "another")
		if _, err := Verify(t.Context(), c.Receipt.Location); err == nil {
			t.Error("an archive that was changed is whole")
		}
		if _, err := Verify(t.Context(), strings.Replace(c.Receipt.Location, "demo_", "other_", 1)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an archive that is not there: %v", err)
		}
	})
}

// TestAnswerLost tests a store that takes an object, but whose response is lost.
// The SDK retries, and the store reports that the name is taken.
func TestAnswerLost(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		var n atomic.Int32
		s.SetFault(func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if uploads(r) && n.Add(1) == 1 {
				real.ServeHTTP(discard{}, r)
				cut()
			}
			real.ServeHTTP(w, r)
		})
		_, err := saveIn(t, s)
		if err != nil || n.Load() < 3 {
			t.Errorf("after %d uploads: %v", n.Load(), err)
		}
	})
}

// discard is a response that nobody receives.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// TestUploadCut ends the connection of every upload in the middle.
func TestUploadCut(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		s.SetFault(func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if uploads(r) {
				_, _ = io.CopyN(io.Discard, r.Body, 20)
				cut()
			}
			real.ServeHTTP(w, r)
		})
		_, err := saveIn(t, s)
		if err == nil || !strings.Contains(err.Error(), s.Name+"/mkhooks/demo_jobs_7f3a_") {
			t.Errorf("error %v, want one that names the object", err)
		}
		if got := s.Names(t); len(got) > 0 {
			t.Errorf("a part of an upload is there: %q", got)
		}
	})
}

// TestReadBackDiffers tests a store that returns other bytes than it got.
func TestReadBackDiffers(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		s.SetFault(func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if r.Method == http.MethodGet {
				for _, name := range s.Names(t) {
					s.Put(t, name, "something else")
				}
			}
			real.ServeHTTP(w, r)
		})
		_, err := saveIn(t, s)
		if err == nil || !strings.Contains(err.Error(), "read back "+s.Kind+"://"+s.Name) {
			t.Errorf("error %v, want that it reads back as something else", err)
		}
	})
}

// TestStoreGone tests a store that fails after the records are stored and read
// back. Without a manifest there is no archive, and the next run stores another
// archive.
func TestStoreGone(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		var gone atomic.Bool
		s.SetFault(func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if gone.Load() {
				cut()
			}
			real.ServeHTTP(w, r)
			if r.Method == http.MethodGet {
				gone.Store(true)
			}
		})
		_, err := saveIn(t, s)
		if err == nil || !strings.Contains(err.Error(), manifestSuffix) || !strings.Contains(err.Error(), s.Name) {
			t.Errorf("error %v, want one that names the manifest", err)
		}
		if got := s.Names(t); len(got) != 1 || !strings.HasSuffix(got[0], recordsSuffix) {
			t.Errorf("the bucket holds %q, want the records alone", got)
		}
		if _, err := saveIn(t, s); err != nil {
			t.Errorf("once the store is back: %v", err)
		}
		if got := s.Names(t); len(got) != 3 || slices.ContainsFunc(got, func(n string) bool { return !IsArchive(n) }) {
			t.Errorf("the bucket holds %q, want two archives, one without a manifest", got)
		}
	})
}
