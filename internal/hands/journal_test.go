//go:build linux

package hands

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/life"
)

// The contract gives the store a second to notice what other hands did. Machines
// are noisy: an event counts as late only if it is so by half a second.
const (
	inTime  = time.Second
	noise   = 500 * time.Millisecond
	pollGap = 10 * time.Millisecond
)

// stamped is a note, when the client made it, and when the call that it is about began.
type stamped struct {
	life.Note
	at, began time.Time
}

// journal is every note of a round in order, for a book that is made at its end:
// only then it is known what may be lost.
type journal struct {
	mu    sync.Mutex
	notes []stamped
	began map[string]time.Time // by user: a client does one thing at a time
}

// say takes a note.
func (j *journal) say(n life.Note) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	if n.Stage == life.Begun {
		j.began[n.User] = now
	}
	j.notes = append(j.notes, stamped{n, now, j.began[n.User]})
}

// ended notes that the shell has ended sessions, as it began to; or maybe, if it failed.
func (j *journal) ended(ids []sessile.ID, surely bool) {
	if !surely {
		j.say(life.Note{Op: life.Destroy, Stage: life.Refused, IDs: ids})
	}
	j.say(life.Note{Op: life.Destroy, Stage: life.Done, IDs: ids, Loose: !surely})
}

// all are the notes so far.
func (j *journal) all() []stamped {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.notes)
}

// of tells what the clients were told of the sessions that breaches name.
func (j *journal) of(found []life.Breach) string {
	var text strings.Builder
	for _, n := range j.all() {
		if slices.ContainsFunc(n.IDs, func(id sessile.ID) bool {
			return slices.ContainsFunc(found, func(b life.Breach) bool { return strings.Contains(b.What, id.String()) })
		}) {
			fmt.Fprintf(&text, "\n  %s %s %s %v %d", n.at.Format(clock), n.Op, n.Stage, n.IDs, n.N)
		}
	}
	return text.String()
}

// sessions are all that were ever handed out.
func (j *journal) sessions() (ids []sessile.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range j.notes {
		if n.Op == life.Create && n.Stage == life.Done {
			ids = append(ids, n.IDs[len(n.IDs)-1])
		}
	}
	return ids
}

// book makes the book of what must be true. What loose reports may be lost.
func (j *journal) book(loose func(stamped) bool) *life.Book {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := life.NewBook()
	for _, n := range j.notes {
		n.Loose = n.Loose || (n.Stage == life.Done || n.Stage == life.Dead) && loose(n)
		b.Hear(n.Note)
	}
	return b
}

// healthLog is what a store said of itself, and since when.
type healthLog struct {
	mu    sync.Mutex
	turns []turn
}

type turn struct {
	at, until time.Time // the first and the last look that saw it
	sessile.Health
}

// look asks a store for its health.
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

// span is a time in which the store said that it has failed.
type span struct{ from, to time.Time }

// failed are the times in which the store said so.
func (l *healthLog) failed() (spans []span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := false
	for _, t := range l.turns {
		is := t.State == sessile.Failed
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

// failedWithin returns when the store first said between two times that it has failed.
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
