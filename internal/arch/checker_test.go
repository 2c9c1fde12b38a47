package arch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// fault is one violation of the rules.
type fault struct {
	where string // file:line, or the package
	rule  string // short name of the rule
	what  string
}

func (f fault) String() string { return fmt.Sprintf("%s: %s: %s", f.where, f.rule, f.what) }

// source is one Go file.
type source struct {
	pkg  string // directory below the root, "." for the root
	home string // directory of the nested module of the file, "" for the root module
	name string // path below the root
	test bool
	tree *ast.File
	fset *token.FileSet
	size int // lines
}

func (s *source) line(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(pos).Line)
}

// core reports whether the file belongs to the core of its package.
func (s *source) core(r rules) bool { return !s.test && slices.Contains(r.core, path.Base(s.name)) }

// checker collects the violations in a tree.
type checker struct {
	packages map[string]rules
	used     map[string]map[string]bool // package with code → its used imports
	faults   []fault
}

// check reads every Go file below root and reports every violation.
func check(root string, packages map[string]rules) ([]fault, int, error) {
	c := &checker{packages: packages, used: make(map[string]map[string]bool)}
	files, err := load(root)
	if err != nil {
		return nil, 0, err
	}
	for _, f := range files {
		if f.home == "" && !f.test && c.used[f.pkg] == nil {
			c.used[f.pkg] = make(map[string]bool)
		}
		c.file(f)
	}
	c.unused()
	return c.faults, len(files), nil
}

func (c *checker) report(where, rule, format string, args ...any) {
	c.faults = append(c.faults, fault{where, rule, fmt.Sprintf(format, args...)})
}

// unused reports dependencies that are allowed but not used. The rules must not allow more than is
// needed.
func (c *checker) unused() {
	for name, used := range c.used {
		for _, to := range c.packages[name].imports {
			if !used[to] {
				c.report(name, "unused-dependency", "%s is allowed and not imported", to)
			}
		}
	}
}

// load parses the tree, except testdata, hidden directories and third-party code.
func load(root string) ([]*source, error) {
	var files []*source
	homes := map[string]string{".": ""}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && skipped(d.Name()) {
				return fs.SkipDir
			}
			homes[rel] = home(root, rel, homes[path.Dir(rel)])
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		f, err := parse(name)
		if err != nil {
			return err
		}
		f.name, f.pkg, f.home = rel, path.Dir(rel), homes[path.Dir(rel)]
		files = append(files, f)
		return nil
	})
	return files, err
}

func skipped(dir string) bool {
	return dir == "testdata" || dir == "node_modules" || dir == "vendor" || strings.HasPrefix(dir, ".") || strings.HasPrefix(dir, "_")
}

// home returns the nested module that contains the directory rel.
func home(root, rel, parent string) string {
	if rel == "." {
		return ""
	}
	if _, err := os.Stat(filepath.Join(root, rel, "go.mod")); !errors.Is(err, fs.ErrNotExist) {
		return rel
	}
	return parent
}

func parse(name string) (*source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := &source{fset: token.NewFileSet(), size: strings.Count(string(text), "\n"), test: strings.HasSuffix(name, "_test.go")}
	f.tree, err = parser.ParseFile(f.fset, name, text, parser.SkipObjectResolution|parser.ParseComments)
	return f, err
}

// below reports whether the import path p is one of the packages, or inside one.
func below(p string, packages []string) bool {
	return slices.ContainsFunc(packages, func(of string) bool { return p == of || strings.HasPrefix(p, of+"/") })
}
