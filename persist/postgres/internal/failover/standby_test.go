package failover

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// pair is a primary and its standby. A failover exchanges them.
type pair struct {
	*testing.T
	primary, standby *postgrestest.Server
	link             *postgrestest.Proxy // the way of replication
	door             *postgrestest.Proxy // an address that leads to the primary
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{T: t, primary: server(t, "wal_keep_size=512MB")}
	p.link, p.door = through(t, p.primary.Addr()), through(t, p.primary.Addr())
	var err error
	if p.standby, err = postgrestest.StartStandby(p.link.Addr(), "fsync=on", "wal_keep_size=512MB"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.standby.Stop)
	return p
}

// nodes are the configurations of two nodes. One knows both servers, the other an address that moves.
func (p *pair) nodes() (a, b postgres.Config) {
	hosts := postgrestest.URL(p.primary.Addr() + "," + p.standby.Addr())
	return postgres.Config{URL: hosts + "&target_session_attrs=read-write"}, postgres.Config{URL: p.door.URL()}
}

// synchronize has commits wait for the standby, and waits until it follows.
func (p *pair) synchronize() {
	p.Helper()
	p.set(p.primary, postgrestest.Standby)
	p.until("the standby is synchronous", `SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')`)
}

// set sets synchronous_standby_names of a server.
func (p *pair) set(s *postgrestest.Server, names string) {
	p.Helper()
	if err := s.Exec(p.Context(), `ALTER SYSTEM SET synchronous_standby_names = '`+names+`'`, `SELECT pg_reload_conf()`); err != nil {
		p.Fatal(err)
	}
}

// until waits for a query to be true at the primary.
func (p *pair) until(what, query string) {
	p.Helper()
	c, err := pgx.Connect(p.Context(), p.primary.URL())
	if err != nil {
		p.Fatal(err)
	}
	defer c.Close(context.Background())
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		ok := false
		if err := c.QueryRow(p.Context(), query).Scan(&ok); err != nil {
			p.Fatal(err)
		}
		if ok {
			return
		}
	}
	p.Fatalf("%s: not within a minute", what)
}

// failover kills the primary under a fleet and promotes the standby. It returns when the fleet has recovered.
func (p *pair) failover(f *fleet) {
	p.Helper()
	fault := time.Now()
	p.primary.Kill()
	f.fails()
	p.primary, p.standby = p.standby, p.primary
	if err := p.primary.Promote(p.Context()); err != nil {
		p.Fatal(err)
	}
	p.door.Point(p.primary.Addr())
	f.recovered(fault, time.Now())
}

// rebuild makes the former primary the standby of the new one.
func (p *pair) rebuild() {
	p.Helper()
	p.link.Cut()
	p.link.Point(p.primary.Addr())
	if err := p.standby.Follow(p.link.Addr()); err != nil {
		p.Fatal(err)
	}
}

// The primary is killed while clients of two nodes work, and its synchronous standby takes over. The nodes are opened once.
func TestFailoverToASynchronousStandbyLosesNothing(t *testing.T) {
	p := newPair(t)
	a, b := p.nodes()
	f := newFleet(t, a, b)
	for round := range *rounds {
		if round > 0 {
			p.rebuild()
		}
		p.synchronize()
		f.run()
		p.failover(f)
		f.pause()
		f.check()
	}
	f.judge(fmt.Sprintf("%d failovers to a synchronous standby", *rounds))
}

// The standby is missing for a while, and then takes over. What the nodes could not replicate meanwhile was not acknowledged.
func TestFailoverToAStandbyThatWasMissingLosesNothing(t *testing.T) {
	p := newPair(t)
	a, b := p.nodes()
	f := newFleet(t, a, b)
	p.synchronize()
	f.run()
	p.link.Stall()
	<-time.After(6 * time.Second) // several calls of each client reach their deadlines
	p.failover(f)
	f.pause()
	f.check()
	f.judge("a failover to a standby that was missing for 6 s")
}

// Negative control: the standby is asynchronous and its link hangs, so what it has not got is lost.
func TestFailoverNoticesAnAsynchronousStandby(t *testing.T) {
	p := newPair(t)
	a, b := p.nodes()
	f := newFleet(t, a, b)
	p.synchronize() // so that the standby has sessions, which then end
	f.run()
	f.pause()
	p.set(p.primary, "")
	p.link.Stall()
	f.run()
	p.failover(f)
	f.pause()
	f.check()
	if len(f.breaches[lost]) == 0 || len(f.breaches[undone]) == 0 {
		t.Fatalf("not noticed: %v", f.breaches)
	}
	t.Logf("noticed: %d acknowledged changes lost, %d ends undone, of %v", len(f.breaches[lost]), len(f.breaches[undone]), f.report)
}
