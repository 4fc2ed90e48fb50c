package bucket

import (
	"strings"
	"testing"
)

func TestLocation(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ location, object, problem string }{
		"a bucket":                {"s3://b", "s3://b/x", ""},
		"a bucket with a slash":   {"gs://b/", "gs://b/x", ""},
		"a folder":                {"s3://audit-bucket/mkhooks", "s3://audit-bucket/mkhooks/x", ""},
		"a folder with a slash":   {"azblob://c/a/b/", "azblob://c/a/b/x", ""},
		"odd characters":          {"s3://b/a%20b%3F", "s3://b/a%20b%3F/x", ""},
		"a scheme in capitals":    {"S3://b/f", "s3://b/f/x", ""},
		"a prefix":                {"s3://b?prefix=a/b&region=r", "s3://b/a/b/x?region=r", ""},
		"parameters":              {"s3://b/f?use_path_style=true&region=eu-west-1", "s3://b/f/x?region=eu-west-1&use_path_style=true", ""},
		"no bucket":               {"s3:///f", "", "names no bucket"},
		"no slashes":              {"s3:b", "", "names no bucket"},
		"credentials":             {"s3://hunter2:hunter2@b/f", "", "holds credentials, which come from the environment"},
		"a user":                  {"azblob://hunter2@b", "", "holds credentials"},
		"a port":                  {"s3://b:9000/f", "", "has a port; the server is the parameter endpoint"},
		"a fragment":              {"s3://b/f#hunter2", "", "has a fragment"},
		"an empty fragment":       {"s3://b/f#", "", "has a fragment"},
		"a percent sign":          {"s3://b/%zz?hunter2", "", "is no URL"},
		"a semicolon":             {"s3://b/f?region=a;hunter2", "", "can't be read"},
		"another's parameter":     {"gs://b?region=r", "", "can't have, region; it can have anonymous, conditional, endpoint, prefix"},
		"a key as a parameter":    {"azblob://b?hunter2hunter2", "", "whose name is not repeated here"},
		"a key as a value":        {"s3://b?awssecret=hunter2", "", "can't have, awssecret; "},
		"a signature":             {"azblob://b?sv=2020&sig=hunter2", "", "can't have, sig; "},
		"a parameter twice":       {"s3://b?region=a&region=b", "", "region without a value, or more than once"},
		"a parameter without":     {"s3://b?region=", "", "region without a value"},
		"a switch":                {"s3://b?conditional=no", "", "conditional, which must be true or false"},
		"a server":                {"gs://b/f?endpoint=HTTPS://host:1/path/", "gs://b/f/x?endpoint=HTTPS%3A%2F%2Fhost%3A1%2Fpath%2F", ""},
		"a server without TLS":    {"s3://b?endpoint=http://host", "s3://b/x?endpoint=http%3A%2F%2Fhost", ""},
		"a server's name":         {"s3://b?endpoint=host:9000", "", "endpoint that is not the URL of a server alone, such as https://host:9000"},
		"no server":               {"gs://b?endpoint=https:///path", "", "endpoint that is not"},
		"a server that is no URL": {"gs://b?endpoint=https://:::", "", "endpoint that is not"},
		"a server's user":         {"s3://b?endpoint=https://hunter2@host", "", "endpoint that is not"},
		"a server's parameter":    {"s3://b?endpoint=https://host%3Fsig=hunter2", "", "endpoint that is not"},
		"a server's fragment":     {"s3://b?endpoint=https://host%23hunter2", "", "endpoint that is not"},
		"a path and a prefix":     {"s3://b/f?prefix=g", "", "two ways of saying the same"},
		"an empty part":           {"s3://b/a//b", "", "a path with an empty part"},
		"a way up":                {"s3://b/a/../b", "", "a part of dots"},
		"a way up, hidden":        {"s3://b/a/%2e%2e/b", "", "a part of dots"},
		"a way up in a prefix":    {"s3://b?prefix=../b", "", "a part of dots"},
		"a control character":     {"s3://b/a%0Ab", "", "or a control character"},
		"a backslash":             {`s3://b/a\b`, "", "a backslash"},
		"no object store":         {"ftp://b/f", "", "names no object store"},
		"a folder of the machine": {"archive", "", "names no object store"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := New(tt.location)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("New(%q): %v, want an error with %q", tt.location, err, tt.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			at := b.Location("x")
			if at != tt.object {
				t.Errorf("an object is at %s, want %s", at, tt.object)
			}
			dir, name, err := SplitLocation(at)
			if err != nil || name != "x" {
				t.Fatalf("Split(%q) is %q, %q, %v", at, dir, name, err)
			}
			if again, err := New(dir); err != nil || again.Location(name) != at {
				t.Errorf("%s, taken apart and put together again, is %s, %v", at, again.Location(name), err)
			}
		})
	}
	if _, _, err := SplitLocation("s3://b"); err == nil {
		t.Error("a bucket is an object")
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"s3://b": "Amazon S3 (or AWS_ENDPOINT_URL)",
		"s3://b?endpoint=https://minio.example:9000": "https://minio.example:9000",
		"azblob://b": "the storage account's host",
		"gs://b/f":   "storage.googleapis.com",
	} {
		if got := bucketAt(t, location).location.serverName(); got != want {
			t.Errorf("the server of %s is %q, want %q", location, got, want)
		}
	}
}

// TestCheckShared checks that a shared file may define the bucket, but neither the
// server nor the credentials.
func TestCheckShared(t *testing.T) {
	t.Parallel()
	for location, parameter := range map[string]string{
		"s3://b/f?region=r&kmskeyid=k&ssetype=aws:kms&use_path_style=true": "",
		"azblob://b/f?storage_account=a":                                   "",
		"gs://b/f?prefix=":                                                 "prefix without a value",
		"s3://b/f?endpoint=https://evil.example":                           "the parameter endpoint says",
		"s3://b/f?profile=admin":                                           "the parameter profile says",
		"s3://b/f?role=arn:aws:iam::1:role/x":                              "the parameter role says",
		"s3://b/f?anonymous=true":                                          "the parameter anonymous says",
		"azblob://b/f?domain=evil.example":                                 "the parameter domain says",
		"azblob://b/f?protocol=http":                                       "the parameter protocol says",
		"gs://b/f?endpoint=https://evil.example":                           "the parameter endpoint says",
	} {
		err := CheckShared(location)
		if parameter == "" && err != nil || parameter != "" && (err == nil || !strings.Contains(err.Error(), parameter)) {
			t.Errorf("CheckShared(%q): %v, want %q", location, err, parameter)
		}
	}
	for scheme, known := range parameters {
		for name, who := range known {
			// Think before you add a parameter here: a reviewer sees no more of it
			// than of a bucket's name.
			harmless := strings.Contains(" region prefix conditional use_path_style s3ForcePathStyle accelerate dualstack fips ssetype kmskeyid request_checksum_calculation response_checksum_validation storage_account ", " "+name+" ")
			if harmless != (who == anyone) {
				t.Errorf("%s: parameter %s may be set by anyone: %v", scheme, name, who == anyone)
			}
		}
	}
}
