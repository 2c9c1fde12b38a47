package actor

import "sync"

// message is what the loop receives: a command, the end of a commit, what the disk
// said, news of other nodes.
type message interface{ handle(c *core) }

// command is one call of the API on its way through the loop. It belongs to the loop
// from when it is sent until it is answered, and is answered exactly once.
type command interface {
	message
	base() *call
	// run carries the command out against memory. A command whose session is not there
	// starts a load, and goes on when that ends.
	run(c *core)
	// giveUp ends the command for a caller whose time is up. A create or a rotation that is
	// not in flight is taken back. A destroy goes on, and so does a change: it is in memory,
	// and is written. state is what the caller must be told beside its context's error, or
	// nil. later means that this is not known yet, and that the answer follows.
	giveUp(c *core) (later bool, state error)
}

// sessionCommand is a command that needs its session in memory.
type sessionCommand interface {
	command
	with(c *core, e *entry)
}

// call is what all commands have: the way back to the caller, and the loop's notes.
type call struct {
	self  command
	reply chan *load // nil: answered. Else the caller reads the disk. Room for one: the loop never waits
	pool  *sync.Pool // of answered commands of this type
	view  *View      // the answer of most commands
	err   error

	passive bool // it is no use of the store, but the store's own, or about the store

	grows        bool // it makes more wait for the disk, and may be refused for it
	endsSessions bool // it is never refused for want of room

	answered bool
	reusable bool  // the caller's note: nobody looks at it any more
	queued   bool  // it waits for room
	since    int64 // tick at which it began to
	load     *load // it reads the disk for
	in       *waiters
	next     *call
	prev     *call
}

func (x *call) base() *call { return x }

func (*call) giveUp(*core) (later bool, state error) { return false, nil }

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

// answer answers x with a view, once.
func (c *core) answer(x *call, v *View) {
	if !x.answered {
		x.view = v
		c.reply(x, nil)
	}
}

// fail answers x with an error, once.
func (c *core) fail(x *call, err error) { c.reply(x, err) }

// reply answers x, once: with an error, or with what its command has noted.
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

// answerAll answers all of w: what they asked for is done.
func (c *core) answerAll(w *waiters) {
	for x := w.first; x != nil; x = w.first {
		c.answer(x, nil)
	}
}

// pools keep answered commands, by type, for their next use together with their reply
// channels: nobody else can hold those. They are the actor's own, so that their channels
// are of its synctest bubble.
type pools struct {
	read, readID, list, create, destroy, destroyUser, rotate, seen, touch, flush, update, expire, sync, watch, unwatch, unread, look, stats sync.Pool
}

// fresh returns an empty command.
func fresh[C any, P interface {
	*C
	command
}](pool *sync.Pool) P {
	x, ok := pool.Get().(P)
	if !ok {
		x = new(C)
		x.base().reply = make(chan *load, 1)
	}
	reply := x.base().reply
	var empty C
	*x = empty
	*x.base() = call{self: x, reply: reply, pool: pool}
	return x
}

// waiters are calls that wait for the same thing, in the order in which they came.
// A call waits in one place at most, and leaves it at once when its caller gives
// up: nothing is left behind.
type waiters struct {
	first, last *call
	n           int
}

// add has x wait as the last.
func (w *waiters) add(x *call) {
	x.in, x.prev = w, w.last
	if w.last == nil {
		w.first = x
	} else {
		w.last.next = x
	}
	w.last = x
	w.n++
}

// take returns the call that has waited for longest, which waits no more; nil if there is none.
func (w *waiters) take() *call {
	x := w.first
	if x != nil {
		x.leave()
	}
	return x
}

// moveTo has all of w wait in o, behind those who wait there.
func (w *waiters) moveTo(o *waiters) {
	for x := w.take(); x != nil; x = w.take() {
		o.add(x)
	}
}

// leave takes x out of where it waits, if it does.
func (x *call) leave() {
	w := x.in
	if w == nil {
		return
	}
	if x.prev == nil {
		w.first = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		w.last = x.prev
	} else {
		x.next.prev = x.prev
	}
	w.n--
	x.in, x.next, x.prev = nil, nil, nil
}

// leftError answers a caller whose time is up.
type leftError struct{ state error } // what it must be told beside its context's error; or nil

func (*leftError) Error() string { return "caller left" }

// abandon says that the time of a caller is up. It waits for the loop's last word,
// unless it is gone.
type abandon struct {
	call *call
	gone bool
}

// handle tells the caller what became of its command; see command.giveUp.
func (m abandon) handle(c *core) {
	switch x := m.call; {
	case m.gone:
		c.abandonLoad(x)
	case !x.answered && x.load == nil: // else an answer is on its way, or it comes back from the disk
		later, state := x.self.giveUp(c)
		if x.queued {
			state = ErrOverloaded
		}
		if !later {
			c.fail(x, &leftError{state})
		}
	}
}
