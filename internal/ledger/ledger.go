package ledger

import (
	"slices"

	"github.com/sessile/sessile"
)

// mark is a growing number at three stages: tried, acknowledged, and acknowledged as durable.
type mark struct{ tried, acked, stored int64 }

// session is what the ledger knows of one session.
type session struct {
	user      string
	tokens    []sessile.Token // the last is current
	graced    bool            // the previous token may be valid too
	rotating  int             // rotations that started and were not acknowledged
	dead      bool            // the store promised that the last token is dead
	ending    int             // ends that started and were not acknowledged
	maybe     int             // events that may have ended it: creates of unknown outcome, its expiry, uncertain ends
	uncertain int             // index of the first token with an uncertain rotation; 0 = none
	ended     bool
	value     mark // of the data
	active    mark // of the last activity
}

// Ledger is what must be true of a store.
type Ledger struct {
	sessions map[sessile.ID]*session
	order    []sessile.ID
	creates  map[string]int                     // creates that may have been done but were not acknowledged, by user
	syncs    map[string]map[sessile.ID][2]int64 // what a started Sync covers, by caller
}

// New returns the ledger of an empty store.
func New() *Ledger {
	return &Ledger{sessions: make(map[sessile.ID]*session), creates: make(map[string]int), syncs: make(map[string]map[sessile.ID][2]int64)}
}

// Len returns the number of sessions that were handed out.
func (l *Ledger) Len() int { return len(l.order) }

// Add adds an entry.
func (l *Ledger) Add(n Entry) {
	switch n.Op {
	case Create:
		l.create(n)
	case Rotate:
		l.rotate(n)
	case Destroy, Expire:
		for _, id := range n.IDs {
			e := l.sessions[id]
			count := &e.ending
			if n.Uncertain {
				n.Stage, count = Begun, &e.maybe
			}
			e.end(n.Stage, count)
		}
	case Update, Touch:
		l.change(n)
	case Sync:
		l.sync(n)
	case Restart:
		for _, e := range l.sessions {
			if e.user == n.User {
				e.value.acked, e.active.acked, e.dead = e.value.stored, e.active.stored, false
			}
		}
	}
}

func (l *Ledger) create(n Entry) {
	evicted := n.IDs
	switch n.Stage {
	case Begun:
		l.creates[n.User]++
	case Refused:
		l.creates[n.User]--
	case Done:
		l.creates[n.User]--
		last := len(n.IDs) - 1
		evicted = n.IDs[:last]
		e := &session{user: n.User, tokens: []sessile.Token{n.Token}}
		if n.Short || n.Uncertain {
			e.maybe++
		}
		l.sessions[n.IDs[last]] = e
		l.order = append(l.order, n.IDs[last])
	}
	for _, id := range evicted {
		if n.Uncertain {
			n.Stage = Begun
		}
		l.sessions[id].end(n.Stage, &l.sessions[id].maybe)
	}
}

// end records the result of ending a session. count counts the ends that are in progress.
func (e *session) end(s Stage, count *int) {
	switch s {
	case Begun:
		*count++
	case Done:
		e.ended = true
	case Refused:
		*count--
	}
}

func (l *Ledger) rotate(n Entry) {
	e := l.sessions[n.IDs[0]]
	switch n.Stage {
	case Begun:
		e.rotating++
	case Refused:
		e.rotating--
	case Dead:
		e.dead = !n.Uncertain
	case Done:
		e.dead, e.graced = false, n.Grace
		first := len(e.tokens) // the first that may be lost
		if last := len(e.tokens) - 1; n.Lost {
			e.tokens[last-1], e.tokens[last] = e.tokens[last], e.tokens[last-1]
			first--
		}
		e.tokens = append(e.tokens, n.Token)
		switch {
		case !n.Uncertain:
			e.rotating, e.uncertain = 0, 0
		case e.uncertain == 0:
			e.uncertain = first
		}
	}
}

func (l *Ledger) change(n Entry) {
	e := l.sessions[n.IDs[0]]
	m := &e.value
	if n.Op == Touch {
		m = &e.active
	}
	switch n.Stage {
	case Begun:
		m.tried = max(m.tried, n.N)
	case Done:
		if n.Uncertain {
			return
		}
		m.acked = max(m.acked, n.N)
		if n.Wait {
			m.stored = max(m.stored, n.N)
		}
	}
}

func (l *Ledger) sync(n Entry) {
	switch n.Stage {
	case Begun:
		covered := make(map[sessile.ID][2]int64, len(l.sessions))
		for id, e := range l.sessions {
			covered[id] = [2]int64{e.value.acked, e.active.acked}
		}
		l.syncs[n.User] = covered
	case Done:
		if n.Uncertain {
			return
		}
		for id, m := range l.syncs[n.User] {
			e := l.sessions[id]
			e.value.stored, e.active.stored = max(e.value.stored, m[0]), max(e.active.stored, m[1])
		}
	}
}

// users returns the users who have, or may have, sessions.
func (l *Ledger) users() []string {
	var list []string
	for _, id := range l.order {
		if u := l.sessions[id].user; !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	for u := range l.creates {
		if !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	slices.Sort(list)
	return list
}
