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
	_ "gocloud.dev/blob/azureblob" // takes azblob://
	"gocloud.dev/blob/s3blob"
	storage "google.golang.org/api/storage/v1"
)

// openers connect to a bucket, each as gocloud.dev does it, or would.
var openers = map[string]func(context.Context, place) (*blob.Bucket, error){
	"s3": openS3,
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

// openS3 does what gocloud.dev's opener does, with a client that does not log:
// it writes on standard error what is no concern of who runs mkhooks.
func openS3(ctx context.Context, l place) (*blob.Bucket, error) {
	q := l.url().Query()
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
