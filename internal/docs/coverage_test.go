package docs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the coverage table of RELIABILITY.md from the comments of the tests")

// item is a row of the checklist, cited in the comments of the tests that show it.
var item = regexp.MustCompile(`\b[ADS][0-9]{1,2}\b`)

// checklist is how many items there are of a letter.
var checklist = map[byte]int{'A': 32, 'D': 30, 'S': 52}

const (
	coverageBegin = "<!-- coverage: go test ./internal/docs -update -->\n"
	coverageEnd   = "<!-- end of coverage -->"
)

// TestEveryItemOfTheChecklistHasATest: the table of RELIABILITY.md is what the
// tests say of themselves, and no item is without one.
func TestEveryItemOfTheChecklistHasATest(t *testing.T) {
	table, missing := coverage(t)
	if len(missing) > 0 {
		t.Errorf("no test cites %v", missing)
	}
	text := read(t, "RELIABILITY.md")
	before, rest, ok := strings.Cut(text, coverageBegin)
	old, after, ok2 := strings.Cut(rest, coverageEnd)
	if !ok || !ok2 {
		t.Fatal("RELIABILITY.md has no place for the coverage table")
	}
	if old == table {
		return
	}
	if !*update {
		t.Fatal("the coverage table is out of date: go test ./internal/docs -update")
	}
	out := before + coverageBegin + table + coverageEnd + after
	if err := os.WriteFile(filepath.Join("..", "..", "RELIABILITY.md"), []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReliabilityNamesOnlyTestsThatExist: its reproductions are there to be run.
func TestReliabilityNamesOnlyTestsThatExist(t *testing.T) {
	tests := make(map[string]bool)
	walkTests(t, func(f *ast.FuncDecl, _ []*ast.CommentGroup) { tests[f.Name.Name] = true })
	for _, m := range regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(read(t, "RELIABILITY.md"), -1) {
		if !tests[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
}

// coverage is the table, and the items that are missing in it.
func coverage(t *testing.T) (table string, missing []string) {
	t.Helper()
	tests := citations(t)
	var b strings.Builder
	b.WriteString("| item | tests |\n|---|---|\n")
	for _, letter := range slices.Sorted(maps.Keys(checklist)) {
		for n := 1; n <= checklist[letter]; n++ {
			name := string(letter) + strconv.Itoa(n)
			if len(tests[name]) == 0 {
				missing = append(missing, name)
				continue
			}
			fmt.Fprintf(&b, "| %s | %s |\n", name, strings.Join(slices.Sorted(maps.Keys(tests[name])), ", "))
		}
	}
	return b.String(), missing
}

// citations finds the items that the comments of the tests of all modules name.
func citations(t *testing.T) map[string]map[string]bool {
	t.Helper()
	found := make(map[string]map[string]bool)
	walkTests(t, func(f *ast.FuncDecl, comments []*ast.CommentGroup) {
		for _, group := range comments {
			for _, name := range item.FindAllString(group.Text(), -1) {
				if found[name] == nil {
					found[name] = make(map[string]bool)
				}
				found[name][f.Name.Name] = true
			}
		}
	})
	return found
}

// walkTests shows every test of every module to fn, with the comments at and in it.
func walkTests(t *testing.T, fn func(*ast.FuncDecl, []*ast.CommentGroup)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(d.Name(), ".") && path != root
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || hidden):
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			return walkFile(path, fn)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func walkFile(path string, fn func(*ast.FuncDecl, []*ast.CommentGroup)) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
			continue
		}
		from := f.Pos()
		if f.Doc != nil {
			from = f.Doc.Pos()
		}
		fn(f, slices.DeleteFunc(slices.Clone(file.Comments), func(g *ast.CommentGroup) bool {
			return g.Pos() < from || g.Pos() > f.End()
		}))
	}
	return nil
}
