package actor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/sessile/sessile/persist"
)

// view sends a command that is answered with a view, and waits for the answer. After that the
// command may be another caller's.
func (a *Actor) view(ctx context.Context, mailbox chan message, x command) (*View, error) {
	err := a.call(ctx, mailbox, x)
	v := x.base().view
	x.base().recycle()
	return v, err
}

// call sends a command to the loop and waits for its answer. If that needs a session which is
// not in memory, it reads the disk and tells the loop what it found, as often as the loop
// asks: a row may be outdated by then.
//
// Where the last step has said that no more may wait, a command that would is refused here.
// So a flood of them costs the loop nothing.
func (a *Actor) call(ctx context.Context, mailbox chan message, self command) error {
	x := self.base()
	if mailbox == a.growth && a.published.refuse.Load() {
		a.refused.Add(1)
		x.reusable = true
		return ErrOverloaded
	}
	if err := a.send(ctx, mailbox, self, x.endsSessions); err != nil {
		return err
	}
	for {
		l, err := a.await(ctx, x)
		if l == nil {
			return err
		}
		m := a.coldRead(ctx, x, l)
		if err := a.send(ctx, a.inbox, m, false); err != nil { // the caller may still give up here
			a.tell(abandon{x, true})
			return x.failure(err)
		}
	}
}

// recycle keeps a command that was answered for its next use. One whose caller has left is
// not kept: the loop may still look at it.
func (x *call) recycle() {
	if x.reusable { // else the loop may be looking at it still
		x.pool.Put(x.self)
	}
}

// send hands m over. The loop takes it as soon as it gets to it: mailboxes have no room, so
// that what is accepted is answered, and nothing lies in a channel when the loop ends. What
// ends sessions is never refused: it is sent though the caller's time is up.
func (a *Actor) send(ctx context.Context, mailbox chan message, m message, always bool) error {
	select { // the loop is waiting, mostly: a select with one case costs a fifth
	case mailbox <- m:
		// It is next to run, and has answered when this goroutine is: then nobody need
		// be woken (measured: a fifth of a request that writes).
		runtime.Gosched()
		return nil
	default:
	}
	done := ctx.Done()
	if always {
		done = nil
	}
	select {
	case mailbox <- m:
		return nil
	case <-done:
		return context.Cause(ctx)
	case <-a.stop:
		return ErrClosed
	}
}

// await waits for the answer to x, or for the load that x has to do first.
func (a *Actor) await(ctx context.Context, x *call) (l *load, err error) {
	select { // the answer is there already, mostly
	case l = <-x.resume:
	default:
		select {
		case l = <-x.resume:
		case <-ctx.Done():
			return a.lastWord(ctx, x)
		case <-a.done:
			return a.lastWord(ctx, x)
		}
	}
	x.reusable = l == nil
	return l, x.err
}

// lastWord asks the loop what became of a command whose caller's time is up: an answer that
// is on its way counts, and the loop knows what of the command has been done. x is not used
// again: when its answer was on its way, the loop is yet to look at it for the abandon.
func (a *Actor) lastWord(ctx context.Context, x *call) (l *load, err error) {
	a.tell(abandon{x, false})
	select {
	case l = <-x.resume:
	case <-a.done:
		select { // the loop has ended: it has answered by now, or never will
		case l = <-x.resume:
		default:
			return nil, x.failure(ErrClosed)
		}
	}
	if left, ok := errors.AsType[*leftError](x.err); ok && l == nil {
		return nil, left.withCause(context.Cause(ctx))
	}
	return l, x.err
}

// tell sends the loop what it need not answer. After the loop's end it is lost, and nobody is
// left whom it could concern.
func (a *Actor) tell(m message) {
	select {
	case a.inbox <- m:
	case <-a.done:
	}
}

// withCause is what the caller is told: what was done, if anything, and why the call ended.
// Both can be tested with errors.Is.
func (e *leftError) withCause(cause error) error {
	if e.state == nil {
		return cause
	}
	return fmt.Errorf("%w: %w", e.state, cause)
}

// pools keep answered commands, by type, for their next use together with their reply
// channels: nobody else can hold those. A command then allocates nothing. They are the
// actor's own rather than the package's, so that their channels belong to its synctest
// bubble.
type pools struct {
	read, readID, list, search, create, destroy, destroyUser, destroyAll, piece, pass, rotate, seen, touch, update, expire, sync, watch, unwatch, unread, look, stats sync.Pool
}

// fresh returns an empty command. All of it is reset but its reply channel, which is empty: a
// command is put back only after its answer has been received.
func fresh[C any, P interface {
	*C
	command
}](pool *sync.Pool) P {
	x, ok := pool.Get().(P)
	if !ok {
		x = new(C)
		x.base().resume = make(chan *load, 1)
	}
	resume := x.base().resume
	var empty C
	*x = empty
	*x.base() = call{self: x, resume: resume, pool: pool}
	return x
}

// loop runs the core: one message, its effects, the next message. Between messages it passes
// on the events that the observer's channel had no room for. What ends sessions comes by
// inbox, and select picks among channels at random: a flood in growth cannot keep it out.
func (a *Actor) loop(c *core) {
	defer close(a.done)
	defer close(a.batches)
	timer := newWakeTimer()
	defer timer.Stop()
	for {
		var m message
		var events chan<- Event
		var event Event
		if len(a.observer.waiting) > 0 {
			events, event = a.observer.events, a.observer.waiting[0]
		}
		select {
		case events <- event: // nil, mostly
			a.observer.passed()
			a.observer.pass()
			continue
		case m = <-a.inbox:
		case m = <-a.growth:
		case m = <-a.results:
		case <-timer.C:
			timer.at = unset
			m = wakeUp{}
		case <-a.stop:
			a.err = a.drain(c, timer)
			return
		}
		a.step(c, m, timer)
	}
}

// step runs one step and carries out its effects: readers and callers first, then the
// observer, the writer and those that are woken. Nothing here can block: reply channels have
// room, and the writer is idle when there is a batch.
func (a *Actor) step(c *core, m message, timer *wakeTimer) {
	now, tick := a.cfg.Now(), a.cfg.Tick()
	out := c.step(m, now, tick)
	a.published.publish(c.hot, out)
	if len(out.events) > 0 {
		a.observer.add(out.events)
	}
	if out.batch != nil {
		a.batches <- out.batch
	}
	if out.reread {
		signal(a.unread)
	}
	if out.end {
		signal(a.ends)
	}
	if out.look {
		signal(a.waking)
	}
	timer.set(tick, out.wake)
}

// signal wakes who waits for c, now or when it comes to wait. c has room for one: several
// signals before it looks are one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write commits one batch at a time. Apply ends when the disk does, or when Close cancels
// a.writing. There is room for one result, so the writer never waits for a loop that has
// ended.
func (a *Actor) write() {
	defer close(a.results)
	for b := range a.batches {
		res, err := a.apply(b)
		a.results <- batchDone{res, err}
	}
}

// applyTimeout is how long a commit of a shared backend may take. One connection that hangs
// must not stop every write of the node.
const applyTimeout = 2 * time.Second

func (a *Actor) apply(b *persist.Batch) (persist.Result, error) {
	ctx := a.writing
	if !a.cfg.Exclusive {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, applyTimeout)
		defer cancel()
	}
	return a.backend.Apply(ctx, b)
}

// wakeTimer wakes the loop. Most steps leave the time as it is, and then the timer
// too: to set it costs more than such a step (measured: 90 ns, and a system call
// where the runtime's poller waits for it).
type wakeTimer struct {
	*time.Timer
	at int64 // the tick for which it is set, or unset
}

const unset = -1

// newWakeTimer is a timer that is not set.
func newWakeTimer() *wakeTimer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &wakeTimer{t, unset}
}

// set has the timer fire when wait has passed since tick, or not at all. wait was computed
// from the tick of the step, so the same instant gives the same at, and the timer is left
// alone.
func (t *wakeTimer) set(tick int64, wait time.Duration) {
	at := int64(unset)
	if wait != never {
		at = tick + wait.Microseconds()
	}
	switch at {
	case t.at:
		return
	case unset:
		t.Stop()
	default:
		t.Reset(wait)
	}
	t.at = at
}
