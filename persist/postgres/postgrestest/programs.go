package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// ErrNotInstalled means that programs are missing. A test may skip for that reason, and for no other.
var ErrNotInstalled = errors.New("not installed")

// findPrograms returns the directory that has all of the programs. Debian keeps those of the server out of PATH.
func findPrograms(names ...string) (string, error) {
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found) // the newest first
		dirs = append(dirs, found...)
	}
	for _, dir := range append(dirs, filepath.SplitList(os.Getenv("PATH"))...) {
		if !slices.ContainsFunc(names, func(n string) bool { return !executable(filepath.Join(dir, n)) }) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL: %w: there is no directory with %v (Debian: apt-get install postgresql; %s names a server instead)",
		ErrNotInstalled, names, Environment)
}

func executable(path string) bool {
	info, err := os.Stat(path) //nolint:gosec // PATH is the tester's own
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// command runs a program in dir, as the owner of dir.
func command(dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	asUnprivileged(cmd)
	return cmd
}
