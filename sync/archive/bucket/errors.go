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

// Errors of the SDKs are not shown as they are: they can hold signed URLs, ids of
// requests and pages of text. A reason is built from their typed errors. For any
// other error it is the shortened text, without queries.

// Error is the reason why an object could not be read or written. It unwraps to
// [fs.ErrExist], [fs.ErrNotExist], [fs.ErrPermission] or [context.DeadlineExceeded]
// if that is its kind.
type Error struct {
	reason, hint string
	kind         error
}

// Error returns the reason, such as the store's response.
func (e *Error) Error() string { return e.reason }

// Hint returns the next step; it may be empty.
func (e *Error) Hint() string { return e.hint }

// Unwrap returns the kind, never the SDK's error.
func (e *Error) Unwrap() error { return e.kind }

var errStalled = errors.New("stalled")

func (b *Bucket) stallError() error {
	return &Error{reason: fmt.Sprintf("the store did not take or give anything for %s", b.stall), hint: b.location.reachHint(), kind: context.DeadlineExceeded}
}

// Hints that do not depend on the store.
const (
	// together is for settings with which an SDK sends no request.
	together = "correct the archive location or the environment: the store's SDK does not take them together"
	// inPlace is for a response that no store of this kind sends.
	inPlace = "see what answers in the store's place, such as a proxy"
)

// reachHint returns the hint for a store that does not respond.
func (l parsedLocation) reachHint() string {
	return "see whether " + l.serverName() + " can be reached from here"
}

// serverName names the server of the store.
func (l parsedLocation) serverName() string {
	if e := l.query.Get("endpoint"); e != "" {
		return e
	}
	return map[string]string{"s3": "Amazon S3 (or AWS_ENDPOINT_URL)", "azblob": "the storage account's host", "gs": "storage.googleapis.com"}[l.scheme]
}

// credentialsError reports that an SDK found no credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// explainError returns an error that can be shown. If a write reports "not found", the
// bucket is absent.
func (b *Bucket) explainError(err error, writes bool) error {
	var ours *Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, fs.ErrExist):
		return b.takenError()
	}
	if a := responseOf(err); a.status != 0 {
		return b.explainResponse(a, gcerrors.Code(err), writes)
	}
	return b.explainNoResponse(err)
}

// explainResponse explains an error response of the store.
func (b *Bucket) explainResponse(a storeResponse, code gcerrors.ErrorCode, writes bool) error {
	reason := a.String()
	switch {
	case a.code == "NoSuchBucket" || a.code == "ContainerNotFound" || code == gcerrors.NotFound && (writes || strings.Contains(a.message, "bucket does not exist")):
		return &Error{reason: "there is no " + b.location.containerName() + ": " + reason, hint: "make it, or correct the archive location: mkhooks makes none"}
	case code == gcerrors.NotFound:
		return &Error{reason: "there is no such object: " + reason, kind: fs.ErrNotExist}
	case code == gcerrors.FailedPrecondition || a.code == "BlobAlreadyExists" || a.code == "ConditionNotMet":
		return b.takenError()
	case writes && (a.code == "NotImplemented" || a.status == 501):
		return &Error{reason: "the store does not take conditional writes: " + reason, hint: "add ?conditional=false to the archive location: then a name is looked up before it is taken"}
	case code == gcerrors.PermissionDenied || a.status == 401 || a.status == 403 || a.isDenied():
		return &Error{reason: "the store refused: " + reason, hint: b.location.credentialsHint(), kind: fs.ErrPermission}
	case a.status >= 500:
		return &Error{reason: reason, hint: "the store is in trouble: wait until that is over"}
	}
	return &Error{reason: reason}
}

// explainNoResponse explains an error without a response of the store. Network errors come
// before errors that are recognized by their text, which can hold any name.
func (b *Bucket) explainNoResponse(err error) error {
	reason := tidyText(innermostText(err))
	var network net.Error
	var unsent *smithy.OperationError
	switch {
	case asksElsewhere(err):
		return b.noCredentials(reason)
	case errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{reason: reason, hint: b.location.reachHint()}
	case mentionsCredentials(reason):
		return b.noCredentials(reason)
	case errors.As(err, &unsent):
		return &Error{reason: reason, hint: together}
	}
	return &Error{reason: reason, hint: inPlace}
}

// explainOpenError explains why an SDK cannot open the bucket.
func (b *Bucket) explainOpenError(err error) error {
	reason := tidyText(innermostText(err))
	var none *credentialsError
	if errors.As(err, &none) || mentionsCredentials(reason) {
		return b.noCredentials(reason)
	}
	return &Error{reason: reason, hint: together}
}

func (b *Bucket) noCredentials(reason string) error {
	return &Error{reason: "no credentials: " + reason, hint: b.location.credentialsHint(), kind: fs.ErrPermission}
}

// asksElsewhere reports whether an error is from another service than the store,
// which the SDK of S3 asked for credentials.
func asksElsewhere(err error) bool {
	var s3, other *smithy.OperationError
	return errors.As(err, &s3) && errors.As(s3.Err, &other)
}

func (b *Bucket) takenError() error {
	return &Error{reason: "the name is taken; nothing was overwritten", kind: fs.ErrExist}
}

// missesObject reports whether a condition on an object failed because the object
// is absent.
func missesObject(err error) bool {
	a := responseOf(err)
	return a.code == "NoSuchKey" || a.code == "BlobNotFound"
}

// storeResponse is a store's response. Its status is 0 without a response.
type storeResponse struct {
	status        int
	code, message string
}

func responseOf(err error) storeResponse {
	var a storeResponse
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

// isDenied reports whether S3 uses the code for invalid credentials, which come with
// several statuses.
func (a storeResponse) isDenied() bool {
	switch a.code {
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return true
	}
	return false
}

func (a storeResponse) String() string {
	parts := []string{fmt.Sprintf("HTTP %d", a.status)}
	if a.code != "" {
		parts = append(parts, a.code)
	}
	if m := tidyText(a.message); m != "" && strings.ReplaceAll(m, " ", "") != a.code {
		parts = append(parts, m)
	}
	return strings.Join(parts, ", ")
}

// innermostText returns the text of an error without the URL and the names of layers
// around it.
func innermostText(err error) string {
	var op *net.OpError
	var at *url.Error
	switch {
	case errors.As(err, &op):
		return op.Error()
	case errors.As(err, &at):
		return at.Err.Error()
	}
	// gocloud.dev puts its text before the error of the driver.
	var inner interface{ Unwrap() []error }
	if errors.As(err, &inner) && len(inner.Unwrap()) > 0 && inner.Unwrap()[0] != nil {
		return inner.Unwrap()[0].Error()
	}
	return err.Error()
}

// maxReason limits a text of an SDK, in characters.
const maxReason = 400

var (
	queries = regexp.MustCompile(`\?[^\s"'<>]+`)
	users   = regexp.MustCompile(`//[^/\s"'<>]*@`)
	layers  = regexp.MustCompile(`(?i)\b(RequestID|HostID|request id|x-ms-request-id):? *[^\s,]*,? *`)
)

// tidyText returns a text as one short line. It cuts URLs at the question mark, and
// removes ids of requests.
func tidyText(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = users.ReplaceAllString(queries.ReplaceAllString(s, "?…"), "//…@")
	s = layers.ReplaceAllString(s, "")
	if r := []rune(s); len(r) > maxReason {
		s = string(r[:maxReason]) + "…"
	}
	return s
}

// containerName returns the store's word for a bucket, and the bucket's name.
func (l parsedLocation) containerName() string {
	if l.scheme == "azblob" {
		return "container " + l.bucket
	}
	return "bucket " + l.bucket
}

// credentialsHint returns where the SDK looks for credentials, and the permissions that
// they need.
func (l parsedLocation) credentialsHint() string {
	what := map[string]string{
		"s3":     "credentials are found as the AWS command line finds them (AWS_ACCESS_KEY_ID, AWS_PROFILE, a web identity, the machine's role); they need s3:PutObject and s3:GetObject",
		"azblob": "credentials are AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_CONNECTION_STRING, otherwise what DefaultAzureCredential finds (a workload or managed identity, az login); they need the role Storage Blob Data Contributor",
		"gs":     "credentials are Google's application default ones (GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, a workload identity); they need storage.objects.create and storage.objects.get",
	}[l.scheme]
	return what + " for " + parsedLocation{scheme: l.scheme, bucket: l.bucket, prefix: l.prefix}.String()
}

// mentionsCredentials reports whether an SDK's text, which has no type, is about
// credentials that it did not find.
func mentionsCredentials(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "credential") || strings.Contains(text, "accountname is required")
}
