package sessile

import "time"

// Stats counts what a store has done since it was opened, and tells what it holds.
type Stats struct {
	Hits          uint64 // reads answered from memory
	ColdReads     uint64 // reads that went to the disk
	UnknownTokens uint64 // reads whose token no session has; most never come to the disk
	Unreadable    uint64 // rows left out of lists because they could not be read

	Created        uint64
	Destroyed      uint64
	Evicted        uint64 // over the limit of sessions per user, or of guests
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
	CacheEvictions uint64 // from memory, to make room

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

// HealthState is the short form of a store's health.
type HealthState uint8

// The states.
const (
	HealthOK       HealthState = iota // everything is as it should be
	HealthDegraded                    // it works, but writes are late or something needs a look
	HealthFailed                      // nothing has been written for a minute, the file is not at its path, or the store is closed
)

// String returns "ok", "degraded" or "failed".
func (h HealthState) String() string {
	return [...]string{HealthOK: "ok", HealthDegraded: "degraded", HealthFailed: "failed"}[min(h, HealthFailed)]
}

// Health tells whether a store can keep its promises.
type Health struct {
	State         HealthState
	Reason        string        // why it is not OK
	OldestPending time.Duration // age of the oldest change that is not on disk
	LastError     error         // of the last write that failed
	LastErrorAt   time.Time
	FileBytes     int64
	WALBytes      int64
}
