package life

import (
	"slices"

	"github.com/sessile/sessile"
)

// mark is a number that only grows: what was tried, what was acknowledged, and
// what was acknowledged as being on disk.
type mark struct{ tried, acked, stored int64 }

// entry is one session.
type entry struct {
	user     string
	tokens   []sessile.Token // the last is live
	graced   bool            // the one before it may be
	spinning int             // rotations that began and were not acknowledged
	dead     bool            // the last token was promised to be dead
	ending   int             // ends that began and were not acknowledged
	maybe    int             // what may have ended it: creates of unknown outcome, its own time, what is loose
	loose    int             // the first of its tokens whose rotation is loose; 0 = none is
	ended    bool
	value    mark // of its data
	active   mark // its last activity
}

// Book is what must be true of a store.
type Book struct {
	entries map[sessile.ID]*entry
	order   []sessile.ID
	ghosts  map[string]int                     // creates that may have been done, by user
	syncs   map[string]map[sessile.ID][2]int64 // what a Sync that began covers, by who called it
}

// NewBook returns the book of an empty store.
func NewBook() *Book {
	return &Book{entries: make(map[sessile.ID]*entry), ghosts: make(map[string]int), syncs: make(map[string]map[sessile.ID][2]int64)}
}

// Len is the number of sessions that were handed out.
func (b *Book) Len() int { return len(b.order) }

// Hear takes a note.
func (b *Book) Hear(n Note) {
	switch n.Op {
	case Create:
		b.create(n)
	case Rotate:
		b.rotate(n)
	case Destroy, Expire:
		for _, id := range n.IDs {
			e := b.entries[id]
			count := &e.ending
			if n.Loose {
				n.Stage, count = Begun, &e.maybe
			}
			e.end(n.Stage, count)
		}
	case Update, Touch:
		b.change(n)
	case Sync:
		b.sync(n)
	case Restart:
		for _, e := range b.entries {
			if e.user == n.User {
				e.value.acked, e.active.acked, e.dead = e.value.stored, e.active.stored, false
			}
		}
	}
}

func (b *Book) create(n Note) {
	evicted := n.IDs
	switch n.Stage {
	case Begun:
		b.ghosts[n.User]++
	case Refused:
		b.ghosts[n.User]--
	case Done:
		b.ghosts[n.User]--
		last := len(n.IDs) - 1
		evicted = n.IDs[:last]
		e := &entry{user: n.User, tokens: []sessile.Token{n.Token}}
		if n.Short || n.Loose {
			e.maybe++
		}
		b.entries[n.IDs[last]] = e
		b.order = append(b.order, n.IDs[last])
	}
	for _, id := range evicted {
		if n.Loose {
			n.Stage = Begun
		}
		b.entries[id].end(n.Stage, &b.entries[id].maybe)
	}
}

// end notes how the end of a session has gone; count counts those under way.
func (e *entry) end(s Stage, count *int) {
	switch s {
	case Begun:
		*count++
	case Done:
		e.ended = true
	case Refused:
		*count--
	}
}

func (b *Book) rotate(n Note) {
	e := b.entries[n.IDs[0]]
	switch n.Stage {
	case Begun:
		e.spinning++
	case Refused:
		e.spinning--
	case Dead:
		e.dead = !n.Loose
	case Done:
		e.dead, e.graced = false, n.Grace
		first := len(e.tokens) // of those that may be lost
		if last := len(e.tokens) - 1; n.Lost {
			e.tokens[last-1], e.tokens[last] = e.tokens[last], e.tokens[last-1]
			first--
		}
		e.tokens = append(e.tokens, n.Token)
		switch {
		case !n.Loose:
			e.spinning, e.loose = 0, 0
		case e.loose == 0:
			e.loose = first
		}
	}
}

func (b *Book) change(n Note) {
	e := b.entries[n.IDs[0]]
	m := &e.value
	if n.Op == Touch {
		m = &e.active
	}
	switch n.Stage {
	case Begun:
		m.tried = max(m.tried, n.N)
	case Done:
		if n.Loose {
			return
		}
		m.acked = max(m.acked, n.N)
		if n.Wait {
			m.stored = max(m.stored, n.N)
		}
	}
}

func (b *Book) sync(n Note) {
	switch n.Stage {
	case Begun:
		covered := make(map[sessile.ID][2]int64, len(b.entries))
		for id, e := range b.entries {
			covered[id] = [2]int64{e.value.acked, e.active.acked}
		}
		b.syncs[n.User] = covered
	case Done:
		if n.Loose {
			return
		}
		for id, m := range b.syncs[n.User] {
			e := b.entries[id]
			e.value.stored, e.active.stored = max(e.value.stored, m[0]), max(e.active.stored, m[1])
		}
	}
}

// users are those who have, or may have, sessions.
func (b *Book) users() []string {
	var list []string
	for _, id := range b.order {
		if u := b.entries[id].user; !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	for u := range b.ghosts {
		if !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	slices.Sort(list)
	return list
}
