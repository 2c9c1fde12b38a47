package actor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// view sends a command that is answered with a view, and waits for the answer.
func (a *Actor) view(ctx context.Context, mailbox chan message, x command) (*View, error) {
	err := a.call(ctx, mailbox, x)
	v := x.base().view
	x.base().recycle()
	return v, err
}

// call sends a command to the loop and waits for its answer. If that needs a session
// which is not in memory, it reads the disk and tells the loop what it found.
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
		if err := a.send(ctx, a.inbox, m, false); err != nil { // accepted once, it is not held up again
			a.tell(abandon{x, true})
			return err
		}
	}
}

// recycle keeps a command that was answered for its next use.
func (x *call) recycle() {
	if x.reusable { // else the loop may be looking at it still
		x.pool.Put(x.self)
	}
}

// send hands m over. The loop takes it as soon as it gets to it. What ends sessions is
// never refused: it is sent though the caller's time is up.
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

// await waits for the answer to x, or for the load that x has to do first. A caller whose
// time is up asks the loop, which has the last word: an answer that is on its way counts,
// and it knows what of the command has been done.
func (a *Actor) await(ctx context.Context, x *call) (*load, error) {
	select {
	case l := <-x.reply:
		return x.answeredWith(l)
	default:
	}
	select {
	case l := <-x.reply:
		return x.answeredWith(l)
	case <-ctx.Done():
		a.tell(abandon{x, false})
	case <-a.done:
	}
	var l *load
	select {
	case l = <-x.reply:
	case <-a.done:
		select { // the loop has ended: it has answered by now, or never will
		case l = <-x.reply:
		default:
			return nil, ErrClosed
		}
	}
	if l != nil {
		return l, nil
	}
	if left, ok := errors.AsType[*leftError](x.err); ok {
		return nil, left.withCause(context.Cause(ctx))
	}
	return nil, x.err
}

func (x *call) answeredWith(l *load) (*load, error) {
	if l != nil {
		return l, nil
	}
	x.reusable = true
	return nil, x.err
}

// tell sends the loop what it need not answer.
func (a *Actor) tell(m message) {
	select {
	case a.inbox <- m:
	case <-a.done:
	}
}

func (e *leftError) withCause(cause error) error {
	if e.state == nil {
		return cause
	}
	return fmt.Errorf("%w: %w", e.state, cause)
}
