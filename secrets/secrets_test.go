package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const value = `pa$$/w"o<r>d&%41+ü\n`

// TestStringIsAMask: a secret that is formatted, nested, marshalled or logged
// always prints as a mask.
func TestStringIsAMask(t *testing.T) {
	t.Parallel()
	s := NewString(value)
	type inner struct {
		Exported String
		hidden   String
		List     []String
		Map      map[string]String
		Pointer  *String
	}
	things := []any{s, &s, []String{s}, map[string]String{"a": s}, inner{s, s, []String{s}, map[string]String{"b": s}, &s},
		&inner{hidden: s}, Auth{Headers: map[string]String{"X": s}}, Sealed{Plain: Auth{QueryParams: map[string]String{"c": s}}}, errors.New(s.String())}
	for _, thing := range things {
		texts := []string{}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%08.3f", "%p", "%t", "%c", "%U", "%b", "%o", "%e", "%w"} {
			texts = append(texts, fmt.Sprintf(verb, thing))
		}
		if data, err := json.Marshal(thing); err == nil {
			texts = append(texts, string(data))
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "thing", thing)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "thing", thing)
		texts = append(texts, log.String(), fmt.Sprint(thing), fmt.Errorf("%v", thing).Error())
		for _, text := range texts {
			if strings.Contains(text, "pa$$") || strings.Contains(text, hex.EncodeToString([]byte("pa$$"))) || strings.Contains(text, strings.ToUpper(hex.EncodeToString([]byte("pa$$")))) {
				t.Errorf("%T shows the value: %s", thing, text)
			}
		}
	}
	if s.Reveal() != value || s.Empty() || !NewString("").Empty() {
		t.Error("the value itself is lost")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"": "is empty", "***": "mask", "••••": "mask", "REPLACE_ME": "placeholder", "change-me": "placeholder", "<your secret>": "placeholder", "${TOKEN}": "placeholder",
		" a-value": "white space", "a-value\n": "white space", "a\x00value": "control characters", "a\u0085value": "control characters", "a\xffvalue": "not UTF-8",
		"a-value": "", "*a*": "", "xxx-real": "", "with space inside": "", "ünïcode": "",
	} {
		got := NewString(v).Check()
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("Check(%q) = %q, want %q", v, got, want)
		}
		if v != "" && len(v) > 3 && strings.Contains(got, v) {
			t.Errorf("Check(%q) shows the value", v)
		}
	}
}

func TestSealedProblem(t *testing.T) {
	t.Parallel()
	iv, tag := base64.StdEncoding.EncodeToString(make([]byte, 32)), base64.StdEncoding.EncodeToString(make([]byte, 16))
	good := "ENC[AES256_GCM,data:AAAA,iv:" + iv + ",tag:" + tag + ",type:str]"
	if p := SealedProblem(good); p != "" {
		t.Errorf("good: %s", p)
	}
	for name, v := range map[string]string{
		"clear": "hunter2", "empty": "", "trailing": good + " x", "leading": " " + good, "newline": good + "\n",
		"int": strings.Replace(good, "type:str", "type:int", 1), "bytes": strings.Replace(good, "type:str", "type:bytes", 1), "no type": strings.Replace(good, ",type:str", "", 1),
		"two types": strings.Replace(good, "type:str", "type:str]]", 1), "short tag": strings.Replace(good, tag, tag[:8], 1), "short iv": strings.Replace(good, iv, "AAAA", 1),
		"no data": strings.Replace(good, "AAAA,", ",", 1), "loose base64": strings.Replace(good, "data:AAAA", "data:AAB=", 1), "newline in base64": strings.Replace(good, "data:AAAA", "data:AA\nAA", 1),
		"order": "ENC[AES256_GCM,data:AAAA,tag:" + tag + ",iv:" + iv + ",type:str]", "cut": good[:40],
	} {
		p := SealedProblem(v)
		if p == "" || strings.Contains(p, "hunter2") || strings.Contains(p, iv) {
			t.Errorf("%s: problem %q", name, p)
		}
	}
}

func TestNearPlaceholders(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"<x>": true, "<x": false, "x>": false, "${x": true, "{{x": true} {
		if IsPlaceholder(value) != want {
			t.Errorf("IsPlaceholder(%q) = %t", value, !want)
		}
	}
}

// TestSealedProblemSays: the message names the actual problem.
func TestSealedProblemSays(t *testing.T) {
	t.Parallel()
	data, iv, tag := "AQID", base64.StdEncoding.EncodeToString(make([]byte, 32)), base64.StdEncoding.EncodeToString(make([]byte, 16))
	sealed := func(parts ...string) string { return "ENC[AES256_GCM,data:" + strings.Join(parts, ",") + "]" }
	for value, want := range map[string]string{
		sealed(data, "iv:"+iv, "tag:"+tag, "type:str"):     "",
		sealed(data, "iv:"+iv, "tag:"+tag, "kind:str"):     "expected type:str at its end",
		sealed(data, "iv:"+iv, "tag:"+tag, "type:str]"):    "expected type:str at its end",
		sealed(data, "iv:"+iv, "tag:"+tag, "type:int"):     "another type than text",
		sealed("", "iv:"+iv, "tag:"+tag, "type:str"):       "its data is not",
		sealed("AQI", "iv:"+iv, "tag:"+tag, "type:str"):    "its data is not",
		sealed(data, iv, "tag:"+tag, "type:str"):           "its iv is not",
		sealed(data, "iv:"+tag, "tag:"+tag, "type:str"):    "its iv is not",
		sealed(data, "iv:"+iv, tag, "type:str"):            "its tag is not",
		sealed(data, "iv:"+iv, "tag:"+iv, "type:str"):      "its tag is not",
		sealed(data, "iv:"+iv+"\n", "tag:x", "type:str"):   "its iv is not",
		sealed(data, "iv:"+iv, "tag:"+tag, "", "type:str"): "expected ENC[",
	} {
		if got := SealedProblem(value); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}
