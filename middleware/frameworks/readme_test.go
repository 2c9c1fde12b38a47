package frameworks

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
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
