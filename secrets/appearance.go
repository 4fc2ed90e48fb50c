package secrets

import (
	"encoding/base64"
	"html"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// appearance describes a value that does not look like a secret. The zero value
// describes a secret.
type appearance struct {
	looks string // "" for a secret
	// placeholder reports that a person or a tool left the text in place of a
	// secret. Otherwise the value may be a secret that was damaged on the way
	// here.
	placeholder bool
	// otherwise adds to the text of [String.Check] that this is not the value
	// itself.
	otherwise bool
}

// problem returns the text of [String.Check], or "" for a secret.
func (a appearance) problem() string {
	if a.otherwise {
		return a.looks + ", not the value itself"
	}
	return a.looks
}

// Looks returns the appearance of an odd value ([String.IsOdd]), or "". The
// text never holds the value.
func (s String) Looks() string { return appearanceOf(s.text()).looks }

// The appearances. None is certain: --allow-odd-secrets accepts each of them.
var (
	looksUnset     = appearance{"looks like what a program prints for an absent value", true, true}
	looksTemplate  = appearance{"looks like a placeholder: a variable or a template that nothing replaced", true, true}
	looksRedacted  = appearance{"looks like text that stands for a hidden value", true, true}
	looksCut       = appearance{"looks like a value of which a part is hidden or cut off", true, false}
	looksDescribed = appearance{"looks like words that describe the value", true, true}
	looksPrinted   = appearance{"looks like an object that a program printed", true, true}
	looksStored    = appearance{"looks like the address of a secret in another store, or like the output of another encryption tool", true, false}

	looksPrintedError = appearance{"looks like an error or a page that a program printed", true, true}
	looksPath         = appearance{"looks like the path of a file, expected what the file holds", true, false}

	looksSingle     = appearance{"is a single character", false, false}
	looksRepeated   = appearance{"is one character again and again", false, false}
	looksQuoted     = appearance{"has quotation marks around it", false, false}
	looksAssigned   = appearance{"looks like a line NAME=VALUE, expected the value alone", false, false}
	looksInvisible  = appearance{"has an invisible character or an unusual space in it", false, false}
	looksUnreadable = appearance{"has the character in it that stands for an unreadable one (U+FFFD)", false, false}
)

// lazyRegexp returns a function that compiles an expression on its first call:
// most commands need none.
func lazyRegexp(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// appearanceOf returns the appearance of a value. It also looks behind the name
// of an authentication scheme, inside quotation marks, and below the escapes of
// HTML and URLs.
func appearanceOf(value string) appearance {
	if utf8.RuneCountInString(value) > 2 && strings.Trim(value, value[:firstRune(value)]) == "" {
		return looksRepeated
	}
	if utf8.RuneCountInString(value) == 1 && placeholderOf(value) == (appearance{}) {
		return looksSingle
	}
	for _, v := range valueVariants(value) {
		if a := placeholderOf(v); a.placeholder {
			return a
		}
	}
	switch {
	case strings.ContainsFunc(value, isInvisible):
		return looksInvisible
	case strings.ContainsRune(value, utf8.RuneError):
		return looksUnreadable
	case inQuotes().MatchString(value) && value[0] == value[len(value)-1]:
		return looksQuoted
	case assignment().MatchString(value):
		return looksAssigned
	}
	return appearance{}
}

func firstRune(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

var (
	// scheme matches the beginning of a value such as "Bearer ...".
	scheme     = lazyRegexp(`(?i)^(?:bearer|basic|digest|token|apikey|api-key|key|secret|hmac)(?:\s+|[:=]\s*)`)
	inQuotes   = lazyRegexp(`^["'].*["']$`)
	assignment = lazyRegexp(`^(?:(?:export|set|ENV)\s+[A-Za-z_]\w*|[A-Z][A-Z0-9]*_[A-Z0-9_]*)=.`)
)

// valueVariants returns the value and the texts that it may encode: without its
// scheme, its quotation marks, its escapes or its base64.
func valueVariants(value string) []string {
	plain := scheme().ReplaceAllString(value, "")
	plain = strings.TrimFunc(plain, isInvisible)
	if inQuotes().MatchString(plain) && len(plain) > 1 {
		plain = plain[1 : len(plain)-1]
	}
	out := []string{value}
	add := func(text string) {
		if text != out[len(out)-1] && text != "" {
			out = append(out, text)
		}
	}
	add(plain)
	add(html.UnescapeString(plain))
	if decoded, err := url.PathUnescape(plain); err == nil {
		add(decoded)
	}
	// Some tools keep secrets in base64. Only decoded printable ASCII counts.
	if decoded, err := base64.StdEncoding.DecodeString(plain); err == nil && len(decoded) > 2 && isWords(string(decoded)) {
		add(string(decoded))
	}
	return out
}

func isWords(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII || r < ' ' }) < 0
}

// placeholderOf returns the appearance of a text that replaces a value.
func placeholderOf(v string) appearance {
	word := bareWord(strings.Trim(v, "<>[](){}\"'*#%$@ \t\r\n"))
	switch {
	case isPlaceholderWord(v) || unsetWords[word]:
		return looksUnset
	case redactedWords[word] || strings.HasPrefix(word, "redacted"):
		return looksRedacted
	case printedError().MatchString(v):
		return looksPrintedError
	case filePath().MatchString(v):
		return looksPath
	case printed().MatchString(v):
		return looksPrinted
	case stored().MatchString(v):
		return looksStored
	case isTemplate(v):
		return looksTemplate
	case cut().MatchString(v):
		return looksCut
	case isDescription(v):
		return looksDescribed
	case v != "" && len(v) < 3 && strings.IndexFunc(v, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) < 0:
		return looksUnset // such as "-"
	}
	return appearance{}
}

func wordSet(list string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		out[w] = true
	}
	return out
}

var (
	unsetWords = wordSet(`null nil none undefined nan na n/a void nullptr empty unset notset missing unknown novalue
		notfound notdefined notavailable notprovided notconfigured true false yes no on off tbd todo`)
	redactedWords = wordSet(`masked hidden removed filtered sensitive sensitivevalue sensitivedata protected secure censored
		scrubbed obfuscated concealed encrypted withheld elided truncated private confidential notshown valuehidden
		hiddenvalue secretvalue lookslikeacredential`)

	printed = lazyRegexp(`^(?:\[object \w+\]|Promise \{.*|<.* at 0x[0-9a-fA-F]+>|#<.*>|b(?:'.*'|".*")|System\.[A-Z][\w.]*|java\.[\w.]+.*|map\[.*\]|%!\w?\(.*)$`)
	stored  = lazyRegexp(`^(?:op|vault|vaults|awssm|awsps|aws-sm|gcpsm|sm|azkv|akv|keyvault|keychain|secret|secrets|file|env|bws|doppler|infisical|keepass|pass)://.` +
		`|^(?:vault|env|file|ref\+\w+|awssecret|ssm|secretref|valueFrom):\S` +
		`|^arn:aws[\w-]*:(?:secretsmanager|ssm|kms):|^projects/[^/]+/secrets/|^@Microsoft\.KeyVault\(|^\{\{?resolve:` +
		`|^\$ANSIBLE_VAULT|^ENC\(.*\)$|^\{(?:cipher|AES|noop|bcrypt)\}|^age-encryption\.org/|^-----BEGIN `)
	printedError = lazyRegexp(`(?i)^(?:error|fatal|warning|usage|exception|panic|traceback|failed|failure|unable to|cannot|could not|can't|no such)(?:: |:$| \S+ \S)` +
		`|(?i): (?:command not found|not found|permission denied|no such file or directory|access denied|is a directory|inaccessible or not found)$` +
		`|(?i)^(?:HTTP/[\d.]+ )?[1-5]\d\d[ :-]+[a-z][a-z -]+$|^HTTP/[\d.]+ \d` +
		`|(?i)^(?:(?:\S+ )?not found|unauthorized|forbidden|bad request|bad gateway|access denied|permission denied|internal server error|service unavailable|gateway time-?out)\.?$` +
		`|(?i)^<(?:!doctype|html|head|body|\?xml)\b` +
		`|(?i)^[{\[]\s*\{?\s*"(?:errors?|error_?(?:code|message|description)|message|errmsg|detail|statuscode|status|code|fault|exception)"\s*:`)
	filePath = lazyRegexp(`^@?/(?:run|var|etc|home|root|tmp|mnt|secrets?|opt|usr|vault|dev|proc|private|Users|app|config|data)/[\w@./ -]+$|^@?(?:~|\.\.?)/[\w@./ -]+$` +
		`|^@[\w./-]+\.(?:txt|pem|key|json|ya?ml|env|secret|token)$`)

	cut = lazyRegexp(`[` + maskRunes + `]{3,}|(?i:x{5,})|(?i:^(?:x{3,}[-_]?){2,})|…|\.{3,}|[A-Z0-9/]EXAMPLE(?:KEY)?$`)
)

// Templates: forms that count as the whole value only, and forms that also
// count as a part of it, because nothing else is written so.
var (
	wholeTemplate = lazyRegexp("^(?:" + strings.Join([]string{
		`\$\{[\w .:-]*`, `\$\{.*\}.*`, `\{\{(?:[A-Za-z_.-]*| [\w .:-]*)`, `\{\{.*\}\}.*`, // also if it is cut short
		`\$\(.*\)`, "`[a-z].*`", `<%.*%>`, `<[A-Za-z][^<>]*>`,
		`(?:\$[A-Z_][A-Z0-9_]*[:/.@-]?)+`, `(?:%[A-Z_][A-Z0-9_]*%[:/.@-]?)+`, `\$[A-Za-z_]+`, `\$[A-Za-z]+:\w+`, `\$\$?\{?\d\}?`,
		`[#%@!&~^]\{[^{}]*\}#?`, `%\([\w.]+\)[sdr]`, `%[sdvqx]`,
		`\{(?:[A-Za-z_][\w.\- ]*|\d*)\}`, `\[[A-Za-z][A-Za-z _.\-]*\]`, `\([A-Za-z][A-Za-z _.\-]*\)`,
		`![A-Za-z]+(?:::\w+)? \S+`,
		`(?:process\.env|os\.environ|os\.getenv|getenv|env|secrets|vars?|locals?|inputs|steps|params|values)(?:\.[A-Za-z_][\w.]*|[\[(].*[\])])`,
	}, "|") + ")$")
	partTemplate = lazyRegexp(`\$\{\{?\s*[A-Za-z_][\w.\- ]*(?::?[-=?+][^}]*)?\}|\{\{[^{}]*\}\}|<%=?[^%]*%>`)
	// nameLike matches a name between delimiters: %NAME%.
	nameLike = lazyRegexp(`^(?:[A-Z_][A-Z0-9_.\-]*|[A-Za-z]+(?:[ _.\-][A-Za-z]+)*)$`)
)

func isTemplate(v string) bool {
	return wholeTemplate().MatchString(v) || partTemplate().MatchString(v) || isDelimited(v)
}

// isDelimited reports whether v is a name between equal delimiters: %NAME%,
// ##NAME##, __NAME__. Delimiters that occur in base64 must be doubled.
func isDelimited(v string) bool {
	const delimiters = "%#@$~|!^:=+_-"
	if v == "" || !strings.Contains(delimiters, v[:1]) {
		return false
	}
	name := strings.TrimLeft(v, v[:1])
	n := len(v) - len(name)
	inner := strings.TrimRight(name, v[:1])
	if len(name)-len(inner) != n || n < 2 && strings.Contains("+=_-", v[:1]) {
		return false
	}
	return nameLike().MatchString(inner)
}

// describing are the words with which documents describe a secret:
// YOUR_API_KEY, insert-token-here. A value that consists of these words is no
// secret.
var (
	describing = wordSet(`your my our insert enter put paste fill provide type replace with use here api app auth access client
	webhook hook shared signing secret secrets key keys token tokens password passwd pwd credential credentials bearer basic
	sample example dummy fake placeholder default string goes real change me this bit mkio test tests testing`)
	// loose matches the digits that may be next to these words:
	// your-256-bit-key, token1.
	loose = lazyRegexp(`(?:^|[ _.-])\d+[ _.-]|\d{1,3}$`)
)

// isDescription reports whether a value consists of describing words, also if
// they are written together.
func isDescription(v string) bool {
	letters := strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z':
			return r
		case strings.ContainsRune(" _-.!:", r):
			return -1
		}
		return 0
	}, loose().ReplaceAllString(v, ""))
	if letters == "" || len(letters) > 60 || strings.Contains(letters, "\x00") {
		return false
	}
	ends := make([]bool, len(letters)+1) // ends[i]: a word ends before letter i
	ends[0] = true
	for i := range letters {
		for j := i + 1; ends[i] && j <= len(letters); j++ {
			ends[j] = ends[j] || describing[letters[i:j]]
		}
	}
	return ends[len(letters)]
}

// isInvisible reports whether a reader does not see a character, or takes it
// for a plain space. Such characters are formats (byte order mark, zero width,
// direction), special spaces, variation selectors, fillers, and private and
// unassigned characters.
func isInvisible(r rune) bool {
	switch {
	case r < 0x80:
		return false
	case r == 0x2800, r == 0xfffc, r == 0x1d159: // blank Braille pattern, object, null notehead
		return true
	case unicode.In(r, unicode.Cf, unicode.Co, unicode.Z, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return true
	}
	return !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) // unassigned
}
