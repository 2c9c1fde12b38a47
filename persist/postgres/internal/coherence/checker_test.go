//go:build unix

package coherence

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
)

// breach is a kind of broken promise.
type breach string

const (
	servedLate       breach = "served later than the lease after its end"
	servedBarrier    breach = "served after a barrier"
	servedOwn        breach = "served by the node that acknowledged its end"
	verifiedDead     breach = "verified after its end"
	changedDead      breach = "changed after its end"
	updateLost       breach = "an acknowledged update is missing"
	refusedAlive     breach = "refused, and nothing has ended it"
	wrongSession     breach = "opened another session"
	strangeError     breach = "an error that no fault explains"
	revived          breach = "on the database after its end"
	severalTokens    breach = "more than one token opens a session"
	nodesDisagree    breach = "a token opens its session on some nodes only"
	nodeDoesNotStart breach = "a node does not start"
)

// never is the time of what has not happened. Times are those of the parent's clock.
const never = time.Duration(math.MaxInt64)

// checker knows what nodes have acknowledged, and judges what they answer.
type checker struct {
	lease time.Duration

	mu    sync.Mutex
	users []*user
	live  []*session // whose end is not acknowledged
	dead  []*session
	all   []*token
	ended []*token      // in the order in which their end became known
	floor time.Duration // what was acknowledged before holds for calls that begin now: when the latest completed barrier began

	breaches map[breach]int
	texts    []string
	noticed  chan breach
	calls    map[verb]int
	served   int           // reads that opened a session
	stale    int           // those of them that began after the end was acknowledged
	latest   time.Duration // the longest time from an acknowledgement to the beginning of such a read
}

func newChecker(lease time.Duration) *checker {
	c := &checker{lease: lease, breaches: make(map[breach]int), calls: make(map[verb]int), noticed: make(chan breach, 1000)}
	for i := range 5 {
		c.users = append(c.users, &user{name: fmt.Sprint("user", i)})
	}
	return c
}

// overlap tells whether calls have run at the same time.
type overlap struct{ running, changes int }

func (o *overlap) begin() (mark int) {
	o.running++
	o.changes++
	return o.changes
}

// end reports whether no other call has run since begin returned mark.
func (o *overlap) end(mark int) (alone bool) {
	alone = o.running == 1 && o.changes == mark
	o.running--
	o.changes++
	return alone
}

type user struct {
	name    string
	logouts overlap
}

type session struct {
	id        string
	user      *user
	created   time.Duration
	tokens    []*token
	rotations overlap
	ending    bool // a call that ends it has begun
	ended     end
	values    map[string][]stamp // acknowledged updates by key
	next      int64
	calls     []string // that may have changed it, for reports
}

// stamp is the value of an acknowledged update.
type stamp struct {
	value int64
	at    time.Duration
	by    int // the node
}

// end is the acknowledged end of a session or a token.
type end struct {
	at time.Duration // never before
	by int           // the node
}

type token struct {
	text   string
	of     *session
	issued time.Duration
	ending bool // a call that replaces it has begun
	ended  end
	served time.Duration // when the latest read began that it opened
}

// report notes a breach. The lock is held.
func (c *checker) report(what breach, format string, args ...any) {
	c.breaches[what]++
	if len(c.texts) < 20 {
		c.texts = append(c.texts, string(what)+": "+fmt.Sprintf(format, args...))
	}
	select {
	case c.noticed <- what:
	default:
	}
}

// addToken gives a session a token. The lock is held.
func (c *checker) addToken(s *session, text string, issued time.Duration, ending bool) {
	t := &token{text: text, of: s, issued: issued, ending: ending, ended: end{at: never}}
	s.tokens = append(s.tokens, t)
	c.all = append(c.all, t)
	if s.ended.at != never {
		c.endToken(t, s.ended)
	}
}

// endToken notes that the end of a token was acknowledged. The lock is held.
func (c *checker) endToken(t *token, e end) {
	if t.ended.at == never {
		c.ended = append(c.ended, t)
	}
	if e.at < t.ended.at {
		t.ended = e
		c.serve(t, t.served)
	}
}

// endSession notes that the end of a session was acknowledged. The lock is held.
func (c *checker) endSession(s *session, e end) {
	if s.ended.at == never {
		for i, x := range c.live {
			if x == s {
				c.live[i] = c.live[len(c.live)-1]
				c.live = c.live[:len(c.live)-1]
				break
			}
		}
		c.dead = append(c.dead, s)
	}
	if e.at < s.ended.at {
		s.ended = e
	}
	for _, t := range s.tokens {
		c.endToken(t, e)
	}
}

// serve judges a read that began at a time and opened its session. The lock is held.
func (c *checker) serve(t *token, began time.Duration) {
	t.served = max(t.served, began)
	late := began - t.ended.at
	if t.ended.at == never || late <= 0 {
		return
	}
	c.stale++
	c.latest = max(c.latest, late)
	if late > c.lease {
		c.report(servedLate, "%v", late)
	}
}

// checkRead judges a read. Barriers had completed that make what was acknowledged before floor hold.
func (c *checker) checkRead(how verb, by int, t *token, floor time.Duration, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.checkCall(how, by, t.of, t.ending, a) {
		return
	}
	if a.ID != t.of.id {
		c.report(wrongSession, "%s and not %s", a.ID, t.of.id)
	}
	late := a.began - t.ended.at
	switch {
	case how == verify:
		floor = a.began
		if late > 0 {
			c.report(verifiedDead, "%v", late)
		}
	case t.ended.at <= floor:
		c.report(servedBarrier, "%v after its end, node %d, ended by node %d", late, by, t.ended.by)
	case t.ended.by == by && late > 0:
		c.report(servedOwn, "%v", late)
	}
	if how == read {
		c.served++
		c.serve(t, a.began)
	}
	c.checkValues(by, t.of, max(floor, a.began-c.lease), a)
}

// checkValues judges the data of a session: it has all updates that were acknowledged before floor, and all that the same node
// acknowledged before the read began.
func (c *checker) checkValues(by int, s *session, floor time.Duration, a answer) {
	for key, stamps := range s.values {
		for _, x := range stamps {
			if (x.at <= floor || x.by == by && x.at <= a.began) && x.value > a.Values[key] {
				c.report(updateLost, "%s is %d, and %d was acknowledged by node %d %v before the read on node %d", key, a.Values[key], x.value, x.by, a.began-x.at, by)
				break
			}
		}
	}
}

// checkCall judges the outcome of a call about a session, and reports whether it was done. The lock is held.
func (c *checker) checkCall(how verb, by int, s *session, ending bool, a answer) bool {
	c.calls[how]++
	if s != nil && how != read && how != verify && how != update && how != renew {
		s.calls = append(s.calls, fmt.Sprintf("%s on node %d [%v %v] %s", how, by, a.began, a.ended, a.Outcome))
	}
	switch {
	case a.Outcome == strange:
		c.report(strangeError, "%s: %s", how, a.Text)
	case a.Outcome == notFound && !ending && !s.ending:
		c.report(refusedAlive, "%s on node %d at %v, after: %s", how, by, a.began, strings.Join(s.calls, "; "))
	}
	return a.Outcome == done
}
