package persist

import (
	"context"
	"time"
)

// Listing holds the sessions of a user, including expired ones, in no particular order.
type Listing struct {
	Records    []Record
	Unreadable int // rows that could not be read and are missing from Records
}

// Reader reads the committed sessions. It is safe for concurrent use. A backend may combine
// concurrent calls into one query. Errors: ErrNotFound, ErrCorrupt if the row cannot be
// read, ErrUnavailable, and those of the context.
type Reader interface {
	// ByHash finds a session by the hash of its current or its previous token.
	ByHash(ctx context.Context, k TokenKey) (Record, error)
	ByID(ctx context.Context, id ID) (Record, error)
	ByUser(ctx context.Context, u UserKey) (Listing, error)
	// Expired returns sessions that have ended by now, and sessions whose last activity is
	// later than now. It returns at most limit of them, in key order, with keys greater
	// than after. Each call looks at a bounded number of rows. next is the after of the
	// next call, or 0 at the end.
	//
	// A node that shares the backend passes a now of 0 or less, which counts from the
	// backend's own clock: -g asks for the sessions that had ended g ago, and no others.
	Expired(ctx context.Context, now, after int64, limit int) (refs []Ref, next int64, err error)
	// Search returns a page of the sessions that q selects, including expired ones, the
	// newest first. A page ends at q.Limit sessions, at MaxPageBytes of data, or when the call
	// has looked at MaxExamined rows. So it can be empty although others follow: only a Next
	// of 0 is the end. A call holds no lock that a commit waits for.
	//
	// A walk over all pages lists every session that is stored from its first call to its
	// last, exactly once. It lists no session that was created after its first call.
	// A filter that no stored text can match selects nothing. ErrInvalidQuery: see Query.Check.
	Search(ctx context.Context, q Query) (Page, error)
	// Count returns how many sessions are stored, including expired ones. A backend whose
	// count would be slow may estimate it. It says from where on, and how.
	Count(ctx context.Context) (int, error)
}

// Backend stores sessions.
//
// A backend that is not Exclusive is shared: several nodes use one store at the same time,
// each with its own handle. A shared backend keeps these rules:
//
//   - Apply is atomic for all nodes. A read sees every Apply that returned before it, on any
//     node. It never asks a replica.
//   - Watch reports the commits of other nodes. It does not report a node's own commits,
//     except for batches that ended with ErrUnknown: they may be committed later, and then
//     count as another node's. It reports no touches: a touch can only extend a session.
//   - The backend's clock decides what has expired, because the clocks of nodes differ.
//   - A node trusts its memory for Traits.Lease after the last instant given to Sink.Fresh.
//     This bounds how long it serves a session that another node has ended, whatever
//     happens to the feed.
type Backend interface {
	Reader
	// Apply commits b atomically. When it returns nil, every StatusApplied item is on disk and
	// other nodes are told about it. The error is ErrUnavailable if nothing was done, or
	// ErrUnknown if the batch may be committed. Either way, every item may be retried.
	//
	// One goroutine at a time calls Apply. Apply must honour ctx: when the actor's Close
	// gives up, it cancels ctx and waits until Apply returns. For a shared backend ctx has a
	// deadline of two seconds. When it ends, Apply returns at once, and the next Apply uses
	// another connection: it does not wait for what the last one waited for.
	Apply(ctx context.Context, b *Batch) (Result, error)
	// Watch reports changes by other nodes to s until ctx ends. It reconnects by itself. An
	// Exclusive backend only reports writes that should not happen. If Watch returns before
	// ctx ends, the actor drops its cache and calls Watch again after a pause.
	Watch(ctx context.Context, s Sink) error
	Traits() Traits
	// Close closes the backend. It is idempotent. No call is running and none follows,
	// except for hung reads: the actor waits for those only up to its CloseTimeout.
	Close() error
}

// Looker is implemented by an Exclusive backend that is not notified of foreign writes and
// has to check for them. Nobody else should write to it.
type Looker interface {
	// Look reports to s what has happened since the last Look. The actor calls it about
	// once a second while the store is used, and after an idle period before it trusts
	// memory again. Calls never overlap. again asks for another call even if the store
	// stays idle.
	Look(s Sink) (again bool)
}

// DefaultLease is the lease of a shared backend that sets none.
const DefaultLease = time.Second

// Traits describe a backend.
type Traits struct {
	Engine    string // name and version
	Exclusive bool   // nobody else writes: the actor trusts memory, but calls Look first after an idle period
	// StoreKey is 32 random bytes that were generated with the store and are stored in it.
	// It is the key for routing tags and token seals.
	StoreKey []byte
	// Clock is the latest Batch.Now that any process committed. It may be up to a second
	// behind, because it is only stored with commits that happen anyway. 0 = unknown. Nodes
	// that share a backend ignore it: none of them sets its clock by another's.
	Clock int64
	// Lease is how long a node of a shared backend trusts its memory after the last instant
	// given to Sink.Fresh. 0 = DefaultLease. All nodes of a store must have the same lease.
	// The backend should call Fresh four times per lease.
	Lease time.Duration
}
