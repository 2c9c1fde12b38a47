package actor

import "github.com/sessile/sessile/persist"

// Stats are what the loop has counted since Start, and what it holds now.
type Stats struct {
	ColdReads, UnknownTokens, Unreadable      uint64
	Created, Destroyed, Evicted, Expired      uint64
	Rotated, Touches, TouchesDropped, Flushes uint64
	Batches, BatchItems, BatchFailures        uint64
	Conflicts, Quarantined, Overloaded        uint64
	Evictions                                 uint64 // from memory
	Hot, HotBytes, Pending, PendingBytes      int
	Tombstones, Loads, Watched, Waiting       int
	OldestPending                             int64 // age of the oldest unwritten change, microseconds
	LastError                                 error // of the last failed write
	LastErrorAt                               int64
	FailingSince                              int64 // a tick; 0 while batches are committed
	StuckDeletes                              int
	Full                                      bool
	Refusing                                  bool // calls have been refused in the last second
	LeaseLapsed                               bool
}

// snapshot is the counters with the gauges filled in.
func (s *state) snapshot() Stats {
	t := s.stats
	t.Hot, t.HotBytes, t.Evictions = s.hot.Len(), int(s.hot.Bytes()), s.hot.Evictions()
	t.Pending, t.PendingBytes = len(s.dirty)+len(s.ops)+len(s.later), int(s.bytes)
	if s.flight != nil {
		t.Pending += len(s.flight.ops)
	}
	t.Tombstones, t.Loads, t.Watched = s.graves.len(), len(s.loads), len(s.watched)
	t.OldestPending = s.age()
	if s.retry.n == 0 {
		t.FailingSince = 0
	}
	for _, p := range s.later {
		if p.op.Kind == persist.Destroy || p.op.Kind == persist.DestroyUser {
			t.StuckDeletes++
		}
	}
	t.Waiting = len(s.growing.waits) + len(s.reading.waits)
	t.Full, t.Refusing = s.gated, s.refusing()
	t.LeaseLapsed = !s.trusted()
	return t
}

// age is how long the oldest change has waited for the disk, the flight included.
func (s *state) age() int64 {
	at := s.tick
	if s.queue.Len() > 0 || len(s.ops) > 0 {
		at = min(at, s.oldest())
	}
	if s.flight == nil {
		return s.tick - at
	}
	for _, p := range s.flight.ops {
		at = min(at, p.since)
	}
	for _, ds := range [][]*dirty{s.flight.writes, s.flight.touches} {
		for _, d := range ds {
			if d.fly.on {
				at = min(at, d.fly.since)
			}
		}
	}
	return s.tick - at
}
