// Package persist defines the contract between the actor and the storage engine:
// records, batches and the [Backend] that stores them.
//
// The package has no goroutine, no cache, no policy and no clock. It never sees a raw
// token, only the token's [Hash]. All times are Unix microseconds in UTC.
//
// The suite in persisttest checks a backend against this contract. Where the two differ,
// the suite is right. The suite in persisttest/nodes checks a backend that nodes share.
package persist

import (
	"encoding/binary"
	"math"
)

// NoDeadline is the Deadline of a session that has no absolute timeout.
const NoDeadline = math.MaxInt64

// Hash is the SHA-256 of a token's raw bytes.
type Hash [32]byte

// ID identifies a session for its whole life: the 16 bytes of its ULID.
type ID [16]byte

// IsZero reports whether id is the zero ID. No session has that ID.
func (id ID) IsZero() bool { return id == ID{} }

// Tag returns the routing tag of an ID: the first two bytes of its random part.
func (id ID) Tag() uint16 { return binary.BigEndian.Uint16(id[6:8]) }

// Version names one state of a session's data. The writer chooses it. A backend only
// compares versions for equality.
type Version uint64

// TokenKey locates a session by its token. Hash selects the session; Tag is only a routing hint.
type TokenKey struct {
	Tag  uint16
	Hash Hash
}

// UserKey locates the sessions of a user. ID selects the user; Tag is only a routing hint.
type UserKey struct {
	Tag uint16
	ID  string
}

// Ref names one stored session.
//
// Key is the backend's own short handle. It is positive and never reused, and 0 means
// that it is unknown. A session that is created after another was committed gets a
// greater key. Sessions with close keys should be stored close together, because they
// are written together.
//
// A Ref whose Key is not the session's own names nothing. The outcome is StatusGone.
type Ref struct {
	ID  ID
	Key int64
}

// Flags are choices of the login, one bit each. A backend stores all eight bits.
type Flags uint8

// The flags.
const (
	DefaultTTL        Flags = 1 << iota // Identity.TTL came from the configuration
	DefaultLifetime                     // Identity.Deadline came from the configuration
	APIToken                            // for a script rather than a browser: it counts toward a limit of its own
	RememberChosen                      // the login chose whether the token outlives the browser
	RememberPermanent                   // it does; only with RememberChosen
)

// Identity holds the fields that never change after creation, except through a [Retime].
type Identity struct {
	ID          ID
	Deadline    int64 // absolute end, or NoDeadline
	Flags       Flags
	UserID      string // valid UTF-8 without NUL, empty for a guest
	Key         int64  // the backend's handle; the backend sets it
	CreatedAt   int64
	TTL         int64 // sliding lifetime: each access renews it
	IPAddress   string
	UserAgent   string
	DeviceName  string
	DeviceType  string
	Fingerprint string
}

// Ref returns a reference to the session.
func (i *Identity) Ref() Ref { return Ref{ID: i.ID, Key: i.Key} }

// Rotation describes a session's last token rotation.
type Rotation struct {
	Previous Hash  // the token hash before the rotation
	Until    int64 // when Previous stops being accepted; Unseen until the new token is first used; 0 for no grace
	At       int64 // when the token was rotated
}

// Unseen is the value of Rotation.Until while the new token has not been used yet.
const Unseen = math.MaxInt64

// Unproven is the AuthAt of a session whose last authentication time is not known.
const Unproven = 1

// Record is one stored session.
type Record struct {
	*Identity
	*Rotation  // nil if the token was never rotated
	Hash       Hash
	Version    Version
	Data       []byte // a JSON object; never modified once it is in a Record
	LastActive int64
	ExpiresAt  int64 // sliding end, never after Deadline
	AuthAt     int64 // when the user last re-authenticated; 0 if never, or Unproven
}

// Retime corrects the times of a session that lie in the future, because a clock was ahead
// or another program wrote them. It belongs to a [Write] or [Touch]. LastActive and
// ExpiresAt of that Write or Touch are then stored as given, even if they go backwards.
// CreatedAt, Deadline and AuthAt replace the stored values.
type Retime struct {
	CreatedAt int64
	Deadline  int64
	AuthAt    int64
	RotatedAt int64 // lowers Rotation.At to this; never raises it
	Until     int64 // lowers Rotation.Until to this, unless it is Unseen; never raises it
}

// Limit bounds the active sessions of a user when a session is created: those with the same
// flag APIToken as the new one.
type Limit struct {
	Max    int  // 0 = no limit
	Refuse bool // refuse the new session instead of evicting the least recently active ones
}

// OpKind selects what an [Op] does.
type OpKind uint8

// The security operations.
const (
	// OpCreate inserts Record. In the same transaction it deletes the session Replaces, then
	// evicts sessions beyond Limit.
	//
	// Replaces is deleted only if it belongs to the same user. A guest (no user ID)
	// replaces nothing. The replaced session does not count toward Limit. If the create is
	// not StatusApplied, it stays.
	//
	// Limit evicts the user's least recently active active sessions, ties by ID, and never
	// the new one. It counts and evicts only sessions with the same flag APIToken as the new
	// one. For a guest, Limit bounds all guests together, including expired ones.
	// The least recently active guests go first, ties by creation order. That order is
	// exact. A shared backend may count guests approximately. It says by how much.
	//
	// Repeating a create (same ID, same hash) is StatusApplied and changes nothing. If another
	// session has the ID or the hash, the outcome is StatusConflict and nothing changes.
	OpCreate OpKind = iota + 1
	// OpRotate replaces the token hash From with To. It stores From and Until as the
	// session's Rotation, and AuthAt unless that is 0. The outcome is StatusApplied if To is
	// already current, StatusGone if the session does not exist, and StatusConflict if the current
	// hash is neither From nor To.
	//
	// If Lost is set, OpRotate replaces a successor that never reached the client: To
	// replaces Lost, and From stays the previous token. This requires that the session
	// still has From as its previous token with Until Unseen. Otherwise the outcome is
	// StatusConflict.
	OpRotate
	// OpSeen lowers Rotation.Until to Until if To is the current token hash. It never raises
	// it. The outcome is StatusApplied, or StatusGone.
	OpSeen
	// OpDestroy deletes the session Ref. The outcome is StatusApplied, or StatusGone if it does not exist.
	OpDestroy
	// OpDestroyUser deletes the sessions of User, except the session Except (zero = none).
	// The outcome is StatusApplied, even if there are none.
	//
	// Through and Max cut a large deletion into pieces. Only keys up to Through are
	// deleted (0 = no bound), and of those only the Max greatest (0 = no bound). If Max
	// leaves some, Outcome.Through is the greatest key left, otherwise 0. The same
	// operation with that value as its Through continues. A piece therefore never deletes
	// a session that was created after the first piece.
	//
	// A repeated piece deletes what is left by then. A negative Max or Through is StatusFailed
	// and changes nothing.
	OpDestroyUser
	// OpExpire deletes the session Ref if it had ended by Batch.Now less Grace. The outcome is
	// StatusApplied, StatusGone if it does not exist, or StatusConflict otherwise.
	OpExpire
)

// Op is one security operation. Kind decides which fields it uses.
type Op struct {
	Kind     OpKind
	Ref      Ref     // OpRotate, OpSeen, OpDestroy, OpExpire
	From     Hash    // OpRotate
	To       Hash    // OpRotate, OpSeen
	Lost     Hash    // OpRotate: the unused successor of From that To replaces; zero if From is current
	Until    int64   // OpRotate, OpSeen
	AuthAt   int64   // OpRotate
	Record   *Record // OpCreate
	Limit    Limit   // OpCreate
	Replaces ID      // OpCreate: the session that the new one replaces, zero = none
	User     UserKey // OpDestroyUser
	Except   ID      // OpDestroyUser
	Through  int64   // OpDestroyUser: greatest key to delete, 0 = no bound
	Max      int     // OpDestroyUser: how many to delete, 0 = no bound
	Grace    int64   // OpExpire: microseconds; 0 over an Exclusive backend
}

// Write replaces the data and the times of a session. It never inserts.
//
// The outcome is StatusApplied if the stored version is If or already Next. With any other
// version it is StatusConflict, and Outcome.Version is the stored one. It is StatusGone if the session
// does not exist. LastActive never goes back without a Retime. ExpiresAt is stored as given.
type Write struct {
	Ref        Ref
	Retime     *Retime // nil leaves the fixed times unchanged
	If, Next   Version
	Data       func() []byte // encodes on the backend's goroutine; called at most once per attempt
	LastActive int64
	ExpiresAt  int64
}

// Touch replaces the times of a session. It never inserts. The outcome is StatusApplied, or StatusGone.
// LastActive never goes back without a Retime: a touch older than the stored one is StatusApplied
// and changes nothing.
type Touch struct {
	Ref        Ref
	Retime     *Retime // nil leaves the fixed times unchanged
	LastActive int64
	ExpiresAt  int64
}

// Batch is one atomic commit. The backend applies Writes and Touches first, in any order,
// then Ops in their order. There is at most one Write and one Touch per session. A destroy
// therefore always wins over a write of the same session, and an eviction sees the touches.
//
// Touches without a Retime need less. The backend may commit them before the rest, and keep
// them if the rest fails. If a batch contains nothing else, they need not be durable when
// Apply returns: a crash of the database may lose those of the last second.
type Batch struct {
	// Now decides which sessions are active. A node that shares the backend passes 0. Then
	// the backend's own clock decides, which is the same for all nodes.
	Now     int64
	Ops     []Op
	Writes  []Write
	Touches []Touch
}

// Len returns the number of items in the batch.
func (b *Batch) Len() int { return len(b.Ops) + len(b.Writes) + len(b.Touches) }

// Status is the result of one item of a batch.
type Status uint8

// The statuses.
const (
	StatusApplied  Status = iota + 1 // done, now or by an earlier attempt
	StatusGone                       // the session does not exist
	StatusConflict                   // the stored version, hash, ID or end does not allow it
	StatusFull                       // OpCreate with Limit.Refuse: the user already has Max active sessions
	StatusFailed                     // only this item failed: see Err; the other items are unaffected
)

// Removed is a session that an operation deleted.
type Removed struct {
	ID     ID
	Hash   Hash
	UserID string
}

// Outcome is the result of one item, with its details.
type Outcome struct {
	Status  Status
	Key     int64     // OpCreate, StatusApplied: the backend's handle
	Version Version   // Write, StatusConflict: the stored version
	Through int64     // OpDestroyUser, StatusApplied: greatest key that Max left, 0 = none left
	Removed []Removed // sessions deleted: replaced or evicted by OpCreate, or by OpDestroy, OpDestroyUser, OpExpire
	Err     error     // StatusFailed
}

// Result holds one outcome per item of the batch, in the order of the items.
type Result struct {
	Ops     []Outcome
	Writes  []Outcome
	Touches []Outcome
}
