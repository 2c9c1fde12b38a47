// Package control finds the store that a command is about, and calls its admin API: over the Unix socket
// of a store that runs, or inside this process if none runs. Both ways use the same handler.
package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/sqlite"
)

// Errors of a Target.
var (
	// ErrNotRunning means that no store listens on the socket.
	ErrNotRunning = errors.New("no store runs")
	// ErrUnreachable means that a store runs and cannot be asked.
	ErrUnreachable = errors.New("the store cannot be reached")
	// ErrOtherOwner means that the file or the socket belongs to another user.
	ErrOtherOwner = errors.New("another user owns it")
	// ErrSchema means that opening the file would migrate it.
	ErrSchema = errors.New("the file has an older schema")
	// ErrInvalid means that the URL of a database cannot be used.
	ErrInvalid = errors.New("the database is not named correctly")
)

// How long a command waits for another that has the file open.
const (
	lockWait  = 2 * time.Second
	lockEvery = 50 * time.Millisecond
)

// Target says which store a command is about.
type Target struct {
	File     string // the SQLite file
	Socket   string // the socket of a store that runs; "" means beside File. If it is set, File is never opened
	Database string // URL of a PostgreSQL database that is used instead of a file, unless Socket is set
	Migrate  bool   // opening an older file is wanted
}

// SocketPath returns the path of the socket.
func (t Target) SocketPath() string {
	if t.Socket != "" {
		return t.Socket
	}
	return admin.SocketPath(t.File)
}

// Open connects to the store that runs, or opens the store in this process. If another process has the
// file open for a moment, Open waits for it.
func (t Target) Open(ctx context.Context) (*Client, error) {
	for began := time.Now(); ; {
		c, err := t.Dial(ctx)
		if !errors.Is(err, ErrNotRunning) || t.Socket != "" {
			return c, err
		}
		c, err = t.openHere(ctx)
		switch {
		case !errors.Is(err, sessile.ErrLocked):
			return c, err
		case time.Since(began) > lockWait:
			return nil, fmt.Errorf("%w: it has no admin socket at %s: %w", ErrUnreachable, t.SocketPath(), err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockEvery):
		}
	}
}

// Dial connects to the store that runs. The error is ErrNotRunning if none listens on the socket.
func (t Target) Dial(ctx context.Context) (*Client, error) {
	if t.Database != "" && t.Socket == "" {
		return nil, fmt.Errorf("%w: a database has no socket; name that of a node with --socket", ErrNotRunning)
	}
	path := t.SocketPath()
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENAMETOOLONG):
		return nil, fmt.Errorf("%w: there is no socket at %s", ErrNotRunning, path)
	case err != nil:
		return nil, fmt.Errorf("looking for the admin socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%w: %s is not a socket", ErrUnreachable, path)
	}
	if err := ownedByUs(info, path); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: the process that opened the socket %s has ended", ErrNotRunning, path)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err := conn.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	return &Client{http: &http.Client{Transport: transport, CheckRedirect: stay}, Socket: path, close: func() error { transport.CloseIdleConnections(); return nil }}, nil
}

// openHere opens the store in this process and serves the API to itself.
func (t Target) openHere(ctx context.Context) (*Client, error) {
	store, err := t.openStore(ctx)
	if err != nil {
		return nil, err
	}
	handler, err := admin.Handler(store, admin.Options{
		Authorize: func(*http.Request) error { return nil }, AnyBackupPath: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &Client{http: &http.Client{Transport: inProcess{handler}, CheckRedirect: stay}, close: store.Close}, nil
}

func (t Target) openStore(ctx context.Context) (*sessile.Store, error) {
	cfg := sessile.Config{
		CleanupInterval: sessile.NoCleanup, MaxSessionsPerUser: sessile.NoSessionLimit, Slog: slog.New(slog.DiscardHandler),
	}
	if t.Database != "" {
		return t.openNode(ctx, cfg)
	}
	if err := t.checkFile(); err != nil {
		return nil, err
	}
	cfg.Path = t.File
	return sessile.Open(ctx, cfg)
}

// openNode opens the database as one more node. It does not create or migrate its schema.
func (t Target) openNode(ctx context.Context, cfg sessile.Config) (*sessile.Store, error) {
	db, err := postgres.Open(ctx, postgres.Config{URL: t.Database, NoMigrate: true})
	if err != nil {
		return nil, databaseError(err)
	}
	store, err := sessile.New(db, cfg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	settle(ctx, store)
	return store, nil
}

// settle waits until a new node has heard the others. Until then its health is degraded.
func settle(ctx context.Context, store *sessile.Store) {
	for began := time.Now(); store.Health().State != sessile.HealthOK && time.Since(began) < lockWait; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lockEvery):
		}
	}
}

// MigrateDatabase creates the schema of the database, or brings it up to date.
func (t Target) MigrateDatabase(ctx context.Context) error {
	return databaseError(postgres.Migrate(ctx, postgres.Config{URL: t.Database}))
}

// databaseError says what somebody at the command line can do about an error.
func databaseError(err error) error {
	switch {
	case errors.Is(err, postgres.ErrInvalidConfig):
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	case errors.Is(err, sessile.ErrUnavailable):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case errors.Is(err, sessile.ErrNotStore):
		return fmt.Errorf("%w: sessile migrate creates the schema or brings it up to date", err)
	}
	return err
}

// checkFile refuses what sessile.Open would do to a file and nobody has asked for: it would create a
// missing file, migrate an older one, and leave files of this user beside that of another.
func (t Target) checkFile() error {
	if err := CheckOwner(t.File); err != nil {
		return err
	}
	have, newest, err := sqlite.Schema(t.File)
	switch {
	case errors.Is(err, sessile.ErrForeignWAL):
		return fmt.Errorf("%w (the command is: sessile restore BACKUP)", err)
	case err != nil:
		return err
	case have < newest && !t.Migrate:
		return fmt.Errorf("%w, %d (this command has %d): sessile migrate changes that, and older programs cannot open the file then", ErrSchema, have, newest)
	}
	return nil
}

// CheckOwner returns an error unless the file exists and belongs to this user.
func CheckOwner(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		abs, _ := filepath.Abs(path)
		return fmt.Errorf("there is no session file at %s: name it with --db: %w", abs, fs.ErrNotExist)
	}
	if err != nil {
		return fmt.Errorf("looking for the session file: %w", err)
	}
	return ownedByUs(info, path)
}

// stay follows no redirect: the API has none, so one leads to something that was not asked for.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
