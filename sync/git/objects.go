package git

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mkhooks/mkhooks/sync/shell"
)

// objects reads objects through one process of git cat-file. It verifies the
// response: an object whose content does not match its id is refused. So the id
// of a commit alone determines its content, whatever else the repository
// contains.
type objects struct {
	repo *Repository
	*process
}

// maxObject is the maximum size of an object in bytes. A tree of that size has
// about 500,000 entries.
const maxObject = 32 << 20

func (r *Repository) startObjects(ctx context.Context) (*objects, error) {
	p, err := r.startProcess(ctx, "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	return &objects{r, p}, nil
}

// isObjectID reports whether text is a complete id, SHA-1 or SHA-256.
func isObjectID(text string) bool {
	return (len(text) == 2*sha1.Size || len(text) == 2*sha256.Size) && isHex(text)
}

// isHex reports whether text has only hexadecimal digits as Git writes them.
func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

// readObject returns an object and checks its kind.
func (o *objects) readObject(id, kind string) ([]byte, error) {
	if !isObjectID(id) {
		return nil, &Error{Message: "git named an object by no id"}
	}
	if _, err := io.WriteString(o.in, id+"\n"); err != nil {
		return nil, o.exitError(err)
	}
	head, err := o.out.ReadString('\n')
	if err != nil {
		return nil, o.exitError(err)
	}
	f := strings.Fields(head)
	if len(f) == 2 && f[1] == "missing" {
		return nil, &Error{
			Message: fmt.Sprintf("the repository lacks the %s %s, as a partial clone does", kind, id),
			Hint:    "git -C " + shell.Path(filepath.ToSlash(o.repo.Top)) + " cat-file -s " + id, // this command fetches the object
		}
	}
	if len(f) != 3 || f[0] != id || f[1] != kind {
		return nil, &Error{Message: fmt.Sprintf("git has no %s %s", kind, id)}
	}
	size, err := strconv.Atoi(f[2])
	if err != nil || size < 0 || size > maxObject {
		return nil, &Error{Message: fmt.Sprintf("the %s %s has %s bytes, more than the %d that are read", kind, id, f[2], maxObject)}
	}
	data := make([]byte, size+1) // the object and the line feed after it
	if _, err := io.ReadFull(o.out, data); err != nil {
		return nil, o.exitError(err)
	}
	data = data[:size]
	if objectIDOf(id, kind, data) != id {
		return nil, &Error{Message: fmt.Sprintf("the %s %s is damaged: its content has another id", kind, id)}
	}
	return data, nil
}

// exitError returns the reason why the process ended.
func (o *objects) exitError(err error) error {
	stderr := o.endProcess()
	return o.repo.explainFailure(o.ctx, fmt.Errorf("read from git cat-file: %w", err), stderr)
}

// objectIDOf returns the id of an object in the format of like: SHA-1, or
// SHA-256 if the repository uses it.
func objectIDOf(like, kind string, data []byte) string {
	var h hash.Hash
	if len(like) == hex.EncodedLen(sha256.Size) {
		h = sha256.New()
	} else {
		h = sha1.New()
	}
	fmt.Fprintf(h, "%s %d\x00", kind, len(data))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}
