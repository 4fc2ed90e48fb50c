package buckettest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // registers azblob://
	_ "gocloud.dev/blob/s3blob"    // registers s3://
)

// createBucket creates the bucket.
func (s *Store) createBucket(ctx context.Context) error {
	if s.Kind == "gs" {
		_, err := s.sendRequest(ctx, "POST", "/storage/v1/b?project=test", `{"name":"`+s.Name+`"}`)
		return err
	}
	b, err := s.openDirect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	var aws *s3.Client
	var azure *container.Client
	switch {
	case b.As(&aws):
		_, err = aws.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.Name})
	case b.As(&azure):
		_, err = azure.Create(ctx, nil)
	default:
		err = errors.New("no client")
	}
	return err
}

func (s *Store) listNames(ctx context.Context) ([]string, error) {
	var out []string
	if s.Kind == "gs" {
		data, err := s.sendRequest(ctx, "GET", "/storage/v1/b/"+s.Name+"/o", "")
		if err != nil {
			return nil, err
		}
		var list struct{ Items []struct{ Name string } }
		err = json.Unmarshal(data, &list)
		for _, i := range list.Items {
			out = append(out, i.Name)
		}
		return out, err
	}
	b, err := s.openDirect(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	for i := b.List(nil); ; {
		o, err := i.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, o.Key)
	}
}

func (s *Store) getObject(ctx context.Context, name string) ([]byte, error) {
	if s.Kind == "gs" {
		return s.sendRequest(ctx, "GET", "/storage/v1/b/"+s.Name+"/o/"+url.PathEscape(name)+"?alt=media", "")
	}
	b, err := s.openDirect(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return b.ReadAll(ctx, name)
}

func (s *Store) putObject(ctx context.Context, name, content string) error {
	if s.Kind == "gs" {
		_, err := s.sendRequest(ctx, "POST", "/upload/storage/v1/b/"+s.Name+"/o?uploadType=media&name="+url.QueryEscape(name), content)
		return err
	}
	b, err := s.openDirect(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.WriteAll(ctx, name, []byte(content), &blob.WriterOptions{ContentType: "text/plain"})
}
