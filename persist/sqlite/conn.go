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
	c.SetBusyTimeout(cfg.BusyTimeout) // the driver would wait forever by default
	return c, nil
}

// connectWriter opens the connection that commits durably.
func (d *DB) connectWriter() (*sqlite.Conn, error) {
	var settings []pragma
	if size(d.cfg.Path) == 0 { // only a new file: on one with tables it has no effect, and trying is a commit
		settings = append(settings, pragma{"auto_vacuum", "INCREMENTAL", "2"})
	}
	return d.connectWith(append(settings,
		pragma{"journal_mode", "WAL", "wal"},
		pragma{"synchronous", "FULL", "2"},
		pragma{"secure_delete", "ON", "1"}, // zeroes deleted content, also on free pages
		pragma{"journal_size_limit", "67108864", "67108864"},
		pragma{"wal_autocheckpoint", "0", "0"},   // tidy makes the checkpoints
		pragma{"cache_size", "-32768", "-32768"}, // 32 MiB hold the activity rows of a million sessions
	)...)
}

// connectReader opens a connection that cannot write.
func (d *DB) connectReader() (*sqlite.Conn, error) {
	return d.connectWith(
		pragma{"query_only", "ON", "1"},
		pragma{"cache_size", "-16384", "-16384"},
	)
}

// connectWith opens a connection to the file that Open opened. It refuses if another file
// has taken its place.
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

// reachable returns persist.ErrFileReplaced if a new connection by path would open other files
// than the existing connections have.
func (d *DB) reachable() error {
	if err := d.present(); err != nil {
		return err
	}
	if d.reopening.Load() {
		return errBeside
	}
	return d.id.beside()
}

// pragma is a setting and the value that reading it back must give; "" skips that check.
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
	if got != p.want && p.name != "mmap_size" { // a build without mmap returns nothing
		return fmt.Errorf("%s is %q, must be %q", p.name, got, p.want)
	}
	return nil
}

// queryText runs a query with one text value and returns it, or "" if there is no row.
func queryText(c *sqlite.Conn, q string) (v string, err error) {
	err = sqlitex.ExecuteTransient(c, q, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { v = s.ColumnText(0); return nil },
	})
	return v, err
}

// queryInt runs a query with one integer value and returns it, or 0 if there is no row.
func queryInt(c *sqlite.Conn, q string) (n int64, err error) {
	err = sqlitex.ExecuteTransient(c, q, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { n = s.ColumnInt64(0); return nil },
	})
	return n, err
}
