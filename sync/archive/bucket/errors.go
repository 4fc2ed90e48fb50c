package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"
)

// What the SDKs say is not passed on as it is: it can hold signed URLs, ids of
// requests and pages of text. A reason is put together from what their typed
// errors say; of any other error the text, without queries and cut.

// Error is why something could not be read or written. It stands for
// [fs.ErrExist], [fs.ErrNotExist] or [fs.ErrPermission] where it is one of them.
type Error struct {
	reason, hint string
	kind         error
}

// Error says what the store answered.
func (e *Error) Error() string { return e.reason }

// Hint says what to do next; it may be empty.
func (e *Error) Hint() string { return e.hint }

// Unwrap returns the kind, never the SDK's error.
func (e *Error) Unwrap() error { return e.kind }

var errStalled = errors.New("stalled")

func (b *Bucket) stalled() error {
	return &Error{reason: fmt.Sprintf("the store did not take or give anything for %s", b.stall), hint: b.place.reach(), kind: context.DeadlineExceeded}
}

// What to do next, where it is not about the store.
const (
	// together is for what no SDK sends anything for.
	together = "correct the archive location or the environment: the store's SDK does not take them together"
	// inPlace is for what no store of this kind answers.
	inPlace = "see what answers in the store's place, such as a proxy"
)

// reach says what to do where the store does not answer.
func (l place) reach() string { return "see whether " + l.server() + " can be reached from here" }

// server says what is talked to.
func (l place) server() string {
	if e := l.query.Get("endpoint"); e != "" {
		return e
	}
	return map[string]string{"s3": "Amazon S3 (or AWS_ENDPOINT_URL)", "azblob": "the storage account's host", "gs": "storage.googleapis.com"}[l.scheme]
}

// credentialsError says that an SDK found no credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// explain makes an error that can be shown. What a writing does not find is
// the bucket.
func (b *Bucket) explain(err error, writes bool) error {
	var ours *Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, fs.ErrExist):
		return b.taken()
	}
	if a := answerOf(err); a.status != 0 {
		return b.answered(a, gcerrors.Code(err), writes)
	}
	return b.unanswered(err)
}

// answered explains what the store answered.
func (b *Bucket) answered(a answer, code gcerrors.ErrorCode, writes bool) error {
	reason := a.String()
	switch {
	case a.code == "NoSuchBucket" || a.code == "ContainerNotFound" || code == gcerrors.NotFound && (writes || strings.Contains(a.message, "bucket does not exist")):
		return &Error{reason: "there is no " + b.place.container() + ": " + reason, hint: "make it, or correct the archive location: mkhooks makes none"}
	case code == gcerrors.NotFound:
		return &Error{reason: "there is no such object: " + reason, kind: fs.ErrNotExist}
	case code == gcerrors.FailedPrecondition || a.code == "BlobAlreadyExists" || a.code == "ConditionNotMet":
		return b.taken()
	case writes && (a.code == "NotImplemented" || a.status == 501):
		return &Error{reason: "the store does not take conditional writes: " + reason, hint: "add ?conditional=false to the archive location: then a name is looked up before it is taken"}
	case code == gcerrors.PermissionDenied || a.status == 401 || a.status == 403 || a.denied():
		return &Error{reason: "the store refused: " + reason, hint: b.place.credentials(), kind: fs.ErrPermission}
	case a.status >= 500:
		return &Error{reason: reason, hint: "the store is in trouble: wait until that is over"}
	}
	return &Error{reason: reason}
}

// unanswered explains what came of no answer of the store. What is of the
// network goes before what is known by its text, which can hold any name.
func (b *Bucket) unanswered(err error) error {
	reason := tidy(innermost(err))
	var network net.Error
	var unsent *smithy.OperationError
	switch {
	case asksElsewhere(err):
		return b.noCredentials(reason)
	case errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{reason: reason, hint: b.place.reach()}
	case saysCredentials(reason):
		return b.noCredentials(reason)
	case errors.As(err, &unsent):
		return &Error{reason: reason, hint: together}
	}
	return &Error{reason: reason, hint: inPlace}
}

// notOpened explains why an SDK does not begin.
func (b *Bucket) notOpened(err error) error {
	reason := tidy(innermost(err))
	var none *credentialsError
	if errors.As(err, &none) || saysCredentials(reason) {
		return b.noCredentials(reason)
	}
	return &Error{reason: reason, hint: together}
}

func (b *Bucket) noCredentials(reason string) error {
	return &Error{reason: "no credentials: " + reason, hint: b.place.credentials(), kind: fs.ErrPermission}
}

// asksElsewhere reports whether an error is of another service than the store,
// which the SDK of S3 asked for credentials.
func asksElsewhere(err error) bool {
	var s3, other *smithy.OperationError
	return errors.As(err, &s3) && errors.As(s3.Err, &other)
}

func (b *Bucket) taken() error {
	return &Error{reason: "the name is taken; nothing was overwritten", kind: fs.ErrExist}
}

// missesObject reports whether a condition on an object failed because there
// is none.
func missesObject(err error) bool {
	a := answerOf(err)
	return a.code == "NoSuchKey" || a.code == "BlobNotFound"
}

// answer is what a store answered; without a status, it did not.
type answer struct {
	status        int
	code, message string
}

func answerOf(err error) answer {
	var a answer
	var s3 smithy.APIError
	var status interface{ HTTPStatusCode() int }
	var azure *azcore.ResponseError
	var gcs *googleapi.Error
	if asksElsewhere(err) {
		return a
	}
	if errors.As(err, &status) {
		a.status = status.HTTPStatusCode()
	}
	switch {
	case errors.As(err, &s3):
		a.code, a.message = s3.ErrorCode(), s3.ErrorMessage()
	case errors.As(err, &azure):
		a.status, a.code = azure.StatusCode, azure.ErrorCode
	case errors.As(err, &gcs):
		a.status, a.message = gcs.Code, gcs.Message
	}
	return a
}

// denied reports whether the code is one of S3 for credentials that are wrong,
// which come with several statuses.
func (a answer) denied() bool {
	switch a.code {
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return true
	}
	return false
}

func (a answer) String() string {
	parts := []string{fmt.Sprintf("HTTP %d", a.status)}
	if a.code != "" {
		parts = append(parts, a.code)
	}
	if m := tidy(a.message); m != "" && strings.ReplaceAll(m, " ", "") != a.code {
		parts = append(parts, m)
	}
	return strings.Join(parts, ", ")
}

// innermost is the text of an error without the URL and the names of layers
// around it.
func innermost(err error) string {
	var op *net.OpError
	var at *url.Error
	switch {
	case errors.As(err, &op):
		return op.Error()
	case errors.As(err, &at):
		return at.Err.Error()
	}
	// gocloud.dev puts itself before what the driver said.
	var inner interface{ Unwrap() []error }
	if errors.As(err, &inner) && len(inner.Unwrap()) > 0 && inner.Unwrap()[0] != nil {
		return inner.Unwrap()[0].Error()
	}
	return err.Error()
}

// maxReason bounds a text of an SDK, in characters.
const maxReason = 400

var (
	queries = regexp.MustCompile(`\?[^\s"'<>]+`)
	users   = regexp.MustCompile(`//[^/\s"'<>]*@`)
	layers  = regexp.MustCompile(`(?i)\b(RequestID|HostID|request id|x-ms-request-id):? *[^\s,]*,? *`)
)

// tidy makes one short line of a text, without what follows a question mark in
// it and without ids of requests.
func tidy(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = users.ReplaceAllString(queries.ReplaceAllString(s, "?…"), "//…@")
	s = layers.ReplaceAllString(s, "")
	if r := []rune(s); len(r) > maxReason {
		s = string(r[:maxReason]) + "…"
	}
	return s
}

// container is what the bucket is called, and its name.
func (l place) container() string {
	if l.scheme == "azblob" {
		return "container " + l.bucket
	}
	return "bucket " + l.bucket
}

// credentials says where the SDK looks for credentials, and what they must allow.
func (l place) credentials() string {
	what := map[string]string{
		"s3":     "credentials are found as the AWS command line finds them (AWS_ACCESS_KEY_ID, AWS_PROFILE, a web identity, the machine's role); they need s3:PutObject and s3:GetObject",
		"azblob": "credentials are AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_CONNECTION_STRING, otherwise what DefaultAzureCredential finds (a workload or managed identity, az login); they need the role Storage Blob Data Contributor",
		"gs":     "credentials are Google's application default ones (GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, a workload identity); they need storage.objects.create and storage.objects.get",
	}[l.scheme]
	return what + " for " + place{scheme: l.scheme, bucket: l.bucket, prefix: l.prefix}.String()
}

// saysCredentials reports whether an SDK's text, which has no type, is about
// credentials that it did not find.
func saysCredentials(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "credential") || strings.Contains(text, "accountname is required")
}
