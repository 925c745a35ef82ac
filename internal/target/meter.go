package target

import (
	"errors"
	"reflect"
	"text/template"
)

const (
	// MaxUnits is how much work the templates of a target may do together, each time that it is rendered. A unit is a part of a
	// template (for each scope, if it is in a range), a call, or 64 bytes or 8 items of a list that go into a call, come out of it, or
	// are written. The hardest target that was found takes 50 ms of a processor until it is stopped, as measured by
	// "go test ./internal/target -run - -cpu 1 -bench BenchmarkWork".
	MaxUnits = 100_000
	// unit is how many bytes count for one, unitItems how many items of a list.
	unit      = 64
	unitItems = 8
)

// Why a template is stopped. text/template turns the panics with them into errors.
var (
	errTooLarge = errors.New("result too large")
	errTooLong  = errors.New("too much work")
)

// meter counts the work of the templates of one target.
type meter struct{ units int }

func (m *meter) charge(units int) error {
	if m.units += units; m.units > MaxUnits {
		return errTooLong
	}
	return nil
}

// spend charges a call for values, and stops it if they are too large together or the work is too much.
func (m *meter) spend(values []reflect.Value, extra int) {
	var total extent
	for _, v := range values {
		total.add(v)
	}
	if total.bytes > maxValue {
		panic(errTooLarge)
	}
	if err := m.charge(1 + extra + total.items/unitItems + total.bytes/unit); err != nil {
		panic(err)
	}
}

// functions are those of a template. They stop one that builds ever longer values, before they are built, or that goes on and on.
func (m *meter) functions() template.FuncMap {
	all := make(template.FuncMap, len(functions)+1)
	for name, f := range functions {
		v, extra := reflect.ValueOf(f), repeated[name]
		all[name] = reflect.MakeFunc(v.Type(), func(args []reflect.Value) []reflect.Value {
			call := v.Call
			if v.Type().IsVariadic() {
				call = v.CallSlice
			}
			if m.spend(args, 0); extra != nil {
				m.spend(nil, extra(args))
			}
			results := call(args)
			m.spend(results[:1], 0)
			return results
		}).Interface()
	}
	all[weigher] = func(v any) any {
		m.spend([]reflect.Value{reflect.ValueOf(v)}, 0)
		return v
	}
	return all
}

// repeated are the functions that read their arguments more than once, with the units that this takes.
var repeated = map[string]func(args []reflect.Value) int{
	// Each item is compared with each that was kept.
	"uniq": func(args []reflect.Value) int { return length(args[0]) * (length(args[0]) + size(args[0])/unit) },
	// Each character is compared with each that is trimmed.
	"trimAll": func(args []reflect.Value) int { return size(args[0]) * size(args[1]) / unit },
	// Each character goes through several passes.
	"camelcase": func(args []reflect.Value) int { return 3 * size(args[0]) / unit },
	// The item that is looked for is compared with each.
	"has": func(args []reflect.Value) int { return length(args[1]) * (1 + size(args[0])/unit) },
}

// extent is how much a value holds.
type extent struct{ bytes, items int }

// add adds a value. Everything counts for at least one byte.
func (e *extent) add(v reflect.Value) {
	e.bytes++
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		e.bytes += v.Len()
	}
	e.items += length(v)
	for i := range length(v) {
		e.add(v.Index(i))
	}
	// The dot, which prints as all of its fields.
	if v.Kind() == reflect.Struct {
		for _, field := range v.Fields() {
			e.add(field)
		}
	}
}

// size is how many bytes of text a value holds.
func size(v reflect.Value) int {
	var e extent
	e.add(v)
	return e.bytes
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
