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

// Machines are noisy, so a call counts as late only if it is a second late.
const slack = time.Second

// outage is a store whose disk or lock fails, and two clients that use it meanwhile.
type outage struct {
	t       *testing.T
	setup   harness.Setup
	store   *sessile.Store
	ledger  *ledger.Ledger
	clients []*harness.Client
	rand    *rand.Rand
	failed  int // failed calls
	found   []ledger.Violation
}

func newOutage(t *testing.T, setup harness.Setup, seed uint64) *outage {
	t.Helper()
	s := &outage{t: t, setup: setup, ledger: ledger.New(), rand: rand.New(rand.NewPCG(seed, 15))}
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

func (s *outage) open() {
	s.t.Helper()
	var err error
	if s.store, err = s.setup.Open(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// steps makes n random calls. In an outage, their deadlines are short.
func (s *outage) steps(faulty bool, n int) {
	for i := range n {
		c := s.clients[i%len(s.clients)]
		c.Faulty, c.Patience = faulty, 10*time.Second
		if faulty {
			c.Patience = 100 * time.Millisecond
		}
		c.Step(s.rand)
	}
}

// recovered checks the store after the outage. It recovers by itself within five seconds, and
// everything acknowledged exists, also after a restart.
func (s *outage) recovered() {
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

func (s *outage) check() {
	s.found = append(s.found, s.ledger.Check(context.Background(), s.store, ledger.Settled)...)
}

func (s *outage) close() {
	s.t.Helper()
	if err := s.store.Close(); err != nil {
		s.t.Errorf("Close: %v", err)
	}
}

// none fails the test if a promise was broken.
func (s *outage) none() {
	s.t.Helper()
	for _, b := range s.found {
		s.t.Error(b)
	}
}

// Negative control: a store that acknowledges destroys before they are stored, and loses the last ones.
func TestStressNoticesABrokenStore(t *testing.T) {
	s := newOutage(t, harness.Setup{Path: filepath.Join(t.TempDir(), "s.db"), Hot: 10, Max: 20, Wrap: harness.EarlyDestroys}, 1)
	s.steps(false, 100)
	s.recovered()
	for _, b := range s.found {
		if b.Kind == ledger.Undone {
			t.Logf("noticed: %v", b)
			return
		}
	}
	t.Errorf("not noticed: %v", s.found)
}
