package actor

import (
	"github.com/sessile/sessile/persist"
)

// simEnder is the goroutine of Actor.ender. Its reads and its calls are moves of the scheduler,
// so anything may come between them.
type simEnder struct {
	woken   bool          // the loop has signalled it
	waits   bool          // for the answer to its call
	through int64         // bound of its pass, 0 = there is none
	before  int64         // where the next page begins, 0 = the pass has come to its end
	page    *persist.Page // what it has read and not handed over
}

// atWork reports whether the ender has something to do.
func (e *simEnder) atWork() bool { return e.woken || e.through > 0 }

// beginDestroyAll logs everybody out. Sessions whose create has not returned may survive; those
// that are created later do.
func (m *sim) beginDestroyAll() {
	p, err := m.disk.Search(m.t.Context(), persist.Query{Limit: 1})
	if err != nil {
		m.t.Fatal(err)
	}
	if len(p.Records) == 0 {
		return
	}
	c := &simClient{what: "destroy all"}
	for _, x := range m.sessions {
		if _, err := m.disk.ByID(m.t.Context(), x.id); err == nil {
			c.targets = append(c.targets, x)
		}
		x.doomed = true
	}
	for _, w := range m.clients {
		w.unsure = w.unsure || w.what == "create"
	}
	m.meant, m.meantAt = c.targets, m.step
	m.start(c, newCommand(func(x *destroyAllCommand) { x.through, x.endsSessions = p.Records[0].Key, true }))
}

// end lets the ender do its next move, as Actor.ender and Actor.destroyThrough do it.
func (m *sim) end() {
	switch e := &m.ender; {
	case e.waits || !e.atWork():
	case e.through == 0:
		e.woken = false
		m.endPass(nil)
	case e.page != nil:
		p := e.page
		e.page, e.before, e.waits = nil, p.Next, true
		m.start(&simClient{what: "piece"}, newCommand(func(x *pieceCommand) {
			x.passive = true
			for _, r := range p.Records {
				x.refs = append(x.refs, r.Ref())
			}
		}))
	case e.before == 0:
		m.endPass(nil)
	case m.rng.IntN(20) == 0 && !m.healthy:
		m.endPass(persist.ErrUnavailable)
	default:
		p, err := m.disk.Search(m.t.Context(), persist.Query{Before: e.before, Limit: 1 + m.rng.IntN(3)})
		if err != nil {
			m.t.Fatal(err)
		}
		e.page = &p
	}
}

// endPass tells the loop of a pass.
func (m *sim) endPass(err error) {
	m.ender.waits = true
	m.start(&simClient{what: "pass"}, newCommand(func(x *passCommand) { x.passive, x.through, x.err = true, m.ender.through, err }))
}

// passEnded begins the next pass, if one is due.
func (m *sim) passEnded(x *passCommand) {
	e := &m.ender
	e.waits, e.through, e.before = false, x.next, 0
	if x.next > 0 {
		e.before = x.next + 1
	}
}
