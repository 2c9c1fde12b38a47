package failover

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// hogs are connections of others.
type hogs struct {
	*testing.T
	server *postgrestest.Server
	open   []*pgx.Conn
}

// fill takes every connection that is free.
func (h *hogs) fill() {
	for {
		c, err := pgx.Connect(context.Background(), h.server.URL())
		if err != nil {
			return
		}
		h.open = append(h.open, c)
	}
}

// takeAll takes every connection, those of the nodes too.
func (h *hogs) takeAll() {
	h.Helper()
	const others = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'sessile'`
	for left := 1; left > 0; {
		h.fill()
		if err := h.open[0].QueryRow(h.Context(), others).Scan(&left); err != nil {
			h.Fatal(err)
		}
	}
}

func (h *hogs) leave() {
	for _, c := range h.open {
		_ = c.Close(context.Background())
	}
	h.open = nil
}

// Other programs have all connections of the server. Every call says so, nobody is logged out, and the nodes work again when
// connections are free.
func TestTooManyConnectionsAreReportedUntilSomeAreFree(t *testing.T) {
	t.Parallel() // it mostly waits
	s := server(t, "max_connections=30")
	a, b := two(t, s.URL())
	v := login(t, a, b, "ann")
	h := &hogs{T: t, server: s}
	t.Cleanup(h.leave)
	h.takeAll()
	_, _, err := a.Create(t.Context(), sessile.Meta{}, "bob", nil)
	if !errors.Is(err, sessile.ErrUnavailable) || !strings.Contains(err.Error(), "SQLSTATE 53300") {
		t.Errorf("Create: %v, want ErrUnavailable and the server's reason", err)
	}
	v.until("node B has no memory that it trusts", func() bool {
		err := v.read(b)
		if errors.Is(err, sessile.ErrNotFound) {
			t.Fatalf("ann is logged out: %v", err)
		}
		return errors.Is(err, sessile.ErrUnavailable) && strings.Contains(err.Error(), "SQLSTATE 53300")
	})
	if err := v.destroy(t.Context(), slack); !strings.Contains(err.Error(), "SQLSTATE 53300") {
		t.Errorf("Destroy: %v, want the server's reason", err)
	}
	health := a.Health()
	if health.State != sessile.HealthDegraded || health.LastError == nil || !strings.Contains(health.LastError.Error(), "SQLSTATE 53300") {
		t.Errorf("health: %+v", health)
	}
	h.leave()
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.until("node B refuses what was logged out", func() bool { return errors.Is(v.read(b), sessile.ErrNotFound) })
	for _, n := range []*node{a, b} {
		v.until(n.name+" is healthy", func() bool { return n.Health().State == sessile.HealthOK })
	}
}
