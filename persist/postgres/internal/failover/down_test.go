package failover

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/postgres"
)

// visitor is a session that both nodes have in memory.
type visitor struct {
	*testing.T
	a, b  *node
	id    sessile.ID
	token sessile.Token
}

// login creates a session at node A that both nodes serve from memory.
func login(t *testing.T, a, b *node, user string) visitor {
	t.Helper()
	s, token, err := a.Create(t.Context(), sessile.Meta{}, user, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := visitor{t, a, b, s.ID(), token}
	for _, n := range []*node{a, b} {
		v.until(n.name+" serves the session from memory", func() bool {
			before := n.Stats().Hits
			if err := v.read(n); err != nil {
				t.Fatal(err)
			}
			return n.Stats().Hits > before
		})
	}
	return v
}

func (v visitor) until(what string, ok func() bool) {
	v.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			v.Fatalf("%s: not within 20 s", what)
		}
	}
}

func (v visitor) read(n *node) error {
	_, err := n.ReadByToken(v.Context(), v.token)
	return err
}

// shut fails the test unless a node refuses the session while the server is down: as one that has ended, or as one that cannot be read
// because memory has forgotten it.
func (v visitor) shut(n *node, when string) {
	v.Helper()
	_, err := n.Read(v.Context(), v.id)
	for _, err := range []error{err, v.read(n)} {
		if !errors.Is(err, sessile.ErrNotFound) && !errors.Is(err, sessile.ErrUnavailable) {
			v.Fatalf("%s: %s answers with %v, want ErrNotFound or ErrUnavailable", when, n.name, err)
		}
	}
}

// refused fails the test unless a node refuses the session.
func (v visitor) refused(n *node, when string) {
	v.Helper()
	if err := v.read(n); !errors.Is(err, sessile.ErrNotFound) {
		v.Fatalf("%s: %s answers with %v, want ErrNotFound", when, n.name, err)
	}
}

// destroy logs the session out at node A, and fails the test unless that is promised and not stored.
func (v visitor) destroy(ctx context.Context, most time.Duration) error {
	v.Helper()
	began := time.Now()
	err := v.a.Destroy(ctx, v.id)
	if took := time.Since(began); !errors.Is(err, sessile.ErrNotDurable) || took > most+slack {
		v.Fatalf("Destroy: %v after %v, want ErrNotDurable within %v", err, took, most)
	}
	v.shut(v.a, "after a logout that is not stored")
	if _, err := v.a.Read(v.Context(), v.id); !errors.Is(err, sessile.ErrNotFound) {
		v.Fatalf("node A answers by ID with %v, want ErrNotFound", err)
	}
	return err
}

// two opens two nodes over one address.
func two(t *testing.T, url string) (a, b *node) {
	t.Helper()
	return openNode(t, "node A", postgres.Config{URL: url}), openNode(t, "node B", postgres.Config{URL: url})
}

// A logout while the server is down: the node refuses the session at once and says that this is not stored. The other node serves its
// memory until the lease ends and then answers with ErrUnavailable. When the server is back, the first node stores the logout.
func TestLogoutWhileTheServerIsDownIsStoredLater(t *testing.T) {
	t.Parallel() // it mostly waits
	s := server(t)
	a, b := two(t, s.URL())
	v := login(t, a, b, "ann")
	s.Kill()
	down := time.Now()
	if err := v.destroy(t.Context(), time.Second); !errors.Is(err, sessile.ErrUnavailable) {
		t.Errorf("Destroy: %v, want the cause ErrUnavailable", err)
	}
	v.until("node B answers with ErrUnavailable", func() bool {
		err := v.read(b)
		if err != nil && !errors.Is(err, sessile.ErrUnavailable) {
			t.Fatalf("node B answers with %v while the server is down", err)
		}
		return err != nil
	})
	if took := time.Since(down); took > lease+slack {
		t.Errorf("node B served its memory for %v, want at most a lease", took)
	}
	for _, n := range []*node{a, b} {
		v.until(n.name+" is degraded", func() bool { return n.Health().State == sessile.HealthDegraded })
	}
	if h := a.Health(); h.LastError == nil || h.Reason == "" {
		t.Errorf("node A does not say why it is degraded: %+v", h)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.refused(b, "after Sync and Barrier of node A")
}

// The server does not answer: the caller gets the answer at its deadline, or at that of the batch.
func TestLogoutWhileTheServerHangsEndsAtTheDeadline(t *testing.T) {
	t.Parallel() // it mostly waits
	p := through(t, server(t).Addr())
	a, b := two(t, p.URL())
	v, w := login(t, a, b, "ann"), login(t, a, b, "bob")
	resume := p.Stall()
	defer resume()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := v.destroy(ctx, 300*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Destroy: %v, want the cause DeadlineExceeded", err)
	}
	if err := w.destroy(t.Context(), 2*2*time.Second); !errors.Is(err, sessile.ErrUnavailable) && !errors.Is(err, sessile.ErrUnknown) { // it waits for the first
		t.Errorf("Destroy: %v, want the cause ErrUnavailable or ErrUnknown", err)
	}
	resume()
	for _, x := range []visitor{v, w} {
		x.until("node B refuses the session", func() bool { return errors.Is(x.read(b), sessile.ErrNotFound) })
	}
}

// A node that memory has not seen the session of refuses it too, once it can read the row.
func TestLogoutOfAColdSessionWhileTheServerIsDownIsStoredLater(t *testing.T) {
	t.Parallel() // it mostly waits
	s := server(t)
	a, b := two(t, s.URL())
	v := login(t, a, b, "ann")
	cold := openNode(t, "node C", postgres.Config{URL: s.URL()})
	s.Kill()
	if err := cold.Destroy(t.Context(), v.id); !errors.Is(err, sessile.ErrNotDurable) {
		t.Fatalf("Destroy: %v, want ErrNotDurable", err)
	}
	v.shut(cold, "after a logout that is not stored")
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	v.until("node C answers", func() bool { return !errors.Is(v.read(cold), sessile.ErrUnavailable) })
	v.refused(cold, "when the server is back")
	if err := cold.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.until("node B refuses the session", func() bool { return errors.Is(v.read(b), sessile.ErrNotFound) })
}

// A node that is closed before the server is back cannot store the logout. Close says so, and the session is valid again.
func TestLogoutIsLostWithItsNodeBeforeTheServerIsBack(t *testing.T) {
	t.Parallel() // it mostly waits
	s := server(t)
	a, b := two(t, s.URL())
	v := login(t, a, b, "ann")
	s.Kill()
	_ = v.destroy(t.Context(), time.Second)
	if err := a.Close(); err == nil {
		t.Error("Close: nil, and a logout is not stored")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	v.until("node B serves the session", func() bool { return v.read(b) == nil })
}

// A logout everywhere that is not stored ends what the user has when it is stored. So a login at its node is refused until then. A
// login at another node is not, and may be ended.
func TestLogoutEverywhereThatIsNotStoredEndsLaterLogins(t *testing.T) {
	t.Parallel() // it mostly waits
	s := server(t)
	p := through(t, s.Addr())
	a, b := openNode(t, "node A", postgres.Config{URL: p.URL()}), openNode(t, "node B", postgres.Config{URL: s.URL()})
	v := login(t, a, b, "ann")
	resume := p.Stall()
	defer resume()
	if _, err := a.DestroyAllForUser(t.Context(), "ann"); !errors.Is(err, sessile.ErrNotDurable) {
		t.Fatalf("DestroyAllForUser: %v, want ErrNotDurable", err)
	}
	v.shut(a, "after a logout everywhere that is not stored")
	create := func(n *node) (sessile.Token, error) {
		_, token, err := n.Create(t.Context(), sessile.Meta{}, "ann", nil)
		return token, err
	}
	if _, err := create(a); !errors.Is(err, sessile.ErrUnavailable) {
		t.Errorf("Create at node A: %v, want ErrUnavailable", err)
	}
	token, err := create(b)
	if err != nil {
		t.Fatalf("Create at node B: %v", err)
	}
	resume()
	v.until("the new session is ended", func() bool {
		_, err := b.ReadByToken(t.Context(), token)
		return errors.Is(err, sessile.ErrNotFound)
	})
	v.until("ann can log in at node A", func() bool { _, err := create(a); return err == nil })
	v.refused(b, "when the logout is stored")
}
