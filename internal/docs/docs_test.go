// Package docs checks the pages against the code: their examples compile, and their tables are complete. It has
// only tests.
package docs

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sessile/sessile"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// flat removes indentation and blank lines, which differ between a README and a function body.
func flat(code string) string {
	var lines []string
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// TestCodeIsCompiled: every Go block of a page is part of an example, of a recipe's test or of the quick start,
// which a test runs.
func TestCodeIsCompiled(t *testing.T) {
	from := map[string][]string{
		"README.md":                       {"*example*_test.go", "middleware/*example*_test.go", "persist/postgres/*example*_test.go", "internal/quickstart/main.go"},
		"docs/admin.md":                   {"internal/quickstart/*_test.go"},
		"docs/coming-from.md":             {"compat/*/recipe_test.go"},
		"docs/postgres.md":                {"persist/postgres/*example*_test.go"},
		"docs/production.md":              {"*example*_test.go", "internal/quickstart/main.go"},
		"metrics/otel/README.md":          {"metrics/otel/example_test.go"},
		"metrics/prometheus/README.md":    {"metrics/prometheus/example_test.go"},
		"middleware/frameworks/README.md": {"middleware/frameworks/*/example_test.go"},
	}
	for name, text := range pages(t) {
		if strings.Contains(text, "```go\n") {
			compiled(t, name, from[name]...)
		}
	}
}

// compiled checks that every Go block of a page is part of one of the files. The line "// …" stands for other code.
func compiled(t *testing.T, page string, patterns ...string) {
	t.Helper()
	var text strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(flat(string(b)) + "\n")
		}
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, page), -1)
	if len(blocks) == 0 {
		t.Fatalf("%s shows no code", page)
	}
	for _, b := range blocks {
		for part := range strings.SplitSeq(flat(b[1]), "\n// …\n") {
			if !strings.Contains(text.String(), part) {
				t.Errorf("%s shows what is in no test:\n%s", page, part)
			}
		}
	}
}

// TestConfigurationNamesEveryOption: the table of the configuration is complete.
func TestConfigurationNamesEveryOption(t *testing.T) {
	page := read(t, "docs/configuration.md")
	for f := range reflect.TypeFor[sessile.Config]().Fields() {
		if tag := f.Tag.Get("yaml"); f.IsExported() && tag != "-" && !strings.Contains(page, "\n| `"+tag+"` |") {
			t.Errorf("docs/configuration.md does not name %s (%s)", f.Name, tag)
		}
	}
}

// TestProductionNamesEveryError: each error that an application can get has a row with its status, or a sentence.
func TestProductionNamesEveryError(t *testing.T) {
	page := read(t, "docs/production.md")
	for prefix, file := range map[string]string{"": "errors.go", "middleware.": "middleware/errors.go"} {
		names := regexp.MustCompile(`(?m)^\t(Err\w+) +=`).FindAllStringSubmatch(read(t, file), -1)
		if len(names) == 0 {
			t.Errorf("%s declares no error", file)
		}
		for _, m := range names {
			if !strings.Contains(page, "`"+prefix+m[1]+"`") {
				t.Errorf("docs/production.md does not name %s%s", prefix, m[1])
			}
		}
	}
}

// TestDocsIndexNamesEveryPage covers docs.
func TestDocsIndexNamesEveryPage(t *testing.T) {
	index := read(t, "docs/README.md")
	for name := range pages(t) {
		if path.Dir(name) == "docs" && path.Base(name) != "README.md" && !strings.Contains(index, "]("+path.Base(name)+")") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
}

// code matches a code block of a page.
var code = regexp.MustCompile("(?s)```.*?```")

// pages returns the documents of the repository by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "metrics/*/README.md", "middleware/frameworks/README.md"} {
		names, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			name, err = filepath.Rel(filepath.Join("..", ".."), name)
			if err != nil {
				t.Fatal(err)
			}
			found[filepath.ToSlash(name)] = read(t, name)
		}
	}
	return found
}

// TestPagesNameOnlyTargetsThatExist: every "make x" in the pages is a target.
func TestPagesNameOnlyTargetsThatExist(t *testing.T) {
	makefile := read(t, "Makefile")
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile("`make ([a-z][a-z-]*)").FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s names make %s, the Makefile does not", name, m[1])
			}
		}
	}
}

// TestPagesNameOnlyTestsThatExist: every test that a page names exists.
func TestPagesNameOnlyTestsThatExist(t *testing.T) {
	tests := make(map[string]bool)
	walkTests(t, func(f *ast.FuncDecl, _ []*ast.CommentGroup) { tests[f.Name.Name] = true })
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Za-z0-9_]+)`").FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
}

// TestPagesLinkToWhatExists: every relative link leads to a file, and its fragment to a heading.
func TestPagesLinkToWhatExists(t *testing.T) {
	all := pages(t)
	for name, text := range all {
		text = code.ReplaceAllString(text, "")
		for _, m := range regexp.MustCompile(`\]\(([^):#]*)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			to := name
			if m[1] != "" {
				to = path.Join(path.Dir(name), m[1])
			}
			if _, err := os.Stat(filepath.Join("..", "..", to)); err != nil {
				t.Errorf("%s links to %s: %v", name, to, err)
			} else if m[2] != "" && !slices.Contains(headings(all[to]), m[2]) {
				t.Errorf("%s links to %s%s: no such heading", name, to, m[2])
			}
		}
	}
}

// headings returns the anchors that GitHub gives to the headings of a page.
func headings(text string) (anchors []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		words := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors = append(anchors, "#"+strings.ReplaceAll(words, " ", "-"))
	}
	return anchors
}

// TestPagesAreShort: each page can be read in a few minutes. Code does not count.
func TestPagesAreShort(t *testing.T) {
	limits := map[string]int{"README.md": 2050, "DESIGN.md": 2500, "RELIABILITY.md": 2500}
	for name, text := range pages(t) {
		limit := limits[name]
		if path.Dir(name) == "docs/decisions" && path.Base(name) != "README.md" {
			limit = 250
		}
		if n := len(strings.Fields(code.ReplaceAllString(text, ""))); limit > 0 && n > limit {
			t.Errorf("%s has %d words (limit %d)", name, n, limit)
		}
	}
}

// TestDesignGivesAReasonForEveryDependency covers the root module, whose users pay for its dependencies.
func TestDesignGivesAReasonForEveryDependency(t *testing.T) {
	design := read(t, "DESIGN.md")
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	if len(direct) == 0 {
		t.Fatal("go.mod names no dependency")
	}
	for _, m := range direct {
		if !strings.Contains(design, m[1]) {
			t.Errorf("DESIGN.md has no reason for %s", m[1])
		}
	}
}
