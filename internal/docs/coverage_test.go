package docs

import (
	"cmp"
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
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != root && d.Name() != ".."):
			return fs.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			return cited(path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// cited adds what one file cites.
func cited(path string, found map[string]map[string]bool) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
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
		for _, group := range file.Comments {
			if group.Pos() < from || group.Pos() > f.End() {
				continue
			}
			for _, name := range item.FindAllString(group.Text(), -1) {
				if found[name] == nil {
					found[name] = make(map[string]bool)
				}
				found[name][cmp.Or(f.Name.Name, name)] = true
			}
		}
	}
	return nil
}
