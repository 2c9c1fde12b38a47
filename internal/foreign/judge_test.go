//go:build linux

package foreign

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

// Violations beyond those that package ledger knows.
const (
	unnoticed ledger.Kind = "unnoticed" // it does not report its failure
	alarm     ledger.Kind = "alarm"     // it reports a failure without reason
	down      ledger.Kind = "down"      // it does not recover by itself
	two       ledger.Kind = "two"       // a second store is open on the same file
	touched   ledger.Kind = "touched"   // it changed an unrelated file
	split     ledger.Kind = "split"     // memory and file differ
)

// interfere lets the other programs work, restores the file, and judges the store.
func (r *round) interfere(stop func()) {
	defer stop()
	main := r.actions[0]
	if main.harm != none {
		r.with(func(c *harness.Client) { c.Distrust = true })
		r.foreign = true
	}
	began := time.Now()
	undo := r.action()
	r.ended = time.Now()
	short := main.harm == away && r.rand.IntN(5) == 0
	if r.linger(short); !short && main.harm != none {
		r.saidFailed(began)
	}
	leave := main.harm == away && r.rand.IntN(4) == 0
	switch {
	case leave:
		r.leave(stop, undo)
	case main.harm == ruined:
		r.survey(stop)
	default:
		undo()
		r.recover(stop)
	}
	r.acknowledgedInVain()
	if spans := r.health.failed(); main.harm == none && !main.mayFail && len(spans) > 0 {
		r.report(alarm, "it failed though its file was its own")
	}
}

// action performs the action of the round and returns its undo function.
func (r *round) action() (undo func()) {
	var undos []func() error
	for _, a := range slices.Backward(r.actions) {
		back, err := a.do(r)
		r.note("%s: %v", a.name, err)
		if back != nil {
			undos = append(undos, back)
		}
	}
	return func() {
		for _, undo := range slices.Backward(undos) {
			err := undo()
			r.note("put right: %v", err)
		}
	}
}

// linger waits for a while; after harm, until the store has detected it.
func (r *round) linger(short bool) {
	if r.actions[0].harm == none || short {
		<-time.After(time.Duration(50+r.rand.IntN(500)) * time.Millisecond)
		return
	}
	r.until(inTime+noise, func() bool { return r.health.look(r.store).State == sessile.HealthFailed })
	<-time.After(time.Duration(r.rand.IntN(300)) * time.Millisecond)
}

// saidFailed records when the store reported a failure. If the file is lost and the store has reported
// nothing, it must have saved everything.
func (r *round) saidFailed(began time.Time) {
	at, ok := r.health.failedWithin(began, time.Now())
	if ok {
		r.said = at
		r.note("it said so after %v", at.Sub(began).Round(time.Millisecond))
	} else if r.actions[0].harm == away {
		r.report(unnoticed, "%v after its file was gone it did not say that it has failed", time.Since(r.ended).Round(time.Millisecond))
	}
}

// leave closes the store while its file is gone, and only then restores the file.
func (r *round) leave(stop, undo func()) {
	stop()
	if err := r.close(); err == nil {
		r.report(unnoticed, "Close returned nil though its file was gone")
	}
	undo()
	r.fresh(ledger.Crashed, nil, false)
}

// survey checks a store whose file is lost: it may save what it has.
func (r *round) survey(stop func()) {
	saved := r.until(recovery/2, r.works)
	stop()
	if saved {
		r.note("it saved itself")
		r.finish(ledger.Crashed)
		return
	}
	err := r.close()
	if err == nil {
		r.report(unnoticed, "Close returned nil though its file was lost")
	}
	r.fresh(ledger.Crashed, nil, !r.said.IsZero())
}

// recover waits until a store works again after its file is restored.
func (r *round) recover(stop func()) {
	began := time.Now()
	ok := r.until(recovery+noise, r.works)
	r.recovered = time.Since(began)
	<-time.After(max(time.Until(r.targets.due()), time.Until(r.rewritten.Add(inTime+noise))))
	for _, undo := range r.later {
		r.note("put right later: %v", undo())
	}
	stop()
	if !ok {
		h := r.store.Health()
		r.report(down, "%v after its file was right again: %v, %s, %v", recovery, h.State, h.Reason, h.LastError)
		_ = r.close()
		r.fresh(ledger.Crashed, nil, false)
		return
	}
	if r.rewritten.IsZero() {
		r.finish(ledger.Settled)
	} else {
		r.finish(ledger.Crashed) // creates of unknown outcome that were undone may exist again
	}
}

// finish uses the recovered store, compares it with the ledger, closes it, and checks the file the same way.
func (r *round) finish(when ledger.When) {
	for _, w := range r.workers {
		w.c.EndDistrust()
		w.c.Faulty, w.c.Patience = false, recovery
		for range 6 {
			w.c.Step(w.rand)
		}
		if err := w.c.Sync(); err != nil {
			r.report(down, "a sync after the recovery: %v", err)
		}
	}
	r.add(r.history.ledger(r.uncertain).Check(r.ctx, r.store, when))
	said := r.answers(r.store)
	if err := r.close(); err != nil {
		r.report(down, "Close after the recovery: %v", err)
	}
	r.fresh(when, said, false)
}

// fresh opens the file again, like the next start, and compares it with the ledger and with what the store
// had answered before. If others ruined the file and the store reported that, it may not open or be readable.
func (r *round) fresh(when ledger.When, said map[string]string, ruin bool) {
	setup := r.setup
	setup.Wrap = nil
	store, err := setup.Open(context.Background())
	if err != nil {
		r.note("open again: %v", err)
		if !ruin || !ledger.Documented(err) {
			r.report(ledger.Corrupt, "opening the file again: %v", err)
		}
		return
	}
	found := r.history.ledger(r.uncertain).Check(r.ctx, store, when)
	for token, is := range r.answers(store) {
		if was, ok := said[token]; ok && was != is {
			r.report(split, "a token that led to %s leads to %s after a restart", was, is)
		}
	}
	if err := store.Close(); err != nil {
		r.report(ledger.Corrupt, "closing the file again: %v", err)
	}
	found = append(found, ledger.Integrity(r.path)...)
	r.add(slices.DeleteFunc(found, func(b ledger.Violation) bool {
		return ruin && (b.Kind == ledger.Corrupt || b.Kind == ledger.Unreadable)
	}))
}

// answers returns the store's response to every token that was handed out.
func (r *round) answers(store *sessile.Store) map[string]string {
	said := make(map[string]string)
	for _, n := range r.history.all() {
		if n.Stage != ledger.Done || n.Token.IsZero() || n.Short {
			continue
		}
		s, err := store.ReadByToken(r.ctx, n.Token)
		switch v, _, _ := sessile.Get[int64](s, "n"); {
		case err == nil:
			said[n.Token.Reveal()] = s.ID().String() + " with " + strconv.FormatInt(v, 10)
		case errors.Is(err, sessile.ErrNotFound):
			said[n.Token.Reveal()] = "nothing"
		default:
			said[n.Token.Reveal()] = err.Error()
		}
	}
	return said
}

// uncertain reports whether an acknowledged entry may be lost. That is allowed if the store reported a failure
// within a second, or if the file is lost and the store reported that in time.
func (r *round) uncertain(n stamped) bool {
	if n.at.Before(r.rewritten) {
		return true
	}
	if r.actions[0].harm == none && !r.actions[0].mayFail {
		return false
	}
	for _, s := range r.health.failed() {
		if n.at.After(s.from.Add(-inTime-noise)) && n.began.Before(s.from) {
			return true
		}
	}
	return r.actions[0].harm == ruined && !r.said.IsZero() && n.at.Before(r.ended)
}

// acknowledgedInVain looks for durable calls that succeeded while the store reported a failure.
func (r *round) acknowledgedInVain() {
	spans := r.health.failed()
	for _, n := range r.history.all() {
		if n.Stage != ledger.Done || n.User == "" || n.Op == ledger.Touch || n.Op == ledger.Update && !n.Wait {
			continue
		}
		for _, s := range spans {
			if n.began.After(s.from) && n.at.Before(s.to) {
				r.report(unnoticed, "%s was acknowledged %v after it had failed", n.Op, n.at.Sub(s.from).Round(time.Millisecond))
			}
		}
	}
}

// close closes the store within its time limit.
func (r *round) close() error {
	began := time.Now()
	err := r.store.Close()
	if d := time.Since(began); d > 3*time.Second+2*slack { // harness.Setup allows three seconds
		r.report(ledger.Late, "Close took %v", d)
	}
	r.note("close: %v", err)
	return err
}
