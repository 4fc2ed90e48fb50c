package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// onlyLooks are values that only look unlike a secret, by the problem that
// Check returns.
var onlyLooks = map[string][]string{
	"absent value": {
		"null", "NULL", "Null", "nil", "<nil>", "None", "none", "undefined", "NaN", "N/A", "n/a", "(null)", "[null]", `"null"`, "'None'", "true", "False", "yes", "off",
		"unset", "not set", "not-set", "<no value>", "missing", "empty", "Bearer null", "Bearer undefined", "Token none", "Basic nil", "bnVsbA==", "bm9uZQ==",
		"&quot;null&quot;", "-", "--", "?", "N U L L", "not provided", "%22null%22", "Y2hhbmdlbWU=",
	},
	"variable or a template": {
		"$NAME", "$name", "$webhookSecret", "$WEBHOOK_SECRET", "$A1_B", "${NAME}", "${NAME:-x}", "${{ secrets.NAME }}", "$(cat /run/secret)", "$(NAME)", "`cat x`", "$env:NAME", "$1", "${1}", "$USER:$PASS", "Basic $USER:$PASS", "%USER%:%PASS%",
		"%NAME%", "%name%", "%%NAME%%", "##X##", "#X#", "#{X}#", "#{X}", "@@X@@", "@X@", "%X%", "%{X}", "@{x}", "__X__", "__WEBHOOK_SECRET__", "~~X~~", "$X$", "||X||", "%(name)s", "%s",
		"{{ name }}", "{{name}}", "{{", "{name}", "{0}", "{}", "<secret>", "<your secret>", "<SECRET>", "<%= secret %>", "[SECRET_NAME]", "(your value)", "!Ref Secret", "!vault x", "!secret name",
		"process.env.SECRET", `os.environ["SECRET"]`, "secrets.NAME", "var.secret", "Bearer $TOKEN", "Bearer ${TOKEN}", "Bearer {{ token }}", "sha256=${SIG}", "prefix-${NAME}-suffix",
		"%24%7BNAME%7D", "&lt;secret&gt;", "\ufeff$NAME", `"${NAME}"`,
	},
	"hidden value": {
		"[REDACTED]", "REDACTED", "<redacted>", "***REDACTED***", "[REDACTED:token]", "(sensitive value)", "(sensitive)", "<sensitive>", "[FILTERED]", "[MASKED]", "(hidden)", "[secure]", "[hidden]",
		"(looks like a credential)", "Bearer [REDACTED]", "**REDACTED**",
	},
	"hidden or cut off": {
		"****abcd", "abcd****", "••••1234", "sk-****abcd", "AKIA************MPLE", "ghp_***", "xxxxx1234", "xxxx-xxxx-1234", "XXXXXXXXabcd", "abc...xyz", "abcdef…", "eyJhbGciOi...", "Bearer ****abcd",
		"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	},
	"words that describe": {
		"YOUR_API_KEY", "your-api-key", "yourApiKey", "yourapikeyhere", "Your API key here", "INSERT_TOKEN_HERE", "enter your password", "my-secret-key", "webhook_secret", "WEBHOOK_SECRET", "api_key",
		"password", "token", "Bearer", "Bearer token", "your-256-bit-secret", "example-token", "string", "Bearer YOUR_TOKEN", "secretkey1", "changeme123", "Bearer REPLACE_ME", "password123", "replace this token", "test", "TEST", "test-token", "testing", "my-test-secret", "test1", "test123",
	},
	"object": {
		"[object Object]", "[object Promise]", "Promise { <pending> }", "<function f at 0x7f3a>", "#<Secret:0x0001>", "b'abc'", "System.Security.SecureString", "map[a:b]", "%!s(MISSING)", "%!v(<nil>)",
		"Bearer [object Object]",
	},
	"another store": {
		"op://vault/item/field", "vault:secret/data/x#key", "vault://x/y", "ref+awsssm://x", "arn:aws:secretsmanager:eu-north-1:1:secret:x", "arn:aws-cn:ssm:x", "projects/1/secrets/x/versions/latest",
		"@Microsoft.KeyVault(SecretUri=x)", "{{resolve:secretsmanager:x}}", "$ANSIBLE_VAULT;1.1;AES256", "ENC(abc)", "{cipher}abc", "env:NAME", "file:///run/secret", "secret://x",
	},
	"error or a page": {
		"Error: secret not found", "error: no such key", "bash: vault: command not found", "404 Not Found", "401 Unauthorized", "HTTP/1.1 403 Forbidden", "500 Internal Server Error", "fatal: not a git repository",
		"cat: /run/secrets/x: No such file or directory", "Permission denied", "Access Denied", "Bad Gateway", "<!DOCTYPE html>", "<html><body>x</body></html>", `{"error":"not_found"}`, `{ "errors": ["x"] }`,
		`{"message":"Unauthorized"}`, `{"status":404,"detail":"x"}`, `[{"error":"x"}]`, "zsh: command not found: vault: not found", "Usage: vault read PATH", "sh: 1: op: not found", "Traceback (most recent call last)", "Unable to locate credentials",
	},
	"path of a file":           {"/run/secrets/webhook", "@/run/secrets/x", "/var/run/secrets/token", "~/secret.txt", "./secret", "../secrets/x.txt", "@./x", "/etc/hooks/key.pem", "/home/me/.token", "@secret.txt", "/tmp/x"},
	"single character":         {"a", "1", "x", "ü"},
	"again and again":          {"aaa", "0000", "--------", "........", "????", "########", "ééé"},
	"quotation marks":          {`"hunter2"`, "'hunter2'", "\"a b\""},
	"NAME=VALUE":               {"WEBHOOK_SECRET=hunter2", "export X=hunter2", "set token=hunter2"},
	"unreadable one":           {"hunter\ufffd2"},
	"invisible or an unusual ": nil, // TestInvisible
}

// TestOnlyLooks: a value that does not look like a secret is refused with the
// name of its appearance. No message contains the value. A flag may accept it.
func TestOnlyLooks(t *testing.T) {
	t.Parallel()
	for says, values := range onlyLooks {
		for _, v := range values {
			s := NewString(v)
			got := s.Check()
			if !strings.Contains(got, says) && !(v == "{{resolve:secretsmanager:x}}" && got != "") {
				t.Errorf("Check(%q) = %q, want %q", v, got, says)
			}
			if s.CheckForm() != "" || !s.IsOdd() {
				t.Errorf("%q: no flag accepts it: %q", v, s.CheckForm())
			}
			if len(v) > 6 && strings.Contains(got, v) {
				t.Errorf("Check(%q) shows the value: %q", v, got)
			}
		}
	}
}

// TestNeverSent: no flag accepts masks and placeholders, in any spelling.
func TestNeverSent(t *testing.T) {
	t.Parallel()
	for _, v := range []string{
		"", "*", "***", "********", " *** ", "**** ****", "****-****", "••••", "●●●●", "＊＊＊", "∗∗∗∗", "⬤⬤⬤", "* * *",
		"REPLACE_ME", "replace-me", "Replace Me", "REPLACE_ME_WITH_A_TOKEN", "change.me", "xxx", "XXXXX", "xxx-xxx", "TODO", "tbd",
		"ENC[AES256_GCM,data:x]", "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SQGZKYZ", "age-secret-key-1qqqsyqcyq5rqwzq", "AGE-PLUGIN-YUBIKEY-1QQQ", "Bearer AGE-SECRET-KEY-1QQQ", "QUdFLVNFQ1JFVC1LRVktMVFRUVNZUUNZUTVSUVdaUQ==",
		"-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN PGP PRIVATE KEY BLOCK-----", "-----BEGIN RSA PRIVATE KEY----- MIIEowIBAAKCAQEA", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "MC4CAQAwBQYDK2VwBCIEIK", "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t",
		" a", "a ", "\ta", "a\n", "a\u00a0", "\u2003a", "a\u2028", "a\x00b", "a\x1bb", "a\x7fb", "a\u0085b", "a\xffb",
	} {
		if s := NewString(v); s.CheckForm() == "" || s.Check() != s.CheckForm() || s.IsOdd() {
			t.Errorf("%q: CheckForm %q, Check %q", v, s.CheckForm(), s.Check())
		}
	}
}

// TestInvisible: a secret with an invisible character is refused.
func TestInvisible(t *testing.T) {
	t.Parallel()
	for _, r := range []rune{
		0xfeff, 0x200b, 0x200c, 0x200d, 0x2060, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069, 0x061c, 0xad, 0x180e, 0x2061, 0x206f, 0xfff9, // formats
		0xa0, 0x1680, 0x2000, 0x2003, 0x2009, 0x202f, 0x205f, 0x3000, 0x2028, 0x2029, // spaces
		0xfe00, 0xfe0f, 0xe0100, 0x180b, 0x034f, 0x115f, 0x1160, 0x3164, 0xffa0, 0x17b4, 0x2800, 0xfffc, // selectors and fillers
		0xe000, 0xf8ff, 0xf0000, 0x10fffd, 0x0378, 0xe0001, 0xe0041, 0x1d173, 0xffff, 0x2fffe, // private, unassigned, tags
	} {
		s := NewString("hunter" + string(r) + "2secret")
		if got := s.Check(); !strings.Contains(got, "invisible") || !s.IsOdd() {
			t.Errorf("%U: Check %q, odd %t", r, got, s.IsOdd())
		}
		if IsPlaceholder("hunter" + string(r) + "2secret") {
			t.Errorf("%U: taken for a placeholder", r)
		}
	}
}

// TestRealSecrets: secrets as people use them pass.
func TestRealSecrets(t *testing.T) {
	t.Parallel()
	for _, v := range []string{
		"hunter2", "a-value", "s3cr3t-one", "correct horse battery staple", "with space inside", "ünïcode-пароль-密码", "0123", "12345678", "1e10", "ab", "{{a9",
		"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b5dWRWJTmaaJObG", "$6$rounds=5000$abc$def", "$apr1$x$y",
		"$ecr3tPa55word", "p@$$w0rd%20", "100%sure%", "a%NAME%b", "50%off!", "%7Bx9", "#hash#tag9", "@handle1", "__init9", "-dash-", "_k3y_", "~tilde9~", "=start", "!bang9!", "a*b**c", "*a*", "x*x",
		"Bearer abcdef0123456789", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "Basic dXNlcjpwYXNzd29yZA==", "Token 9944b09199c62bcf9418ad846dd0e4bb", "Digest username=x",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "sha256=9f86d081884c7d659a2feaa0c55ad015", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "sk_" + "live_51H8xYz", "gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a",
		"xox" + "b-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy", "AKIA" + "J4QXPLMN7TRWVU2S", "550e8400-e29b-41d4-a716-446655440000", "d41d8cd98f00b204e9800998ecf8427e", "00000000000000000000000000000001",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=", "AAAAB3NzaC1yc2EAAAADAQABAAABAQ==", "q83vEjRWeJCrze8SNFZ4kA==", "nullify", "Nonesuch", "true-blue", "undefined-42", "nil-9f8e", "none-of-your-business",
		"/+/+/+/+", "/9j4AAQSkZJRgABAQEAYABgAAD", "/tmpx9", "~tilde9~", "tester-9fA3", "contest", "@handle9x", "error-9fA3", "Errorless9", "404", "404-9fA3", "notfound-9fA3", "panic9", `{"key":"9fA3"}`, "./x+9=", "MIIx9fA3", "b3BlbnNz",
		`{"alg":"x"}`, "[1,2]", "a<b>c", "<>?", "(9)", "{9x", "a|b", "a=b", "KEY=", "ABCD1234=", "xxx-real", "xxxx9", "a..b", "key-9fA3", "my-9fA3x", "your-9fA3-key7q2", "token-9f3a", "user:pa55", "https-ish:9",
		"a`b`c", "it's", `say "9"`, "O'Neil'", "tea&biscuits", "a&lt;b", "C:\\x9", "a/b+c==", "pass:9word8", "file-9", "env-9",
	} {
		if got := NewString(v).Check(); got != "" {
			t.Errorf("Check(%q) = %q", v, got)
		}
		if IsPlaceholder(v) {
			t.Errorf("%q is taken for a placeholder", v)
		}
	}
}

// TestRandomSecrets: almost no generated secret is refused.
func TestRandomSecrets(t *testing.T) {
	t.Parallel()
	source := rand.New(rand.NewPCG(1, 2))
	from := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[source.IntN(len(alphabet))]
		}
		return string(b)
	}
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(source.Uint32())
		}
		return b
	}
	printable := ""
	for r := '!'; r <= '~'; r++ {
		printable += string(r)
	}
	const n = 5000
	for name, next := range map[string]func() string{
		"hex":       func() string { return hex.EncodeToString(random(16)) },
		"base64":    func() string { return base64.StdEncoding.EncodeToString(random(24)) },
		"base64url": func() string { return base64.RawURLEncoding.EncodeToString(random(24)) },
		"bearer":    func() string { return "Bearer " + base64.RawURLEncoding.EncodeToString(random(24)) },
		"printable": func() string { return from(printable, 20) },
		"letters":   func() string { return from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 16) },
	} {
		source = rand.New(rand.NewPCG(1, 2)) // the same values in any order of the generators
		refused := ""
		count := 0
		for range n {
			v := next()
			if NewString(v).Check() != "" {
				count++
				refused = v
			}
		}
		if count > n/1000 {
			t.Errorf("%s: %d of %d are refused, the last is %q: %s", name, count, n, refused, NewString(refused).Check())
		}
	}
}
