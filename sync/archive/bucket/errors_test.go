package bucket

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/mkhooks/mkhooks/sync/archive/bucket/buckettest"
)

// TestOddAnswers tests responses of servers with errors, of servers that refuse,
// and of another program in the server's place.
func TestOddAnswers(t *testing.T) {
	each(t, func(t *testing.T, s *buckettest.Store) {
		b := bucketAt(t, s.Location("f"))
		for status, want := range map[int]struct {
			write, read, hint string
			kind              error
		}{
			http.StatusForbidden:      {"the store refused: HTTP 403", "the store refused: HTTP 403", "credentials are ", fs.ErrPermission},
			http.StatusUnauthorized:   {"the store refused: HTTP 401", "the store refused: HTTP 401", "they need ", fs.ErrPermission},
			http.StatusBadRequest:     {"HTTP 400", "HTTP 400", "", nil},
			http.StatusNotImplemented: {"the store does not take conditional writes: HTTP 501", "HTTP 501", "add ?conditional=false", nil},
		} {
			s.SetFault(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				w.Header().Set("X-Amz-Request-Id", "hunter2")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "<html>\x1b[31m https://h/?X-Amz-Signature=hunter2 </html>") // a test's response
			})
			probe, commit := b.Probe(t.Context(), "p"), write(t.Context(), b, "x", []byte("x"))
			_, open := read(t.Context(), b, "x")
			for what, err := range map[string]error{"probe": probe, "write": commit, "read": open} {
				text := want.write
				if what == "read" {
					text = want.read
				}
				if err == nil || !strings.HasPrefix(err.Error(), text) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\x1b") {
					t.Errorf("%d: %s: %v, want %q and nothing of the page", status, what, err, text)
				}
				if want.kind != nil && !errors.Is(err, want.kind) {
					t.Errorf("%d: %s: %v is not %v", status, what, err, want.kind)
				}
			}
			var e *Error
			if !errors.As(probe, &e) || !strings.Contains(e.Hint(), want.hint) || want.kind == fs.ErrPermission && !strings.Contains(e.Hint(), s.Kind+"://"+s.Name+"/f/") {
				t.Errorf("%d: hint %q, want %q", status, e.Hint(), want.hint)
			}
		}
		s.SetFault(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = io.WriteString(w, "welcome to this hotel")
		})
		if _, err := read(t.Context(), b, "x"); s.Kind == "azblob" && (err == nil || !strings.Contains(err.Error(), "not one of this kind of store")) {
			t.Errorf("a page in an object's place: %v", err)
		}
	})
}

// TestDenied tests responses to users without permission.
func TestDenied(t *testing.T) {
	t.Parallel()
	s := buckettest.New(t, "s3")
	err := bucketAt(t, s.Location("f", "profile=wrong")).Probe(t.Context(), "p")
	var e *Error
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "SignatureDoesNotMatch") || !errors.As(err, &e) || !strings.Contains(e.Hint(), "s3:PutObject and s3:GetObject for s3://"+s.Name+"/f/") {
		t.Errorf("a wrong key: %v", err)
	}
	err = bucketAt(t, s.Location("f", "profile=none")).Probe(t.Context(), "p")
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "none") || e.Hint() != together {
		t.Errorf("a profile that is not there: %v, want the hint %q", err, together)
	}
	err = bucketAt(t, s.Location("f", "anonymous=true")).Probe(t.Context(), "p")
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("nobody: %v", err)
	}
}

// profiles writes AWS credentials with a wrong secret.
func profiles() (file string, err error) {
	dir, err := os.MkdirTemp("", "mkhooks-")
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "credentials")
	text := "[wrong]\naws_access_key_id = " + os.Getenv("AWS_ACCESS_KEY_ID") + "\naws_secret_access_key = hunter2hunter2\n"
	return file, os.WriteFile(file, []byte(text), 0o600)
}

func TestTidy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\n\n  b\tc": "a b c",
		`Get "https://u:hunter2@h/x?sig=hunter2&a=b": EOF`: `Get "https://…@h/x?…": EOF`,
		"RequestID: ABC, HostID: , api error X: no":        "api error X: no",
		strings.Repeat("ü", maxReason):                     strings.Repeat("ü", maxReason),
		strings.Repeat("ü", maxReason+1):                   strings.Repeat("ü", maxReason) + "…",
	} {
		if got := tidyText(text); got != want {
			t.Errorf("tidy(%q) is %q, want %q", text, got, want)
		}
	}
}

func TestInnermost(t *testing.T) {
	t.Parallel()
	var none error
	var closed blob.Bucket
	for want, err := range map[string]error{
		"blob: x": fmt.Errorf("blob: %w", errors.New("x")),
		"first":   fmt.Errorf("around: %w", errors.Join(errors.New("first"), errors.New("second"))),
		// In an error of gocloud.dev itself, the first inner error is nil.
		"blob: Upload requires WriterOptions.ContentType (code=InvalidArgument)": closed.Upload(t.Context(), "x", nil, nil),
		"of two: %!w(<nil>), %!w(<nil>)":                                         fmt.Errorf("of two: %w, %w", none, none),
	} {
		if got := innermostText(err); got != want {
			t.Errorf("innermost is %q, want %q", got, want)
		}
	}
}
