package failover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sessile/sessile"
)

const (
	key      = "n"             // of the data: a value that grows
	patience = 5 * time.Second // deadline of a call
	slack    = 2 * time.Second // how much later a call may return, or another node may refuse: the machine is busy
	lease    = time.Second
	most     = 25 // sessions of a client
)

// client makes the calls of one user, one at a time, at one node, and reads at the other node too.
type client struct {
	*report
	user        string
	home, other *node
	live        []*subject
	over        []*subject // ending or ended
	orphans     int        // creates of unknown outcome
	rand        *rand.Rand
}

// step makes one random call. It reports whether the call failed.
func (c *client) step() (failed bool) {
	k := c.rand.IntN(100)
	if len(c.live) == 0 || k < 20 && len(c.live) < most {
		return c.create()
	}
	s := c.live[c.rand.IntN(len(c.live))]
	switch {
	case k < 45:
		return c.update(s)
	case k < 60 || s.token.IsZero() && k < 80:
		return c.rotate(s)
	case k < 72:
		return c.destroy(s)
	case k < 74:
		return c.destroyAll()
	case k < 86:
		return c.read(s)
	case k < 92:
		return c.readElsewhere(s)
	default:
		return c.readDead()
	}
}

// call makes one call at a node within the deadline of the client.
func (c *client) call(what string, at *node, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	err := f(ctx)
	if took := time.Since(began); took > patience+slack {
		c.breach(late, "%s took %v", what, took)
	}
	if !documented(err) {
		c.breach(unnamed, "%s: %v", what, err)
	}
	if !errors.Is(err, sessile.ErrNotFound) { // whose meaning depends on the call
		c.counted(what, err)
	}
	if err == nil && at != nil {
		at.acknowledged(began)
	}
	return err
}

// documented reports whether a call may return err while the server fails.
func documented(err error) bool {
	if err == nil {
		return true
	}
	for _, known := range []error{
		sessile.ErrNotFound, sessile.ErrUnavailable, sessile.ErrUnknown, sessile.ErrNotDurable, sessile.ErrOverloaded, sessile.ErrConflict,
		context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// nothingDone reports whether err says so.
func nothingDone(err error) bool {
	return (errors.Is(err, sessile.ErrUnavailable) || errors.Is(err, sessile.ErrOverloaded)) && !errors.Is(err, sessile.ErrUnknown)
}

func (c *client) create() (failed bool) {
	var s sessile.Session
	var t sessile.Token
	err := c.call("create", c.home, func(ctx context.Context) (err error) {
		s, t, err = c.home.Create(ctx, sessile.Meta{}, c.user, map[string]int{key: 0})
		return err
	})
	switch {
	case err == nil:
		c.live = append(c.live, &subject{id: s.ID(), token: t, since: time.Now()})
	case !nothingDone(err):
		c.orphans++
	}
	return err != nil
}

// exists reports a session that a call did not find, although it is there.
func (c *client) exists(s *subject, what string, err error) {
	if errors.Is(err, sessile.ErrNotFound) {
		c.breach(lost, "%s at %s: session %s is not found", what, c.home.name, s.id)
	}
}

func (c *client) update(s *subject) (failed bool) {
	s.tried++
	err := c.call("update", c.home, func(ctx context.Context) error {
		_, err := c.home.Update(ctx, s.id, new(sessile.Changes).Set(key, s.tried))
		return err
	})
	if c.exists(s, "update", err); err == nil {
		s.acked = s.tried
	}
	return err != nil
}

func (c *client) rotate(s *subject) (failed bool) {
	var t sessile.Token
	err := c.call("rotate", c.home, func(ctx context.Context) (err error) {
		t, err = c.home.RotateToken(ctx, s.id)
		return err
	})
	c.exists(s, "rotate", err)
	switch {
	case err == nil:
		s.replaced = append(append(s.replaced, s.unsure...), s.token)
		s.token, s.unsure, s.since = t, nil, time.Now()
	case !nothingDone(err) && !s.token.IsZero():
		s.unsure, s.token = append(s.unsure, s.token), sessile.Token{}
	}
	return err != nil
}

func (c *client) destroy(s *subject) (failed bool) {
	err := c.call("destroy", c.home, func(ctx context.Context) error { return c.home.Destroy(ctx, s.id) })
	return c.ends(err, s)
}

func (c *client) destroyAll() (failed bool) {
	err := c.call("destroyAll", c.home, func(ctx context.Context) error {
		_, err := c.home.DestroyAllForUser(ctx, c.user)
		return err
	})
	return c.ends(err, c.live...)
}

// ends notes the end of sessions. They are refused at the client's node from now on, also after ErrNotDurable.
func (c *client) ends(err error, l ...*subject) (failed bool) {
	to := ended
	if err != nil {
		to = ending
	}
	if err != nil && !errors.Is(err, sessile.ErrNotDurable) {
		return true
	}
	gone := make(map[*subject]bool, len(l))
	for _, s := range l {
		gone[s] = true
		s.state, s.since = to, time.Now()
		s.replaced = append(s.replaced, s.unsure...)
		c.over = append(c.over, s)
	}
	var live []*subject
	for _, s := range c.live {
		if !gone[s] {
			live = append(live, s)
		}
	}
	c.live = live
	return err != nil
}

// read reads a session at the client's node, which shows every acknowledged change.
func (c *client) read(s *subject) (failed bool) {
	err := c.call("read", nil, func(ctx context.Context) error {
		got, err := s.open(ctx, c.home.Store)
		if err == nil {
			s.compare(c.report, got, "read at "+c.home.name)
		}
		return err
	})
	c.exists(s, "read", err)
	return err != nil
}

// readElsewhere reads a session at the other node. The other node may be late, and must not say that the session does not exist.
func (c *client) readElsewhere(s *subject) (failed bool) {
	err := c.call("read elsewhere", nil, func(ctx context.Context) error {
		_, err := s.open(ctx, c.other.Store)
		return err
	})
	c.exists(s, "read elsewhere than", err)
	return err != nil
}

// destroyAgain ends a session whose end was promised and not stored. Success promises that it is stored.
func (c *client) destroyAgain(s *subject) (failed bool) {
	err := c.call("destroy again", c.home, func(ctx context.Context) error { return c.home.Destroy(ctx, s.id) })
	if err == nil {
		s.state, s.since = ended, time.Now()
	}
	return err != nil
}

// readDead presents the token of a session that has ended at the client's node, and at the other node if that must know.
func (c *client) readDead() (failed bool) {
	if len(c.over) == 0 {
		return false
	}
	s := c.over[c.rand.IntN(len(c.over))]
	c.refused(c.home, s)
	if s.state == ending {
		return c.destroyAgain(s)
	}
	if time.Since(s.since) > lease+slack {
		c.refused(c.other, s)
	}
	return false
}

func (c *client) refused(at *node, s *subject) {
	if s.token.IsZero() {
		return
	}
	err := c.call("read what has ended", nil, func(ctx context.Context) error {
		_, err := at.ReadByToken(ctx, s.token)
		return err
	})
	if err == nil {
		c.breach(undone, "read at %s: the token of session %s opens it %v after its end", at.name, s.id, time.Since(s.since))
	}
}

// check compares a store with everything that this client knows. Of what has ended before the round it takes a sample.
func (c *client) check(ctx context.Context, store *sessile.Store, where string, round time.Time) {
	for _, s := range c.live {
		s.check(ctx, c.report, store, where)
	}
	for _, s := range c.over {
		if s.since.After(round) || c.rand.IntN(10) == 0 {
			s.check(ctx, c.report, store, where)
		}
	}
	list, err := store.ListForUser(ctx, c.user)
	if err != nil {
		c.breach(unreadable, "%s: listing the sessions of %s: %v", where, c.user, err)
	}
	if n := len(list) - len(c.live); n > c.orphans {
		c.breach(unissued, "%s: %d sessions of %s were never handed out, %d logins have an unknown outcome", where, n, c.user, c.orphans)
	}
}

func newClient(r *report, n int, home, other *node) *client {
	return &client{report: r, user: fmt.Sprint("user", n), home: home, other: other, rand: rand.New(rand.NewPCG(rand.Uint64(), uint64(n)))}
}
