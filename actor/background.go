package actor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessile/sessile/persist"
)

// sweepChunk is how many expired sessions a clean-up looks for at a time. How many one
// commit deletes is up to bulk.
const sweepChunk = 64

// longestRest is the longest pause between two chunks.
const longestRest = 50 * time.Millisecond

// Sweep deletes what has expired, in chunks, and returns how many sessions that were.
//
// If somebody else has waited for the disk meanwhile, it rests between two chunks for as long
// as the first one took: half of the disk is for others. A session whose extension is not on
// disk yet is left alone. One that cannot be deleted does not hold up the others: the first
// error is returned in the end. One whose times lie in the future is read, so that they are
// taken back (see Config.read).
func (a *Actor) Sweep(ctx context.Context) (int, error) {
	total, after := 0, int64(0)
	var first error
	for {
		began := a.cfg.Tick()
		found, err := bounded(ctx, func() chunk { return a.expired(ctx, after) })
		if err = cmp.Or(err, found.err); err != nil {
			return total, err
		}
		next := found.next
		n, alone, err := a.expire(ctx, found.refs)
		total += n
		if first == nil {
			first = err
		}
		if next == 0 || err != nil && (ctx.Err() != nil || wholesale(err)) {
			return total, first
		}
		if after = next; alone {
			continue
		}
		pause(ctx, min(time.Duration(a.cfg.Tick()-began)*time.Microsecond, longestRest))
	}
}

// chunk is a part of what has expired.
type chunk struct {
	refs []persist.Ref
	next int64 // where the next one begins, 0 = there is none
	err  error
}

// expired asks the backend for a chunk, from the key after on. It counts as a read that Close
// waits for.
func (a *Actor) expired(ctx context.Context, after int64) (x chunk) {
	if !a.diskReads.begin() {
		return chunk{err: ErrClosed}
	}
	defer a.diskReads.end()
	now := a.cfg.Now()
	if !a.cfg.Exclusive { // by the backend's own clock
		now = -a.cfg.ExpiryGrace.Microseconds()
	}
	x.refs, x.next, x.err = a.backend.Expired(ctx, now, after, sweepChunk)
	return x
}

// wholesale reports an error that the next chunk would meet too.
func wholesale(err error) bool {
	return errors.Is(err, persist.ErrUnavailable) || errors.Is(err, persist.ErrUnknown) ||
		errors.Is(err, ErrClosed) || errors.Is(err, ErrOverloaded)
}

// sweep runs Sweep every CleanupInterval. What fails is tried again next time: an expired
// session is refused by its own times, whether its row is there or not. The disk's trouble
// shows in the health that the writer reports.
func (a *Actor) sweep(ctx context.Context) {
	if a.cfg.CleanupInterval <= 0 {
		return
	}
	tick := time.NewTicker(a.cfg.CleanupInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := a.Sweep(ctx); err != nil && ctx.Err() == nil {
				a.Emit(Event{Kind: EventSweepFailed, Err: err, At: a.cfg.Now()})
			}
		case <-ctx.Done():
			return
		}
	}
}

// watchBackend listens to what others change, until ctx ends. If the backend stops telling,
// memory may be outdated in anything: all of it is dropped, as by a reset. Then the watch begins
// again, after a pause that grows while it ends soon.
func (a *Actor) watchBackend(ctx context.Context) {
	s := sink{a: a}
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		began := a.cfg.Tick()
		err := a.backend.Watch(ctx, s)
		if ctx.Err() != nil {
			return
		}
		s.Reset(fmt.Sprintf("the watch of the backend has ended: %v", err))
		if a.cfg.Tick()-began > retryMost.Microseconds() {
			wait = retryFirst
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// sink passes a backend's news to the loop. It waits until the loop takes each: news that
// were dropped could not be made up for.
type sink struct{ a *Actor }

func (s sink) Reset(reason string)               { s.tell(reset{reason, s.a.cfg.Tick()}) }
func (s sink) Invalidate(events []persist.Event) { s.tell(invalidate{events}) }
func (s sink) Now() persist.Instant              { return persist.Instant(s.a.cfg.Tick()) }
func (s sink) Fresh(at persist.Instant)          { s.tell(renew{int64(at)}) }
func (s sink) tell(m message) {
	select {
	case s.a.inbox <- m:
	case <-s.a.stop:
	}
}

// rereads reads watched sessions again when they must be, until ctx ends. Nobody else may ask
// for them, and whoever watches one that has ended elsewhere must hear of it.
func (a *Actor) rereads(ctx context.Context) {
	for {
		select {
		case <-a.unread:
		case <-ctx.Done():
			return
		}
		for left := a.reread(ctx); left && pause(ctx, retryMost); {
			left = a.reread(ctx)
		}
	}
}

// mostRereads is how many watched sessions are read at a time: one after the other, thousands
// would take longer than a lease.
const mostRereads = 16

// reread reads each of them once, a slice at a time, and reports whether some are left: the disk
// has failed, or what was read was outdated.
func (a *Actor) reread(ctx context.Context) bool {
	_, queued, _ := a.unreadIDs(ctx, 0)
	for ; queued > 0; queued -= sliceSize {
		ids, _, _ := a.unreadIDs(ctx, min(queued, sliceSize))
		a.readAll(ctx, ids)
	}
	_, _, left := a.unreadIDs(ctx, 0)
	return left > 0
}

func (a *Actor) readAll(ctx context.Context, ids []persist.ID) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(len(ids), mostRereads) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(ids)); i = next.Add(1) - 1 {
				_, _ = a.Read(ctx, ids[i]) // the loop draws the conclusion
			}
		})
	}
	all.Wait()
}

func (a *Actor) unreadIDs(ctx context.Context, n int) (ids []persist.ID, queued, left int) {
	x := fresh[unreadCommand](&a.pools.unread)
	x.passive, x.n = true, n
	if err := a.call(ctx, a.inbox, x); err != nil {
		return nil, 0, 0
	}
	ids, queued, left = x.ids, x.queued, x.left
	x.recycle()
	return ids, queued, left
}

// pause waits, and reports whether it did so to the end: not if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
