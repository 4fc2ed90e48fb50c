package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayReadProse lists the functions that take a text for people apart. Most of them
// read the errors of others, which have no fields.
var mayReadProse = map[string]string{
	"schema/problem.go:Advice":        "cuts a hint where its other member says",
	"sync/git/worktree.go:File":       "os.Root has no value for a path that leads out",
	"secrets/sops/asking.go:reasonOf": "SOPS and age have no errors for a locked key",
	"secrets/sops/asking.go:Fire":     "a plugin of age writes to a log",
	"sync/report/markdown_result.go":  "joins the lines of a message",
}

// proseReaders are the functions of package strings that look into a text.
var proseReaders = []string{
	"Contains", "ContainsAny", "ContainsFunc", "Count", "Cut", "CutPrefix", "CutSuffix", "EqualFold", "Fields", "FieldsFunc",
	"HasPrefix", "HasSuffix", "Index", "IndexAny", "LastIndex", "Replace", "ReplaceAll", "Split", "SplitAfter", "SplitN", "SplitSeq",
	"Trim", "TrimLeft", "TrimPrefix", "TrimRight", "TrimSuffix",
}

// proseNames are the fields and methods whose texts are for people.
var proseNames = []string{"Error", "Hint", "InForce", "Message", "Reason", "Text", "Unreadable", "Warnings", "Why"}

// TestNoProseIsParsed checks that a program gets what it needs from a field, never from
// a sentence: rewording a message must not change what another package does.
func TestNoProseIsParsed(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, p := range goList(t) {
		if strings.HasPrefix(shortPath(p.ImportPath), "examples/") || strings.HasSuffix(p.ImportPath, "test") {
			continue
		}
		for _, name := range p.GoFiles {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			path := strings.TrimPrefix(shortPath(p.ImportPath)+"/"+name, "/")
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					continue
				}
				for _, pos := range proseReads(f) {
					whole, one := mayReadProse[path] != "", mayReadProse[path+":"+f.Name.Name] != ""
					found[path], found[path+":"+f.Name.Name] = true, true
					if !whole && !one {
						t.Errorf("%s:%d: %s takes a text for people apart; add a field instead", path, files.Position(pos).Line, f.Name.Name)
					}
				}
			}
		}
	}
	for place := range mayReadProse {
		if !found[place] {
			t.Errorf("%s no longer takes a text apart: remove it from the list", place)
		}
	}
}

// proseReads returns where a function looks into a text for people, or into a local
// variable that holds one.
func proseReads(f *ast.FuncDecl) []token.Pos {
	var out []token.Pos
	local := map[string]bool{}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if id, ok := to.(*ast.Ident); ok && len(n.Rhs) == len(n.Lhs) && isProse(n.Rhs[i], local) {
					local[id.Name] = true
				}
			}
		case *ast.RangeStmt:
			if id, ok := n.Value.(*ast.Ident); ok && isProse(n.X, local) {
				local[id.Name] = true
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) == 0 {
				return true
			}
			pkg, _ := sel.X.(*ast.Ident)
			reads := pkg != nil && pkg.Name == "strings" && slices.Contains(proseReaders, sel.Sel.Name) ||
				strings.HasPrefix(sel.Sel.Name, "Match") || strings.HasPrefix(sel.Sel.Name, "Find")
			if reads && isProse(n.Args[0], local) {
				out = append(out, n.Pos())
			}
		}
		return true
	})
	return out
}

func isProse(e ast.Expr, local map[string]bool) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return local[e.Name]
	case *ast.SelectorExpr:
		return slices.Contains(proseNames, e.Sel.Name)
	case *ast.ParenExpr:
		return isProse(e.X, local)
	case *ast.CallExpr:
		if sel, ok := e.Fun.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "strings" {
				return len(e.Args) > 0 && isProse(e.Args[0], local)
			}
			return len(e.Args) == 0 && sel.Sel.Name != "Text" && slices.Contains(proseNames, sel.Sel.Name) // Text is a line of a scanner
		}
	}
	return false
}
