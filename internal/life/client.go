package life

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/sessile/sessile"
)

// own is a session that a client has.
type own struct {
	id     sessile.ID
	token  sessile.Token
	unsure bool          // its token may be replaced, or the session evicted
	before sessile.Token // the one before, if the token has not been presented; else zero
	turned time.Time     // when it was replaced
}

// dead is a token that is never good again: in this process, or for ever.
type dead struct {
	token   sessile.Token
	forever bool
}

// Client is one user's program: it calls one thing at a time, notes what it is
// told, and notices what it must not be told. It is not safe for concurrent use.
type Client struct {
	Store    *sessile.Store
	User     string
	Max      int                          // Config.MaxSessionsPerUser
	Patience time.Duration                // of every call
	Slack    time.Duration                // what a call may take beyond that, 0 = 50 ms: the answer has a way to go
	Now      func() time.Time             // the store's clock; nil = time.Now
	Say      func(Note)                   // hears every note
	Faulty   bool                         // the disk fails now: errors are no breach
	Doubtful bool                         // what is acknowledged now may be lost: only the book can tell what is a breach
	Trace    func(call string, err error) // hears every call; nil = nobody

	live  []*own
	gone  []dead
	short []sessile.ID
	n     int64
	found []Breach
}

// Found returns the breaches that the client itself has noticed.
func (c *Client) Found() []Breach { return c.found }

// Live is the number of sessions that it may use.
func (c *Client) Live() int { return len(c.live) }

func (c *Client) report(k Kind, format string, args ...any) {
	c.found = append(c.found, Breach{k, c.User + ": " + fmt.Sprintf(format, args...)})
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

// Drop forgets every session, and goes on as another user: whether they are there
// is for the book to say.
func (c *Client) Drop(user string) { c.User, c.live, c.gone, c.short = user, nil, nil, nil }

// Believe ends a time of distrust: what was acknowledged in it stays uncertain.
func (c *Client) Believe() {
	c.distrust()
	c.Doubtful = false
}

// distrust notes that what the client has, or has lost, may not be so.
func (c *Client) distrust() {
	if !c.Doubtful {
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
		c.report(Late, "%s took %v", what, d)
	}
	if !Clear(err) {
		c.report(Unclear, "%s: %v", what, err)
	}
	if err != nil && !c.Faulty {
		c.report(Unreadable, "%s failed without a fault: %v", what, err)
	}
	return err
}

// note says that something begins, does it, and says how it ended.
func (c *Client) note(n Note, f func(context.Context) error) error {
	n.User, n.Stage = c.User, Begun
	c.Say(n)
	err := c.call(string(n.Op), f)
	if err != nil {
		n.Stage = stageOf(err)
		c.Say(n)
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
	n := Note{Op: Create, IDs: evicted, Short: ttl > 0}
	err = c.note(n, func(ctx context.Context) (err error) {
		s, t, err = c.Store.CreateWith(ctx, sessile.NewSession{UserID: c.User, TTL: ttl, Replaces: replaced, Data: map[string]int64{"n": 0}})
		return err
	})
	for _, o := range c.live {
		o.unsure = o.unsure || slices.Contains(evicted, o.id) && stageOf(err) == Unknown
	}
	if err != nil {
		return
	}
	n.User, n.Stage, n.IDs, n.Token = c.User, Done, append(slices.Clip(evicted), s.ID), t
	c.Say(n)
	c.forget(evicted, true)
	if ttl > 0 {
		c.short = append(c.short, s.ID)
		return
	}
	c.live = append(c.live, &own{id: s.ID, token: t})
}

// evicted are the sessions that the next login ends, with the one that it replaces.
func (c *Client) evicted(replaced sessile.ID) ([]sessile.ID, error) {
	var list []sessile.Session
	err := c.call("list", func(ctx context.Context) (err error) {
		list, err = c.Store.ListForUser(ctx, c.User)
		return err
	})
	for _, o := range c.live {
		if !o.unsure && !slices.ContainsFunc(list, func(s sessile.Session) bool { return s.ID == o.id }) && err == nil {
			err = fmt.Errorf("session %s is not in the list", o.id) // one that cannot be read is left out
			if !c.Faulty {
				c.report(Lost, "%v", err)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	var ids []sessile.ID
	if !replaced.IsZero() {
		ids = append(ids, replaced)
		list = slices.DeleteFunc(list, func(s sessile.Session) bool { return s.ID == replaced })
	}
	if len(list) >= c.Max && slices.ContainsFunc(list, func(s sessile.Session) bool { return s.ExpiresAt.Sub(c.now()) < soon }) {
		return nil, errors.New("a session may end by itself before it is evicted")
	}
	for _, s := range list[min(c.Max-1, len(list)):] {
		if !c.knows(s.ID) {
			return nil, errors.New("a session that nobody was given is to be evicted")
		}
		ids = append(ids, s.ID)
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

// forget notes that sessions have ended.
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

// Restart notes that the store was closed and opened again. If it was closed with
// losses, only what was acknowledged as being on disk still counts.
func (c *Client) Restart(store *sessile.Store, lossy bool) {
	c.Store = store
	if lossy {
		c.gone = slices.DeleteFunc(c.gone, func(d dead) bool { return !d.forever })
		c.Say(Note{Op: Restart, User: c.User})
	}
	for i := range c.gone {
		c.gone[i].forever = true
	}
}

// Read presents the i-th session's token, and one that must never be good again.
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
			c.report(Lost, "session %s is not found", o.id)
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

// refused presents a token that must not be good.
func (c *Client) refused(t sessile.Token) {
	err := c.call("read what is gone", func(ctx context.Context) error {
		_, err := c.Store.ReadByToken(ctx, t)
		if errors.Is(err, sessile.ErrNotFound) {
			return nil
		}
		return errors.Join(err, errGood(err == nil))
	})
	if errors.Is(err, errIsGood) && !c.Doubtful {
		c.report(Undone, "a dead token is good")
	}
}

var errIsGood = fmt.Errorf("%w: the token is good", sessile.ErrConflict)

func errGood(good bool) error {
	if good {
		return errIsGood
	}
	return nil
}

func (c *Client) pick(i int) *own {
	if len(c.live) == 0 {
		return nil
	}
	return c.live[i%len(c.live)]
}
