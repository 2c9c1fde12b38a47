package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// A session is looked for in three places, one after the other: in memory (Peek), on disk
// without asking the loop (optimistic), and by a load that the loop hands out (coldRead).

// Peek finds a session by its token's hash in memory: no lock, no message, no
// allocation. The caller must check the view's end, and Previous and Until, because it may be
// found by the token before. nil means: ask Find. Where others write too that is also the
// answer for a session that has expired by now: another node may have renewed it.
func (a *Actor) Peek(h *persist.Hash, now int64) *View {
	lease := a.published.lease.Load()
	if lease != forever && a.cfg.Tick() >= lease {
		return nil
	}
	v := a.published.index.Get((*[32]byte)(h))
	if v != nil && lease != forever && !v.ActiveAt(now) {
		return nil
	}
	if v != nil {
		a.hits.add()
	}
	return v
}

// Hits is how many reads Peek has answered.
func (a *Actor) Hits() uint64 { return a.hits.sum() }

// mostOptimistic bounds the optimistic reads in progress: more than a few connections can
// take at once. Others go by the loop, where equal ones are joined and queues are short.
const mostOptimistic = 16

// optimistic finds a session on disk without asking the loop. ok reports whether the result
// is final; if not, ask the loop.
//
// The race is that of a load (see tombstones), and the destroy must win:
//
//  1. The caller notes the epoch that the loop has published, and reads the row.
//  2. Meanwhile the session is destroyed, and that is committed.
//  3. The caller looks at the epoch again: it has changed, and the row is not used.
//
// Whatever could make a row outdated changes the epoch or makes it 0; see core.epoch. So a
// row that was read while it stayed the same is as current as memory: its session was not in
// memory when the read began, so nothing of it waited for the disk, and nothing of this
// session has come to the disk since.
//
// The loop may install the row if the epoch has still not changed when it hears of it. To
// tell it, the caller waits until the loop takes the message, though not for an answer.
func (a *Actor) optimistic(ctx context.Context, k persist.TokenKey) (v *View, ok bool, err error) {
	epoch := a.published.epoch.Load()
	if epoch == 0 {
		return nil, false, nil
	}
	if a.optimisticReads.Add(1) > mostOptimistic {
		a.optimisticReads.Add(-1)
		return nil, false, nil
	}
	if v := a.published.index.Get((*[32]byte)(&k.Hash)); v != nil { // it came meanwhile
		a.optimisticReads.Add(-1)
		return v, true, nil
	}
	m := a.fetchBounded(ctx, &load{kind: byToken, token: k}, func() { a.optimisticReads.Add(-1) })
	a.optimisticTotal.Add(1)
	switch {
	case a.published.epoch.Load() != epoch, m.err == nil && m.record.Hash != k.Hash: // or a token that was replaced
		return nil, false, nil
	case errors.Is(m.err, persist.ErrNotFound):
		a.unknown.Add(1)
		return nil, true, m.err
	case m.err != nil:
		return nil, true, withCause(ctx, m.err)
	}
	v, moved := a.cfg.read(m.record, a.cfg.Now())
	a.tell(found{m.record, v, moved, epoch})
	return v, true, nil
}

// found tells the loop of a row that an optimistic read has brought, so that the next read
// finds it in memory.
type found struct {
	record persist.Record
	view   *View
	moved  bool // and it is not as it is stored
	epoch  uint64
}

// handle installs the row, if nothing has happened since the read that could make it
// outdated: the epoch is the same, and neither the session nor its token has come into memory
// by another way.
func (m found) handle(c *core) {
	c.used()
	if m.epoch == c.epoch() && c.hot.ByID(m.record.ID) == nil && c.hot.ByKey(m.record.Hash) == nil {
		c.install(m.record, m.view, m.moved)
	}
}

// coldRead is the cold read of a load. A disk that stalls holds up its caller no longer than
// ctx. As many are in progress as there are places, those included whose callers are gone: a
// hung disk must not collect goroutines.
func (a *Actor) coldRead(ctx context.Context, x *call, l *load) *loaded {
	ended := false
	defer func() {
		if !ended { // the backend panicked: those who wait for the load must not wait for ever
			a.tell(abandon{x, true})
		}
	}()
	m := &loaded{load: l}
	select {
	case a.places <- struct{}{}:
		m = a.fetchBounded(ctx, l, func() { <-a.places })
	case <-ctx.Done():
		m.err = context.Cause(ctx)
	}
	ended = true
	m.own = m.err != nil && ctx.Err() != nil
	m.err = withCause(ctx, m.err)
	return m
}

// withCause is err, with the context's if that has ended.
func withCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// fetchBounded is fetch, no longer than ctx. done is called when the disk has answered.
func (a *Actor) fetchBounded(ctx context.Context, l *load, done func()) *loaded {
	m, err := bounded(ctx, func() *loaded {
		defer done()
		return a.fetch(ctx, l)
	})
	if err != nil {
		return &loaded{load: l, err: err}
	}
	return m
}

// bounded runs what may hang, and waits for it no longer than ctx. The goroutine stays until
// the disk answers: there is no way to end a system call. A context that cannot end costs no
// goroutine.
func bounded[T any](ctx context.Context, do func() T) (T, error) {
	if ctx.Done() == nil {
		return do(), nil
	}
	type result struct {
		value T
		panic any
	}
	done := make(chan result, 1)
	go func() {
		var x result
		defer func() {
			x.panic = recover()
			done <- x
		}()
		x.value = do()
	}()
	select {
	case x := <-done:
		if x.panic != nil {
			panic(x.panic) // the caller's, as if it had read itself
		}
		return x.value, nil
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// fetch asks the backend, unless Close has stopped reads.
func (a *Actor) fetch(ctx context.Context, l *load) *loaded {
	m := &loaded{load: l}
	if !a.diskReads.begin() {
		m.err = ErrClosed
		return m
	}
	defer a.diskReads.end()
	switch l.kind {
	case byToken:
		m.record, m.err = a.backend.ByHash(ctx, l.token)
	case byID:
		m.record, m.err = a.backend.ByID(ctx, l.id)
	case byUser:
		m.listing, m.err = a.backend.ByUser(ctx, l.user)
	case byPage:
		var p persist.Page
		p, m.err = a.backend.Search(ctx, *l.query)
		m.listing, m.next = persist.Listing{Records: p.Records, Unreadable: p.Unreadable}, p.Next
	}
	m.check()
	return m
}

// check refuses sessions whose data is damaged: whoever reads one shall know at
// once, rather than half way through a request.
func (m *loaded) check() {
	if m.err == nil && !m.load.kind.lists() && !object.Valid(m.record.Data) {
		m.err = fmt.Errorf("%w: its data is no JSON object", persist.ErrCorrupt)
	}
	all := len(m.listing.Records)
	m.listing.Records = slices.DeleteFunc(m.listing.Records, func(r persist.Record) bool { return !object.Valid(r.Data) })
	m.listing.Unreadable += all - len(m.listing.Records)
}

// reads are the backend's reads in progress, those included whose callers have given up.
// Close waits for them, so that no call is under way when the backend is closed.
type reads struct {
	n     atomic.Int64  // in progress, plus readsOver once no more may begin
	ended chan struct{} // room for one: none is in progress, and none may begin
}

// readsOver is more than can be in progress.
const readsOver = 1 << 32

func newReads() reads { return reads{ended: make(chan struct{}, 1)} }

// begin reports whether a read may begin; then end it. One atomic number holds both the count
// and whether more may begin, so that no read can slip in between Close's look and its wait.
func (r *reads) begin() bool {
	if r.n.Add(1) < readsOver {
		return true
	}
	r.end()
	return false
}

func (r *reads) end() {
	if r.n.Add(-1) == readsOver {
		signal(r.ended)
	}
}

// join lets no more begin, waits for those in progress, no longer than patience, and
// returns how many have not ended. Call it once.
func (r *reads) join(patience time.Duration) int64 {
	if r.n.Add(readsOver) == readsOver {
		return 0
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-r.ended:
		return 0
	case <-limit.C:
		return r.n.Load() - readsOver
	}
}
