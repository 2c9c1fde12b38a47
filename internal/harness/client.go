// Package harness makes random sessions on a store: a [Client] makes the calls of one user
// and records each in a ledger, and [Setup] opens the store under test. It knows nothing of
// files, faults and power cuts. It is for tests.
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

// own is a session that a client has.
type own struct {
	id     sessile.ID
	token  sessile.Token
	unsure bool          // its token may be replaced, or the session evicted
	before sessile.Token // the one before, if the token has not been presented; else zero
	turned time.Time     // when it was replaced
}

// dead is a token that is never valid again: in this process, or for ever.
type dead struct {
	token   sessile.Token
	forever bool
}

// Client is one user's program. It makes one call at a time, records what the store
// acknowledges, and reports answers that break a promise. It is not safe for concurrent use.
type Client struct {
	Store    *sessile.Store
	User     string
	Max      int                          // Config.MaxSessionsPerUser
	Patience time.Duration                // of every call
	Slack    time.Duration                // what a call may take beyond that, 0 = 50 ms: the answer has a way to go
	Now      func() time.Time             // the store's clock; nil = time.Now
	Record   func(ledger.Entry)           // gets every entry
	Faulty   bool                         // the disk fails now: an error is not a violation
	Distrust bool                         // what is acknowledged now may be lost: only the ledger can tell what is a violation
	Trace    func(call string, err error) // gets every call; nil = nothing

	live  []*own
	gone  []dead
	short []sessile.ID
	n     int64
	found []ledger.Violation
}

// Found returns the violations that the client itself has noticed.
func (c *Client) Found() []ledger.Violation { return c.found }

// Live is the number of sessions that it may use.
func (c *Client) Live() int { return len(c.live) }

func (c *Client) report(k ledger.Kind, format string, args ...any) {
	c.found = append(c.found, ledger.Violation{Kind: k, What: c.User + ": " + fmt.Sprintf(format, args...)})
}

// Sessions are those that the client may use, with their tokens.
func (c *Client) Sessions() iter.Seq2[sessile.ID, sessile.Token] {
	return func(yield func(sessile.ID, sessile.Token) bool) {
		for _, o := range c.live {
			if !yield(o.id, o.token) {
				return
			}
		}
	}
}

// Drop forgets every session and goes on as another user. The ledger judges what became
// of them.
func (c *Client) Drop(user string) { c.User, c.live, c.gone, c.short = user, nil, nil, nil }

// EndDistrust ends a time of distrust: what was acknowledged in it stays uncertain.
func (c *Client) EndDistrust() {
	c.distrust()
	c.Distrust = false
}

// distrust records that what the client has, or has lost, may be different on disk.
func (c *Client) distrust() {
	if !c.Distrust {
		return
	}
	c.gone = nil
	for _, o := range c.live {
		o.unsure = true
	}
}

// call runs one call within the client's patience and judges its error.
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

// operate records that an operation begins, does it, and records a failure.
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

// Create logs in; the session lives for ttl, 0 = as configured. It first looks
// whom that evicts; if it cannot, it does nothing.
func (c *Client) Create(ttl time.Duration) { c.create(ttl, sessile.ID{}) }

// CreateAgain logs in in the place of the i-th session.
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

// evicted are the sessions that the next login ends, with the one that it replaces.
func (c *Client) evicted(replaced sessile.ID) ([]sessile.ID, error) {
	var list []sessile.Session
	err := c.call("list", func(ctx context.Context) (err error) {
		list, err = c.Store.ListForUser(ctx, c.User)
		return err
	})
	for _, o := range c.live {
		if !o.unsure && !slices.ContainsFunc(list, func(s sessile.Session) bool { return s.ID() == o.id }) && err == nil {
			err = fmt.Errorf("session %s is not in the list", o.id) // one that cannot be read is left out
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

// soon is how long a login may take from the look at whom it evicts.
const soon = 100 * time.Millisecond

// now is the time of an access: the store's, because what is later than that counts as
// now, and the store's may be a microsecond behind the system's.
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

// Restart records that the store was closed and opened again. If it was closed with
// losses, only what was acknowledged as being on disk still counts.
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

// Read presents the i-th session's token, and one that must never be valid again.
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

// expected hides that a session is not found that may be so.
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
