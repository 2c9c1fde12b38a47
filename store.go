package sessile

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/persist"
)

// Store keeps sessions: the hot ones in memory, all of them in a backend. Get one from [Open] or
// [New], share it, and Close it at the end. It is safe for concurrent use. No call waits longer
// than its context.
type Store struct {
	holder  // functions for package middleware alone
	cfg     Config
	backend persist.Backend
	keys    func() storeKeys // a function: fmt does not print what it returns
	forged  atomic.Uint64    // tokens without a valid seal
	actor   *actor.Actor
	clock   *storeClock
	log     *zap.Logger
	touch   int64         // Config.TouchInterval, microseconds
	alone   bool          // no other node writes
	lease   time.Duration // of the backend, if others do
	closed  atomic.Bool
	close   func() error
}

// Open opens or creates the SQLite file at cfg.Path, migrates it, locks it and starts the store.
//
// Open returns an error, and leaves the file unchanged, if another process uses it ([ErrLocked]),
// if a newer version wrote it ([ErrNewer]), if it is not a session store or is damaged
// ([ErrNotStore]), if its -wal belongs to another file ([ErrForeignWAL]), or if it cannot be
// written ([ErrReadOnly]). A bad cfg is an [ErrInvalidConfig].
//
// The program must import _ "github.com/sessile/sessile/persist/sqlite", which links SQLite.
// Without it Open returns an error that says so.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	cfg.Path = cmp.Or(cfg.Path, defaultPath)
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	backend, err := openFile(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening session store %s: %w", cfg.Path, err)
	}
	s, err := New(backend, cfg)
	if err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	return s, nil
}

func openFile(ctx context.Context, cfg Config) (persist.Backend, error) {
	engine, err := persist.FileEngine()
	if err != nil {
		return nil, err
	}
	return engine.Open(ctx, persist.FileOptions{Path: cfg.Path, CreateDirs: cfg.CreateDirs})
}

// New starts a store over a backend. Store.Close closes the backend. If New fails, the caller still
// owns the backend. A program that uses New instead of [Open] does not need SQLite.
func New(backend persist.Backend, cfg Config) (*Store, error) {
	if backend == nil {
		return nil, fmt.Errorf("%w: no backend", ErrInvalidConfig)
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	seed, err := randomSeed()
	if err != nil {
		return nil, err
	}
	traits := backend.Traits()
	if !traits.Exclusive {
		traits.Clock = 0 // another node's
	}
	clock, unproven := newClock(cfg, traits.Clock)
	s := &Store{
		cfg: cfg, backend: backend, keys: hideKeys(traits.StoreKey),
		clock: clock, log: cfg.logger(), touch: cfg.TouchInterval.Microseconds(),
		alone: traits.Exclusive, lease: cmp.Or(traits.Lease, persist.DefaultLease),
	}
	s.actor = actor.Start(backend, actor.Config{
		Entries: cfg.CacheSize, Bytes: cfg.CacheBytes,
		BatchInterval: cfg.BatchInterval, BatchSize: cfg.BatchSize,
		MaxPending: cfg.MaxPending, MaxPendingBytes: cfg.MaxPendingBytes,
		MaxTombstones: maxTombstones, MaxLoads: maxLoads, MaxWaiting: maxWaiting, Patience: patience,
		CleanupInterval: max(cfg.CleanupInterval, 0), CloseTimeout: cfg.CloseTimeout,
		Lease: s.lease, Exclusive: traits.Exclusive, ExpiryGrace: cfg.BatchInterval + cfg.TouchInterval + clockSkew, Seed: seed,
		TTL: cfg.TTL.Microseconds(), MaxLifetime: max(cfg.MaxLifetime, 0).Microseconds(),
		Grace: cfg.RotateGrace.Microseconds(), Unproven: unproven,
		Now: s.clock.micros, Tick: s.clock.tick, Observe: s.observe,
	})
	s.holder = bridge.Hold(middlewareCalls{s})
	s.close = sync.OnceValue(s.shutdown)
	if unproven > 0 {
		s.log.Warn("the wall clock is behind the last commit: the store's time continues from there, and earlier authentications no longer count as fresh",
			zap.Duration("behind", s.clock.behind()))
	}
	path := zap.String("path", cfg.Path)
	if cfg.Path == "" { // not from Open
		path = zap.Skip()
	}
	s.log.Info("session store opened", zap.String("engine", traits.Engine), path)
	return s, nil
}

// Limits that need no tuning.
const (
	maxTombstones = 1 << 20 // ended sessions that the disk has not stored; about 250 bytes each
	maxLoads      = 1024    // cold reads in flight; about 20 ms of work

	maxWaiting = 4096                  // callers that wait at a limit
	patience   = 50 * time.Millisecond // how long each of them waits

	clockSkew = 10 * time.Second // between the clocks of nodes that share a backend
)

// randomSeed returns a seed for the jitter of retries. It is not secret.
func randomSeed() (uint64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("seeding: %w", err)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// String returns "session store". A Store prints nothing that it holds.
func (*Store) String() string { return "session store" }

// GoString returns the same as String.
func (s *Store) GoString() string { return s.String() }

// Format prints String for every verb.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns String for slog.
func (s *Store) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Config returns the configuration with its defaults filled in.
func (s *Store) Config() Config { return s.cfg }

// Close stops accepting calls, writes everything that was acknowledged, checkpoints, ends all
// goroutines and releases the file. Later calls return [ErrClosed]. Close is idempotent.
//
// Close returns every failure. Its error says how many changes it could not write within
// Config.CloseTimeout, and how many reads hang.
func (s *Store) Close() error { return s.close() }

func (s *Store) shutdown() error {
	s.closed.Store(true)
	err := errors.Join(s.actor.Close(), s.backend.Close())
	if err != nil {
		s.log.Error("closing the session store failed", zap.Error(err))
		return fmt.Errorf("closing session store: %w", err)
	}
	s.log.Info("session store closed")
	return nil
}
