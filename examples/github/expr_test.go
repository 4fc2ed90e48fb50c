package github

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// These functions evaluate the GitHub expressions that the workflows use:
// literals, contexts, ! == != && ||, format() and the status functions of a
// step.

// context holds the contexts of expressions: nested maps.
type context map[string]any

// status is the state of a job, for success(), failure(), always().
type status struct{ failed bool }

var interpolation = regexp.MustCompile(`\$\{\{(.*?)\}\}`)

// interpolate replaces each ${{ }} of a text.
func (c context) interpolate(text string, s status) string {
	return interpolation.ReplaceAllStringFunc(text, func(m string) string {
		return toText(c.evaluate(m[3:len(m)-2], s))
	})
}

// condition evaluates an "if:". Without a status function the condition also
// requires success.
func (c context) condition(text string, s status) bool {
	if m := interpolation.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	if text == "" {
		return !s.failed
	}
	if !regexp.MustCompile(`\b(success|failure|always|cancelled)\(\)`).MatchString(text) && s.failed {
		return false
	}
	return truthy(c.evaluate(text, s))
}

func (c context) evaluate(text string, s status) any {
	p := parser{context: c, status: s, rest: tokens.FindAllString(text, -1)}
	v := p.or()
	if len(p.rest) > 0 {
		panic(fmt.Sprintf("expression %q: can't read %q", text, p.rest))
	}
	return v
}

var tokens = regexp.MustCompile(`'(?:[^']|'')*'|\d+|[A-Za-z_][\w-]*|==|!=|&&|\|\||[!().,]`)

type parser struct {
	context context
	status  status
	rest    []string
}

func (p *parser) take(want string) bool {
	if len(p.rest) == 0 || p.rest[0] != want {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) or() any {
	v := p.and()
	for p.take("||") {
		if w := p.and(); !truthy(v) {
			v = w
		}
	}
	return v
}

func (p *parser) and() any {
	v := p.compare()
	for p.take("&&") {
		if w := p.compare(); truthy(v) {
			v = w
		}
	}
	return v
}

func (p *parser) compare() any {
	v := p.unary()
	switch {
	case p.take("=="):
		return equal(v, p.unary())
	case p.take("!="):
		return !equal(v, p.unary())
	}
	return v
}

func (p *parser) unary() any {
	if p.take("!") {
		return !truthy(p.unary())
	}
	if p.take("(") {
		v := p.or()
		if !p.take(")") {
			panic("expression: expected )")
		}
		return v
	}
	return p.value()
}

func (p *parser) value() any {
	word := p.rest[0]
	p.rest = p.rest[1:]
	switch {
	case word[0] == '\'':
		return strings.ReplaceAll(word[1:len(word)-1], "''", "'")
	case word[0] >= '0' && word[0] <= '9':
		n, _ := strconv.ParseFloat(word, 64)
		return n
	case word == "true" || word == "false":
		return word == "true"
	case word == "null":
		return nil
	case p.take("("):
		return p.call(word)
	}
	v := map[string]any(p.context)[word]
	if v == nil {
		panic("expression: there is no context " + word)
	}
	for p.take(".") {
		m, _ := v.(map[string]any)
		v, p.rest = m[p.rest[0]], p.rest[1:]
	}
	return v
}

func (p *parser) call(name string) any {
	var args []any
	for !p.take(")") {
		args = append(args, p.or())
		p.take(",")
	}
	switch name {
	case "success":
		return !p.status.failed
	case "failure":
		return p.status.failed
	case "always":
		return true
	case "cancelled":
		return false
	case "format":
		text := toText(args[0])
		for i, a := range args[1:] {
			text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i), toText(a))
		}
		return text
	}
	panic("expression: no function " + name)
}

func truthy(v any) bool { return v != nil && v != false && v != "" && v != 0.0 }

func toText(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func equal(a, b any) bool {
	as, aText := a.(string)
	bs, bText := b.(string)
	if aText && bText {
		return strings.EqualFold(as, bs)
	}
	return toNumber(a) == toNumber(b)
}

func toNumber(v any) float64 {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 1
		}
		return 0
	case float64:
		return v
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil || v == "" {
			return n
		}
	}
	return math.NaN()
}
