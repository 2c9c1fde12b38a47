// Package sqlite keeps sessions in one SQLite file. It owns the SQL, the schema,
// its migrations, the connections and the lock file, and refuses to know
// caching, policy and the clock: every time is an argument. A [DB] is safe for
// concurrent use, but for Apply, which one goroutine at a time may call.
//
// One connection writes, with synchronous=FULL: when Apply returns nil the batch
// survives a power cut. After any I/O error that connection is closed, opened
// again and checkpointed before anything more is acknowledged: a failed fsync
// says nothing about what the kernel still holds. [measured: otherwise 195 of 300
// runs lost an acknowledged revocation]
//
// It carries no compatibility promise.
package sqlite

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// Config says how to open a DB.
type Config struct {
	Path        string        // of the file; its directory is made if it is missing
	Readers     int           // connections that read, default 4
	BusyTimeout time.Duration // how long a lock of another process is waited for, default and at most 1 s
	VFS         string        // SQLite VFS, for tests
}

// DB is an open session file. It is a persist.Backend.
type DB struct {
	cfg     Config
	lock    *lock
	mu      sync.Mutex // guards the writer connection between Apply and Watch
	writer  *sqlite.Conn
	broken  bool // an I/O error: the writer must be replaced
	readers *readers
	file    os.FileInfo // as opened, to notice that it was replaced
	guests  int         // sessions without a user, as committed
	version int64       // data_version of the writer when it was last looked at
	key     []byte
	engine  string
	warning atomic.Pointer[string]
	once    sync.Once
	err     error // of Close
}

// Open opens or creates the file, takes its lock and migrates it. Its errors are
// persist.ErrLocked, ErrNewer, ErrNotStore and ErrReadOnly, and then the file is
// as it was.
func Open(ctx context.Context, cfg Config) (_ *DB, err error) {
	cfg.Readers = cmp.Or(cfg.Readers, 4)
	cfg.BusyTimeout = min(cmp.Or(cfg.BusyTimeout, time.Second), time.Second)
	if cfg.Path, err = filepath.Abs(cfg.Path); err != nil {
		return nil, err
	}
	d := &DB{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", persist.ErrReadOnly, err)
	}
	if d.lock, err = takeLock(cfg.Path); err != nil {
		return nil, err
	}
	if err := d.prepareFile(); err != nil {
		return nil, err
	}
	if err := d.openWriter(ctx); err != nil {
		return nil, err
	}
	d.readers = newReaders(cfg)
	return d, nil
}

// prepareFile makes sure that there is a file that can be written and is ours,
// with mode 0600 whatever the umask: the WAL takes its mode from it (S51).
func (d *DB) prepareFile() error {
	f, err := os.OpenFile(d.cfg.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", persist.ErrReadOnly, err)
	}
	info, err := f.Stat()
	err = errors.Join(err, checkHeader(f, info), f.Close())
	if err != nil {
		return err
	}
	d.file = info
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(d.cfg.Path+suffix, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w: %w", persist.ErrReadOnly, err)
		}
	}
	return nil
}

// openWriter opens the connection that writes, migrates, and reads what the DB
// must know of the file.
func (d *DB) openWriter(ctx context.Context) error {
	if err := checkForeign(d.cfg); err != nil {
		return err
	}
	c, err := connect(d.cfg, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	d.writer = c
	if err := prepareWriter(c); err != nil {
		return err
	}
	if err := migrate(ctx, c, migrations); err != nil {
		return err
	}
	return d.load()
}

// load reads the store key, the number of guests and the data version.
func (d *DB) load() (err error) {
	if d.key, err = storeKey(d.writer); err != nil {
		return err
	}
	guests, err := queryInt(d.writer, `SELECT count(*) FROM session WHERE user_id = ''`)
	if err != nil {
		return err
	}
	d.guests = int(guests)
	if d.version, err = queryInt(d.writer, `PRAGMA data_version`); err != nil {
		return err
	}
	d.engine = "SQLite " + engineVersion()
	return nil
}

// storeKey reads the store's key, or makes it.
func storeKey(c *sqlite.Conn) ([]byte, error) {
	key, err := queryBytes(c, `SELECT value FROM meta WHERE name = 'store_key'`)
	if err != nil || len(key) == 32 {
		return key, err
	}
	key = make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	st, err := c.Prepare(`INSERT INTO meta (name, value) VALUES ('store_key', ?)`)
	if err != nil {
		return nil, err
	}
	st.BindBytes(1, key)
	_, err = st.Step()
	return key, errors.Join(err, st.Reset())
}

// Traits tells the engine's version and the store's key.
func (d *DB) Traits() persist.Traits {
	return persist.Traits{Engine: d.engine, Exclusive: true, StoreKey: d.key}
}

// Close checkpoints, closes every connection and frees the lock. It is
// idempotent and always returns the same error.
func (d *DB) Close() error {
	d.once.Do(func() { d.err = d.close() })
	return d.err
}

func (d *DB) close() error {
	var errs []error
	if d.readers != nil {
		errs = append(errs, d.readers.close())
	}
	if d.writer != nil {
		if !d.broken {
			errs = append(errs, checkpoint(d.writer))
		}
		errs = append(errs, d.writer.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.release())
	}
	return errors.Join(errs...)
}

// Inspect tells the sizes of the file and its WAL, and what Watch found.
func (d *DB) Inspect() persist.Info {
	var i persist.Info
	if info, err := os.Stat(d.cfg.Path); err == nil {
		i.FileBytes = info.Size()
	}
	if info, err := os.Stat(d.cfg.Path + "-wal"); err == nil {
		i.WALBytes = info.Size()
	}
	if w := d.warning.Load(); w != nil {
		i.Warning = *w
	}
	return i
}
