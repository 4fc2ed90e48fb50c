package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mkhooks/mkhooks/sync/archive/bucket/buckettest"
)

func TestMain(m *testing.M) {
	if location := os.Getenv(probeEnv); location != "" {
		probeAlone(location)
		return
	}
	for name, value := range buckettest.Env() {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	file, err := profiles()
	if err == nil {
		err = errors.Join(os.Setenv("AWS_SHARED_CREDENTIALS_FILE", file), os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file+".none"))
	}
	if err != nil {
		panic(err)
	}
	buckettest.Run(m)
	_ = os.RemoveAll(filepath.Dir(file))
}

// each runs a test against each kind of store.
func each(t *testing.T, test func(t *testing.T, s *buckettest.Store)) {
	t.Parallel()
	for _, kind := range buckettest.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, buckettest.New(t, kind))
		})
	}
}

func bucketAt(t *testing.T, location string) *Bucket {
	t.Helper()
	b, err := New(location)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(ctx context.Context, b *Bucket, name string, content []byte) error {
	w, err := b.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Discard()
	for part := range slices.Chunk(content, 100_000) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Commit(ctx)
}

func read(ctx context.Context, b *Bucket, name string) ([]byte, error) {
	r, err := b.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

// large is more than S3 takes in one request from its SDK: 16 MiB.
const large = 4*partSize + 1

// noise returns bytes that gzip can't make smaller.
func noise(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(out) // never fails
	return out
}

func TestObjects(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		for _, conditional := range []string{"true", "false"} {
			b := bucketAt(t, s.Location("a folder/mkhooks/", "conditional="+conditional))
			for name, content := range map[string][]byte{"empty" + conditional: {}, "small" + conditional: []byte("x"), "large" + conditional: noise(large)} {
				if err := write(t.Context(), b, name, content); err != nil {
					t.Fatalf("write %s: %v", name, err)
				}
				if got, err := read(t.Context(), b, name); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s reads back as %d bytes, %v, want the %d written", name, len(got), err, len(content))
				}
				for _, other := range [][]byte{[]byte("another"), append([]byte("another"), noise(large)...)} {
					if err := write(t.Context(), b, name, other); !errors.Is(err, fs.ErrExist) {
						t.Errorf("a second object %s: %v, want fs.ErrExist", name, err)
					}
				}
				// As if the response to an SDK's first attempt was lost.
				if err := write(t.Context(), b, name, content); err != nil {
					t.Errorf("the same object %s again: %v", name, err)
				}
				if got, err := read(t.Context(), b, name); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s was overwritten: %d bytes, %v", name, len(got), err)
				}
			}
			if _, err := read(t.Context(), b, "none"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("an object that is not there: %v, want fs.ErrNotExist", err)
			}
		}
		want := []string{"emptyfalse", "emptytrue", "largefalse", "largetrue", "smallfalse", "smalltrue"}
		for i := range want {
			want[i] = "a folder/mkhooks/" + want[i]
		}
		if got := s.Names(t); !slices.Equal(got, want) {
			t.Errorf("the bucket holds %q, want %q", got, want)
		}
	})
}

func TestNothingIsThereBeforeCommit(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		b := bucketAt(t, s.Location(""))
		for _, size := range []int{0, 10, large} {
			w, err := b.Create(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(noise(size)); err != nil {
				t.Fatal(err)
			}
			if got := s.Names(t); len(got) > 0 {
				t.Errorf("before a commit of %d bytes there is %q", size, got)
			}
			w.Discard()
			if err := w.Commit(t.Context()); err == nil {
				t.Error("a commit after a discard went through")
			}
			time.Sleep(50 * time.Millisecond)
			if got := s.Names(t); len(got) > 0 {
				t.Errorf("after a discard of %d bytes there is %q", size, got)
			}
		}
	})
}

func TestProbe(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		var deletes atomic.Int32
		s.SetFault(func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if r.Method == http.MethodDelete {
				deletes.Add(1)
			}
			real.ServeHTTP(w, r)
		})
		for n, conditional := range []string{"true", "false"} {
			if err := bucketAt(t, s.Location("x", "conditional="+conditional)).Probe(t.Context(), "probe"); err != nil {
				t.Errorf("conditional=%s: %v", conditional, err)
			}
			if got := s.Names(t); len(got) > 0 {
				t.Errorf("conditional=%s: the probe left %q", conditional, got)
			}
			// Users who may write often may not delete.
			if got := int(deletes.Load()); got != n {
				t.Errorf("conditional=%s: %d requests to delete, want %d", conditional, got, n)
			}
		}
	})
}

func TestNoBucket(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		other := "other-" + s.Name
		b := bucketAt(t, strings.Replace(s.Location("x"), s.Name, other, 1))
		want := map[string]string{
			"s3":     "there is no bucket " + other + ": HTTP 404, NoSuchBucket, The specified bucket does not exist.",
			"azblob": "there is no container " + other + ": HTTP 404, ContainerNotFound",
			"gs":     "there is no bucket " + other + ": HTTP 404, Not Found",
		}[s.Kind]
		got := map[string]error{"probe": b.Probe(t.Context(), "x"), "write": write(t.Context(), b, "x", []byte("x"))}
		if s.Kind != "gs" { // its test server does not distinguish a bucket from an object here
			_, got["read"] = read(t.Context(), b, "x")
		}
		for what, err := range got {
			var e *Error
			if !errors.As(err, &e) || err.Error() != want || !strings.Contains(e.Hint(), "make it") || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v, want %q and the hint to make it", what, err, want)
			}
		}
	})
}

// TestStall tests a server that takes a request and never responds.
func TestStall(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		b := bucketAt(t, s.Location(""))
		if err := write(t.Context(), b, "there", []byte("x")); err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		defer close(over)
		s.SetFault(func(http.ResponseWriter, *http.Request, http.Handler) { <-over })
		b.stall = 300 * time.Millisecond
		_, readErr := read(t.Context(), b, "there")
		w, err := bucketAt(t, s.Location("")).Create(t.Context(), "w")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(noise(partSize)); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		w.Discard()
		if took := time.Since(at); took > 20*time.Second {
			t.Errorf("an upload that hangs was given up after %s", took)
		}
		for what, err := range map[string]error{
			"read": readErr, "probe": b.Probe(t.Context(), "p"),
			"small": write(t.Context(), b, "x", []byte("x")), "large": write(t.Context(), b, "y", noise(large)),
		} {
			if err == nil || !strings.Contains(err.Error(), "for 300ms") || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want that the store stalled", what, err)
			}
		}
		b.stall = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := write(ctx, b, "z", []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a context that ended: %v", err)
		}
	})
}
