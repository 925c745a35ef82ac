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
	"text/template/parse"

	"github.com/Masterminds/sprig/v3"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

const (
	// maxValue bounds the result of a template, and what goes into and comes out of each function in it: a quarter of what
	// a Secret can hold.
	maxValue = 256 << 10
	// maxWork bounds what goes through the functions of all templates of a target together, in bytes.
	maxWork = 32 << 20
	// maxItems bounds the scopes, and the lists that are compared item by item.
	maxItems = 256
	// maxCutset bounds the characters to trim, each of which is compared with each that there is.
	maxCutset = 64
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
	allowed["uniq"] = limited(allowed["uniq"], func(args []reflect.Value) bool { return length(args[0]) <= maxItems })
	allowed["trimAll"] = limited(allowed["trimAll"], func(args []reflect.Value) bool { return size(args[0]) <= maxCutset })
	return allowed
}()

// Why a template is stopped. text/template turns the panics with them into errors.
var (
	errTooLarge = errors.New("result too large")
	errTooLong  = errors.New("too much work")
)

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

// bounded are the functions for one target. They stop a template that builds ever longer values, before they are built,
// or that goes on and on.
func bounded() template.FuncMap {
	work := 0
	spend := func(values []reflect.Value) {
		total := 0
		for _, v := range values {
			total += size(v)
		}
		if total > maxValue {
			panic(errTooLarge)
		}
		if work += total; work > maxWork {
			panic(errTooLong)
		}
	}
	all := make(template.FuncMap, len(functions))
	for name, f := range functions {
		v := reflect.ValueOf(f)
		all[name] = reflect.MakeFunc(v.Type(), func(args []reflect.Value) []reflect.Value {
			call := v.Call
			if v.Type().IsVariadic() {
				call = v.CallSlice
			}
			spend(args)
			results := call(args)
			spend(results[:1])
			return results
		}).Interface()
	}
	return all
}

// size is how many bytes of text a value holds. Everything counts for at least one.
func size(v reflect.Value) int {
	total := 1
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		total += v.Len()
	}
	for i := range length(v) {
		total += size(v.Index(i))
	}
	// The dot, which prints as all of its fields.
	if v.Kind() == reflect.Struct {
		for _, field := range v.Fields() {
			total += size(field)
		}
	}
	return total
}

// length is how many items a list has, zero if it is none.
func length(v reflect.Value) int {
	if v.Kind() == reflect.Interface {
		return length(v.Elem())
	}
	if v.Kind() == reflect.Slice {
		return v.Len()
	}
	return 0
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
	if len(templates) == 0 {
		return nil, nil
	}
	v := values{
		AccessToken: string(tok.AccessToken), TokenType: tok.TokenType, Authorization: tok.authorization(),
		ExpiresAt: stamp(tok.ExpirationTime), Scope: strings.Join(tok.Scopes, " "), Scopes: tok.Scopes, APIURL: tok.APIURL,
	}
	data := make(map[string][]byte, len(templates))
	allowed := bounded()
	for _, key := range slices.Sorted(maps.Keys(templates)) {
		if len(v.Scopes) > maxItems {
			return nil, templateFault(key, fmt.Sprintf("cannot be rendered: the token has more than %d scopes", maxItems))
		}
		t, err := parseTemplate(key, string(templates[key]))
		if err != nil {
			return nil, err
		}
		var out boundedBuffer
		if err := t.Funcs(allowed).Execute(&out, v); err != nil {
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
			if chain, ok := arg.(*parse.ChainNode); ok {
				arg = chain.Node
			}
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
	if errors.Is(err, errTooLong) {
		return templateFault(key, "is too much work"+where+": make it simpler")
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
