package frameworks

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

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

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadmeCodeIsCompiled(t *testing.T) {
	files, err := filepath.Glob("*/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var examples strings.Builder
	for _, f := range files {
		examples.WriteString(flat(read(t, f)) + "\n")
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(blocks) < len(files) {
		t.Errorf("%d frameworks, and %d blocks of code in the README", len(files), len(blocks))
	}
	for _, b := range blocks {
		if code := flat(b[1]); !strings.Contains(examples.String(), code) {
			t.Errorf("not in any example:\n%s", code)
		}
	}
}

// The versions that the README names are those that the tests ran with.
func TestReadmeNamesTheVersions(t *testing.T) {
	readme, mod := read(t, "README.md"), read(t, "go.mod")
	for _, path := range []string{
		"github.com/go-chi/chi/v5", "github.com/labstack/echo/v4", "github.com/labstack/echo/v5",
		"github.com/gin-gonic/gin", "github.com/gofiber/fiber/v3",
	} {
		m := regexp.MustCompile(regexp.QuoteMeta(path) + ` (v\S+)`).FindStringSubmatch(mod)
		if m == nil || !strings.Contains(readme, "`"+path+"` "+m[1][1:]) {
			t.Errorf("%s: go.mod has %q", path, m)
		}
	}
}
