// Package sizes measures how large programs are that use the store. It has only tests.
package sizes

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestProgramsStaySmall builds what docs/production.md gives the sizes of. A limit is about a tenth above
// what was measured, so a dependency that nobody meant to add exceeds it.
func TestProgramsStaySmall(t *testing.T) {
	for program, limit := range map[string]int64{"http": 6_300_000, "memory": 8_900_000, "sqlite": 13_000_000} {
		file := filepath.Join(t.TempDir(), program)
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "./testdata/"+program)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", program, err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if t.Logf("%s: %d bytes", program, info.Size()); info.Size() > limit {
			t.Errorf("%s has %d bytes (limit %d)", program, info.Size(), limit)
		}
	}
}
