package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync/atomic"

	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// oldest is the first SQLite without the WAL-reset corruption bug.
const oldestEngine = 3_051_003

func engineVersion() string { return lib.SQLITE_VERSION }

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

// prepareWriter sets what a commit must be able to promise, and reads it back (D2).
func prepareWriter(c *sqlite.Conn) error {
	if lib.SQLITE_VERSION_NUMBER < oldestEngine {
		return fmt.Errorf("SQLite %s can corrupt a database in WAL mode; 3.51.3 or newer is needed", engineVersion())
	}
	err := pragmas(c, "journal_mode=WAL", "synchronous=FULL", "secure_delete=FAST", "journal_size_limit=67108864",
		"trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "foreign_keys=OFF", "recursive_triggers=OFF")
	if err != nil {
		return err
	}
	mode, err := queryBytes(c, `PRAGMA journal_mode`)
	if err != nil || string(mode) != "wal" {
		return errors.Join(fmt.Errorf("journal mode is %q, not WAL", mode), err)
	}
	sync, err := queryInt(c, `PRAGMA synchronous`)
	if err != nil || sync != 2 {
		return errors.Join(fmt.Errorf("synchronous is %d, not FULL", sync), err)
	}
	return nil
}

func prepareReader(c *sqlite.Conn) error {
	return pragmas(c, "query_only=ON", "trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0")
}

func pragmas(c *sqlite.Conn, list ...string) error {
	for _, p := range list {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+p, nil); err != nil {
			return fmt.Errorf("PRAGMA %s: %w", p, err)
		}
	}
	return nil
}

// checkpoint writes the WAL back into the file and empties it.
func checkpoint(c *sqlite.Conn) error {
	busy := int64(0)
	err := sqlitex.ExecuteTransient(c, `PRAGMA wal_checkpoint(TRUNCATE)`, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { busy = s.ColumnInt64(0); return nil },
	})
	if err == nil && busy != 0 {
		err = sqlite.ResultBusy.ToError()
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

func queryInt(c *sqlite.Conn, q string) (n int64, err error) {
	err = sqlitex.ExecuteTransient(c, q, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { n = s.ColumnInt64(0); return nil },
	})
	return n, err
}

func queryBytes(c *sqlite.Conn, q string) (b []byte, err error) {
	err = sqlitex.ExecuteTransient(c, q, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { b = blob(s, 0); return nil },
	})
	return b, err
}

// blob copies a column of bytes.
func blob(s *sqlite.Stmt, col int) []byte {
	b := make([]byte, s.ColumnLen(col))
	s.ColumnBytes(col, b)
	return b
}

// ioFailed reports whether err says that the disk, rather than the request, is at
// fault. A connection that has seen that is not used again.
func ioFailed(err error) bool {
	disk := []sqlite.ResultCode{
		sqlite.ResultIOErr, sqlite.ResultFull, sqlite.ResultCantOpen, sqlite.ResultReadOnly,
		sqlite.ResultNotADB, sqlite.ResultProtocol, sqlite.ResultNoMem, sqlite.ResultPerm, sqlite.ResultAuth,
	}
	return slices.Contains(disk, sqlite.ErrCode(err).ToPrimary())
}

// readers is a pool of connections that read. A connection that met an I/O error
// is replaced.
type readers struct {
	cfg    Config
	idle   chan *sqlite.Conn // nil stands for one that is not open yet
	closed atomic.Bool
}

func newReaders(cfg Config) *readers {
	r := &readers{cfg: cfg, idle: make(chan *sqlite.Conn, cfg.Readers)}
	for range cfg.Readers {
		r.idle <- nil
	}
	return r
}

// with runs fn on a connection that ctx interrupts.
func (r *readers) with(ctx context.Context, fn func(*sqlite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var c *sqlite.Conn
	select {
	case c = <-r.idle:
	default:
		select {
		case c = <-r.idle:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	c, err := r.use(ctx, c, fn)
	r.idle <- c
	return err
}

// use returns the connection to keep, nil if it must be opened anew.
func (r *readers) use(ctx context.Context, c *sqlite.Conn, fn func(*sqlite.Conn) error) (*sqlite.Conn, error) {
	if r.closed.Load() {
		return c, persist.ErrUnavailable
	}
	if c == nil {
		var err error
		if c, err = connect(r.cfg, sqlite.OpenReadWrite); err != nil {
			return nil, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
		}
		if err := prepareReader(c); err != nil {
			return nil, fmt.Errorf("%w: %w", persist.ErrUnavailable, errors.Join(err, c.Close()))
		}
	}
	c.SetInterrupt(ctx.Done())
	err := fn(c)
	c.SetInterrupt(nil)
	switch {
	case err == nil || errors.Is(err, persist.ErrNotFound):
		return c, err
	case ctx.Err() != nil:
		return c, context.Cause(ctx)
	case ioFailed(err):
		return nil, fmt.Errorf("%w: %w", persist.ErrUnavailable, errors.Join(err, c.Close()))
	case sqlite.ErrCode(err).ToPrimary() == sqlite.ResultCorrupt:
		return c, fmt.Errorf("%w: %w", persist.ErrCorrupt, err)
	case errors.Is(err, persist.ErrCorrupt):
		return c, err
	default:
		return c, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
}

// close waits for the reads under way.
func (r *readers) close() error {
	r.closed.Store(true)
	var errs []error
	for range r.cfg.Readers {
		if c := <-r.idle; c != nil {
			errs = append(errs, c.Close())
		}
	}
	for range r.cfg.Readers {
		r.idle <- nil // who comes later is told that it is closed
	}
	return errors.Join(errs...)
}
