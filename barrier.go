package sessile

import (
	"context"
	"fmt"
	"time"
)

// Barrier returns nil when no node serves anything older than what was acknowledged before
// the call, whatever has become of the feed between the nodes. Call it after a revocation
// that must hold everywhere at once:
//
//	_, err := store.DestroyAllForUser(ctx, userID)
//	if err == nil {
//		err = store.Barrier(ctx)
//	}
//
// It waits for the lease of the backend, a second by default: by then every node has heard
// of the change, or trusts its memory no more. Where no other node writes it returns at
// once. Its error is the context's.
func (s *Store) Barrier(ctx context.Context) error {
	if s.alone {
		return nil
	}
	timer := time.NewTimer(s.lease + s.lease/barrierMargin)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the other nodes: %w", context.Cause(ctx))
	}
}

// barrierMargin is the part of a lease that covers clocks which run at different speeds.
const barrierMargin = 20
