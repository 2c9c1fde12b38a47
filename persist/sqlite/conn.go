package sqlite

import (
	"errors"
	"fmt"
	"net/url"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// connect opens one connection.
func connect(cfg Config, flags sqlite.OpenFlags) (*sqlite.Conn, error) {
	u := url.URL{Scheme: "file", Path: cfg.Path}
	if cfg.VFS != "" {
		u.RawQuery = "vfs=" + url.QueryEscape(cfg.VFS)
	}
	c, err := sqlite.OpenConn(u.String(), flags|sqlite.OpenURI)
	if err != nil {
		return nil, err
	}
	c.SetBusyTimeout(cfg.BusyTimeout) // the driver's own default is to wait for ever
	return c, nil
}

// connectWriter opens a connection that can promise that a commit is on disk.
func (d *DB) connectWriter() (*sqlite.Conn, error) {
	var settings []pragma
	if size(d.cfg.Path) == 0 { // a file that has tables stays as it is, and the attempt would be a commit
		settings = append(settings, pragma{"auto_vacuum", "INCREMENTAL", "2"})
	}
	return d.connectWith(append(settings,
		pragma{"journal_mode", "WAL", "wal"},
		pragma{"synchronous", "FULL", "2"},
		pragma{"secure_delete", "ON", "1"}, // zeroes what is deleted, on free pages, too
		pragma{"journal_size_limit", "67108864", "67108864"},
		pragma{"wal_autocheckpoint", "0", "0"},   // see tidy
		pragma{"cache_size", "-32768", "-32768"}, // 32 MiB hold the activity of a million sessions
	)...)
}

// connectReader opens a connection that cannot write.
func (d *DB) connectReader() (*sqlite.Conn, error) {
	return d.connectWith(
		pragma{"query_only", "ON", "1"},
		pragma{"cache_size", "-16384", "-16384"},
	)
}

// connectWith opens a connection to the file that Open opened. A file that has
// taken its place meanwhile is not ours to touch.
func (d *DB) connectWith(settings ...pragma) (*sqlite.Conn, error) {
	if err := d.reachable(); err != nil {
		return nil, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
	c, err := connect(d.cfg, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	settings = append(settings,
		pragma{"trusted_schema", "OFF", "0"},
		pragma{"cell_size_check", "ON", "1"},
		pragma{"mmap_size", "0", "0"},
		pragma{"temp_store", "MEMORY", "2"}, // no session data in /tmp
	)
	for _, p := range settings {
		if err := p.set(c); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// reachable is persist.ErrFileReplaced if a connection that is opened by the path would not
// have the files that the others have.
func (d *DB) reachable() error {
	if err := d.present(); err != nil {
		return err
	}
	if d.reopening.Load() {
		return errBeside
	}
	return d.id.beside()
}

// pragma is a setting, and what it reads as once it is in force (D2), "" if that may differ.
type pragma struct{ name, value, want string }

func (p pragma) set(c *sqlite.Conn) error {
	if _, err := queryText(c, "PRAGMA "+p.name+"="+p.value); err != nil {
		return fmt.Errorf("setting %s: %w", p.name, err)
	}
	if p.want == "" {
		return nil
	}
	got, err := queryText(c, "PRAGMA "+p.name)
	if err != nil {
		return fmt.Errorf("reading %s back: %w", p.name, err)
	}
	if got != p.want && p.name != "mmap_size" { // a build without mmap has no answer
		return fmt.Errorf("%s is %q, must be %q", p.name, got, p.want)
	}
	return nil
}

// queryText runs a query that has one value, "" if it has no row.
func queryText(c *sqlite.Conn, q string) (v string, err error) {
	err = sqlitex.ExecuteTransient(c, q, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { v = s.ColumnText(0); return nil },
	})
	return v, err
}

// queryInt runs a query that has one number, 0 if it has no row.
func queryInt(c *sqlite.Conn, q string) (n int64, err error) {
	err = sqlitex.ExecuteTransient(c, q, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { n = s.ColumnInt64(0); return nil },
	})
	return n, err
}
