package sessile

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessile/sessile/persist"
)

// CleanupExpired deletes the sessions that have ended, in chunks, and returns how
// many. Beside others who wait for the disk it takes half of its time at most. One whose extension is not on disk yet is left alone. It also runs by
// itself every Config.CleanupInterval; expiry never depends on it.
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

// Sync returns nil when everything that was acknowledged before the call is on
// disk (fsync). It waits through failures of the disk, until ctx ends, but not for a
// session file that was taken away ([ErrFileReplaced]).
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

// Backup writes a consistent, integrity-checked copy of the store to path, which
// must not exist, with mode 0600. What was acknowledged before the call is in it.
//
// If ctx ends while the disk hangs, Backup returns; the copy is given up when the disk
// goes on, and Close waits for that.
//
// [Restore] puts a backup back. Do not copy the file of a running store instead: its last
// commits, or all of them, are only in the -wal file beside it.
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
