package nodes

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sessile/sessile"
)

// coherenceTests draw calls and faults of the feeds, on several nodes at once.
func coherenceTests() []test {
	return []test{
		{"what was acknowledged holds on two nodes, whatever becomes of the feed", 2, coherence},
		{"what was acknowledged holds on three nodes, whatever becomes of the feed", 3, coherence},
	}
}

// coherenceTime is how long one run takes.
const coherenceTime = 10 * time.Second

// coherence has every node create, change and end sessions while others read them and feeds
// fail. The ledger judges what is read.
func coherence(f *fixture) {
	l := &ledger{f: f}
	l.draw()
	f.wait(3 * f.lease)
	l.settle()
	f.Logf("%d writes, %d reads, %d of them served; %d tokens, %d of them dead", l.writes, l.reads, l.served, len(l.list), l.dead)
	if l.served < l.reads/20 || l.dead == 0 {
		f.Error("the run has shown nothing")
	}
}

// draw makes calls and faults for coherenceTime. Reads take a while, so that news come in
// between.
func (l *ledger) draw() {
	f, end := l.f, time.Now().Add(coherenceTime)
	var all sync.WaitGroup
	for i, n := range f.nodes {
		slow := rand.New(rand.NewPCG(uint64(i), 0))
		defer n.link.onRead(func() {
			var d time.Duration
			l.note(func() { d = time.Duration(slow.Int64N(int64(20 * time.Millisecond))) })
			f.wait(d)
		})()
		each := func(kind uint64, most time.Duration, do func(*rand.Rand)) {
			all.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(i), kind))
				for time.Now().Before(end) {
					do(rng)
					f.wait(time.Duration(rng.Int64N(int64(most))))
				}
			})
		}
		each(1, 10*time.Millisecond, func(rng *rand.Rand) { l.write(i, n, rng) })
		each(2, 2*time.Millisecond, func(rng *rand.Rand) { l.read(n, rng) })
		each(3, f.lease, func(rng *rand.Rand) { f.disturb(n, rng) })
	}
	all.Wait()
}

// disturb has the feed of a node fail for a while.
func (f *fixture) disturb(n *node, rng *rand.Rand) {
	faults := []func() (mend func()){
		n.silence, n.cut,
		func() func() { return n.link.slow(time.Duration(rng.Int64N(int64(2 * f.lease)))) },
	}
	mend := faults[rng.IntN(len(faults))]()
	f.wait(time.Duration(rng.Int64N(int64(3 * f.lease))))
	mend()
}

// ledger is what the nodes have acknowledged.
type ledger struct {
	f                           *fixture
	mu                          sync.Mutex
	sessions                    []*subject
	list                        []*credential
	writes, reads, served, dead int
}

// subject is a session: one call at a time may end it.
type subject struct {
	id       sessile.ID
	user     string
	current  *credential
	busy     bool
	counters map[string][]stamp // of acknowledged values, by key
}

// stamp is a value, and when it was acknowledged.
type stamp struct {
	value int
	at    time.Time
}

// credential is a token.
type credential struct {
	token  sessile.Token
	of     *subject
	ending bool      // a call that ends it has begun
	dead   time.Time // when its end was acknowledged
}

func (l *ledger) note(how func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	how()
}

// write makes one call on a node.
func (l *ledger) write(at int, n *node, rng *rand.Rand) {
	var x *subject
	what := rng.IntN(10)
	l.note(func() {
		l.writes++
		if len(l.sessions) > 0 {
			x = l.sessions[rng.IntN(len(l.sessions))]
		}
		if ends := what < 3; x != nil && ends {
			if x.busy {
				what = 9
			} else {
				x.busy, x.current.ending = true, true
			}
		}
	})
	switch {
	case x == nil || what > 7:
		l.create(n, rng)
	case what < 2:
		l.destroy(n, x)
	case what == 2:
		l.rotate(n, x)
	case what < 6:
		l.update(at, n, x)
	default:
		_, err := n.Renew(l.f.Context(), x.id)
		l.expect("Renew", err)
	}
}

// expect reports an error that nobody's call explains.
func (l *ledger) expect(what string, err error) {
	if err != nil && !errors.Is(err, sessile.ErrNotFound) && !errors.Is(err, sessile.ErrConflict) {
		l.f.Errorf("%s: %v", what, err)
	}
}

func (l *ledger) create(n *node, rng *rand.Rand) {
	user := key(rng.IntN(5))
	s, token, err := n.Create(l.f.Context(), sessile.Meta{}, user, nil)
	if err != nil {
		l.f.Errorf("Create: %v", err)
		return
	}
	l.note(func() {
		x := &subject{id: s.ID(), user: user, counters: make(map[string][]stamp)}
		l.add(x, token)
		if l.sessions = append(l.sessions, x); len(l.sessions) > 20 {
			l.sessions = l.sessions[1:]
		}
	})
}

// add gives a session its token.
func (l *ledger) add(x *subject, t sessile.Token) {
	x.current = &credential{token: t, of: x}
	l.list = append(l.list, x.current)
}

// destroy ends a session, whose token stays marked as ending.
func (l *ledger) destroy(n *node, x *subject) {
	err := n.Destroy(l.f.Context(), x.id)
	l.expect("Destroy", err)
	l.note(func() {
		if err == nil {
			x.current.dead = time.Now()
			l.dead++
		}
	})
}

func (l *ledger) rotate(n *node, x *subject) {
	token, err := n.RotateToken(l.f.Context(), x.id)
	l.expect("RotateToken", err)
	l.note(func() {
		if x.busy = false; err == nil {
			x.current.dead = time.Now()
			l.dead++
			l.add(x, token)
		}
	})
}

// update counts up a key that only this node writes.
func (l *ledger) update(at int, n *node, x *subject) {
	k, value := key(at), 1
	l.note(func() {
		if s := x.counters[k]; len(s) > 0 {
			value = s[len(s)-1].value + 1
		}
	})
	err := set(l.f.Context(), n, x.id, k, value)
	l.expect("Update", err)
	if err == nil {
		l.note(func() { x.counters[k] = append(x.counters[k], stamp{value, time.Now()}) })
	}
}

// read reads a token on a node, and judges what comes: of what was acknowledged more than a
// lease before the read began, everything must show.
func (l *ledger) read(n *node, rng *rand.Rand) {
	var c *credential
	var dead time.Time
	want := make(map[string]int)
	began := time.Now()
	l.note(func() {
		if len(l.list) == 0 {
			return
		}
		c = l.list[max(0, len(l.list)-1-rng.IntN(40))]
		dead = c.dead
		for k, s := range c.of.counters {
			for _, x := range s {
				if began.Sub(x.at) > l.f.lease {
					want[k] = x.value
				}
			}
		}
	})
	if c == nil {
		return
	}
	s, err := n.ReadByToken(l.f.Context(), c.token)
	l.note(func() {
		l.reads++
		switch {
		case err != nil && !errors.Is(err, sessile.ErrNotFound):
			l.f.Errorf("ReadByToken: %v", err)
		case err != nil && !c.ending:
			l.f.Errorf("a live session is refused: %v", err)
		case err == nil && !dead.IsZero() && began.Sub(dead) > l.f.lease:
			l.f.Errorf("a token is served %v after its end was acknowledged", began.Sub(dead))
		}
	})
	if err != nil {
		return
	}
	l.note(func() { l.served++ })
	for k, v := range want {
		if got, _, _ := sessile.Get[int](s, k); got < v {
			l.f.Errorf("%s is %d, and %d was acknowledged more than a lease before", k, got, v)
		}
	}
}

// settle judges what is left when every feed works: on the nodes and on the database.
func (l *ledger) settle() {
	for _, n := range l.f.nodes {
		l.f.ok("Sync", n.Sync(l.f.Context()))
	}
	for _, c := range l.list {
		for i, n := range l.f.nodes {
			_, err := n.ReadByToken(l.f.Context(), c.token)
			if !c.dead.IsZero() && err == nil || !c.ending && err != nil {
				l.f.Errorf("node %d, at the end: a token that is dead: %v, and its read: %v", i, !c.dead.IsZero(), err)
			}
		}
		x := c.of
		if c != x.current || c.ending {
			continue
		}
		for k, s := range x.counters {
			if got, want := l.f.stored(x.id, k), s[len(s)-1].value; got < want {
				l.f.Errorf("the database has %d of %s, and %d was acknowledged", got, k, want)
			}
		}
	}
}
