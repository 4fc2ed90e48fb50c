package bucket

import (
	"context"
	"errors"
	"fmt"
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
	return &Error{reason: fmt.Sprintf("the store did not take or give anything for %s", b.stall), hint: "see whether " + b.place.server() + " can be reached from here, and run it again", kind: context.DeadlineExceeded}
}

// server says what is talked to.
func (l place) server() string {
	if e := l.query.Get("endpoint"); e != "" {
		if u, err := url.Parse(e); err == nil && u.Host != "" {
			return u.Host
		}
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
	var noCredentials *credentialsError
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, fs.ErrExist):
		return b.taken()
	case errors.As(err, &noCredentials):
		return &Error{reason: "no credentials: " + tidy(noCredentials.Error()), hint: b.place.credentials(), kind: fs.ErrPermission}
	}
	a := answerOf(err)
	reason := a.String()
	if reason == "" {
		reason = tidy(innermost(err))
	}
	switch code := gcerrors.Code(err); {
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
	case a.status == 0 && b.place.saysCredentials(reason):
		return &Error{reason: "no credentials: " + reason, hint: b.place.credentials(), kind: fs.ErrPermission}
	}
	if a.status >= 500 {
		return &Error{reason: reason, hint: "the store is in trouble: run it again later"}
	}
	return &Error{reason: reason}
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

// answer is what a store answered.
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
	var parts []string
	if a.status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", a.status))
	}
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
func (place) saysCredentials(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "credential") || strings.Contains(text, "accountname is required")
}
