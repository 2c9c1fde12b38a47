package failover

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile"
)

const applyTimeout = 2 * time.Second // the default of postgres.Config

// waits fails the test unless a call ends with an error at the deadline of its batch. The batch that waits for the standby has an unknown
// outcome. A batch behind it does nothing: the server lets one transaction with notifications commit at a time.
func waits(t *testing.T, what string, call func(context.Context) error) error {
	t.Helper()
	began := time.Now()
	err := call(t.Context())
	took := time.Since(began)
	if !errors.Is(err, sessile.ErrUnknown) && !errors.Is(err, sessile.ErrUnavailable) {
		t.Errorf("%s: %v, want ErrUnknown or ErrUnavailable", what, err)
	}
	if took < applyTimeout/2 || took > 2*applyTimeout+slack { // it may wait for the batch before
		t.Errorf("%s took %v", what, took)
	}
	return err
}

// logoutWaits is waits for a logout.
func logoutWaits(t *testing.T, what string, at *node, id sessile.ID) {
	t.Helper()
	if err := waits(t, what, func(ctx context.Context) error { return at.Destroy(ctx, id) }); !errors.Is(err, sessile.ErrNotDurable) {
		t.Errorf("%s: %v, want ErrNotDurable", what, err)
	}
}

// The synchronous standby is missing: no change is acknowledged. When the standby is back, everything works again.
func TestMissingStandbyAcknowledgesNoChange(t *testing.T) {
	t.Parallel() // it mostly waits
	p := newPair(t)
	p.synchronize()
	a, b := two(t, p.primary.URL())
	v, w, x := login(t, a, b, "ann"), login(t, a, b, "bob"), login(t, a, b, "dora")
	resume := p.link.Stall()
	defer resume()
	_ = waits(t, "Create", func(ctx context.Context) error {
		_, _, err := a.Create(ctx, sessile.Meta{}, "carl", nil)
		return err
	})
	_ = waits(t, "Update", func(ctx context.Context) error {
		_, err := b.Update(ctx, v.id, new(sessile.Changes).Set(key, 1))
		return err
	})
	_ = waits(t, "Rotate", func(ctx context.Context) error {
		_, err := b.RotateToken(ctx, x.id)
		return err
	})
	logoutWaits(t, "Destroy", a, w.id)
	w.refused(a, "after a logout that is not replicated")
	for _, n := range []*node{a, b} {
		if h := n.Health(); h.State != sessile.HealthDegraded || h.Reason == "" || h.LastError == nil {
			t.Errorf("the health of %s: %+v", n.name, h)
		}
	}
	if n := p.backends(); n > 2*9+6 {
		t.Errorf("two nodes have %d connections, want at most 18 and a few that end", n)
	}
	resume()
	for _, n := range []*node{a, b} {
		if err := n.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.until(n.name+" is healthy and creates sessions", func() bool {
			_, _, err := n.Create(t.Context(), sessile.Meta{}, "carl", nil)
			return err == nil && n.Health().State == sessile.HealthOK
		})
	}
	w.until("node B refuses the session", func() bool { return errors.Is(w.read(b), sessile.ErrNotFound) })
}

// 1. The commit of a logout reaches the primary, and not the standby: the caller gets ErrNotDurable.
// 2. The user logs out again, at this node or the other. The primary has nothing to delete.
// 3. The standby takes over.
//
// So the second logout must wait for the standby too.
func TestMissingStandbyKeepsARepeatedLogoutWaiting(t *testing.T) {
	t.Parallel() // it mostly waits
	p := newPair(t)
	p.synchronize()
	a, b := two(t, p.primary.URL())
	v := login(t, a, b, "ann")
	defer p.link.Stall()()
	logoutWaits(t, "Destroy", a, v.id)
	logoutWaits(t, "Destroy again", a, v.id)
	logoutWaits(t, "Destroy at the other node", b, v.id)
	ctx, cancel := context.WithTimeout(t.Context(), 2*applyTimeout)
	defer cancel()
	if err := a.Sync(ctx); err == nil {
		t.Error("Sync returns nil, and the standby has nothing")
	}
}

// backends is the number of connections of the nodes.
func (p *pair) backends() (n int) {
	p.Helper()
	c, err := pgx.Connect(p.Context(), p.primary.URL())
	if err != nil {
		p.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(p.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sessile'`).Scan(&n); err != nil {
		p.Fatal(err)
	}
	return n
}
