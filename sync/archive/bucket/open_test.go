package bucket

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestS3Options checks the options that parameters set for the client of S3.
func TestS3Options(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][2]bool{ // a bucket's name in paths, acceleration
		"":                       {false, false},
		"?use_path_style=true":   {true, false},
		"?use_path_style=false":  {false, false},
		"?s3ForcePathStyle=true": {true, false},
		"?accelerate=true":       {false, true},
	} {
		opened, err := bucketAt(t, "s3://b/f"+query).connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var client *s3.Client
		if !opened.As(&client) {
			t.Fatal("no client of S3")
		}
		if o := client.Options(); o.UsePathStyle != want[0] || o.UseAccelerate != want[1] {
			t.Errorf("%q: path style %v, accelerated %v, want %v", query, o.UsePathStyle, o.UseAccelerate, want)
		}
	}
}
