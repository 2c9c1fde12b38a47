// Package docs holds the README to the code: its examples are compiled ones, and
// its tables name what there is. It has tests only.
package docs

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
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

// TestReadmeCodeIsCompiled: every Go block of the README stands in an example test or
// in the quick start, which a test runs.
func TestReadmeCodeIsCompiled(t *testing.T) {
	var text strings.Builder
	for _, pattern := range []string{"*example*_test.go", "middleware/*example*_test.go", "internal/quickstart/main.go"} {
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
	examples := text.String()
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(blocks) == 0 {
		t.Fatal("the README shows no code")
	}
	for _, b := range blocks {
		if code := flat(b[1]); !strings.Contains(examples, code) {
			t.Errorf("not in any example test:\n%s", code)
		}
	}
}

// TestReadmeNamesEveryOption: the configuration table is complete.
func TestReadmeNamesEveryOption(t *testing.T) {
	readme := read(t, "README.md")
	for f := range reflect.TypeFor[sessile.Config]().Fields() {
		if tag := f.Tag.Get("yaml"); f.IsExported() && tag != "-" && !strings.Contains(readme, "`"+tag+"`") {
			t.Errorf("the README does not name %s (%s)", f.Name, tag)
		}
	}
}

// TestReadmeNamesOnlyTargetsThatExist: every "make x" of the documents is a target.
func TestReadmeNamesOnlyTargetsThatExist(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, doc := range []string{"README.md", "DESIGN.md", "CONTRIBUTING.md"} {
		for _, m := range regexp.MustCompile("`make ([a-z][a-z-]*)").FindAllStringSubmatch(read(t, doc), -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s names make %s, the Makefile does not", doc, m[1])
			}
		}
	}
}

// TestDesignGivesAReasonForEveryDependency: of the root module, whose users pay for it.
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
