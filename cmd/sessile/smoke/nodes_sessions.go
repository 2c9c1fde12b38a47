package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// logoutThere logs devices out at A and measures how long B still accepts them.
func (n *nodes) logoutThere() error {
	const rounds = 25
	var took []time.Duration
	for range rounds {
		t, err := n.logoutOnce()
		if err != nil {
			return err
		}
		took = append(took, t)
	}
	slices.Sort(took)
	fmt.Printf("    refused at B after the answer of A: median %v, most %v, of %d logouts\n",
		took[rounds/2].Round(time.Microsecond), took[rounds-1].Round(time.Microsecond), rounds)
	return nil
}

// logoutOnce logs a device out at A that B has in memory, and returns how long B still accepted it.
func (n *nodes) logoutOnce() (time.Duration, error) {
	d, err := n.login(n.A, "phone")
	if err != nil {
		return 0, err
	}
	if _, err := n.eventually(func() error { return n.remembered(d) }); err != nil {
		return 0, err
	}
	return n.logout(d)
}

func (n *nodes) logout(d *device) (time.Duration, error) {
	copied, err := d.replay(n.A.URL())
	if err != nil {
		return 0, err
	}
	n.ended = append(n.ended, copied)
	if err := d.call(n.ctx, http.StatusNoContent, "POST", n.A.URL()+"/api/logout", nil, nil); err != nil {
		return 0, err
	}
	return n.eventually(func() error { return n.refused(copied, n.B) })
}

// shopper is a client that puts one product into the cart, again and again.
type shopper struct {
	item  string
	at    string // URL of its node
	tries int    // requests that did not get 200
}

// parallelCart fills one cart at both nodes at once: two products at each, one request of a product at a
// time. A client tries again after 409, which says that requests at the other node were faster. The
// middleware tries too, when it sends that answer, so a change may be made all the same.
func (n *nodes) parallelCart() error {
	const each = 25
	d, err := n.login(n.A, "cart")
	if err != nil {
		return err
	}
	var clients errgroup.Group
	var shoppers []*shopper
	for i, item := range []string{"barnacle", "anemone", "sponge", "coral"} {
		s := &shopper{item: item, at: n.both()[i%2].URL()}
		shoppers = append(shoppers, s)
		clients.Go(func() error { return n.shop(d, s, each) })
	}
	if err := clients.Wait(); err != nil {
		return err
	}
	again := 0
	var all error
	for _, s := range shoppers {
		again += s.tries
		for _, at := range n.both() {
			_, err := n.eventually(func() error {
				got, err := n.whoami(d, at)
				if c := got.Cart[s.item]; err == nil && (c < each || c > each+s.tries) {
					err = fmt.Errorf("the cart has %d of %s, want %d to %d", c, s.item, each, each+s.tries)
				}
				return err
			})
			all = errors.Join(all, err)
		}
	}
	fmt.Printf("    %d changes by 4 clients, and %d requests that were told to try again\n", 4*each, again)
	return all
}

// shop puts products into the cart.
func (n *nodes) shop(d *device, s *shopper, count int) error {
	for count > 0 {
		got, err := d.send(n.ctx, "POST", s.at+"/api/cart/"+s.item, nil)
		switch {
		case err != nil:
			return err
		case got.status == http.StatusOK:
			count--
		case got.status == http.StatusConflict:
			s.tries++
		default:
			return fmt.Errorf("node %s answers %d: %s", got.node, got.status, got.body)
		}
	}
	return nil
}
