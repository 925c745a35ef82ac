package target

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// maxValue bounds the result of a template, and what goes into and comes out of each function in it: a quarter of what
	// a Secret can hold.
	maxValue = 256 << 10
	// maxScopes bounds the scopes, over which a template may range.
	maxScopes = 256
	// maxIndent bounds the functions that repeat a space.
	maxIndent = 64
)

// sprigFunctions are the functions of Sprig that a template may use: those on strings and numbers that give the same
// answer every time. Functions with access to the environment, files, the network, the time or randomness are left out, as
// are those that build lists of any length, and regular expressions, of which a short one can make a lot of work.
var sprigFunctions = []string{
	"abbrev", "add", "add1", "atoi", "b32dec", "b32enc", "b64dec", "b64enc", "camelcase", "coalesce", "contains", "default", "div",
	"empty", "first", "has", "hasPrefix", "hasSuffix", "int", "int64", "join", "kebabcase", "last", "lower", "max", "min", "mod",
	"mul", "nospace", "quote", "sha256sum", "snakecase", "splitList", "squote", "sub", "substr", "ternary", "title", "toJson", "toString",
	"trim", "trimAll", "trimPrefix", "trimSuffix", "trunc", "upper", "uniq",
}

// functions is read only.
var functions = func() template.FuncMap {
	all := sprig.HermeticTxtFuncMap()
	allowed := template.FuncMap{
		"print": fmt.Sprint, "println": fmt.Sprintln, "printf": printf,
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
		"replace": replace, "indent": indent, "nindent": func(n int, s string) string { return "\n" + indent(n, s) },
	}
	for _, name := range sprigFunctions {
		allowed[name] = all[name]
	}
	allowed["join"] = limited(allowed["join"], func(args []reflect.Value) bool {
		return size(args[0])*length(args[1])+size(args[1]) <= maxValue
	})
	return allowed
}()

// limited stops a function whose arguments would make it work too hard.
func limited(f any, allows func(args []reflect.Value) bool) any {
	v := reflect.ValueOf(f)
	return reflect.MakeFunc(v.Type(), func(args []reflect.Value) []reflect.Value {
		if !allows(args) {
			panic(errTooLarge)
		}
		if v.Type().IsVariadic() {
			return v.CallSlice(args)
		}
		return v.Call(args)
	}).Interface()
}

var wideVerb = regexp.MustCompile(`%[^%a-zA-Z]*(\d{4,}|\*)`)

// maxWidth is what wideVerb lets a verb be padded to.
const maxWidth = 999

func printf(format string, args ...any) string {
	longest := 0
	for _, arg := range args {
		longest = max(longest, size(reflect.ValueOf(arg)))
	}
	if wideVerb.MatchString(format) || strings.Count(format, "%")*(longest+maxWidth) > 4*maxValue {
		panic(errTooLarge)
	}
	return fmt.Sprintf(format, args...)
}

func replace(from, to, s string) string {
	if len(s)+strings.Count(s, from)*len(to) > maxValue {
		panic(errTooLarge)
	}
	return strings.ReplaceAll(s, from, to)
}

func indent(n int, s string) string {
	if n < 0 || n > maxIndent || len(s)+n*(strings.Count(s, "\n")+1) > maxValue {
		panic(errTooLarge)
	}
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
}

// values are the fields that a template sees.
type values struct {
	AccessToken, TokenType, Authorization, ExpiresAt, Scope string
	Scopes                                                  []string
	APIURL                                                  string
}

func execute(templates map[string]egainv1alpha1.Template, tok *Token) (map[string][]byte, error) {
	if len(templates) == 0 {
		return nil, nil
	}
	v := values{
		AccessToken: string(tok.AccessToken), TokenType: tok.TokenType, Authorization: tok.authorization(),
		ExpiresAt: stamp(tok.ExpirationTime), Scope: strings.Join(tok.Scopes, " "), Scopes: tok.Scopes, APIURL: tok.APIURL,
	}
	if len(v.Scopes) > maxScopes {
		return nil, templateFault(first(templates), fmt.Sprintf("cannot be rendered: the token has more than %d scopes", maxScopes))
	}
	data := make(map[string][]byte, len(templates))
	var m meter
	err := each(templates, &m, len(v.Scopes), func(key string, t *template.Template) error {
		out := boundedBuffer{meter: &m}
		if err := t.Funcs(m.functions()).Execute(&out, v); err != nil {
			return executionFault(key, err)
		}
		data[key] = out.Bytes()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// CheckTemplates reports, Terminal, the first template that does not parse, names no field or has too many parts, so that no token is spent on it.
func CheckTemplates(ec *egainv1alpha1.EgainClient) error {
	if ec.Spec.Target.Template == nil {
		return nil
	}
	return each(ec.Spec.Target.Template.Data, &meter{}, 0, func(string, *template.Template) error { return nil })
}

// each parses templates by their keys in order, charges their parts for a number of scopes, and hands them on.
func each(templates map[string]egainv1alpha1.Template, m *meter, scopes int, use func(key string, t *template.Template) error) error {
	for _, key := range slices.Sorted(maps.Keys(templates)) {
		t, parts, err := parseTemplate(key, string(templates[key]))
		if err != nil {
			return err
		}
		if err := m.charge(parts.once + parts.perScope*scopes); err != nil {
			return executionFault(key, err)
		}
		if err := use(key, t); err != nil {
			return err
		}
	}
	return nil
}

func first(templates map[string]egainv1alpha1.Template) string {
	return slices.Sorted(maps.Keys(templates))[0]
}

func parseTemplate(key, text string) (*template.Template, parts, error) {
	t, err := template.New(key).Funcs(functions).Parse(text)
	if err != nil {
		return nil, parts{}, templateFault(key, "does not parse: "+strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(t.Templates()) > 1 || t.Tree == nil {
		return nil, parts{}, templateFault(key, "is empty or defines another template: write the value itself")
	}
	i := inspection{key: key}
	err = i.node(t.Root)
	return t, i.parts, err
}

var position = regexp.MustCompile(`:(\d+:\d+):`)

// executionFault keeps only the place: the text of the error may quote an argument, that is, the token.
func executionFault(key string, err error) error {
	where := ""
	if m := position.FindStringSubmatch(err.Error()); m != nil {
		where = " at " + m[1]
	}
	if errors.Is(err, errTooLarge) {
		return templateFault(key, fmt.Sprintf("produces more than %d KiB%s", maxValue>>10, where))
	}
	if errors.Is(err, errTooLong) {
		return templateFault(key, fmt.Sprintf("is too much work%s: the limit for all templates is %d units; call fewer functions on long texts, or remove keys", where, MaxUnits))
	}
	return templateFault(key, "fails"+where+": "+failure(err))
}

func templateFault(key, what string) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonTemplateInvalid, "spec.target.template.data[%q] %s", key, what)
}

// boundedBuffer fails once more than maxValue is written, and charges what is.
type boundedBuffer struct {
	bytes.Buffer
	meter *meter
}

// Write fails past a bound.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxValue {
		return 0, errTooLarge
	}
	if err := b.meter.charge(len(p) / unit); err != nil {
		return 0, err
	}
	return b.Buffer.Write(p)
}
