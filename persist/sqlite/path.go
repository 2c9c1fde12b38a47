package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sessile/sessile/persist"
)

// CheckPath returns an error if path is not the path of a file. SQLite or a driver might take
// it for a database in memory, a URI, or a file that belongs to another database.
func CheckPath(path string) error {
	refused := func(why string) error { return fmt.Errorf("%q is not the path of a session file: %s", path, why) }
	switch {
	case path == "":
		return errors.New("the path is empty")
	case strings.HasPrefix(path, ":"):
		return refused("a store in memory is not supported; a test can use filepath.Join(t.TempDir(), \"sessions.db\")")
	case strings.HasPrefix(path, "file:") || strings.Contains(path, "://"):
		return refused("it is a URI; give the path alone")
	case strings.ContainsAny(path, "?\x00"):
		return refused("parameters are not supported")
	case os.IsPathSeparator(path[len(path)-1]):
		return refused("it is a directory")
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal", ".lock"} {
		if strings.HasSuffix(path, suffix) {
			return refused("a " + suffix + " file belongs to the database beside it")
		}
	}
	return nil
}

// needDirectory makes sure that the directory of the file exists.
func (c Config) needDirectory() error {
	dir := filepath.Dir(c.Path)
	if c.CreateDirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("%w: %w", persist.ErrReadOnly, err)
		}
		return nil
	}
	missing := ""
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(d) == d {
			break
		}
		missing = d
	}
	if missing != "" {
		return fmt.Errorf("%w: the directory %s is missing: make it, or set CreateDirs (create_dirs: true): %w", persist.ErrReadOnly, missing, fs.ErrNotExist)
	}
	return nil
}
