package sessile

import (
	"context"
	"fmt"
	"time"
)

// Barrier returns nil when every node serves only what was acknowledged before the call, or
// something newer. Call it after a revocation that must hold everywhere at once:
//
//	_, err := store.DestroyAllForUser(ctx, userID)
//	if err == nil {
//		err = store.Barrier(ctx)
//	}
//
// It waits for the lease of the backend, a second by default. By then every node has received the
// change or no longer trusts its memory, even if the feed between the nodes is broken. If no other
// node writes, it returns at once. Its only error is the context's.
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

// barrierMargin is the part of a lease that covers clocks of different speeds.
const barrierMargin = 20
