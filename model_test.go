package sessile_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

var (
	modelSteps = flag.Int("model.steps", 60, "steps of a sequence of the model-based test")
	modelJobs  = flag.Int("model.jobs", 1, "how often -rapid.checks sequences are made, all at once")
)

// step is one step of a sequence: an action on a session.
type step struct {
	Do   string
	Who  int
	Pick int
	N    int
}

// steps are the steps to draw from. A step that is listed more often is drawn more often. Shrinking
// replaces a step with the first one, which does nothing.
func steps() []string {
	return []string{
		"nothing",
		"create", "create", "create", "create", "read", "read", "read", "read", "update", "update", "update", "store", "touch", "touch",
		"again", "again", "rotate", "rotate", "renew", "renew", "reissue", "reissue", "destroy", "destroy", "others", "all", "sync", "sweep",
		"wait", "wait", "jump", "break", "repair", "repair", "crash", "restart",
	}
}

func sequences() *rapid.Generator[[]step] {
	one := rapid.Custom(func(r *rapid.T) step {
		return step{
			rapid.SampledFrom(steps()).Draw(r, "do"), rapid.IntRange(0, 1).Draw(r, "who"),
			rapid.IntRange(0, 9).Draw(r, "pick"), rapid.IntRange(0, 600).Draw(r, "n"),
		}
	})
	return rapid.SliceOfN(one, *modelSteps, *modelSteps)
}

// scenario is a store, its disk, its clock and its two users.
type scenario struct {
	t       *testing.T
	vfs     *faultvfs.VFS
	wrap    func(*sqlite.DB) persist.Backend
	path    string
	crashes int
	offset  atomic.Int64 // of the wall clock, ns
	began   time.Time    // of the monotonic clock
	store   *sessile.Store
	ledger  *ledger.Ledger
	clients []*harness.Client
	hot     int
	when    ledger.When
	found   []ledger.Violation
}

const mostSessions = 4

func (s *scenario) open() {
	s.t.Helper()
	var err error
	s.store, err = harness.Setup{
		Path: s.path, VFS: s.vfs.Name, Hot: s.hot, Max: mostSessions, Wrap: s.wrap,
		Adjust: func(c *sessile.Config) {
			*c = sessile.WithClocks(*c, s.now, func() time.Duration { return time.Since(s.began) })
		},
	}.Open(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scenario) now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

func (s *scenario) close() {
	if err := s.store.Close(); err != nil {
		s.found = append(s.found, ledger.Violation{Kind: ledger.Unreadable, What: err.Error()})
	}
}

// do executes one step.
func (s *scenario) do(d step) {
	c := s.clients[d.Who]
	switch d.Do {
	case "nothing":
	case "create":
		c.Create(0)
	case "read":
		c.Read(d.Pick)
	case "update":
		c.Update(d.Pick, false)
	case "store":
		c.Update(d.Pick, true)
	case "touch":
		c.Touch(d.Pick)
	case "rotate":
		c.Rotate(d.Pick, false)
	case "renew":
		c.Rotate(d.Pick, true)
	case "reissue": // a minute later, but nothing expires by it
		if ahead := s.offset.Load(); ahead < int64(20*time.Minute) {
			s.offset.Store(ahead + int64(time.Minute))
		}
		c.Reissue(d.Pick)
	case "again":
		c.CreateAgain(d.Pick)
	case "destroy":
		c.Destroy(d.Pick)
	case "others":
		c.DestroyOthers(d.Pick)
	case "all":
		c.DestroyAll()
	case "sync":
		_ = c.Sync()
	case "sweep":
		_, _ = s.store.CleanupExpired(context.Background())
	case "wait":
		<-time.After(time.Duration(d.N) * time.Millisecond)
	case "jump": // by at most ten minutes in all: nothing expires by it
		s.offset.Store(int64(time.Duration(d.N-300) * 2 * time.Second))
	default:
		s.disturb(d)
	}
}

// disturb does something to the store and its disk.
func (s *scenario) disturb(d step) {
	switch d.Do {
	case "break":
		code := []int32{faultvfs.WriteFails, faultvfs.SyncFails, faultvfs.Full}[d.Pick%3]
		s.faulty(true)
		left := d.N % 8 // calls that still succeed
		s.vfs.Set(func(c faultvfs.Call) (v faultvfs.Verdict) {
			if c.Op == faultvfs.Write || c.Op == faultvfs.Sync || c.Op == faultvfs.Truncate {
				if left--; left < 0 {
					v.Code = code
				}
			}
			return v
		})
	case "repair":
		s.repair()
	case "restart":
		s.repair()
		s.close()
		s.open()
		s.tell(false)
	case "crash":
		s.crash()
	}
}

func (s *scenario) faulty(yes bool) {
	for _, c := range s.clients {
		c.Faulty = yes
	}
}

// repair repairs the disk. The store must recover by itself.
func (s *scenario) repair() {
	s.vfs.Set(nil)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.store.Sync(ctx); err != nil {
		s.found = append(s.found, ledger.Violation{Kind: ledger.Late, What: "it has not recovered: " + err.Error()})
	}
	s.faulty(false)
}

func (s *scenario) tell(lossy bool) {
	for _, c := range s.clients {
		c.Restart(s.store, lossy)
	}
}

// crash continues with the files that a killed process leaves.
func (s *scenario) crash() {
	s.crashes++
	next := filepath.Join(filepath.Dir(s.path), "crashed"+strconv.Itoa(s.crashes))
	if err := harness.Copy(s.path, next); err != nil {
		s.t.Fatal(err)
	}
	if s.clients[0].Faulty { // retries die with the process
		s.when = ledger.Crashed
	}
	s.vfs.Set(nil)
	_ = s.store.Close() // writes now go to the old file
	s.path = next
	s.faulty(false)
	s.open()
	s.tell(true)
	s.check("after a crash")
}

func (s *scenario) check(when string) {
	for _, b := range s.ledger.Check(context.Background(), s.store, s.when) {
		s.found = append(s.found, ledger.Violation{Kind: b.Kind, What: when + ": " + b.What})
	}
}

// follow executes a sequence in a bubble and returns the broken promises.
func follow(t *testing.T, vfs *faultvfs.VFS, hot int, list []step, wrap func(*sqlite.DB) persist.Backend) []ledger.Violation {
	t.Helper()
	dir, err := harness.Dir()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s := &scenario{vfs: vfs, wrap: wrap, path: filepath.Join(dir, "s.db"), hot: hot, ledger: ledger.New(), when: ledger.Settled}
	synctest.Test(t, func(t *testing.T) {
		s.t, s.began = t, time.Now()
		s.open()
		for i := range 2 {
			s.clients = append(s.clients, &harness.Client{Store: s.store, User: fmt.Sprint("user", i), Max: mostSessions, Patience: 2 * time.Second, Now: s.now, Record: s.ledger.Add})
		}
		for _, d := range list {
			s.do(d)
		}
		s.repair()
		s.check("at the end")
		s.close()
		s.wrap = nil
		s.open()
		s.check("opened again")
		s.close()
	})
	s.found = append(s.found, ledger.Integrity(s.path)...)
	for _, c := range s.clients {
		s.found = append(s.found, c.Found()...)
	}
	return s.found
}

// TestModelHoldsForAnySequence: two users log in, change, rotate and log out in any order. Memory
// holds a few sessions, the disk breaks and recovers, and there are crashes, restarts and clock
// jumps. The model is what the store promised. A longer run: -rapid.checks=50000 -model.jobs=2
// -model.steps=100.
func TestModelHoldsForAnySequence(t *testing.T) {
	var n atomic.Int64
	t.Run("sequences", func(t *testing.T) {
		for job := range *modelJobs {
			t.Run(strconv.Itoa(job), func(t *testing.T) {
				t.Parallel()
				vfs := faultvfs.NewForBubble(t.Name())
				rapid.Check(t, func(r *rapid.T) {
					hot, list := rapid.IntRange(1, 5).Draw(r, "hot"), sequences().Draw(r, "sequence")
					n.Add(1)
					if found := follow(t, vfs, hot, list, nil); len(found) > 0 {
						r.Fatal(found)
					}
				})
			})
		}
	})
	t.Logf("%d sequences of %d steps", n.Load(), *modelSteps)
}

// The negative controls: stores that break a promise.
func TestModelNoticesABrokenStore(t *testing.T) {
	vfs := faultvfs.NewForBubble(t.Name())
	for name, c := range map[string]struct {
		wrap func(*sqlite.DB) persist.Backend
		kind ledger.Kind
	}{
		"a destroy is acknowledged before it is committed": {harness.EarlyDestroys, ledger.Undone},
		"a rotation leaves the old token valid":            {harness.GracefulRotations, ledger.Resurrected},
	} {
		t.Run(name, func(t *testing.T) {
			noticed := 0
			for i := range 20 {
				for _, b := range follow(t, vfs, 2, sequences().Example(i), c.wrap) {
					if b.Kind == c.kind {
						noticed++
						break
					}
				}
			}
			t.Logf("noticed in %d of 20 sequences", noticed)
			if noticed == 0 {
				t.Error("not noticed")
			}
		})
	}
}
