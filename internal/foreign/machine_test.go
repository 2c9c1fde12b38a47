//go:build linux

package foreign

import (
	"sync/atomic"
	"time"
)

// heartbeat detects when the machine had no time for this process. A late call then says nothing about the
// store.
type heartbeat struct{ stalled atomic.Int64 } // Unix nanoseconds

// machine is the heartbeat of this process.
var machine heartbeat

// beat runs until the process ends.
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
