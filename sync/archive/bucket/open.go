package bucket

import (
	"context"
	"maps"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azureobject "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	gocloudaws "gocloud.dev/aws"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // registers azblob://
	"gocloud.dev/blob/s3blob"
	storage "google.golang.org/api/storage/v1"
)

// openers connect to a bucket as gocloud.dev does, or would do.
var openers = map[string]func(context.Context, parsedLocation) (*blob.Bucket, error){
	"s3": openS3,
	"azblob": func(ctx context.Context, l parsedLocation) (*blob.Bucket, error) {
		// Only the default multiplexer has its opener.
		return blob.DefaultURLMux().OpenBucketURL(ctx, l.openerURL())
	},
	"gs": openGCS,
}

// openerURL returns the location for gocloud.dev, without a path.
func (l parsedLocation) openerURL() *url.URL {
	q := maps.Clone(l.query)
	q.Del("conditional")
	return &url.URL{Scheme: l.scheme, Host: l.bucket, RawQuery: q.Encode()}
}

// openS3 does the same as gocloud.dev's opener, but with a client that does not
// log. Its lines on standard error would not help users of mkhooks.
func openS3(ctx context.Context, l parsedLocation) (*blob.Bucket, error) {
	q := l.openerURL().Query()
	take := func(name string) string {
		defer q.Del(name)
		return q.Get(name)
	}
	options := s3blob.Options{EncryptionType: types.ServerSideEncryption(take("ssetype")), KMSEncryptionID: take("kmskeyid")}
	pathStyle, pathStyleOld, accelerate := take("use_path_style"), take("s3ForcePathStyle"), take("accelerate")
	cfg, err := gocloudaws.V2ConfigFromURLParams(ctx, q)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = pathStyle == "true" || pathStyleOld == "true"
		o.UseAccelerate = accelerate == "true"
		o.Logger = logging.Nop{}
	})
	options.RequestChecksumCalculation = cfg.RequestChecksumCalculation
	return s3blob.OpenBucket(ctx, client, l.bucket, &options)
}

// never is an ETag that no object has.
const never = `"mkhooks-probe"`

// addImpossibleCondition adds a condition to a write that can't hold.
func addImpossibleCondition(as func(any) bool) error {
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
