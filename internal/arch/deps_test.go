package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var sqlitePackage = regexp.MustCompile(`(?m)^(modernc\.org|zombiezen\.com/go)/sqlite\b`)

// TestOnlyTheEngineImportsSQLite checks what a program links. Go links every imported package, direct
// or indirect, used or not.
func TestOnlyTheEngineImportsSQLite(t *testing.T) {
	for pkg, want := range map[string]bool{
		"":                     false,
		"/middleware":          false,
		"/persist/persisttest": false,
		"/persist/sqlite":      true, // control
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+pkg).Output()
		if err != nil {
			t.Fatalf("listing what %s imports: %v", module+pkg, err)
		}
		if got := sqlitePackage.Match(out); got != want {
			t.Errorf("%s imports SQLite: %v, want %v", module+pkg, got, want)
		}
	}
}

// direct matches a direct requirement in a go.mod.
var direct = regexp.MustCompile(`(?m)^(?:\t|require )(\S+) v\S+$`)

// TestRootModuleDoesNotDependOnAdapters: no module that only a nested module needs is in the root's go.sum,
// so a program over SQLite downloads none of them.
func TestRootModuleDoesNotDependOnAdapters(t *testing.T) {
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	own, sums, seen := read("go.mod"), read("go.sum"), 0
	for _, adapter := range []string{
		"compat/gin", "compat/gorilla", "compat/scs", "metrics/otel", "metrics/prometheus", "middleware/frameworks", "persist/postgres",
	} {
		for _, m := range direct.FindAllStringSubmatch(read(adapter+"/go.mod"), -1) {
			if strings.HasPrefix(m[1], module) || strings.Contains(own, "\t"+m[1]+" v") {
				continue
			}
			if seen++; strings.Contains(sums, m[1]+" v") {
				t.Errorf("go.sum has %s, which only %s needs", m[1], adapter)
			}
		}
	}
	if seen < 7 {
		t.Errorf("only %d dependencies of adapters were found", seen)
	}
}
