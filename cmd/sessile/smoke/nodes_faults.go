package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sessile/sessile/cmd/sessile/internal/cluster"
)

// writer increments the counter of a session at one node until it is told to stop.
type writer struct {
	device      *device
	at          *cluster.Process
	stop        chan struct{}
	busy        chan struct{} // closed when there is something to lose
	done        sync.WaitGroup
	sent, acked int   // acked is the highest count that was acknowledged
	failed      int   // requests with 503 or without an answer
	fault       error // an answer that must not be
}

// write starts a writer at each node, and waits until both write.
func (n *nodes) write() error {
	n.writers = nil
	for _, at := range n.both() {
		d, err := n.login(at, "writer")
		if err != nil {
			return err
		}
		w := &writer{device: d, at: at, stop: make(chan struct{}), busy: make(chan struct{})}
		n.writers = append(n.writers, w)
		w.done.Go(func() { n.increment(w) })
	}
	for _, w := range n.writers {
		select {
		case <-w.busy:
		case <-time.After(patience):
			return errors.New("a client cannot write")
		}
	}
	return nil
}

// pause waits a moment, or until stop is closed.
func pause(stop chan struct{}) {
	select {
	case <-stop:
	case <-time.After(5 * time.Millisecond):
	}
}

// increment runs a writer.
func (n *nodes) increment(w *writer) {
	address := w.at.URL() + "/api/count"
	for {
		select {
		case <-w.stop:
			return
		default:
		}
		w.sent++
		got, err := w.device.send(n.ctx, "POST", address, nil)
		var counted struct{ Count int }
		switch {
		case err != nil || got.status == http.StatusServiceUnavailable:
			w.failed++
			pause(w.stop)
		case got.status != http.StatusOK:
			w.fault = fmt.Errorf("a writer got %d: %s", got.status, got.body)
			return
		case json.Unmarshal(got.body, &counted) != nil || counted.Count <= w.acked:
			w.fault = fmt.Errorf("after %d was acknowledged: %s", w.acked, got.body)
			return
		default:
			w.acked = counted.Count
			if w.acked == 50 {
				close(w.busy)
			}
		}
	}
}

// endWrites stops the writers, and checks that both nodes have what was acknowledged.
func (n *nodes) endWrites() error {
	var all error
	for _, w := range n.writers {
		close(w.stop)
		w.done.Wait()
		all = errors.Join(all, w.fault)
		for _, at := range n.both() {
			_, err := n.eventually(func() error {
				got, err := n.whoami(w.device, at)
				if err == nil && (got.Count < w.acked || got.Count > w.sent) {
					err = fmt.Errorf("the counter is %d, want %d (acknowledged) to %d (sent)", got.Count, w.acked, w.sent)
				}
				return err
			})
			all = errors.Join(all, err)
		}
		fmt.Printf("    a client: %d changes acknowledged, %d failed\n", w.acked, w.failed)
	}
	return all
}

func (n *nodes) killNode() error {
	if err := n.write(); err != nil {
		return err
	}
	n.A.Kill()
	if _, err := n.whoami(n.laptop, n.B); err != nil {
		return err
	}
	if err := n.A.Start(); err != nil {
		return err
	}
	if _, err := n.whoami(n.laptop, n.A); err != nil {
		return err
	}
	return n.endWrites()
}

func (n *nodes) killDatabase() error {
	if err := n.write(); err != nil {
		return err
	}
	n.Database.Kill()
	for _, at := range n.both() {
		if err := n.unavailable(at); err != nil {
			return err
		}
		// A login is refused too, and not with the answer to a wrong password.
		body := map[string]string{"name": user, "password": password}
		if err := n.laptop.call(n.ctx, http.StatusServiceUnavailable, "POST", at.URL()+"/api/login", body, nil); err != nil {
			return err
		}
	}
	return nil
}

// unavailable waits until a node answers 503. Until its lease is over it may answer from memory. It must
// never say that the user is not logged in, nor remove the cookie.
func (n *nodes) unavailable(at *cluster.Process) error {
	took, err := n.eventually(func() error {
		got, err := n.laptop.send(n.ctx, "GET", at.URL()+"/api/me", nil)
		switch {
		case err != nil:
			return err
		case got.status == http.StatusServiceUnavailable:
			return nil
		case got.status != http.StatusOK:
			return fmt.Errorf("node %s answers %d while PostgreSQL is down", got.node, got.status)
		default:
			return fmt.Errorf("node %s still answers from memory", got.node)
		}
	})
	if err == nil && len(n.laptop.cookies(at.URL())) == 0 {
		err = errors.New("the laptop has lost its cookie")
	}
	fmt.Printf("    the first 503 came after %v\n", took.Round(time.Millisecond))
	return err
}

func (n *nodes) restartDatabase() error {
	if err := n.Database.Restart(); err != nil {
		return fmt.Errorf("restarting PostgreSQL: %w", err)
	}
	for _, at := range n.both() {
		took, err := n.eventually(func() error {
			_, err := n.whoami(n.laptop, at)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Printf("    a session is read %v after PostgreSQL takes connections\n", took.Round(time.Millisecond))
	}
	return n.endWrites()
}

// stallFeed holds back what B hears, logs a device out at A, and measures how long B still accepts it.
// Other sessions work at B meanwhile: it reads them from the database.
func (n *nodes) stallFeed() error {
	d, err := n.login(n.A, "tablet")
	if err != nil {
		return err
	}
	if _, err := n.eventually(func() error { return n.remembered(d) }); err != nil {
		return err
	}
	resume := n.FeedOfB.Stall()
	defer resume()
	took, err := n.logout(d)
	if err != nil {
		return err
	}
	fmt.Printf("    refused at B after the answer of A: %v\n", took.Round(time.Millisecond))
	_, err = n.whoami(n.laptop, n.B)
	return err
}

// remembered returns nil if B serves the device from memory. Just after PostgreSQL has come back it does
// not, because it has not heard of the other node's changes yet.
func (n *nodes) remembered(d *device) error {
	var before, after struct {
		ColdReads int `json:"cold_reads"`
	}
	for _, s := range []any{&before, &after} {
		if err := d.call(n.ctx, http.StatusOK, "GET", n.B.URL()+"/api/stats", nil, s); err != nil {
			return err
		}
	}
	if after != before {
		return errors.New("node B reads the session from the database")
	}
	return nil
}
