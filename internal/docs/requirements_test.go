package docs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the last column of docs/requirements.md from the comments of the tests")

// cited matches the number of a requirement in a comment. row matches its row in the list: the number, the rule,
// and the tests.
var (
	cited = regexp.MustCompile(`\b[ADIRS][0-9]{1,2}\b`)
	row   = regexp.MustCompile(`(?m)^\| ([ADS][0-9]{1,2}) \| (.+) \| (.*) \|$`)
)

// testName matches the name of a function that go test runs.
var testName = regexp.MustCompile("^(Test|Fuzz|Example)")

func isTest(f *ast.FuncDecl) bool { return testName.MatchString(f.Name.Name) }

// isCase reports whether a function of package behaviour is a case.
func isCase(f *ast.FuncDecl) bool {
	p := f.Type.Params.List
	return f.Recv == nil && f.Name.IsExported() && len(p) == 1 && types.ExprString(p[0].Type) == "*Fixture"
}

const requirements = "docs/requirements.md"

// TestRequirementsHaveTests: the last column of the list matches the comments of the tests, and is never empty.
func TestRequirementsHaveTests(t *testing.T) {
	tests, old := citations(t), read(t, requirements)
	now := row.ReplaceAllStringFunc(old, func(line string) string {
		m := row.FindStringSubmatch(line)
		names := slices.Sorted(maps.Keys(tests[m[1]]))
		if len(names) == 0 {
			t.Errorf("no test cites %s", m[1])
		}
		return fmt.Sprintf("| %s | %s | %s |", m[1], m[2], strings.Join(names, ", "))
	})
	switch {
	case !row.MatchString(old):
		t.Error("the list of requirements is empty")
	case now != old && !*update:
		t.Error("the list of tests is out of date: go test ./internal/docs -update")
	case now != old:
		if err := os.WriteFile(filepath.Join("..", "..", requirements), []byte(now), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// TestRequirementsExplainEveryCitedNumber: every number in a test's comment has a row in the list of requirements or
// of promises.
func TestRequirementsExplainEveryCitedNumber(t *testing.T) {
	text := read(t, requirements) + read(t, "RELIABILITY.md")
	for number, tests := range citations(t) {
		if !strings.Contains(text, "\n| "+number+" |") {
			t.Errorf("%s is not explained, and cited by %v", number, slices.Sorted(maps.Keys(tests)))
		}
	}
}

// citations finds the numbers in the comments of the tests of all modules, and of the cases of the behaviour
// suite. The test of a case is called Test and then as the case.
func citations(t *testing.T) map[string]map[string]bool {
	t.Helper()
	found := make(map[string]map[string]bool)
	walkTests(t, func(f *ast.FuncDecl, comments []*ast.CommentGroup) {
		for _, group := range comments {
			for _, name := range cited.FindAllString(group.Text(), -1) {
				if found[name] == nil {
					found[name] = make(map[string]bool)
				}
				found[name][f.Name.Name] = true
			}
		}
	})
	return found
}

// walkTests calls fn for every test of every module, with the comments at and in it.
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
			return walkFile(path, isTest, fn)
		case filepath.Dir(path) == filepath.Join(root, "internal", "behaviour") && strings.HasSuffix(path, ".go"):
			return walkFile(path, isCase, func(f *ast.FuncDecl, comments []*ast.CommentGroup) {
				f.Name.Name = "Test" + f.Name.Name
				fn(f, comments)
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func walkFile(path string, wanted func(*ast.FuncDecl) bool, fn func(*ast.FuncDecl, []*ast.CommentGroup)) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || !wanted(f) {
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
