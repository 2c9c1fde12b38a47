//go:build linux

package foreign

import (
	"sync/atomic"
	"time"
)

// heartbeat knows when the machine last had no time for this process: a call that was
// late then says nothing of the store.
type heartbeat struct{ stalled atomic.Int64 } // Unix nanoseconds

// machine is the one that the tests run on.
var machine heartbeat

// beat beats until the process ends.
func (h *heartbeat) beat() {
	const every = 10 * time.Millisecond
	for last := time.Now(); ; {
		<-time.After(every)
		now := time.Now()
		if now.Sub(last) > slack/4 {
			h.stalled.Store(now.UnixNano())
		}
		last = now
	}
}

func (h *heartbeat) stalledSince(t time.Time) bool { return h.stalled.Load() > t.UnixNano() }
