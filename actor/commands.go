package actor

import (
	"context"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// Peek finds a session by its token's hash in memory: no lock, no message, no
// allocation. now is compared with the lease alone. nil means: ask Find.
func (a *Actor) Peek(h *persist.Hash, now int64) *View {
	if now >= a.lease.Load() {
		return nil
	}
	v := a.hot.Get((*[32]byte)(h))
	if v != nil {
		a.hits.add()
	}
	return v
}

// Hits is how many reads Peek has answered.
func (a *Actor) Hits() uint64 { return a.hits.sum() }

// EventsDropped is how many events the observer was too slow for, or panicked over.
func (a *Actor) EventsDropped() uint64 { return a.dropped.Load() }

// Find finds a session by its token's hash, in memory or on disk, expired ones
// too. A token that was replaced is a *RotatedError. Errors: persist.ErrNotFound,
// ErrOverloaded, ErrClosed, the backend's, the context's.
func (a *Actor) Find(ctx context.Context, k persist.TokenKey) (*View, error) {
	if v, ok, err := a.quick(ctx, k); ok {
		return v, err
	}
	r := a.request(kindRead)
	r.key = k
	return a.view(ctx, a.inbox, r)
}

// Read finds a session by id, expired ones too.
func (a *Actor) Read(ctx context.Context, id persist.ID) (*View, error) {
	r := a.request(kindReadID)
	r.id = id
	return a.view(ctx, a.inbox, r)
}

// List returns a user's active sessions in no particular order, with what is not
// on disk yet, and how many rows could not be read.
func (a *Actor) List(ctx context.Context, u persist.UserKey) ([]*View, int, error) {
	r := a.request(kindList)
	r.user = u
	resp, err := a.call(ctx, a.inbox, r)
	return resp.views, resp.n, err
}

// Create stores a new session, which takes the place of the session replaces if that
// is of the same user. It is on disk, and replaces is refused, when Create returns.
// After persist.ErrUnknown replaces may have ended.
func (a *Actor) Create(ctx context.Context, rec *persist.Record, l persist.Limit, replaces persist.ID) (*View, error) {
	r := a.request(kindCreate)
	r.record, r.limit, r.replaces = rec, l, replaces
	return a.view(ctx, a.growth, r)
}

// Destroy ends a session: refused in memory at once, and on disk when Destroy
// returns nil. An unknown id is no error.
func (a *Actor) Destroy(ctx context.Context, id persist.ID) error {
	r := a.request(kindDestroy)
	r.id = id
	_, err := a.call(ctx, a.inbox, r)
	return err
}

// DestroyOwned is Destroy for a session of the user u alone; another's, like an
// unknown one, is persist.ErrNotFound.
func (a *Actor) DestroyOwned(ctx context.Context, u persist.UserKey, id persist.ID) error {
	r := a.request(kindDestroy)
	r.id, r.user = id, u
	_, err := a.call(ctx, a.inbox, r)
	return err
}

// DestroyUser ends every session of a user but except (zero = all of them) and
// returns how many were stored. It is on disk when DestroyUser returns nil.
func (a *Actor) DestroyUser(ctx context.Context, u persist.UserKey, except persist.ID) (int, error) {
	r := a.request(kindDestroyUser)
	r.user, r.id = u, except
	resp, err := a.call(ctx, a.inbox, r)
	return resp.n, err
}

// Spin is a change of token.
type Spin struct {
	To     persist.Hash
	From   persist.Hash // the token that it must replace, or whose lost successor with Until; zero = any
	Until  int64        // end of the old token's grace: 0 or persist.Unseen
	Reauth bool         // the user has authenticated again
}

// Rotate replaces a session's token. It is on disk, and the old token dead but
// for its grace, when Rotate returns nil.
func (a *Actor) Rotate(ctx context.Context, id persist.ID, p Spin) (*View, error) {
	r := a.request(kindRotate)
	r.id, r.from, r.to, r.until, r.reauth = id, p.From, p.To, p.Until, p.Reauth
	return a.view(ctx, a.growth, r)
}

// Seen notes that the token with hash current has been presented: the grace of
// its predecessor ends at until. Written behind.
func (a *Actor) Seen(ctx context.Context, id persist.ID, current persist.Hash, until int64) error {
	r := a.request(kindSeen)
	r.id, r.to, r.until = id, current, until
	_, err := a.call(ctx, a.inbox, r)
	return err
}

// Touch records an access at the time at. Written behind; at the bound of
// pending it is dropped.
func (a *Actor) Touch(ctx context.Context, id persist.ID, at, expires int64) (*View, error) {
	r := a.request(kindTouch)
	r.id, r.at, r.expires = id, at, expires
	return a.view(ctx, a.inbox, r)
}

// Access is Touch at the loop's time, with the session's own sliding lifetime. It is
// announced if the client hears of the session's new end.
func (a *Actor) Access(ctx context.Context, id persist.ID, announced bool) (*View, error) {
	r := a.request(kindTouch)
	r.id, r.slide, r.announced = id, true, announced
	return a.view(ctx, a.inbox, r)
}

// Flush replaces the data and the times. Written behind, unless durable.
func (a *Actor) Flush(ctx context.Context, id persist.ID, doc *object.Object, at, expires int64, durable bool) error {
	r := a.request(kindFlush)
	r.id, r.doc, r.at, r.expires, r.durable = id, doc, at, expires, durable
	_, err := a.call(ctx, a.growth, r)
	return err
}

// Update applies changes to the data, in the order in which calls arrive, and
// counts as an access, announced like Access. Written behind, unless durable.
func (a *Actor) Update(ctx context.Context, id persist.ID, c []object.Change, maxData int, durable, announced bool) (*View, error) {
	r := a.request(kindUpdate)
	r.id, r.changes, r.maxData, r.durable, r.announced = id, c, maxData, durable, announced
	return a.view(ctx, a.growth, r)
}

// Sync returns when every change acknowledged before is on disk.
func (a *Actor) Sync(ctx context.Context) error {
	_, err := a.call(ctx, a.inbox, a.request(kindSync))
	return err
}

// Done returns the channel that is closed when the session ends in this process.
// The session stays in memory until ctx ends.
func (a *Actor) Done(ctx context.Context, id persist.ID) (<-chan struct{}, error) {
	r := a.request(kindWatch)
	r.id = id
	resp, err := a.call(ctx, a.inbox, r)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { a.unwatch(id, resp.done) })
	return resp.done, nil
}

func (a *Actor) unwatch(id persist.ID, done chan struct{}) {
	r := a.request(kindUnwatch)
	r.id, r.done = id, done
	_, _ = a.call(context.Background(), a.inbox, r) // after Close there is nothing to take back
}

// Stats returns the loop's counters and gauges.
func (a *Actor) Stats(ctx context.Context) (Stats, error) {
	resp, err := a.call(ctx, a.inbox, a.request(kindStats))
	resp.stats.Overloaded += a.refused.Load()
	resp.stats.ColdReads += a.coldReads.Load()
	resp.stats.UnknownTokens += a.unknown.Load()
	return resp.stats, err
}

func (a *Actor) view(ctx context.Context, mailbox chan message, r *request) (*View, error) {
	resp, err := a.call(ctx, mailbox, r)
	return resp.view, err
}
