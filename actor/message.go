package actor

import (
	"time"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// message is what the loop receives. Each kind is handled by one method of state.
type message interface{ message() }

// kind says what a request wants.
type kind uint8

const (
	kindRead kind = iota + 1
	kindReadID
	kindList
	kindCreate
	kindDestroy
	kindDestroyUser
	kindRotate
	kindSeen
	kindTouch
	kindFlush
	kindUpdate
	kindExpire
	kindSync
	kindWatch
	kindUnwatch
	kindStats
)

// request is one command and the place for its answer. Which fields count
// depends on kind. It belongs to the loop from when it is sent until it is
// answered, and is answered exactly once.
type request struct {
	kind      kind
	durable   bool // Flush, Update: answer when it is on disk
	slide     bool // Touch: at the loop's time, by the session's own lifetime
	announced bool // Touch, Update: the client hears of the session's new end
	id        persist.ID
	key       persist.TokenKey // Read
	user      persist.UserKey  // List, Destroy (the owner, if named), DestroyUser
	from      persist.Hash     // Rotate: the token it must still have, zero = any
	to        persist.Hash     // Rotate, Seen
	until     int64            // Rotate, Seen: end of the previous token's grace
	reauth    bool             // Rotate: the user has authenticated again
	record    *persist.Record  // Create
	limit     persist.Limit    // Create
	replaces  persist.ID       // Create: a session of the same user that it ends
	doc       *object.Object   // Flush
	done      chan struct{}    // Unwatch: whose
	changes   []object.Change  // Update
	maxData   int              // Update: bound of the data, bytes
	at        int64            // Touch, Flush: time of the access
	expires   int64            // Touch, Flush
	refs      []persist.Ref    // Expire: candidates; then those that are active by what is on disk
	offer     *offer           // what the disk said, when the caller comes back with it

	reply chan response // room for one: the loop never waits for a caller that left
	left  bool          // the loop's note: the caller no longer waits
	told  bool          // the loop's note: it was answered
	dug   bool          // the loop's note: what it destroys is refused from now on
	lined bool          // the loop's note: it waits for room
	since int64         // the loop's note: tick at which it began to wait for it
	count int           // the loop's note: results so far
	open  int           // the loop's note: operations still under way
	err   error         // the loop's note: what one of them ran into
}

// grows reports whether r makes pending grow, and may be refused for it.
func (r *request) grows() bool {
	return r.kind == kindCreate || r.kind == kindRotate || r.kind == kindFlush || r.kind == kindUpdate
}

// ends reports whether r ends sessions, and is never refused for want of room (D13).
func (r *request) ends() bool { return r.kind == kindDestroy || r.kind == kindDestroyUser }

// response answers a request.
type response struct {
	view  *View
	views []*View
	n     int
	err   error
	done  chan struct{}
	alive []persist.Ref // Expire: what is active by what is on disk
	stats Stats
	load  *load // not nil: read the disk and send the request again with an offer
}

// offer is what a caller read from the disk for a load.
type offer struct {
	load    *load
	record  persist.Record
	listing persist.Listing
	err     error
	own     bool // err is the caller's own context, not the disk's
}

// abandon says that the time of a request's caller is up. It waits for the loop's
// last word, unless it is gone.
type abandon struct {
	req  *request
	gone bool
}

// settled is the end of a commit.
type settled struct {
	result persist.Result
	err    error
}

// surrender says that nothing more will be written: answer everyone.
type surrender struct{}

// wake says that the time the state asked for has come.
type wake struct{}

// What a backend's Watch tells.
type (
	reset      struct{ reason string }
	invalidate struct{ events []persist.Event }
	fresh      struct{ age time.Duration }
)

// closing says that nothing new will come and everything must go to disk.
type closing struct{}

func (*request) message()   {}
func (abandon) message()    {}
func (settled) message()    {}
func (wake) message()       {}
func (surrender) message()  {}
func (reset) message()      {}
func (invalidate) message() {}
func (fresh) message()      {}
func (closing) message()    {}

// EventKind says what an [Event] tells.
type EventKind uint8

// The events of an actor.
const (
	Created EventKind = iota + 1
	Rotated
	Destroyed
	Expired
	Evicted
	LimitReached
	Quarantined // a change could not be stored and was given up
	WriteFailed // a batch could not be committed; it will be retried
	Recovered   // batches are committed again
	CacheReset  // the backend asked to trust nothing cached
	SweepFailed // expired sessions could not be deleted; the next sweep tries again
	Overloaded  // calls are refused for want of room
	Relieved    // none has been for a second
)

// Event tells what happened to a session, or to the store when ID is zero.
type Event struct {
	Kind   EventKind
	ID     persist.ID
	UserID string
	At     int64
	Reason string
	Err    error
	// Payload is passed through untouched, for events that are not the actor's.
	Payload any
}

// effects is what a step asks the loop to do.
type effects struct {
	replies []answer
	batch   *persist.Batch  // hand it to the writer
	ended   []chan struct{} // close these: their sessions are over
	events  []Event
	wake    time.Duration // when to step again, or never
	lease   int64         // memory may be served until then
	shut    bool          // refuse every request that makes pending grow
}

type answer struct {
	req *request
	response
}
