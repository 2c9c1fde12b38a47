//go:build unix

package coherence

import (
	"math/rand/v2"
	"time"
)

// plan is a call to make, and what its answer means. The checker's lock is held while then runs.
type plan struct {
	q      request
	then   func(answer)
	insist bool // it is made again until it is done
}

// Bounds of the number of sessions.
const (
	fewSessions  = 8
	manySessions = 20
)

// plan draws a call of a writer, whose updates are of one key.
func (c *checker) plan(rng *rand.Rand, by int, key string) plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.users[rng.IntN(len(c.users))]
	if len(c.live) < fewSessions {
		return c.create(u, by)
	}
	s := c.live[rng.IntN(len(c.live))]
	if len(c.live) > manySessions {
		return c.destroy(s, by)
	}
	switch k := rng.IntN(100); {
	case k < 14:
		return c.create(u, by)
	case k < 26:
		return c.destroy(s, by)
	case k < 27:
		return c.destroyAll(u, by)
	case k < 43:
		return c.rotate(s, by)
	case k < 70:
		return c.renew(s, by)
	default:
		return c.update(s, by, key)
	}
}

// carryOut makes a call on a node.
func (r *run) carryOut(p plan, n *node) {
	a := n.call(p.q)
	for p.insist && a.Outcome != done && r.waits(50*time.Millisecond) {
		a = n.call(p.q)
	}
	r.checker.mu.Lock()
	defer r.checker.mu.Unlock()
	p.then(a)
}

func (c *checker) create(u *user, by int) plan {
	mark, running := u.logouts.changes, u.logouts.running
	return plan{q: request{Verb: create, User: u.name}, then: func(a answer) {
		s := &session{id: a.ID, user: u, created: a.ended, ended: end{at: never}, values: make(map[string][]stamp)}
		s.ending = running > 0 || u.logouts.changes != mark
		if c.checkCall(create, by, s, true, a) {
			c.live = append(c.live, s)
			c.addToken(s, a.Token, a.ended, false)
		}
	}}
}

func (c *checker) destroy(s *session, by int) plan {
	s.ending = true
	return plan{q: request{Verb: destroy, ID: s.id}, then: func(a answer) {
		if c.checkCall(destroy, by, s, true, a) {
			c.endSession(s, end{a.ended, by})
		}
	}}
}

// destroyAll ends every session of a user that was acknowledged before the call begins. Of others nothing is known. The node
// itself tries one that has failed again, which also ends sessions that begin meanwhile on other nodes.
func (c *checker) destroyAll(u *user, by int) plan {
	mark := u.logouts.begin()
	for _, s := range c.live {
		s.ending = s.ending || s.user == u
	}
	return plan{insist: true, q: request{Verb: destroyAll, User: u.name}, then: func(a answer) {
		if !c.checkCall(destroyAll, by, nil, true, a) {
			return
		}
		u.logouts.end(mark)
		for _, s := range append([]*session(nil), c.live...) {
			if s.user == u && s.created <= a.began {
				c.endSession(s, end{a.ended, by})
			}
		}
	}}
}

// rotate ends every token that was acknowledged before the call begins. If other rotations run at the same time, it is not
// known which of the new tokens is the last.
func (c *checker) rotate(s *session, by int) plan {
	mark := s.rotations.begin()
	for _, t := range s.tokens {
		t.ending = true
	}
	return plan{q: request{Verb: rotate, ID: s.id}, then: func(a answer) {
		alone := s.rotations.end(mark)
		if !c.checkChange(rotate, by, s, a) && a.Outcome != replaced {
			return
		}
		for _, t := range s.tokens {
			if t.issued <= a.began {
				c.endToken(t, end{a.ended, by})
			}
		}
		if a.Outcome == done {
			c.addToken(s, a.Token, a.ended, !alone)
		}
	}}
}

func (c *checker) renew(s *session, by int) plan {
	return plan{q: request{Verb: renew, ID: s.id}, then: func(a answer) {
		if late := a.began - s.ended.at; c.checkCall(renew, by, s, false, a) && late > c.lease {
			c.report(changedDead, "%s %v later", renew, late)
		}
	}}
}

func (c *checker) update(s *session, by int, key string) plan {
	s.next++
	value := s.next
	return plan{q: request{Verb: update, ID: s.id, Key: key, Value: value}, then: func(a answer) {
		if !c.checkChange(update, by, s, a) {
			return
		}
		stamps := s.values[key]
		for len(stamps) > 1 && stamps[1].at < a.ended-5*c.lease {
			stamps = stamps[1:]
		}
		s.values[key] = append(stamps, stamp{value, a.ended, by})
	}}
}

// checkChange judges a change of the database: none is done that began after the end of its session was acknowledged.
func (c *checker) checkChange(how verb, by int, s *session, a answer) bool {
	ok := c.checkCall(how, by, s, false, a)
	if late := a.began - s.ended.at; ok && late > 0 {
		c.report(changedDead, "%s %v later", how, late)
	}
	return ok
}

// barrier makes what was acknowledged before it began hold for whatever begins after it.
func (c *checker) barrier() plan {
	return plan{q: request{Verb: barrier}, then: func(a answer) {
		if c.checkCall(barrier, 0, nil, true, a) {
			c.floor = max(c.floor, a.began)
		}
	}}
}

// drawRead chooses a token to read, and returns the time before which what was acknowledged holds because of a barrier.
func (c *checker) drawRead(rng *rand.Rand, now time.Duration) (t *token, floor time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch k := rng.IntN(100); {
	case len(c.all) == 0:
		return nil, 0
	case k < 5 || len(c.live) == 0:
		t = c.all[rng.IntN(len(c.all))]
	case k < 55:
		s := c.live[rng.IntN(len(c.live))]
		t = s.tokens[len(s.tokens)-1]
	default:
		t = c.drawEnded(rng, now)
	}
	return t, c.floor
}

// drawEnded chooses a token whose end was acknowledged lately, rather one that was served after that.
func (c *checker) drawEnded(rng *rand.Rand, now time.Duration) *token {
	first := len(c.ended)
	for first > 0 && c.ended[first-1].ended.at > now-c.lease-c.lease/4 {
		first--
	}
	recent := c.ended[first:]
	if len(recent) == 0 {
		return c.all[len(c.all)-1]
	}
	x, y := recent[rng.IntN(len(recent))], recent[rng.IntN(len(recent))]
	if y.served-y.ended.at > x.served-x.ended.at {
		return y
	}
	return x
}
