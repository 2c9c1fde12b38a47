package sessile

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessile/sessile/persist"
)

// CleanupExpired deletes expired sessions in chunks and returns how many. It runs by itself every
// Config.CleanupInterval. Expiry never depends on it.
//
// It uses at most half of the disk's time while others wait for the disk. It spares a session whose
// renewal is not on disk yet.
func (s *Store) CleanupExpired(ctx context.Context) (int, error) {
	if s.closed.Load() {
		return 0, ErrClosed
	}
	n, err := s.actor.Sweep(ctx)
	if err != nil {
		return n, fmt.Errorf("cleaning up expired sessions: %w", err)
	}
	return n, nil
}

// Sync returns nil when everything that was acknowledged before the call is on disk (fsync). While
// the disk fails, Sync waits until ctx ends. If the session file was removed or replaced, it
// returns [ErrFileReplaced]. If the disk refuses a single change again and again, the store gives
// that change up, and Sync returns the disk's error.
func (s *Store) Sync(ctx context.Context) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if err := s.actor.Sync(ctx); err != nil {
		return fmt.Errorf("syncing the session store: %w", err)
	}
	if i, ok := s.backend.(persist.Inspector); ok {
		if err := i.Inspect().Failed; err != nil {
			return fmt.Errorf("syncing the session store: %w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

// Backup writes a consistent copy of the store to path and checks its integrity. The path must not
// exist. The copy has mode 0600. It contains everything that was acknowledged before the call.
// [Restore] puts it back.
//
// Do not copy the file of a running store instead. Its last commits, possibly all of them, are only
// in the -wal file.
//
// If ctx ends while the disk hangs, Backup returns. The copy is abandoned when the disk responds
// again, and Close waits for that. A backend that cannot make backups returns
// errors.ErrUnsupported.
func (s *Store) Backup(ctx context.Context, path string) error {
	b, ok := s.backend.(persist.Backuper)
	if !ok {
		return fmt.Errorf("backing up the session store: %w", errors.ErrUnsupported)
	}
	if err := s.Sync(ctx); err != nil {
		return err
	}
	if err := b.Backup(ctx, path); err != nil {
		return fmt.Errorf("backing up the session store: %w", err)
	}
	return nil
}
