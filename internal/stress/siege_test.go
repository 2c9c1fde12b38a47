package stress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

// Machines are noisy: a call counts as late only if it is so by a second.
const slack = time.Second

// siege is a store in trouble, and two who use it meanwhile.
type siege struct {
	t       *testing.T
	setup   harness.Setup
	store   *sessile.Store
	ledger  *ledger.Ledger
	clients []*harness.Client
	rand    *rand.Rand
	failed  int // calls
	found   []ledger.Violation
}

func newSiege(t *testing.T, setup harness.Setup, seed uint64) *siege {
	t.Helper()
	s := &siege{t: t, setup: setup, ledger: ledger.New(), rand: rand.New(rand.NewPCG(seed, 15))}
	s.open()
	for i := range 2 {
		s.clients = append(s.clients, &harness.Client{
			Store: s.store, User: fmt.Sprint("user", i), Max: setup.Max, Slack: slack, Record: s.ledger.Add,
			Trace: func(what string, err error) {
				if err != nil && !errors.Is(err, sessile.ErrNotFound) {
					s.failed++
				}
			},
		})
	}
	return s
}

func (s *siege) open() {
	s.t.Helper()
	var err error
	if s.store, err = s.setup.Open(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// steps has the clients do something at random, n times. In trouble they are impatient.
func (s *siege) steps(faulty bool, n int) {
	for i := range n {
		c := s.clients[i%len(s.clients)]
		c.Faulty, c.Patience = faulty, 10*time.Second
		if faulty {
			c.Patience = 100 * time.Millisecond
		}
		c.Step(s.rand)
	}
}

// relieved checks the store, now that there is no trouble any more: it recovers by
// itself, within five seconds, and everything that it acknowledged is there, also
// when it is opened again.
func (s *siege) relieved() {
	s.t.Helper()
	for _, c := range s.clients {
		c.Faulty, c.Patience = false, 5*time.Second
		if err := c.Sync(); err != nil {
			s.t.Errorf("it has not recovered: %v", err)
		}
	}
	if h := s.store.Health(); h.State != sessile.HealthOK {
		s.t.Errorf("it calls itself %v: %s", h.State, h.Reason)
	}
	s.steps(false, 20)
	s.check()
	s.close()
	s.setup.Wrap = nil
	s.open()
	s.check()
	s.close()
	s.found = append(s.found, ledger.Integrity(s.setup.Path)...)
	for _, c := range s.clients {
		s.found = append(s.found, c.Found()...)
	}
}

func (s *siege) check() {
	s.found = append(s.found, s.ledger.Check(context.Background(), s.store, ledger.Settled)...)
}

func (s *siege) close() {
	s.t.Helper()
	if err := s.store.Close(); err != nil {
		s.t.Errorf("Close: %v", err)
	}
}

// none fails the test if a promise was broken.
func (s *siege) none() {
	s.t.Helper()
	for _, b := range s.found {
		s.t.Error(b)
	}
}

// TestStressNoticesABrokenStore is the negative control: a store that acknowledges
// destroys before they are stored, and loses the last ones.
func TestStressNoticesABrokenStore(t *testing.T) {
	s := newSiege(t, harness.Setup{Path: filepath.Join(t.TempDir(), "s.db"), Hot: 10, Max: 20, Wrap: harness.EarlyDestroys}, 1)
	s.steps(false, 100)
	s.relieved()
	for _, b := range s.found {
		if b.Kind == ledger.Undone {
			t.Logf("noticed: %v", b)
			return
		}
	}
	t.Errorf("not noticed: %v", s.found)
}
