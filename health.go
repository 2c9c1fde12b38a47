package sessile

import (
	"context"
	"fmt"
	"time"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// Stats are the counters of a store since it was opened, and its gauges.
type Stats struct {
	Hits          uint64 // reads answered from memory
	ColdReads     uint64 // reads that went to the disk
	UnknownTokens uint64 // reads whose token no session has; most never come to the disk
	Unreadable    uint64 // rows left out of lists because they could not be read

	Created        uint64
	Destroyed      uint64
	Evicted        uint64 // sessions ended by the limit per user, or of guests
	Expired        uint64 // deleted by the clean-up
	Rotated        uint64
	Touches        uint64
	TouchesDropped uint64 // too many changes waited for the disk
	Flushes        uint64 // flushes and updates

	Batches        uint64 // commits begun
	BatchItems     uint64
	BatchFailures  uint64
	Conflicts      uint64 // writes whose base had changed
	Quarantined    uint64 // changes that could not be stored and were given up
	Overloaded     uint64 // calls refused at a bound
	EventsDropped  uint64
	CacheEvictions uint64 // sessions dropped from memory to make room; they stay on disk

	CommitSeconds Histogram // how long the successful commits took
	BatchSizes    Histogram // how many items each of them had

	Hot           int // sessions in memory
	HotBytes      int // and their size, estimated
	Pending       int // changes that are not on disk
	PendingBytes  int
	Tombstones    int // ends that must be remembered
	Loads         int // cold reads under way
	Watched       int // sessions whose end somebody waits for
	Waiting       int // calls that wait for room at a bound
	OldestPending time.Duration
}

// HealthState summarises the health of a store.
type HealthState uint8

// The states of a store.
const (
	HealthOK       HealthState = iota // no problem is known
	HealthDegraded                    // the store works, but writes are late or an operator should look
	HealthFailed                      // nothing has been written for a minute, the file is not at its path, or the store is closed
)

// String returns "ok", "degraded" or "failed".
func (h HealthState) String() string {
	return [...]string{HealthOK: "ok", HealthDegraded: "degraded", HealthFailed: "failed"}[min(h, HealthFailed)]
}

// Health says whether a store can keep its promises, and why not.
type Health struct {
	State         HealthState
	Reason        string        // why the state is not HealthOK; "" if it is
	OldestPending time.Duration // age of the oldest change that is not on disk
	LastError     error         // of the last write that failed
	LastErrorAt   time.Time
	FileBytes     int64
	WALBytes      int64
}

// failedAfter is how long writes may fail before the store calls itself failed
// rather than degraded.
const failedAfter = time.Minute

// slowPending is how many batch intervals a change may wait before the store
// calls itself degraded (I7), but at least slowLeast.
const (
	slowPending = 20
	slowLeast   = 2 * time.Second
)

const overloaded = "calls are refused: there are more than the store can take"

// Stats returns the counters and gauges. After Close only the counters of reads are still
// reported.
func (s *Store) Stats() Stats {
	t, _ := s.actor.Stats(context.Background()) // the loop never waits, so this does not either
	return Stats{
		Hits: s.actor.Hits(), EventsDropped: s.actor.EventsDropped(),
		ColdReads: t.ColdReads, UnknownTokens: t.UnknownTokens + s.forged.Load(), Unreadable: t.Unreadable,
		Created: t.Created, Destroyed: t.Destroyed, Evicted: t.Evicted, Expired: t.Expired, Rotated: t.Rotated,
		Touches: t.Touches, TouchesDropped: t.TouchesDropped, Flushes: t.Flushes,
		Batches: t.Batches, BatchItems: t.BatchItems, BatchFailures: t.BatchFailures,
		Conflicts: t.Conflicts, Quarantined: t.Quarantined, Overloaded: t.Overloaded, CacheEvictions: t.CacheEvictions,
		CommitSeconds: newHistogram(t.CommitTimes, actor.FirstCommitTime, 1e6), BatchSizes: newHistogram(t.BatchSizes, actor.FirstBatchSize, 1),
		Hot: t.Hot, HotBytes: t.HotBytes, Pending: t.Pending, PendingBytes: t.PendingBytes,
		Tombstones: t.Tombstones, Loads: t.Loads, Watched: t.Watched, Waiting: t.Waiting,
		OldestPending: time.Duration(t.OldestPending) * time.Microsecond,
	}
}

// Health reports whether the store can keep its promises, and why not. It never waits for the
// disk.
func (s *Store) Health() Health {
	t, err := s.actor.Stats(context.Background())
	h := Health{OldestPending: time.Duration(t.OldestPending) * time.Microsecond, LastError: t.LastError}
	if t.LastErrorAt > 0 {
		h.LastErrorAt = fromMicros(t.LastErrorAt)
	}
	var info persist.Info
	if i, ok := s.backend.(persist.Inspector); ok && err == nil {
		info = i.Inspect()
		h.FileBytes, h.WALBytes = info.FileBytes, info.WALBytes
	}
	switch {
	case err != nil || s.closed.Load():
		h.State, h.Reason = HealthFailed, "closed"
	case info.Failed != nil:
		h.State, h.Reason = HealthFailed, info.Failed.Error()
	case t.FailingSince > 0 && s.clock.tick()-t.FailingSince > failedAfter.Microseconds(),
		h.OldestPending > failedAfter+slowPending*s.cfg.BatchInterval: // a commit hangs
		h.State, h.Reason = HealthFailed, "nothing has been written for more than a minute"
	default:
		h.Reason = s.degraded(t, h.OldestPending, info)
		if h.Reason != "" {
			h.State = HealthDegraded
		}
	}
	return h
}

// degraded is why the store is not OK, "" if it is.
func (s *Store) degraded(t actor.Stats, oldest time.Duration, info persist.Info) string {
	switch {
	case t.FailingSince > 0:
		return "writes fail and are retried"
	case t.StuckDeletes > 0:
		return "a destroyed session cannot be deleted from disk; it stays refused"
	case t.Full:
		return "too many changes wait for the disk"
	case t.Refusing:
		return overloaded
	case oldest > max(slowPending*s.cfg.BatchInterval, slowLeast):
		return "the disk is slow: changes wait longer than they should"
	case t.LeaseLapsed:
		return "no news from the shared backend: memory is not trusted"
	case info.Warning != "":
		return info.Warning
	}
	if behind := s.clock.behind(); behind > behindLeast {
		return fmt.Sprintf("the wall clock is %v behind the store's time, which never goes back", behind.Round(time.Second))
	}
	return ""
}
