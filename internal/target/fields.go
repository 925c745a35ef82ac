package target

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"
)

// dot is what . stands for at a place of a template.
type dot int

const (
	// dotAll is the token with all fields.
	dotAll dot = iota
	// dotScope is a scope, inside of range.
	dotScope
	// dotOther is what with was given.
	dotOther
)

// fieldNames are the fields of values, in the order in which people are shown them.
var fieldNames = func() []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[values]()) {
		names = append(names, f.Name)
	}
	return names
}()

// field refuses a field that does not exist, so that no token is spent on it.
func (i *inspection) field(n *parse.FieldNode) error {
	switch i.dot {
	case dotAll:
		return i.fieldOfAll(n.Ident)
	case dotScope:
		if slices.Contains(fieldNames, n.Ident[0]) {
			return templateFault(i.key, fmt.Sprintf("names %s inside range, where . is a scope: write $%s", n, n))
		}
		return templateFault(i.key, fmt.Sprintf("names %s inside range, where . is a scope, which has no fields: write {{ . }}", n))
	case dotOther: // which only the run shows
	}
	return nil
}

func (i *inspection) fieldOfAll(path []string) error {
	name := "." + strings.Join(path, ".")
	switch {
	case !slices.Contains(fieldNames, path[0]):
		last := len(fieldNames) - 1
		return templateFault(i.key, fmt.Sprintf("names %s, which does not exist: use .%s or .%s", name, strings.Join(fieldNames[:last], ", ."), fieldNames[last]))
	case len(path) > 1:
		return templateFault(i.key, fmt.Sprintf("names %s, but .%s has no fields", name, path[0]))
	default:
		return nil
	}
}

// failures are how text/template says what went wrong, and what is said of it. Only names and numbers of the template are repeated:
// the rest of an error may quote the token.
var failures = []struct {
	shape *regexp.Regexp
	said  string
}{
	{regexp.MustCompile(`: error calling (\w+): `), "function $1 does not accept its arguments"},
	{regexp.MustCompile(`: wrong number of args for (\w+): want (?:at least )?(\d+) got (\d+)$`), "function $1 has $3 argument(s), where it takes $2"},
	{regexp.MustCompile(`>: wrong type for value; expected (\w+); got (\w+)$`), "an argument is of type $2, where $1 is needed"},
	{regexp.MustCompile(`>: can't evaluate field (\w+) in type `), "$1 does not exist there"},
}

// failure says what went wrong in a template, as far as it can be told without a value.
func failure(err error) string {
	for _, f := range failures {
		if m := f.shape.FindStringSubmatchIndex(err.Error()); m != nil {
			return string(f.shape.ExpandString(nil, f.said, err.Error(), m))
		}
	}
	return "check the arguments of the functions"
}
