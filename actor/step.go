package actor

import (
	"time"

	"github.com/sessile/sessile/persist"
)

// message is what the loop receives: a command, the end of a commit, what the disk
// said, news of other nodes.
type message interface{ handle(c *core) }

// command is one call of the API on its way through the loop. It belongs to the loop
// from when it is sent until it is answered, and is answered at most once.
type command interface {
	message
	base() *call
	// run carries the command out against memory. A command whose session is not there
	// starts a load and runs, or goes on, when that load ends.
	run(c *core)
	// giveUp ends the command for a caller whose time is up. A create or a rotation that is
	// not in flight is taken back. A destroy goes on, and so does a change: it is in memory,
	// and is written. state is what the caller is told beside its context's error, or
	// nil. later means that state is not known yet and the answer follows.
	giveUp(c *core) (later bool, state error)
}

// call is what all commands have: the way back to the caller, and the loop's notes.
// A command embeds it by value, so that one allocation, or none with a pool, makes both.
type call struct {
	self   command
	resume chan *load            // nil: answered. Else the caller reads the disk. Room for one: the loop never waits
	pool   interface{ Put(any) } // takes the command back once nobody looks at it
	view   *View                 // the answer of most commands
	err    error

	passive      bool // not a use of the store: the store's own call, or one about the store
	grows        bool // makes more wait for the disk, and may be refused for it
	endsSessions bool // never refused for want of room

	conflicts uint8 // how often another node was first
	outdated  uint8 // how often another node changed the session while its row was read

	answered bool
	done     bool   // what it asks for is on disk, and its session is being read back
	reusable bool   // set by the caller: nobody looks at it any more
	queued   bool   // waits for room
	since    int64  // tick at which it began to
	upTo     uint64 // number of the last change whose end a sync waits for
	load     *load  // the load whose disk read this caller does
	in       *waiters
	next     *call
	prev     *call
}

func (x *call) base() *call { return x }

func (*call) giveUp(*core) (later bool, state error) { return false, nil }

// sessionCall is the call of a command about one session that must be in memory.
type sessionCall struct {
	call
	id persist.ID
}

// sessionCommand is a command that goes on with its session's entry.
type sessionCommand interface{ with(c *core, e *entry) }

func (x *sessionCall) run(c *core) {
	if e := c.resident(&x.call, x.id); e != nil {
		x.self.(sessionCommand).with(c, e) //nolint:forcetypeassert,errcheck // whoever embeds a sessionCall is one
	}
}

// step handles one message at the time now, then does what has become due or possible,
// and returns what the shell must do about it. now follows the wall clock and never goes
// back. tick is the monotonic clock: a wall clock that is set must not delay a commit.
func (c *core) step(m message, now, tick int64) *effects {
	c.now, c.tick = now, tick
	clear(c.out.replies) // the arrays are used again: what they refer to must not stay reachable
	clear(c.out.events)
	clear(c.out.ended)
	clear(c.out.ends)
	c.out = effects{replies: c.out.replies[:0], events: c.out.events[:0], ended: c.out.ended[:0], ends: c.out.ends[:0]}
	m.handle(c)
	c.advance()
	c.noteRoom()
	c.out.epoch, c.out.lease, c.out.wake = c.epoch(), c.lease, c.wake()
	return &c.out
}

// advance does what has become due or possible. The order matters in two places: retries
// become ready before the batch is filled, so that they leave with it, and callers are let
// in both before it, so that what they ask for leaves too, and after it, because what left
// has made room.
func (c *core) advance() {
	if len(c.ops.delayed) > 0 {
		c.ops.release(c.tick)
	}
	if len(c.watched.byEnd) > 0 {
		c.leaseOver()
		c.expireWatched()
	}
	if len(c.late.due) > 0 {
		c.destroyLate()
	}
	if len(c.chores) > 0 {
		c.work()
	}
	c.letIn()
	if !c.finished && c.batchAt() <= c.tick {
		c.out.batch = c.nextBatch()
		c.letIn()
	}
	if c.syncs.n > 0 && c.passed {
		c.answerSyncs()
	}
	c.passed = false
}

// work does a slice of the first chore, so that messages of others come between. The message of
// the step may have done the first slice of another.
func (c *core) work() {
	if do := c.chores[0]; do(c) {
		c.chores[0] = nil
		c.chores = c.chores[1:]
	}
}

// wake is how long nothing is due. Everything but the ends of watched sessions is due by
// the monotonic clock.
func (c *core) wake() time.Duration {
	at := min(c.batchAt(), c.admissionAt(), c.late.due.Next())
	if len(c.ops.delayed) > 0 {
		at = min(at, c.ops.delayed.Next())
	}
	if len(c.chores) > 0 {
		at = c.tick
	}
	if len(c.watched.byEnd) > 0 {
		at = min(at, c.rereadAt())
	}
	wait := never
	if at != forever {
		wait = max(time.Duration(at-c.tick)*time.Microsecond, 0)
	}
	if len(c.watched.byEnd) == 0 {
		return wait
	}
	// The wall clock may be set ahead, and no timer notices: look at it once a minute.
	look := time.Duration(min(max(c.watched.byEnd.Next()-c.now, 10_000), 60_000_000)) * time.Microsecond
	if wait == never {
		return look
	}
	return min(wait, look)
}

// epoch says whether whoever read a row without asking the loop may trust it:
// as long as the epoch is the same, and not 0. See optimistic.
//
// It is 0 while others write too, the actor closes, the store rests, an operation is
// ready, delayed or in flight, or a session, token or user, or everybody, has a tombstone, open
// or committed. It changes when an operation is accepted, a session with changes is dropped,
// a tombstone is committed, a batch leaves, and on a reset.
//
// It must never return to a number that it had, or a reader could miss a change that began
// and ended during its read. So it is a sum, and every term only grows.
func (c *core) epoch() uint64 {
	t := &c.tombstones
	switch {
	case !c.exclusive || c.closing || c.use.resting(), len(c.ops.ready)+len(c.ops.delayed) > 0, c.inFlight != nil && len(c.inFlight.ops) > 0,
		len(t.sessions)+len(t.tokens)+len(t.users) > 0, t.all != nil:
		return 0
	}
	return 1 + c.epochChanges + t.commitSeq + c.stats.Batches
}

// handle lets a command in, if there is room for what it adds.
func (x *call) handle(c *core) {
	if !x.passive {
		c.used()
	}
	switch {
	case c.closing:
		c.fail(x, ErrClosed)
	case x.grows && c.full:
		c.enqueue(&c.writes, x, c.drainSize())
	default:
		x.self.run(c)
	}
}

// resident returns the entry of a session. If it is not in memory, x is answered or
// waits for a load, and the result is nil.
func (c *core) resident(x *call, id persist.ID) *entry {
	if e := c.hot.ByID(id); e != nil && c.usable(e) {
		return e
	}
	if c.tombstones.sessions[id] != nil {
		c.fail(x, persist.ErrNotFound)
		return nil
	}
	c.startLoad(x, &load{kind: byID, id: id})
	return nil
}

// trusted reports whether memory may be served. Where nobody else writes it always may,
// except in a store that rests: its lease is 0 until the backend has been looked at.
func (c *core) trusted() bool { return c.tick < c.lease }

// usable reports whether a command may go on with a session in memory. Where others write
// too, what memory takes for expired may have been renewed by another node, which is no
// event: the row is read again.
func (c *core) usable(e *entry) bool {
	if c.exclusive {
		return c.trusted() || e.Pinned()
	}
	return c.trusted() && e.Value().ActiveAt(c.now)
}

// answer answers x with a view, once.
func (c *core) answer(x *call, v *View) {
	if !x.answered {
		x.view = v
		c.reply(x, nil)
	}
}

// fail answers x with an error, once.
func (c *core) fail(x *call, err error) { c.reply(x, x.failure(err)) }

// reply answers x, once: with an error, or with what its command has noted. The answer
// leaves with the effects of the step, after what it says has been published.
func (c *core) reply(x *call, err error) {
	if x.answered {
		return
	}
	x.answered, x.err = true, err
	if x.in != nil {
		x.leave()
	}
	c.out.replies = append(c.out.replies, reply{call: x})
}

// failAll answers all of w with an error.
func (c *core) failAll(w *waiters, err error) {
	for x := w.first; x != nil; x = w.first {
		c.fail(x, err)
	}
}

// answerAll answers all of w with a view: what they asked for is done.
func (c *core) answerAll(w *waiters, v *View) {
	for x := w.first; x != nil; x = w.first {
		c.answer(x, v)
	}
}

func (c *core) event(e Event) {
	e.At = c.now
	c.out.events = append(c.out.events, e)
}

// use is what the loop knows of how the store is used; see look.go for what it is for.
type use struct {
	calls uint64 // since the last look
	hits  uint64 // at the last look
	looks int    // in a row between which nothing was used
}

// restAfter is how many looks in a row find the store unused before it rests.
const restAfter = 10

func (u *use) resting() bool { return u.looks >= restAfter }

// used notes a call. The first one after a rest has the backend looked at.
func (c *core) used() {
	c.use.calls++
	c.out.look = c.use.resting()
}

// wakeUp says that the time which a step asked for has come. Its step has nothing to
// handle: advance does what is due.
type wakeUp struct{}

func (wakeUp) handle(*core) {}
