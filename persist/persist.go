// Package persist is the contract between the actor and what keeps sessions:
// records, batches and the [Backend] that stores them. It owns no goroutine and
// no cache, and knows neither policy, nor the clock, nor raw tokens: a token
// exists here only as its [Hash]. All times are Unix microseconds, UTC.
//
// A backend is proven by the suite in persisttest, which is the real contract.
package persist

import (
	"context"
	"encoding/binary"
	"math"
)

// NoDeadline is the Deadline of a session without an absolute lifetime.
const NoDeadline = math.MaxInt64

// Hash is the SHA-256 of a token's raw bytes.
type Hash [32]byte

// ID is a session's public identity: the 16 bytes of its ULID.
type ID [16]byte

// IsZero reports whether id is the zero ID, which no session has.
func (id ID) IsZero() bool { return id == ID{} }

// Tag is the routing tag in an ID: the first two bytes of its entropy.
func (id ID) Tag() uint16 { return binary.BigEndian.Uint16(id[6:8]) }

// Version names one state of a session's data. It is minted by the writer;
// a backend compares versions for equality and nothing else.
type Version uint64

// TokenKey locates a session by its token: the hash decides, the tag only routes.
type TokenKey struct {
	Tag  uint16
	Hash Hash
}

// UserKey locates a user's sessions: the ID decides, the tag only routes.
type UserKey struct {
	Tag uint16
	ID  string
}

// Ref names one stored session. Key is the engine's own short handle for it, positive,
// unique for the life of the store; 0 if it is not known. A session that is created after
// another was committed has the greater key. Sessions whose keys are
// near each other should be stored near each other: they are written together.
type Ref struct {
	ID  ID
	Key int64
}

// Defaults says which lifetimes of a session are those of the configuration in its
// day, and not a choice of its login's.
type Defaults uint8

// The lifetimes.
const (
	DefaultTTL      Defaults = 1 << iota // Identity.TTL
	DefaultLifetime                      // Identity.Deadline
)

// Identity is what never changes in the life of a session, token aside; but see [Retime].
type Identity struct {
	ID          ID
	Deadline    int64 // absolute end, NoDeadline if there is none
	Defaults    Defaults
	UserID      string
	Key         int64 // the engine's handle, set by the backend
	CreatedAt   int64
	TTL         int64 // sliding lifetime that an access renews
	IPAddress   string
	UserAgent   string
	DeviceName  string
	DeviceType  string
	Fingerprint string
}

// Ref returns the reference of the session.
func (i *Identity) Ref() Ref { return Ref{ID: i.ID, Key: i.Key} }

// Rotation is what a session remembers of its last change of token.
type Rotation struct {
	Previous Hash  // the token hash before
	Until    int64 // end of Previous's grace; Unseen while the new token has not come back yet; 0 for no grace
	At       int64 // when the token was rotated
}

// Unseen is the Until of a previous token that stays good until its successor is first seen.
const Unseen = math.MaxInt64

// Unproven is the AuthAt of a session of which nobody can say when its user has proved who they are.
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
	AuthAt     int64 // when the user last authenticated again, 0 if never; or Unproven
}

// Retime takes the times of a session back that lie in the future, because a clock was
// ahead or another hand wrote them. It is part of a [Write] or [Touch], whose LastActive
// and ExpiresAt then are stored as given, also backwards.
type Retime struct {
	CreatedAt int64
	Deadline  int64
	AuthAt    int64
	RotatedAt int64 // Rotation.At is lowered to it, never raised
	Until     int64 // Rotation.Until is lowered to it, unless it is Unseen; never raised
}

// Limit bounds the active sessions of a user when one is created.
type Limit struct {
	Max    int  // 0 = no limit
	Refuse bool // refuse the new session rather than evict the least recently active ones
}

// OpKind says what an [Op] does.
type OpKind uint8

// The security operations.
const (
	// OpCreate inserts Record and, in the same transaction, ends the session
	// Replaces, if it is of the same user (a guest replaces nothing), and then
	// evicts that user's least recently active active sessions beyond Limit
	// (order: last active, then id), never the new one. What is replaced does
	// not count toward Limit; if the create fails it stays. For a
	// guest (no user id) Limit bounds all guests together, expired ones too,
	// and the least recently active go first (order: last active, then
	// creation), exactly so, as for users. Applied again (same id and same hash) it changes nothing. An id or
	// hash that another session has is StatusConflict, with nothing changed.
	OpCreate OpKind = iota + 1
	// OpRotate replaces token hash From by To and remembers From with Until, and
	// AuthAt unless it is 0. It is StatusApplied if To is already there, StatusGone if the
	// session is, StatusConflict if its hash is neither. With Lost it replaces a
	// successor that never came back: token hash Lost by To, if the session
	// still remembers From as the token before and its Until is Unseen; From
	// stays the token before. Otherwise that is StatusConflict.
	OpRotate
	// OpSeen sets Rotation.Until to Until if the token hash is To and Until is
	// sooner than what is stored: StatusApplied, or StatusGone.
	OpSeen
	// OpDestroy deletes the session Ref: StatusApplied, or StatusGone if there is none.
	OpDestroy
	// OpDestroyUser deletes the sessions of User but Except (zero = all): those whose key is
	// at most Through, or all if Through is 0; of these the Max with the greatest keys, or
	// all if Max is 0. It is StatusApplied, also if there is none. If it leaves any for want of
	// Max, Outcome.Through is the greatest key of those, else 0. The same operation with
	// that as its Through goes on. So no piece deletes a session that was created after
	// the first. Applied again, it deletes what is left by then. A negative Max or Through
	// is Failed, with nothing changed.
	OpDestroyUser
	// OpExpire deletes the session Ref if it is past its end at Batch.Now:
	// StatusApplied; StatusGone if there is none; StatusConflict if it is still active.
	OpExpire
)

// Op is one security operation. Which fields count depends on Kind.
type Op struct {
	Kind     OpKind
	Ref      Ref     // OpRotate, OpSeen, OpDestroy, OpExpire
	From     Hash    // OpRotate
	To       Hash    // OpRotate, OpSeen
	Lost     Hash    // OpRotate: the unseen successor of From that To replaces, zero = From is the current token
	Until    int64   // OpRotate, OpSeen
	AuthAt   int64   // OpRotate
	Record   *Record // OpCreate
	Limit    Limit   // OpCreate
	Replaces ID      // OpCreate: a session that ends with it, zero = none
	User     UserKey // OpDestroyUser
	Except   ID      // OpDestroyUser
	Through  int64   // OpDestroyUser: the greatest key of the sessions that it means, 0 = no bound
	Max      int     // OpDestroyUser: how many it deletes, 0 = no bound
}

// Write replaces the data of a session and its times. It is StatusApplied if the
// stored version is If, or is Next already; StatusConflict with the stored version
// otherwise; StatusGone if there is no such session. It never inserts. LastActive
// never goes back without a Retime; ExpiresAt is stored as given.
type Write struct {
	Ref        Ref
	Retime     *Retime // nil = the times that never change stay
	If, Next   Version
	Data       func() []byte // encodes on the backend's goroutine; called at most once per attempt
	LastActive int64
	ExpiresAt  int64
}

// Touch replaces the times of a session: StatusApplied, or StatusGone. It never inserts.
// LastActive never goes back without a Retime: a touch older than what is stored is
// StatusApplied and changes nothing.
type Touch struct {
	Ref        Ref
	Retime     *Retime // nil = the times that never change stay
	LastActive int64
	ExpiresAt  int64
}

// Batch is one atomic commit: Writes and Touches first, in any order and at
// most one of each per session, then Ops in their order. So a destroy always
// wins over a write of the same session, and an eviction sees the touches.
type Batch struct {
	Now     int64 // decides which sessions are active; see Traits.Clock
	Ops     []Op
	Writes  []Write
	Touches []Touch
}

// Len is the number of items in the batch.
func (b *Batch) Len() int { return len(b.Ops) + len(b.Writes) + len(b.Touches) }

// Status is what became of one item of a batch.
type Status uint8

// The statuses.
const (
	StatusApplied  Status = iota + 1 // done, or found done already
	StatusGone                       // there is no such session
	StatusConflict                   // the stored version, hash, id or end forbids it
	StatusFull                       // OpCreate under Limit.Refuse: the user has Max active sessions
	StatusFailed                     // this item alone cannot be done: Err says why; the others are unaffected
)

// Removed is a session that an operation ended.
type Removed struct {
	ID     ID
	Hash   Hash
	UserID string
}

// Outcome is what became of one item.
type Outcome struct {
	Status  Status
	Key     int64     // OpCreate, StatusApplied: the engine's handle
	Version Version   // Write, StatusConflict: the stored version
	Through int64     // OpDestroyUser, StatusApplied: the greatest key of the sessions that Max has left, 0 = none is left
	Removed []Removed // replaced and evicted by Create; destroyed by Destroy, DestroyUser, Expire
	Err     error     // Failed
}

// Result has one outcome per item of the batch, in its order.
type Result struct {
	Ops     []Outcome
	Writes  []Outcome
	Touches []Outcome
}

// Listing is a user's sessions, expired ones included, in no particular order.
type Listing struct {
	Records    []Record
	Unreadable int // rows that could not be read and were left out
}

// Reader reads the authoritative copy. It is safe for concurrent use; a backend
// may gather concurrent calls into one query. Errors: ErrNotFound, ErrCorrupt for
// a row that cannot be read, ErrUnavailable, the context's.
type Reader interface {
	// ByHash finds a session by its token's hash or by its previous token's.
	ByHash(ctx context.Context, k TokenKey) (Record, error)
	ByID(ctx context.Context, id ID) (Record, error)
	ByUser(ctx context.Context, u UserKey) (Listing, error)
	// Expired returns up to limit sessions past their end at now, or last active after it, in key order, with
	// keys greater than after. It looks at a bounded number of rows a call: next is where to go on, 0 at the end.
	Expired(ctx context.Context, now, after int64, limit int) (refs []Ref, next int64, err error)
}

// Backend stores sessions.
type Backend interface {
	Reader
	// Apply commits b atomically. When it returns nil, everything that is StatusApplied is
	// durable and published to other nodes. Its error is ErrUnavailable (surely
	// not done), or ErrUnknown (may be done); every item may be retried.
	// Apply is called by one goroutine at a time. It must heed ctx: when the actor's Close
	// gives up it cancels ctx and waits until Apply has returned.
	Apply(ctx context.Context, b *Batch) (Result, error)
	// Watch tells s what others change, reconnecting by itself, until ctx ends.
	// A backend that is Exclusive reports only what should not happen.
	Watch(ctx context.Context, s Sink) error
	Traits() Traits
	// Close ends the backend. No call is under way or follows, but for reads that hang: the
	// actor waits no longer than its CloseTimeout for those. It is idempotent.
	Close() error
}

// Looker is implemented by a backend that does not hear of what others did to it, but sees
// it when it looks: one that is Exclusive, to which nobody should do anything.
type Looker interface {
	// Look tells s what has happened since the last Look. It is called about once a second
	// while the store is used, and after a rest before memory is trusted again; never twice
	// at a time. It reports whether to call it again although the store is not used.
	Look(s Sink) (again bool)
}

// Traits describe an engine.
type Traits struct {
	Engine    string // name and version
	Exclusive bool   // nobody else writes: memory is trusted, but after a rest not before a Look
	// StoreKey is 32 random bytes made with the store and kept in it. It keys the routing
	// tags and the seals of tokens.
	StoreKey []byte
	// Clock is the latest Batch.Now that was committed by whatever process, less a second at
	// most: it is stored with commits that happen anyway. 0 = none, or it is not known.
	Clock int64
}

// Backuper is implemented by a backend that can copy itself to a file.
type Backuper interface {
	// Backup writes a consistent, integrity-checked copy to path, which must not exist, with mode 0600.
	Backup(ctx context.Context, path string) error
}

// Info is what a backend tells of its condition.
type Info struct {
	FileBytes int64
	WALBytes  int64
	Warning   string // why the backend is degraded, "" if it is not
	Failed    error  // why what is written now would not be there after a restart, nil if it would
}

// Inspector is implemented by a backend that can describe its condition. Inspect does no
// I/O beyond a few stats, unless they tell that something has changed.
type Inspector interface{ Inspect() Info }
