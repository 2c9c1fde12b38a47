package actor

import (
	"sync/atomic"
	"time"
)

// reads are the backend's reads in progress, those included whose callers have given up.
// Close waits for them, so that no call is under way when the backend is closed.
type reads struct {
	n     atomic.Int64  // in progress, plus readsOver once no more may begin
	ended chan struct{} // room for one: none is in progress, and none may begin
}

// readsOver is more than can be in progress.
const readsOver = 1 << 32

func newReads() reads { return reads{ended: make(chan struct{}, 1)} }

// begin reports whether a read may begin; then end it.
func (r *reads) begin() bool {
	if r.n.Add(1) < readsOver {
		return true
	}
	r.end()
	return false
}

func (r *reads) end() {
	if r.n.Add(-1) == readsOver {
		select {
		case r.ended <- struct{}{}:
		default: // it is known already
		}
	}
}

// join lets no more begin, waits for those in progress, no longer than patience, and
// returns how many have not ended. Call it once.
func (r *reads) join(patience time.Duration) int64 {
	if r.n.Add(readsOver) == readsOver {
		return 0
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-r.ended:
		return 0
	case <-limit.C:
		return r.n.Load() - readsOver
	}
}
