package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sessile/sessile/cmd/sessile/internal/cluster"
)

// lease is how long a node trusts its memory without news from the database. patience is how long the
// steps wait for what must happen within a lease: the machine that runs them may be busy.
const (
	lease    = time.Second
	patience = 10 * lease
)

// nodes is the state of the journey with two nodes that one step leaves to the next.
type nodes struct {
	*cluster.Cluster
	ctx     context.Context
	laptop  *device   // logged in throughout
	ended   []*device // replayed cookies that must be refused for ever
	writers []*writer
}

// smokeNodes runs the steps of two nodes over a PostgreSQL server.
func smokeNodes(ctx context.Context, binary string, control bool) error {
	c, err := cluster.Start(binary)
	if err != nil {
		return err
	}
	n := &nodes{Cluster: c, ctx: ctx}
	steps := n.steps()
	if control {
		steps[3] = step{"CONTROL: the live cookie is refused at B (must fail)", func() error { return n.refused(n.laptop, n.B) }}
	}
	if err := play(steps); err != nil {
		err = fmt.Errorf("%w\n--- the log of node A\n%s\n--- the log of node B\n%s", err, n.A.Log(), n.B.Log())
		return errors.Join(err, c.Stop())
	}
	return c.Stop()
}

func (n *nodes) steps() []step {
	return []step{
		{"PostgreSQL and two nodes start; each node says its name", n.names},
		{"a login at A is valid at B, with its data", n.loginHere},
		{"behind a load balancer both nodes answer with the session", n.balanced},
		{"a logout at A is refused at B", n.logoutThere},
		{"a cart that parallel requests fill at both nodes is whole", n.parallelCart},
		{"SIGKILL of A while clients write at both nodes; A restarts; nobody is logged out, nothing acknowledged is lost", n.killNode},
		{"SIGKILL of PostgreSQL while clients write: both nodes answer 503 and never 401", n.killDatabase},
		{"PostgreSQL restarts: both nodes work without a restart; nothing acknowledged is lost", n.restartDatabase},
		{"the feed of B stalls: a logout at A is refused at B within the lease", n.stallFeed},
		{"the feed goes on: logouts arrive at B again", n.logoutThere},
		{"every logged-out cookie is still refused at both nodes", n.stillRefused},
		{"SIGTERM: both nodes exit with 0", n.terminate},
	}
}

// both returns the two nodes.
func (n *nodes) both() []*cluster.Process { return []*cluster.Process{n.A, n.B} }

// login returns a device that has logged in at a node.
func (n *nodes) login(at *cluster.Process, name string) (*device, error) {
	d, err := newDevice(name, laptopAgent)
	if err != nil {
		return nil, err
	}
	body := map[string]string{"name": user, "password": password}
	return d, d.call(n.ctx, http.StatusOK, "POST", at.URL()+"/api/login", body, nil)
}

func (n *nodes) whoami(d *device, at *cluster.Process) (me, error) {
	var m me
	err := d.call(n.ctx, http.StatusOK, "GET", at.URL()+"/api/me", nil, &m)
	return m, err
}

// refused checks that a node refuses a copy of the device's cookies.
func (n *nodes) refused(d *device, at *cluster.Process) error {
	copied, err := d.replay(at.URL())
	if err != nil {
		return err
	}
	return copied.call(n.ctx, http.StatusUnauthorized, "GET", at.URL()+"/api/me", nil, nil)
}

// eventually repeats check until it returns nil, and returns how long that took.
func (n *nodes) eventually(check func() error) (time.Duration, error) {
	began := time.Now()
	for {
		err := check()
		took := time.Since(began)
		if err == nil || took > patience || n.ctx.Err() != nil {
			return took, err
		}
	}
}

func (n *nodes) names() error {
	d, err := newDevice("visitor", laptopAgent)
	if err != nil {
		return err
	}
	for i, want := range []string{"A", "B"} {
		got, err := d.send(n.ctx, "GET", n.both()[i].URL()+"/healthz", nil)
		if err != nil {
			return err
		}
		if got.status != http.StatusOK || got.node != want {
			return fmt.Errorf("node %s answers %d as %q", want, got.status, got.node)
		}
	}
	return nil
}

func (n *nodes) loginHere() error {
	var err error
	if n.laptop, err = n.login(n.A, "laptop"); err != nil {
		return err
	}
	if err := n.laptop.call(n.ctx, http.StatusOK, "POST", n.A.URL()+"/api/count", nil, nil); err != nil {
		return err
	}
	got, err := n.whoami(n.laptop, n.B)
	if err == nil && (got.User != user || got.Count != 1) {
		err = fmt.Errorf("node B says %+v", got)
	}
	return err
}

func (n *nodes) balanced() error {
	balancer := httptest.NewServer(n.Balancer())
	defer balancer.Close()
	answers := make(map[string]int)
	for range 10 {
		got, err := n.laptop.send(n.ctx, "GET", balancer.URL+"/api/me", nil)
		if err != nil {
			return err
		}
		if got.status != http.StatusOK {
			return fmt.Errorf("node %s answers %d", got.node, got.status)
		}
		answers[got.node]++
	}
	if answers["A"] != 5 || answers["B"] != 5 {
		return fmt.Errorf("answers by node: %v", answers)
	}
	return nil
}

func (n *nodes) stillRefused() error {
	var all error
	for _, d := range n.ended {
		all = errors.Join(all, n.refused(d, n.A), n.refused(d, n.B))
	}
	return all
}

func (n *nodes) terminate() error { return errors.Join(n.A.Terminate(), n.B.Terminate()) }
