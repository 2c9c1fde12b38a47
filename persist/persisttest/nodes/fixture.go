package nodes

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// fixture is a test with nodes of its own.
type fixture struct {
	*testing.T
	nodes []*node
	spare *link           // a handle without a store
	db    persist.Backend // a handle of no node: what is on the database
	lease time.Duration
}

// node is a store, and the faults of its way to the database.
type node struct {
	*sessile.Store
	link                 *link
	silence, cut, freeze func() (mend func())
}

// slack is what a call may take beside what it waits for.
const slack = 300 * time.Millisecond

// interval is the BatchInterval of the nodes: long, so that what is acknowledged and not
// written is found.
const interval = time.Second

func newFixture(t *testing.T, open Opener, n int) *fixture {
	handles := open(t, n+2)
	f := &fixture{T: t, db: handles[n].Backend, lease: persist.DefaultLease}
	f.spare = newLink(handles[n+1].Backend, f.db)
	if l := f.db.Traits().Lease; l > 0 {
		f.lease = l
	}
	t.Cleanup(func() { _, _ = f.db.Close(), f.spare.Close() })
	for _, h := range handles[:n] {
		f.nodes = append(f.nodes, f.start(h))
	}
	return f
}

// start opens the store of a node.
func (f *fixture) start(h Node) *node {
	l := newLink(h.Backend, f.db)
	store, err := sessile.New(l, sessile.Config{BatchInterval: interval, CleanupInterval: sessile.NoCleanup, MaxSessionsPerUser: sessile.NoSessionLimit})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = store.Close() })
	x := &node{Store: store, link: l, silence: h.Silence, cut: h.Cut, freeze: h.Freeze}
	if x.silence == nil {
		x.silence = l.silence
	}
	if x.cut == nil {
		x.cut = l.breakFeed
	}
	if x.freeze == nil {
		x.freeze = l.freeze
	}
	return x
}

// break has a fault begin. It ends with the test, or when mend is called.
func (f *fixture) fault(begin func() (mend func())) (mend func()) {
	mend = begin()
	f.Cleanup(mend)
	return mend
}

// wait lets time pass.
func (*fixture) wait(d time.Duration) { <-time.After(d) }

// until waits for something, no longer than d.
func (f *fixture) until(d time.Duration, what string, ok func() bool) {
	f.Helper()
	end := time.Now().Add(d)
	for !ok() {
		if time.Now().After(end) {
			f.Fatalf("%s: not within %v", what, d)
		}
		f.wait(5 * time.Millisecond)
	}
}

// login creates a session on a node.
func (f *fixture) login(n *node, user string) (sessile.ID, sessile.Token) {
	f.Helper()
	s, token, err := n.Create(f.Context(), sessile.Meta{}, user, nil)
	if err != nil {
		f.Fatalf("Create: %v", err)
	}
	return s.ID(), token
}

// short creates a session that lasts for ttl, and returns its end.
func (f *fixture) short(n *node, user string, ttl time.Duration) (sessile.ID, sessile.Token, time.Time) {
	f.Helper()
	s, token, err := n.CreateWith(f.Context(), sessile.NewSession{UserID: user, TTL: ttl})
	if err != nil {
		f.Fatalf("CreateWith: %v", err)
	}
	return s.ID(), token, s.ExpiresAt()
}

// trusts waits until a node serves the session from memory.
func (f *fixture) trusts(n *node, token sessile.Token) {
	f.Helper()
	f.until(5*f.lease, "a node with a working feed trusts its memory", func() bool {
		before := n.Stats().Hits
		_, err := n.ReadByToken(f.Context(), token)
		if err != nil {
			f.Fatalf("ReadByToken: %v", err)
		}
		return n.Stats().Hits > before
	})
}

// opens fails unless the token opens the session.
func (f *fixture) opens(n *node, token sessile.Token, want bool, when string) {
	f.Helper()
	_, err := n.ReadByToken(f.Context(), token)
	if opened := err == nil; opened != want || err != nil && !errors.Is(err, sessile.ErrNotFound) {
		f.Fatalf("%s: the token opens its session: %v, want %v (%v)", when, opened, want, err)
	}
}

// refuses waits no longer than the lease until a token opens nothing.
func (f *fixture) refuses(n *node, token sessile.Token, why string) {
	f.Helper()
	f.until(f.lease+slack, why, func() bool {
		_, err := n.ReadByToken(f.Context(), token)
		return errors.Is(err, sessile.ErrNotFound)
	})
}

// ok fails the test on an error.
func (f *fixture) ok(what string, err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%s: %v", what, err)
	}
}

// set sets one key on a node.
func set(ctx context.Context, n *node, id sessile.ID, key string, value int) error {
	_, err := n.Update(ctx, id, new(sessile.Changes).Set(key, value))
	return err
}

// stored is the value of a key on the database, 0 if there is none.
func (f *fixture) stored(id sessile.ID, key string) int {
	f.Helper()
	r, err := f.db.ByID(f.Context(), persist.ID(id))
	f.ok("ByID", err)
	return numberIn(f.T, r.Data, key)
}

// exists reports whether the database has a session.
func (f *fixture) exists(id sessile.ID) bool {
	f.Helper()
	_, err := f.db.ByID(f.Context(), persist.ID(id))
	if err != nil && !errors.Is(err, persist.ErrNotFound) {
		f.Fatalf("ByID: %v", err)
	}
	return err == nil
}

// key is the n-th key of a test.
func key(n int) string { return fmt.Sprintf("k%d", n) }
