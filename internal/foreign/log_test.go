//go:build linux

package foreign

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/ledger"
)

// The contract gives the store a second to detect what other programs did. Machines are noisy, so an event
// counts as late only if it is half a second later than that.
const (
	inTime  = time.Second
	noise   = 500 * time.Millisecond
	pollGap = 10 * time.Millisecond
)

// stamped is an entry, with its time and the start time of its call.
type stamped struct {
	ledger.Entry
	at, began time.Time
}

// history is every entry of a round in order. The ledger is built from it at the end, because only then it is
// known what may be lost.
type history struct {
	mu      sync.Mutex
	entries []stamped
	began   map[string]time.Time // by user; a client makes one call at a time
}

// add adds an entry.
func (j *history) add(n ledger.Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	if n.Stage == ledger.Begun {
		j.began[n.User] = now
	}
	j.entries = append(j.entries, stamped{n, now, j.began[n.User]})
}

// ended records that the shell ended sessions, at the time when it started; or may have, if it failed.
func (j *history) ended(ids []sessile.ID, surely bool) {
	if !surely {
		j.add(ledger.Entry{Op: ledger.Destroy, Stage: ledger.Refused, IDs: ids})
	}
	j.add(ledger.Entry{Op: ledger.Destroy, Stage: ledger.Done, IDs: ids, Uncertain: !surely})
}

// all returns the entries so far.
func (j *history) all() []stamped {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// of returns the entries about the sessions that violations name.
func (j *history) of(found []ledger.Violation) string {
	var text strings.Builder
	for _, n := range j.all() {
		if slices.ContainsFunc(n.IDs, func(id sessile.ID) bool {
			return slices.ContainsFunc(found, func(b ledger.Violation) bool { return strings.Contains(b.What, id.String()) })
		}) {
			fmt.Fprintf(&text, "\n  %s %s %s %v %d", n.at.Format(clock), n.Op, n.Stage, n.IDs, n.N)
		}
	}
	return text.String()
}

// sessions returns all sessions that were ever handed out.
func (j *history) sessions() (ids []sessile.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range j.entries {
		if n.Op == ledger.Create && n.Stage == ledger.Done {
			ids = append(ids, n.IDs[len(n.IDs)-1])
		}
	}
	return ids
}

// ledger builds the ledger of what must be true. What uncertain reports may be lost.
func (j *history) ledger(uncertain func(stamped) bool) *ledger.Ledger {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := ledger.New()
	for _, n := range j.entries {
		n.Uncertain = n.Uncertain || (n.Stage == ledger.Done || n.Stage == ledger.Dead) && uncertain(n)
		l.Add(n.Entry)
	}
	return l
}

// healthLog records what a store reported about itself, and when.
type healthLog struct {
	mu    sync.Mutex
	turns []turn
}

type turn struct {
	at, until time.Time // first and last look that saw it
	sessile.Health
}

// look reads the health of a store.
func (l *healthLog) look(store *sessile.Store) sessile.Health {
	began := time.Now()
	h := store.Health()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.turns); n == 0 || l.turns[n-1].State != h.State || l.turns[n-1].Reason != h.Reason {
		l.turns = append(l.turns, turn{at: time.Now(), Health: h})
	}
	l.turns[len(l.turns)-1].until = began
	return h
}

// span is a period in which the store reported a failure.
type span struct{ from, to time.Time }

// failed returns those periods.
func (l *healthLog) failed() (spans []span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := false
	for _, t := range l.turns {
		is := t.State == sessile.HealthFailed
		if is && !in {
			spans = append(spans, span{from: t.at})
		}
		if is {
			spans[len(spans)-1].to = t.until
		}
		in = is
	}
	return spans
}

// failedWithin returns when the store first reported a failure between two times.
func (l *healthLog) failedWithin(from, to time.Time) (time.Time, bool) {
	for _, s := range l.failed() {
		if !s.to.Before(from) && s.from.Before(to) {
			return s.from, true
		}
	}
	return time.Time{}, false
}

func (l *healthLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var text strings.Builder
	for _, t := range l.turns {
		fmt.Fprintf(&text, "\n  %s health: %v %s", t.at.Format(clock), t.State, t.Reason)
	}
	return text.String()
}

const clock = "05.000"
