package main

import (
	"debug/buildinfo"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessile/sessile"
)

func TestOwnBackendServesWithoutAnEngine(t *testing.T) {
	store, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	handler, err := app(store)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != http.StatusOK || w.Body.String() != "hello\n" {
		t.Error(w.Code, w.Body)
	}
}

func TestOwnBackendLinksNoSQLite(t *testing.T) {
	modules := linked(t, ".")
	if !strings.Contains(modules, "go.uber.org/zap") {
		t.Errorf("the modules of the program are unknown: %q", modules)
	}
	if strings.Contains(modules, "sqlite") || strings.Contains(modules, "modernc.org") {
		t.Errorf("the program links SQLite: %s", modules)
	}
	if modules := linked(t, "../quickstart"); !strings.Contains(modules, "modernc.org/sqlite") {
		t.Errorf("control: the quick start links no SQLite: %s", modules)
	}
}

// linked builds a program and returns the modules that it contains.
func linked(t *testing.T, dir string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, dir).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", dir, err, out)
	}
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, m := range info.Deps {
		modules = append(modules, m.Path)
	}
	return strings.Join(modules, " ")
}

func TestOpenAndRestoreNameTheMissingImport(t *testing.T) {
	const line = `import _ "github.com/sessile/sessile/persist/sqlite"`
	path := filepath.Join(t.TempDir(), "sessions.db")
	if _, err := sessile.Open(t.Context(), sessile.Config{Path: path}); err == nil || !strings.Contains(err.Error(), line) {
		t.Error(err)
	}
	if _, err := sessile.Restore(t.Context(), path+".backup", path); err == nil || !strings.Contains(err.Error(), line) {
		t.Error(err)
	}
}
