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
	UnknownTokens uint64 // reads with a token that no session has; most of them do not reach the disk
	Unreadable    uint64 // rows that ListForUser left out because they could not be read

	Created        uint64
	Destroyed      uint64
	Evicted        uint64 // sessions ended by MaxSessionsPerUser or MaxGuests
	Expired        uint64 // expired sessions that the clean-up deleted
	Rotated        uint64
	Touches        uint64
	TouchesDropped uint64 // because too many changes waited for the disk
	Flushes        uint64 // Flush and Update calls

	Batches        uint64 // commits started
	BatchItems     uint64 // changes in them
	BatchFailures  uint64 // commits that failed
	Conflicts      uint64 // writes that lost against another writer
	Quarantined    uint64 // changes that were dropped because they cannot be written
	Overloaded     uint64 // calls that returned ErrOverloaded
	EventsDropped  uint64 // events that Config.Events was too slow for
	CacheEvictions uint64 // sessions dropped from memory to make room; they stay on disk

	CommitSeconds Histogram // duration of successful commits
	BatchSizes    Histogram // changes per successful commit

	Hot           int           // sessions in memory
	HotBytes      int           // their estimated size
	Pending       int           // changes that are not on disk yet
	PendingBytes  int           // session data among them
	Tombstones    int           // ended sessions that memory still refuses by name
	Loads         int           // cold reads in flight
	Watched       int           // sessions that Done watches
	Waiting       int           // calls that wait at a limit
	OldestPending time.Duration // age of the oldest change that is not on disk
}

// HealthState summarises the health of a store.
type HealthState uint8

// The health states.
const (
	HealthOK       HealthState = iota // no known problem
	HealthDegraded                    // the store works, but writes are late or an operator should look at it
	HealthFailed                      // writes have failed for a minute, the file was replaced, or the store is closed
)

// String returns "ok", "degraded" or "failed".
func (h HealthState) String() string {
	return [...]string{HealthOK: "ok", HealthDegraded: "degraded", HealthFailed: "failed"}[min(h, HealthFailed)]
}

// MarshalText returns String, for JSON.
func (h HealthState) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// Health says whether a store can keep its promises, and why not.
type Health struct {
	State         HealthState
	Reason        string        // why the state is not HealthOK, or ""
	OldestPending time.Duration // age of the oldest change that is not on disk
	LastError     error         // of the last failed write
	LastErrorAt   time.Time     // zero if no write failed
	FileBytes     int64
	WALBytes      int64
	Lease         time.Duration // how long this node trusts its memory without news of the others; 0 if no other node writes
}

// failedAfter is how long writes may fail before HealthDegraded becomes HealthFailed. If nothing
// waits for the disk, the last failure must be as recent: one failed login must not take an idle
// node out of service for good.
const failedAfter = time.Minute

// A change that waits longer than slowPending batch intervals, and than slowLeast, makes the store
// HealthDegraded (promise I7 in RELIABILITY.md).
const (
	slowPending = 20
	slowLeast   = 2 * time.Second
)

const overloaded = "overloaded: calls are refused"

// Stats returns the counters and gauges. It never waits for the disk. After Close only the read
// counters are still reported.
func (s *Store) Stats() Stats {
	t, _ := s.actor.Stats(context.Background()) // does not block: the loop never waits
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

// Health reports whether the store can keep its promises, and why not. It never waits for the disk.
func (s *Store) Health() Health {
	t, err := s.actor.Stats(context.Background())
	h := Health{OldestPending: time.Duration(t.OldestPending) * time.Microsecond, LastError: t.LastError}
	if t.LastErrorAt > 0 {
		h.LastErrorAt = fromMicros(t.LastErrorAt)
	}
	if !s.alone {
		h.Lease = s.lease
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
	case s.failing(t),
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

// failing reports whether writes have failed for longer than failedAfter.
func (s *Store) failing(t actor.Stats) bool {
	tick, most := s.clock.tick(), failedAfter.Microseconds()
	return t.FailingSince > 0 && tick-t.FailingSince > most && (t.Pending > 0 || tick-t.FailedAt <= most)
}

// degraded returns why the store is not HealthOK, or "".
func (s *Store) degraded(t actor.Stats, oldest time.Duration, info persist.Info) string {
	switch {
	case t.FailingSince > 0 && t.Pending == 0:
		return "the last write failed"
	case t.FailingSince > 0:
		return "writes fail and are retried"
	case t.StuckDeletes > 0:
		return "a destroyed session cannot be deleted from disk; it stays refused"
	case t.Full:
		return "too many changes wait for the disk"
	case t.Refusing:
		return overloaded
	case oldest > max(slowPending*s.cfg.BatchInterval, slowLeast):
		return "the disk is slow: changes wait too long"
	case t.LeaseLapsed:
		return "the shared backend is silent: reads bypass memory"
	case info.Warning != "":
		return info.Warning
	}
	if behind := s.clock.behind(); behind > behindLeast {
		return fmt.Sprintf("the wall clock is %v behind the store's time, which never goes back", behind.Round(time.Second))
	}
	return ""
}
