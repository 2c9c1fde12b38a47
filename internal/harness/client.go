// Package harness runs random session calls against a store, for tests. A [Client] makes the calls
// of one user and records each in a ledger. [Setup] opens the store under test. The package knows
// nothing of files, faults or power cuts.
package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/ledger"
)

// own is a session that belongs to the client.
type own struct {
	id     sessile.ID
	token  sessile.Token
	unsure bool          // its token may have been replaced, or the session evicted
	before sessile.Token // the previous token while the current one has not been presented; otherwise zero
	turned time.Time     // when the token was replaced
}

// dead is a token that must never be valid again, in this process or for ever.
type dead struct {
	token   sessile.Token
	forever bool
}

// Client acts as one user's program. It makes one call at a time, records what the store
// acknowledges, and reports results that break a promise. It is not safe for concurrent use.
type Client struct {
	Store    *sessile.Store
	User     string
	Max      int                          // Config.MaxSessionsPerUser
	Patience time.Duration                // timeout of every call
	Slack    time.Duration                // how much later than Patience a call may return, 0 = 50 ms
	Now      func() time.Time             // the store's clock; nil = time.Now
	Record   func(ledger.Entry)           // receives every entry
	Faulty   bool                         // the disk is failing: an error is not a violation
	Distrust bool                         // acknowledged changes may be lost; only the ledger decides what is a violation
	Trace    func(call string, err error) // receives every call; nil = none

	live  []*own
	gone  []dead
	short []sessile.ID
	n     int64
	found []ledger.Violation
}

// Found returns the violations that the client itself has detected.
func (c *Client) Found() []ledger.Violation { return c.found }

// Live returns the number of sessions that the client may use.
func (c *Client) Live() int { return len(c.live) }

func (c *Client) report(k ledger.Kind, format string, args ...any) {
	c.found = append(c.found, ledger.Violation{Kind: k, What: c.User + ": " + fmt.Sprintf(format, args...)})
}

// Sessions yields the sessions that the client may use, with their tokens.
func (c *Client) Sessions() iter.Seq2[sessile.ID, sessile.Token] {
	return func(yield func(sessile.ID, sessile.Token) bool) {
		for _, o := range c.live {
			if !yield(o.id, o.token) {
				return
			}
		}
	}
}

// Drop forgets every session and continues as another user. The ledger checks what became of the
// dropped sessions.
func (c *Client) Drop(user string) { c.User, c.live, c.gone, c.short = user, nil, nil, nil }

// EndDistrust ends a period of distrust. Changes that were acknowledged in it stay uncertain.
func (c *Client) EndDistrust() {
	c.distrust()
	c.Distrust = false
}

// distrust records that the client's sessions may have another state on disk.
func (c *Client) distrust() {
	if !c.Distrust {
		return
	}
	c.gone = nil
	for _, o := range c.live {
		o.unsure = true
	}
}

// call runs one call with the client's timeout and checks its error.
func (c *Client) call(what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.Patience)
	defer cancel()
	c.distrust()
	began := time.Now()
	err := f(ctx)
	if c.Trace != nil {
		c.Trace(what, err)
	}
	if d := time.Since(began); d > c.Patience+cmp.Or(c.Slack, 50*time.Millisecond) {
		c.report(ledger.Late, "%s took %v", what, d)
	}
	if !ledger.Documented(err) {
		c.report(ledger.Unnamed, "%s: %v", what, err)
	}
	if err != nil && !c.Faulty {
		c.report(ledger.Unreadable, "%s failed without a fault: %v", what, err)
	}
	return err
}

// operate records the begin of an operation, runs it, and records a failure.
func (c *Client) operate(n ledger.Entry, f func(context.Context) error) error {
	n.User, n.Stage = c.User, ledger.Begun
	c.Record(n)
	err := c.call(string(n.Op), f)
	if err != nil {
		n.Stage = ledger.StageOf(err)
		c.Record(n)
	}
	return err
}

// Create logs in. The session lives for ttl, or as configured if ttl is 0. Create first finds out
// which sessions the login will evict. If it cannot, it does nothing.
func (c *Client) Create(ttl time.Duration) { c.create(ttl, sessile.ID{}) }

// CreateAgain logs in and replaces the i-th session.
func (c *Client) CreateAgain(i int) {
	if o := c.pick(i); o != nil {
		c.create(0, o.id)
		if c.pick(i) != o {
			c.refused(o.token)
		}
	}
}

func (c *Client) create(ttl time.Duration, replaced sessile.ID) {
	evicted, err := c.evicted(replaced)
	if err != nil {
		return
	}
	var s sessile.Session
	var t sessile.Token
	n := ledger.Entry{Op: ledger.Create, IDs: evicted, Short: ttl > 0}
	err = c.operate(n, func(ctx context.Context) (err error) {
		s, t, err = c.Store.CreateWith(ctx, sessile.NewSession{UserID: c.User, TTL: ttl, Replaces: replaced, Data: map[string]int64{"n": 0}})
		return err
	})
	for _, o := range c.live {
		o.unsure = o.unsure || slices.Contains(evicted, o.id) && ledger.StageOf(err) == ledger.Unknown
	}
	if err != nil {
		return
	}
	n.User, n.Stage, n.IDs, n.Token = c.User, ledger.Done, append(slices.Clip(evicted), s.ID()), t
	c.Record(n)
	c.forget(evicted, true)
	if ttl > 0 {
		c.short = append(c.short, s.ID())
		return
	}
	c.live = append(c.live, &own{id: s.ID(), token: t})
}

// evicted returns the sessions that the next login ends, including the replaced one.
func (c *Client) evicted(replaced sessile.ID) ([]sessile.ID, error) {
	var list []sessile.Session
	err := c.call("list", func(ctx context.Context) (err error) {
		list, err = c.Store.ListForUser(ctx, c.User)
		return err
	})
	for _, o := range c.live {
		if !o.unsure && !slices.ContainsFunc(list, func(s sessile.Session) bool { return s.ID() == o.id }) && err == nil {
			err = fmt.Errorf("session %s is not in the list", o.id) // an unreadable session is left out of the list
			if !c.Faulty {
				c.report(ledger.Lost, "%v", err)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	var ids []sessile.ID
	if !replaced.IsZero() {
		ids = append(ids, replaced)
		list = slices.DeleteFunc(list, func(s sessile.Session) bool { return s.ID() == replaced })
	}
	if len(list) >= c.Max && slices.ContainsFunc(list, func(s sessile.Session) bool { return s.ExpiresAt().Sub(c.now()) < soon }) {
		return nil, errors.New("a session may end by itself before it is evicted")
	}
	for _, s := range list[min(c.Max-1, len(list)):] {
		if !c.knows(s.ID()) {
			return nil, errors.New("a session that nobody was given is to be evicted")
		}
		ids = append(ids, s.ID())
	}
	return ids, nil
}

// soon is the longest time that a login may take after evicted has looked.
const soon = 100 * time.Millisecond

// now returns the time of an access. It uses the store's clock, because the store treats a later
// time as its own now, and may be a microsecond behind the system clock.
func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return c.Store.Now()
}

func (c *Client) knows(id sessile.ID) bool {
	return slices.Contains(c.short, id) || slices.ContainsFunc(c.live, func(o *own) bool { return o.id == id })
}

// forget records that sessions have ended.
func (c *Client) forget(ids []sessile.ID, forever bool) {
	c.live = slices.DeleteFunc(c.live, func(o *own) bool {
		ended := slices.Contains(ids, o.id)
		if ended {
			c.gone = append(c.gone, dead{o.token, forever})
		}
		return ended
	})
	c.short = slices.DeleteFunc(c.short, func(id sessile.ID) bool { return slices.Contains(ids, id) })
}

// Restart records that the store was closed and opened again. After a lossy close, only changes
// that were acknowledged as durable count.
func (c *Client) Restart(store *sessile.Store, lossy bool) {
	c.Store = store
	if lossy {
		c.gone = slices.DeleteFunc(c.gone, func(d dead) bool { return !d.forever })
		c.Record(ledger.Entry{Op: ledger.Restart, User: c.User})
	}
	for i := range c.gone {
		c.gone[i].forever = true
	}
}

// Read presents the i-th session's token, and a token that must never be valid again.
func (c *Client) Read(i int) {
	if len(c.gone) > 0 {
		c.refused(c.gone[i%len(c.gone)].token)
	}
	if o := c.pick(i); o != nil {
		o.before = sessile.Token{}
		err := c.call("read", func(ctx context.Context) error {
			_, err := c.Store.ReadByToken(ctx, o.token)
			return c.expected(o, err)
		})
		if errors.Is(err, sessile.ErrNotFound) && !o.unsure {
			c.report(ledger.Lost, "session %s is not found", o.id)
		}
	}
}

// expected returns nil if a session was not found and that is allowed.
func (c *Client) expected(o *own, err error) error {
	if o.unsure && errors.Is(err, sessile.ErrNotFound) {
		return nil
	}
	return err
}

// refused presents a token that must not be valid.
func (c *Client) refused(t sessile.Token) {
	err := c.call("read what is gone", func(ctx context.Context) error {
		_, err := c.Store.ReadByToken(ctx, t)
		if errors.Is(err, sessile.ErrNotFound) {
			return nil
		}
		return errors.Join(err, errValid(err == nil))
	})
	if errors.Is(err, errIsValid) && !c.Distrust {
		c.report(ledger.Undone, "a dead token is valid")
	}
}

var errIsValid = fmt.Errorf("%w: the token is valid", sessile.ErrConflict)

func errValid(valid bool) error {
	if valid {
		return errIsValid
	}
	return nil
}

func (c *Client) pick(i int) *own {
	if len(c.live) == 0 {
		return nil
	}
	return c.live[i%len(c.live)]
}
