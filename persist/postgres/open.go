package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessile/sessile/persist"
)

// DB is a store in a PostgreSQL database, as one node sees it.
type DB struct {
	cfg     settings
	writes  *pgxpool.Pool // batches and beats
	reads   *pgxpool.Pool
	node    string // names this DB in the events that it sends
	engine  string
	key     []byte
	clock   atomic.Int64  // Traits.Clock
	unknown atomic.Int64  // batches whose outcome is unknown; see DB.name
	guests  guests        // owned by Apply
	beats   atomic.Uint64 // number of the last beat

	questions chan *question // to the readers; unbuffered, so that a caller who gives up takes its question back
	closed    chan struct{}
	stop      context.CancelFunc
	readers   sync.WaitGroup
	close     sync.Once
}

// Open connects to the database, brings the schema up to date unless [Config.NoMigrate], and checks that the feed hears what
// the node writes. Errors: [ErrInvalidConfig]; persist.ErrNewer for a schema of a newer version; persist.ErrNotStore for one
// that is missing or too old under NoMigrate, or a server that cannot be used; persist.ErrUnavailable. No error contains a password.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	s, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	d, err := connect(ctx, s)
	if err != nil {
		return nil, openError(err)
	}
	if err := d.inspect(ctx); err != nil {
		d.writes.Close()
		d.reads.Close()
		return nil, openError(err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = stop
	for range s.ReadConns {
		d.readers.Add(1)
		go d.reader(background)
	}
	return d, nil
}

// connect makes a DB without its readers.
func connect(ctx context.Context, s settings) (*DB, error) {
	var node [8]byte
	_, _ = rand.Read(node[:]) // never fails
	d := &DB{
		cfg: s, node: hex.EncodeToString(node[:]),
		questions: make(chan *question), closed: make(chan struct{}),
	}
	var err error
	if d.writes, err = s.newPool(ctx, s.WriteConns); err != nil {
		return nil, err
	}
	if d.reads, err = s.newPool(ctx, s.ReadConns); err != nil {
		d.writes.Close()
		return nil, err
	}
	return d, nil
}

// inspect looks at the server and the schema, and reads what does not change.
func (d *DB) inspect(ctx context.Context) error {
	err := d.writes.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if err := d.checkServer(ctx, c.Conn()); err != nil {
			return err
		}
		if err := d.cfg.bringUpToDate(ctx, c.Conn()); err != nil {
			return err
		}
		return d.readStore(ctx, c.Conn())
	})
	if err != nil {
		return err
	}
	return d.checkFeed(ctx)
}

const serverSQL = `SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding')`

// oldestServer is the oldest version that is tested.
const oldestServer = 150000

func (d *DB) checkServer(ctx context.Context, c *pgx.Conn) error {
	var number int
	var version, encoding string
	if err := c.QueryRow(ctx, serverSQL).Scan(&number, &version, &encoding); err != nil {
		return err
	}
	d.engine = "PostgreSQL " + strings.Fields(version + " ")[0]
	if number < oldestServer {
		return fmt.Errorf("%w: the server is PostgreSQL %s (oldest supported: 15)", persist.ErrNotStore, version)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("%w: the encoding of the database is %s (supported: UTF8)", persist.ErrNotStore, encoding)
	}
	return nil
}

const storeSQL = `SELECT store_key, clock FROM SCHEMA.store`

func (d *DB) readStore(ctx context.Context, c *pgx.Conn) error {
	var clock int64
	err := c.QueryRow(ctx, d.sql(storeSQL)).Scan(&d.key, &clock)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: the row of %s.store is missing", persist.ErrNotStore, d.cfg.Schema)
	}
	d.clock.Store(clock)
	return err
}

// sql puts the name of the schema into a statement.
func (s *settings) sql(text string) string {
	return strings.ReplaceAll(text, "SCHEMA.", pgx.Identifier{s.Schema}.Sanitize()+".")
}

func (d *DB) sql(text string) string { return d.cfg.sql(text) }

// Traits describe the store: it is shared, its key is in the database.
func (d *DB) Traits() persist.Traits {
	return persist.Traits{Engine: d.engine, StoreKey: slices.Clone(d.key), Clock: d.clock.Load()}
}

// Close closes the node's connections. A read in progress gets persist.ErrUnavailable. Close is idempotent.
func (d *DB) Close() error {
	d.close.Do(func() {
		close(d.closed)
		d.stop()
		d.readers.Wait()
		d.reads.Close()
		d.writes.Close()
	})
	return nil
}
