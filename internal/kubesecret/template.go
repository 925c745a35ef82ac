package kubesecret

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
	"text/template/parse"

	"github.com/Masterminds/sprig/v3"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// maxValue bounds the result of a template and of each function in it: a quarter of what a Secret can hold.
	maxValue = 256 << 10
	// maxIndent bounds the functions that repeat a space.
	maxIndent = 64
)

// sprigFunctions are the functions of Sprig that a template may use: those on strings and numbers that give the same
// answer every time. Functions with access to the environment, files, the network, the time or randomness are left out, as
// are those that build lists of any length.
var sprigFunctions = []string{
	"abbrev", "add", "add1", "atoi", "b32dec", "b32enc", "b64dec", "b64enc", "camelcase", "coalesce", "contains", "default", "div",
	"empty", "first", "has", "hasPrefix", "hasSuffix", "int", "int64", "join", "kebabcase", "last", "lower", "max", "min", "mod",
	"mul", "nospace", "quote", "regexMatch", "sha256sum", "snakecase", "splitList", "squote", "sub", "substr", "ternary",
	"title", "toJson", "toString", "trim", "trimAll", "trimPrefix", "trimSuffix", "trunc", "upper", "uniq",
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
	for name, f := range allowed {
		allowed[name] = bounded(f)
	}
	return allowed
}()

var errTooLarge = errors.New("result too large")

// bounded stops a template whose functions build ever longer strings. text/template turns the panic into an error.
func bounded(f any) any {
	v := reflect.ValueOf(f)
	return reflect.MakeFunc(v.Type(), func(args []reflect.Value) []reflect.Value {
		call := v.Call
		if v.Type().IsVariadic() {
			call = v.CallSlice
		}
		results := call(args)
		if r := results[0]; (r.Kind() == reflect.String || r.Kind() == reflect.Slice) && r.Len() > maxValue {
			panic(errTooLarge)
		}
		return results
	}).Interface()
}

var wideVerb = regexp.MustCompile(`%[^%a-zA-Z]*(\d{4,}|\*)`)

func printf(format string, args ...any) string {
	if wideVerb.MatchString(format) {
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
	if n < 0 || n > maxIndent {
		panic(errTooLarge)
	}
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
}

// values are the fields that a template sees.
type values struct {
	AccessToken, TokenType, Authorization, ExpiresAt, Scope, APIURL string
	Scopes                                                          []string
}

func execute(templates map[string]egainv1alpha1.Template, tok *Token) (map[string][]byte, error) {
	v := values{
		AccessToken: string(tok.AccessToken), TokenType: tok.TokenType, Authorization: tok.authorization(),
		ExpiresAt: stamp(tok.ExpirationTime), Scope: strings.Join(tok.Scopes, " "), Scopes: tok.Scopes, APIURL: tok.APIURL,
	}
	data := make(map[string][]byte, len(templates))
	for _, key := range slices.Sorted(maps.Keys(templates)) {
		t, err := parseTemplate(key, string(templates[key]))
		if err != nil {
			return nil, err
		}
		var out boundedBuffer
		if err := t.Execute(&out, v); err != nil {
			return nil, executionFault(key, err)
		}
		data[key] = out.Bytes()
	}
	return data, nil
}

// CheckTemplates reports, Terminal, the first template that does not parse, so that no token is spent on it.
func CheckTemplates(ec *egainv1alpha1.EgainClient) error {
	if ec.Spec.Target.Template == nil {
		return nil
	}
	templates := ec.Spec.Target.Template.Data
	for _, key := range slices.Sorted(maps.Keys(templates)) {
		if _, err := parseTemplate(key, string(templates[key])); err != nil {
			return err
		}
	}
	return nil
}

func parseTemplate(key, text string) (*template.Template, error) {
	t, err := template.New(key).Funcs(functions).Parse(text)
	if err != nil {
		return nil, templateFault(key, "does not parse: "+strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(t.Templates()) > 1 || t.Tree == nil {
		return nil, templateFault(key, "defines another template or is empty: write the value itself")
	}
	return t, check(key, t.Root, false)
}

// check refuses what could make a template run for long: variables, which let a value grow with every line; templates that
// call templates; loops over anything but the scopes; loops in loops.
func check(key string, node parse.Node, inLoop bool) error {
	switch n := node.(type) {
	case *parse.ListNode:
		return checkList(key, n, inLoop)
	case *parse.ActionNode:
		return checkPipe(key, n.Pipe)
	case *parse.IfNode:
		return checkBranch(key, &n.BranchNode, inLoop)
	case *parse.WithNode:
		return checkBranch(key, &n.BranchNode, inLoop)
	case *parse.RangeNode:
		if inLoop || n.Pipe.String() != ".Scopes" {
			return templateFault(key, "may range over .Scopes only, without variables and not within another range")
		}
		return checkBranch(key, &n.BranchNode, true)
	case *parse.TemplateNode:
		return templateFault(key, "must not call a template")
	default:
		return nil
	}
}

func checkList(key string, list *parse.ListNode, inLoop bool) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		if err := check(key, n, inLoop); err != nil {
			return err
		}
	}
	return nil
}

func checkBranch(key string, b *parse.BranchNode, inLoop bool) error {
	return errors.Join(checkPipe(key, b.Pipe), checkList(key, b.List, inLoop), checkList(key, b.ElseList, inLoop))
}

func checkPipe(key string, pipe *parse.PipeNode) error {
	if len(pipe.Decl) > 0 {
		return templateFault(key, "must not declare variables")
	}
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			if nested, ok := arg.(*parse.PipeNode); ok {
				if err := checkPipe(key, nested); err != nil {
					return err
				}
			}
		}
	}
	return nil
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
	return templateFault(key, "fails"+where+": check the names of the fields and the arguments of the functions")
}

func templateFault(key, what string) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonTemplateInvalid, "spec.target.template.data[%q] %s", key, what)
}

// boundedBuffer fails once more than maxValue is written.
type boundedBuffer struct{ bytes.Buffer }

// Write fails with errTooLarge past the bound.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxValue {
		return 0, errTooLarge
	}
	return b.Buffer.Write(p)
}
