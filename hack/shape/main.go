// Command shape prints figures of the code's structure: how large its largest parts are, and which way its arrows point.
package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "shape:", err)
		os.Exit(1)
	}
}

// operator is where the operator's own code is; the simulator is not part of it.
var operator = []string{"main.go", "api", "controllers", "internal"}

func run() error {
	code, err := read(operator...)
	if err != nil {
		return err
	}
	reconcilers, err := read("controllers")
	if err != nil {
		return err
	}
	largest := code.largestType()
	upward, sideways, arrows := reconcilers.arrows()
	longest := code.longestFunction()
	fmt.Printf("largest type            %s: %d methods over %d files\n", largest.name, largest.methods, len(largest.files))
	share := func(n int) float64 { return 100 * float64(n) / float64(max(1, arrows)) }
	fmt.Printf("arrows in controllers/  %d between files; %d point upwards (%.0f %%), %d sideways (%.0f %%)\n", arrows, upward, share(upward), sideways, share(sideways))
	fmt.Printf("lines of code           %d in the operator, %d of them in controllers/\n", code.lines(), reconcilers.lines())
	fmt.Printf("longest function        %s: %d lines\n", longest.name, longest.lines)
	twice := code.namedTwice()
	fmt.Printf("named twice             %d names that two functions of a package have\n", len(twice))
	for _, name := range twice {
		fmt.Printf("                        %s\n", name)
	}
	return nil
}

// source is a file of Go.
type source struct {
	path string
	text []byte
	set  *token.FileSet
	tree *ast.File
}

type sources []source

// read parses what is written by hand below some places: neither tests nor generated code, nor the simulator.
func read(places ...string) (all sources, err error) {
	for _, place := range places {
		err = filepath.WalkDir(place, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "egainsim":
				return filepath.SkipDir
			case entry.IsDir() || !byHand(entry.Name()):
				return nil
			}
			f, err := parse(path)
			all = append(all, f)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func byHand(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "zz_generated")
}

func parse(path string) (source, error) {
	text, err := os.ReadFile(path) //nolint:gosec // it is below a folder of this checkout
	if err != nil {
		return source{}, err
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, path, text, parser.ParseComments)
	return source{path, text, set, tree}, err
}

// lines counts the lines that have something else than blanks and comments on them.
func (all sources) lines() int {
	total := 0
	for _, f := range all {
		set := token.NewFileSet()
		file := set.AddFile(f.path, -1, len(f.text))
		var s scanner.Scanner
		s.Init(file, f.text, nil, 0)
		counted := map[int]bool{}
		for pos, tok, literal := s.Scan(); tok != token.EOF; pos, tok, literal = s.Scan() {
			if tok == token.SEMICOLON && literal == "\n" {
				continue
			}
			first := file.Line(pos)
			for i := range 1 + strings.Count(literal, "\n") {
				counted[first+i] = true
			}
		}
		total += len(counted)
	}
	return total
}

// function is one that is declared.
type function struct {
	source   source
	decl     *ast.FuncDecl
	receiver string
}

func (all sources) functions() (found []function) {
	for _, f := range all {
		for _, d := range f.tree.Decls {
			if decl, is := d.(*ast.FuncDecl); is {
				found = append(found, function{f, decl, receiverOf(decl)})
			}
		}
	}
	return found
}

func receiverOf(decl *ast.FuncDecl) string {
	if decl.Recv == nil || len(decl.Recv.List) == 0 {
		return ""
	}
	kind := decl.Recv.List[0].Type
	if star, is := kind.(*ast.StarExpr); is {
		kind = star.X
	}
	if generic, is := kind.(*ast.IndexExpr); is {
		kind = generic.X
	}
	if name, is := kind.(*ast.Ident); is {
		return name.Name
	}
	return ""
}

func (f function) folder() string { return filepath.ToSlash(filepath.Dir(f.source.path)) }

// sized is a type with its methods.
type sized struct {
	name    string
	methods int
	files   map[string]bool
}

func (all sources) largestType() sized {
	types := map[string]*sized{}
	for _, f := range all.functions() {
		if f.receiver == "" {
			continue
		}
		name := f.folder() + "." + f.receiver
		if types[name] == nil {
			types[name] = &sized{name: name, files: map[string]bool{}}
		}
		types[name].methods++
		types[name].files[f.source.path] = true
	}
	return *slices.MaxFunc(slices.SortedFunc(maps.Values(types), func(a, b *sized) int { return cmp.Compare(a.name, b.name) }),
		func(a, b *sized) int { return cmp.Compare(a.methods, b.methods) })
}

// measured is a function with its length.
type measured struct {
	name  string
	lines int
}

func (all sources) longestFunction() (longest measured) {
	for _, f := range all.functions() {
		lines := f.source.set.Position(f.decl.End()).Line - f.source.set.Position(f.decl.Pos()).Line + 1
		if lines > longest.lines {
			longest = measured{f.folder() + "." + f.decl.Name.Name, lines}
		}
	}
	return longest
}

// arrows counts the pairs of files of which one uses what the other declares; those that point upwards, to a file that is nearer
// to where reconciles begin; and those that point sideways, to one that is as near.
func (all sources) arrows() (upward, sideways, total int) {
	uses := all.uses()
	depth := map[string]int{}
	var row []string
	for _, f := range all {
		if strings.HasSuffix(f.path, "_controller.go") {
			depth[f.path] = 0
			row = append(row, f.path)
		}
	}
	for level := 1; len(row) > 0; level++ {
		var next []string
		for _, from := range row {
			for _, to := range slices.Sorted(maps.Keys(uses[from])) {
				if _, known := depth[to]; !known {
					depth[to] = level
					next = append(next, to)
				}
			}
		}
		row = next
	}
	for from, others := range uses {
		for to := range others {
			total++
			switch cmp.Compare(depth[to], depth[from]) {
			case -1:
				upward++
			case 0:
				sideways++
			}
		}
	}
	return upward, sideways, total
}

// uses are the files whose declarations each file uses: functions, types and values by name, methods by selector.
func (all sources) uses() map[string]map[string]bool {
	declared, methods := map[string]string{}, map[string]string{}
	for _, f := range all {
		for name := range f.tree.Scope.Objects {
			declared[name] = f.path
		}
	}
	for _, f := range all.functions() {
		if f.receiver != "" {
			methods[f.decl.Name.Name] = f.source.path
		}
	}
	uses := map[string]map[string]bool{}
	for _, f := range all {
		uses[f.path] = map[string]bool{}
		for _, name := range f.tree.Unresolved {
			uses[f.path][declared[name.Name]] = true
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			if selector, is := n.(*ast.SelectorExpr); is {
				uses[f.path][methods[selector.Sel.Name]] = true
			}
			return true
		})
		delete(uses[f.path], "")
		delete(uses[f.path], f.path)
	}
	return uses
}

// namedTwice are the names that two functions of a package have, methods of different types among them. Those that an interface
// of the standard library or of Kubernetes asks for do not count.
func (all sources) namedTwice() []string {
	count := map[string]int{}
	for _, f := range all.functions() {
		if !required[f.decl.Name.Name] {
			count[f.folder()+"."+f.decl.Name.Name]++
		}
	}
	maps.DeleteFunc(count, func(_ string, n int) bool { return n < 2 })
	return slices.Sorted(maps.Keys(count))
}

// required are names that are not ours to choose.
var required = map[string]bool{
	"Error": true, "String": true, "GoString": true, "Format": true, "MarshalText": true, "RoundTrip": true, "CloseIdleConnections": true,
	"Read": true, "Close": true, "Reconcile": true, "SetupWithManager": true, "Describe": true, "Collect": true, "Get": true, "List": true,
	"init": true, "Data": true, "Apply": true, "Delete": true,
}
