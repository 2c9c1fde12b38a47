package actor

import (
	"cmp"
	"context"
	"time"

	"github.com/sessile/sessile/persist"
)

// destroyAllCommand begins a log-out of everybody, or joins the one that runs.
type destroyAllCommand struct {
	call
	through int64
	reason  string
	op      *ending
	n       int
}

// DestroyAll ends every session that is stored when it is called, and returns how many that
// were. It is on disk when DestroyAll returns nil. A session whose create has not returned when
// it is called may survive.
//
// This process refuses the sessions within a few steps of the loop, and before DestroyAll returns, whatever
// the error. The disk deletes them in pieces, between which others commit. ErrNotDurable:
// they are refused, and deleting goes on until all of it is done, or Close. Other errors:
// nothing was done.
func (a *Actor) DestroyAll(ctx context.Context, reason string) (int, error) {
	through, err := a.newest(ctx)
	if err != nil || through == 0 {
		return 0, err
	}
	x := fresh[destroyAllCommand](&a.pools.destroyAll)
	x.through, x.reason, x.endsSessions = through, reason, true
	err = a.call(ctx, a.inbox, x)
	n := x.n
	x.recycle()
	return n, err
}

// newest returns the greatest key of a row that can be read, 0 if there is none.
func (a *Actor) newest(ctx context.Context) (int64, error) {
	for before := int64(0); ; {
		p, err := a.readPage(ctx, persist.Query{Before: before, Limit: 1})
		switch {
		case err != nil:
			return 0, err
		case len(p.Records) > 0:
			return p.Records[0].Key, nil
		case p.Next == 0:
			return 0, nil
		}
		before = p.Next
	}
}

func (x *destroyAllCommand) run(c *core) {
	e := c.ending
	if e == nil {
		e = &ending{tombstone: c.tombstones.addAll(x.through, x.reason)}
		c.ending = e
	}
	e.tombstone.through = max(e.tombstone.through, x.through)
	c.epochChanges++
	c.out.end = true
	x.op = e
	e.add(&x.call)
	e.clear(c)
}

// giveUp tells the caller that the sessions are refused, as soon as they are.
func (x *destroyAllCommand) giveUp(c *core) (later bool, state error) {
	if x.op == nil {
		return false, nil
	}
	x.op.whenCleared(c, func(c *core) { c.fail(&x.call, &leftError{ErrNotDurable}) })
	return true, nil
}

// pieceCommand is the ender's: it destroys the sessions of a page, and is answered when all that
// the log-out destroys are on disk.
type pieceCommand struct {
	call
	refs   []persist.Ref
	others uint64 // bulk.others when it began
	alone  bool   // the answer: nobody else has waited for the disk since
}

// run queues the destroys. Only the ender ends the log-out, so that there is one.
func (x *pieceCommand) run(c *core) {
	e := c.ending
	x.others = c.bulk.others
	for _, ref := range x.refs {
		t := c.tombstones.sessions[ref.ID]
		if t == nil {
			e.destroy(c, ref.ID).ref = ref
		} else if p, ok := t.op.(*destroyOp); ok && t.commit == 0 {
			e.join(p)
		}
	}
	e.ender.add(&x.call)
	e.goOn(c)
}

// passCommand is the ender's: it has passed over all rows, or has failed, and asks what is next.
type passCommand struct {
	call
	through int64 // where the pass began, 0 = there was none
	err     error // why it has failed
	next    int64 // the answer: where the next pass begins, 0 = nothing is left
}

// run ends the log-out when a pass has covered it. If the bound was raised since, or the pass
// has failed, another one is due.
func (x *passCommand) run(c *core) {
	e := c.ending
	switch {
	case e == nil:
	case x.err != nil:
		e.failed(c, x.err)
		x.next = e.tombstone.through
	case x.through < e.tombstone.through:
		x.next = e.tombstone.through
	default:
		c.tombstones.commitOne(e.tombstone)
		c.ending = nil
		e.whenCleared(c, e.answer)
	}
	c.answer(&x.call, nil)
}

// ender ends everybody's sessions on disk whenever the loop has woken it, until ctx ends.
func (a *Actor) ender(ctx context.Context) {
	for {
		select {
		case <-a.ends:
		case <-ctx.Done():
			return
		}
		for through := a.pass(ctx, 0, nil); through > 0; {
			err := a.destroyThrough(ctx, through)
			through = a.pass(ctx, through, err)
			if err != nil && !pause(ctx, retryMost) {
				return
			}
		}
	}
}

// pass tells the loop of a pass, and returns where the next one begins.
func (a *Actor) pass(ctx context.Context, through int64, err error) int64 {
	x := fresh[passCommand](&a.pools.pass)
	x.passive, x.through, x.err = true, through, err
	err = a.call(ctx, a.inbox, x)
	next := x.next
	x.recycle()
	if err != nil { // the actor closes
		return 0
	}
	return next
}

// destroyThrough destroys the sessions with keys up to a bound, and returns when all of that is
// on disk. Like a clean-up, it leaves half of the disk to others.
func (a *Actor) destroyThrough(ctx context.Context, through int64) error {
	for before := through + 1; before > 0; {
		began := a.cfg.Tick()
		p, err := a.readPage(ctx, persist.Query{Before: before, Limit: sliceSize})
		if err != nil {
			return err
		}
		x := fresh[pieceCommand](&a.pools.piece)
		x.passive = true
		for _, r := range p.Records {
			x.refs = append(x.refs, r.Ref())
		}
		err = a.call(ctx, a.inbox, x)
		alone := x.alone
		x.recycle()
		if err != nil {
			return err
		}
		if before = p.Next; before > 0 && !alone {
			pause(ctx, min(time.Duration(a.cfg.Tick()-began)*time.Microsecond, longestRest))
		}
	}
	return nil
}

// readPage asks the backend for a page, no longer than ctx. It counts as a read that Close waits for.
func (a *Actor) readPage(ctx context.Context, q persist.Query) (persist.Page, error) {
	type read struct {
		page persist.Page
		err  error
	}
	x, err := bounded(ctx, func() (x read) {
		if !a.diskReads.begin() {
			return read{err: ErrClosed}
		}
		defer a.diskReads.end()
		x.page, x.err = a.backend.Search(ctx, q)
		return x
	})
	return x.page, cmp.Or(err, x.err)
}
