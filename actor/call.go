package actor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// request returns a fresh request. Requests are reused together with their
// reply channel, but only those that were answered: nobody else can hold them
// then. The pool is the actor's own, so that its channels are of its synctest bubble.
func (a *Actor) request(k kind) *request {
	r, ok := a.requests.Get().(*request)
	if !ok {
		return &request{kind: k, reply: make(chan response, 1)}
	}
	*r = request{kind: k, reply: r.reply}
	return r
}

// call sends r to the loop and waits for its answer. When the answer is a load,
// it reads the disk and goes back to the loop with what it found.
func (a *Actor) call(ctx context.Context, mailbox chan message, r *request) (response, error) {
	if mailbox == a.growth && a.shut.Load() {
		a.refused.Add(1)
		a.requests.Put(r)
		return response{}, ErrOverloaded
	}
	for {
		if err := a.send(ctx, mailbox, r); err != nil {
			return response{}, err
		}
		resp, asked, err := a.await(ctx, r)
		if err != nil {
			return response{}, err
		}
		if resp.load == nil {
			if !asked { // else the loop may be looking at it still
				a.requests.Put(r)
			}
			return resp, resp.err
		}
		r.offer = a.read(ctx, r, resp.load)
		mailbox = a.inbox // accepted once, it is not held up again
	}
}

// send hands r over. The loop takes it as soon as it gets to it.
func (a *Actor) send(ctx context.Context, mailbox chan message, r *request) error {
	select { // the loop is waiting, mostly: a select with one case costs a fifth
	case mailbox <- r:
		// It is next to run, and has answered when this goroutine is: then nobody need
		// be woken (measured: a fifth of a request that writes).
		runtime.Gosched()
		return nil
	default:
	}
	done := ctx.Done()
	if r.offer == nil && r.ends() {
		done = nil // a destroy is never refused (D13); the loop takes it at once
	}
	select {
	case mailbox <- r:
		return nil
	case <-done:
		if r.offer != nil {
			a.tell(abandon{req: r, gone: true})
		}
		return context.Cause(ctx)
	case <-a.stop:
		return ErrClosed
	}
}

// await waits for the answer to r. A caller whose time is up asks the loop,
// which has the last word: an answer that is on its way counts, and it knows what
// of the command has been done.
func (a *Actor) await(ctx context.Context, r *request) (resp response, asked bool, err error) {
	select {
	case resp = <-r.reply:
		return resp, false, nil
	default:
	}
	select {
	case resp = <-r.reply:
		return resp, false, nil
	case <-ctx.Done():
		a.tell(abandon{req: r})
	case <-a.done:
	}
	select {
	case resp = <-r.reply:
	case <-a.done:
		select { // the loop has ended: it has answered by now, or never will
		case resp = <-r.reply:
		default:
			return response{}, true, ErrClosed
		}
	}
	if left, ok := errors.AsType[*leftError](resp.err); ok {
		return response{}, true, left.because(context.Cause(ctx))
	}
	return resp, true, nil
}

// tell sends the loop what it need not answer.
func (a *Actor) tell(m message) {
	select {
	case a.inbox <- m:
	case <-a.done:
	}
}

// leftError answers a caller whose time is up.
type leftError struct{ state error } // of what it asked for; nil if nothing was done

func (*leftError) Error() string { return "caller left" }

func (e *leftError) because(cause error) error {
	if e.state == nil {
		return cause
	}
	return fmt.Errorf("%w: %w", e.state, cause)
}

// read is the cold read for a load. A disk that stalls holds up its caller no
// longer than ctx (I9), so it is done on a goroutine of its own where ctx can end.
func (a *Actor) read(ctx context.Context, r *request, l *load) *offer {
	ended := false
	defer func() {
		if !ended { // the backend panicked: those who wait for the load must not wait for ever
			a.tell(abandon{req: r, gone: true})
		}
	}()
	o := a.fetched(ctx, r.key, r.user, l)
	ended = true
	o.own = o.err != nil && ctx.Err() != nil
	o.err = o.because(ctx)
	return o
}

// because is the offer's error, with the context's if that has ended.
func (o *offer) because(ctx context.Context) error {
	if o.err != nil && ctx.Err() != nil && !errors.Is(o.err, ctx.Err()) {
		return fmt.Errorf("%w: %w", context.Cause(ctx), o.err)
	}
	return o.err
}

// fetched is fetch, no longer than ctx.
func (a *Actor) fetched(ctx context.Context, k persist.TokenKey, u persist.UserKey, l *load) *offer {
	o, err := within(ctx, func() *offer { return a.fetch(ctx, k, u, l) })
	if err != nil {
		return &offer{load: l, err: err}
	}
	return o
}

// within runs what may hang, and waits for it no longer than ctx.
func within[T any](ctx context.Context, do func() T) (T, error) {
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

// fetch asks the backend.
func (a *Actor) fetch(ctx context.Context, k persist.TokenKey, u persist.UserKey, l *load) *offer {
	o := &offer{load: l}
	switch l.key.kind {
	case byHash:
		o.record, o.err = a.backend.ByHash(ctx, k)
	case byID:
		o.record, o.err = a.backend.ByID(ctx, l.key.id)
	default:
		o.listing, o.err = a.backend.ByUser(ctx, u)
	}
	o.check()
	return o
}

// check refuses sessions whose data is damaged: whoever reads one shall know at
// once, rather than half way through a request.
func (o *offer) check() {
	if o.err == nil && o.load.key.kind != byUser && !object.Valid(o.record.Data) {
		o.err = fmt.Errorf("%w: its data is no JSON object", persist.ErrCorrupt)
	}
	all := len(o.listing.Records)
	o.listing.Records = slices.DeleteFunc(o.listing.Records, func(r persist.Record) bool { return !object.Valid(r.Data) })
	o.listing.Unreadable += all - len(o.listing.Records)
}
