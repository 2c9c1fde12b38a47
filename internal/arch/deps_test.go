package arch

import (
	"os/exec"
	"regexp"
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
