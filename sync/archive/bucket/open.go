package bucket

import (
	"context"
	"maps"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azureobject "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // takes azblob://
	"gocloud.dev/blob/s3blob"
	storage "google.golang.org/api/storage/v1"
)

// openers connect to a bucket, each as gocloud.dev does it, or would.
var openers = map[string]func(context.Context, place) (*blob.Bucket, error){
	"s3": func(ctx context.Context, l place) (*blob.Bucket, error) {
		return new(s3blob.URLOpener).OpenBucketURL(ctx, l.url())
	},
	"azblob": func(ctx context.Context, l place) (*blob.Bucket, error) {
		// Its opener is at the default multiplexer alone.
		return blob.DefaultURLMux().OpenBucketURL(ctx, l.url())
	},
	"gs": openGCS,
}

// url is the location as gocloud.dev takes it, without a path.
func (l place) url() *url.URL {
	q := maps.Clone(l.query)
	q.Del("conditional")
	return &url.URL{Scheme: l.scheme, Host: l.bucket, RawQuery: q.Encode()}
}

// never is the version of no object.
const never = `"mkhooks-probe"`

// impossible puts a condition on a write that can't hold.
func impossible(as func(any) bool) error {
	var s3 *transfermanager.UploadObjectInput
	var azure *azblob.UploadStreamOptions
	var gcs *storage.ObjectsInsertCall
	tag := never
	switch {
	case as(&s3):
		s3.IfMatch = &tag
	case as(&azure):
		azure.AccessConditions = &azblob.AccessConditions{
			ModifiedAccessConditions: &azureobject.ModifiedAccessConditions{IfMatch: (*azcore.ETag)(&tag)},
		}
	case as(&gcs):
		gcs.IfGenerationMatch(1)
	}
	return nil
}
