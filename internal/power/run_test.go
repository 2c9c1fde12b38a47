package power

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	sqlite3 "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

var (
	cuts  = flag.Int("cuts", 400, "power cuts")
	seed  = flag.Uint64("cuts.seed", 0, "seed of the first run; 0 = another one every time")
	gates = flag.Int("gates", 3, "runs with failing syncs")
	per   = flag.Int("gates.cuts", 100, "power cuts of a run with failing syncs")
)

const (
	cutsPerRun = 100
	opens      = 3  // per run
	steps      = 50 // between an open and a close
	users      = 3
)

// run is one recorded use of a store, and its results.
type run struct {
	seed           uint64
	cuts           int
	gate           bool // syncs sometimes fail
	dropSyncs      bool
	hideSyncErrors bool
	wrap           func(*sqlite.DB) persist.Backend

	rec     *Recorder
	events  int
	acks    int
	found   map[ledger.Kind]int // cuts that showed the violation
	first   string
	broken  int // cuts that showed any violation
	cutsDid int
}

// do records the run, then cuts it at random moments.
func (u *run) do(t *testing.T, vfs *faultvfs.VFS) {
	t.Helper()
	dir, err := harness.Dir()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	u.found = make(map[ledger.Kind]int)
	u.rec = &Recorder{DropSyncs: u.dropSyncs, HideSyncErrors: u.hideSyncErrors}
	vfs.Set(u.rec.Hook)
	defer vfs.Set(nil)
	cryptotest.SetGlobalRandom(t, u.seed)
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(u.seed, 1))
		found := u.record(r, harness.Setup{Path: filepath.Join(dir, "s.db"), VFS: vfs.Name, Hot: 4, Max: 4, Wrap: u.wrap})
		u.note("while it ran", found)
		vfs.Set(nil)
		u.cut(t, dir, rand.New(rand.NewPCG(u.seed, 3)))
	})
}

// record lets some users work on a store that is opened several times.
func (u *run) record(r *rand.Rand, setup harness.Setup) (found []ledger.Violation) {
	clients := make([]*harness.Client, users)
	for i := range clients {
		clients[i] = &harness.Client{
			User: fmt.Sprint("user", i), Max: setup.Max, Patience: 2 * time.Second, Faulty: u.gate || u.wrap != nil,
			Record: func(n ledger.Entry) {
				<-time.After([users]time.Duration{101, 1009, 10007}[i]) // so that no two record at the same time
				u.rec.Add(n)
			},
		}
	}
	lossy := false
	var other reader
	defer other.leave()
	for n := range opens {
		store, err := open(setup, u.gate)
		if err != nil {
			return append(found, ledger.Violation{Kind: ledger.Unreadable, What: err.Error()})
		}
		if n == 0 && u.gate { // a file whose creation failed promises nothing
			fails := rand.New(rand.NewPCG(u.seed, 2))
			u.rec.Break(func(string) bool { return fails.IntN(12) == 0 })
		}
		for _, c := range clients {
			c.Restart(store, lossy)
		}
		work(r, clients, func() {
			if u.gate && r.IntN(8) == 0 {
				other.toggle(setup.Path)
			}
		})
		if u.gate {
			found = append(found, u.recovers(store)...)
		}
		if r.IntN(4) > 0 {
			other.leave()
		}
		if err := store.Close(); err != nil {
			if !u.gate {
				found = append(found, ledger.Violation{Kind: ledger.Unreadable, What: err.Error()})
			}
			lossy = true
		}
	}
	for _, c := range clients {
		found = append(found, c.Found()...)
	}
	return found
}

// reader is another program that reads the file and blocks the checkpoint of what it has read.
type reader struct{ c *sqlite3.Conn }

// toggle starts a read transaction, or ends it.
func (x *reader) toggle(path string) {
	if x.c != nil {
		x.leave()
		return
	}
	c, err := sqlite3.OpenConn(path, sqlite3.OpenReadOnly)
	if err != nil {
		return
	}
	x.c = c
	for _, query := range []string{"BEGIN", "SELECT count(*) FROM session"} {
		_ = sqlitex.ExecuteTransient(c, query, nil) // without the lock, it reads nothing
	}
}

func (x *reader) leave() {
	if x.c != nil {
		_ = x.c.Close()
		x.c = nil
	}
}

// open opens the store, with retries if the disk sometimes fails.
func open(setup harness.Setup, again bool) (store *sessile.Store, err error) {
	for range 20 {
		if store, err = setup.Open(context.Background()); err == nil || !again {
			return store, err
		}
	}
	return nil, err
}

// recovers makes the syncs succeed for a while. The store must then recover by itself.
func (u *run) recovers(store *sessile.Store) []ledger.Violation {
	fail := u.rec.Break(nil)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := store.Sync(ctx)
	u.rec.Break(fail)
	if err != nil {
		return []ledger.Violation{{Kind: ledger.Late, What: "it has not recovered: " + err.Error()}}
	}
	return nil
}

// work makes the clients call at random and concurrently: the next calls arrive while the disk syncs.
func work(r *rand.Rand, clients []*harness.Client, also func()) {
	done := make(chan int, len(clients))
	var idle []int
	for i := range clients {
		idle = append(idle, i)
	}
	for range steps {
		also()
		for len(idle) == 0 || len(idle) < len(clients) && r.IntN(3) == 0 {
			idle = append(idle, <-done)
			synctest.Wait()
			for len(done) > 0 {
				idle = append(idle, <-done)
			}
			slices.Sort(idle)
		}
		k := r.IntN(len(idle))
		i, own := idle[k], rand.New(rand.NewPCG(r.Uint64(), 0))
		idle = slices.Delete(idle, k, k+1)
		go func() {
			clients[i].Step(own)
			done <- i
		}()
		synctest.Wait()
		if r.IntN(4) == 0 {
			<-time.After(time.Duration(r.IntN(60_000)) * time.Microsecond)
			synctest.Wait()
		}
	}
	for len(idle) < len(clients) {
		idle = append(idle, <-done)
	}
}

// cut makes the cuts in the order of their moments, and compares each with its ledger.
func (u *run) cut(t *testing.T, dir string, r *rand.Rand) {
	t.Helper()
	events := u.rec.Events()
	u.events = len(events)
	for _, e := range events {
		if e.Call.Op == "" && e.Entry.Stage == ledger.Done {
			u.acks++
		}
	}
	moments := make([]int, u.cuts)
	for i := range moments {
		moments[i] = r.IntN(len(events) + 1)
	}
	slices.Sort(moments)
	p := NewReplay(rand.New(rand.NewPCG(u.seed, 4)))
	for i, at := range moments {
		p.Advance(events, at)
		where := filepath.Join(dir, fmt.Sprint("cut", i))
		if err := os.Mkdir(where, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := p.Disk.Cut(r, where); err != nil {
			t.Fatal(err)
		}
		u.cutsDid++
		u.note(fmt.Sprintf("cut %d at event %d of %d", i, at, len(events)), judge(where, p.Ledger))
		_ = os.RemoveAll(where)
	}
}

// judge opens what a cut left and compares it with the ledger.
func judge(dir string, want *ledger.Ledger) []ledger.Violation {
	ctx, path := context.Background(), filepath.Join(dir, "s.db")
	store, err := harness.Setup{Path: path, Hot: 100, Max: 4}.Open(ctx)
	if err != nil {
		return []ledger.Violation{{Kind: ledger.Corrupt, What: err.Error()}}
	}
	found := want.Check(ctx, store, ledger.Crashed)
	if err := store.Close(); err != nil {
		found = append(found, ledger.Violation{Kind: ledger.Corrupt, What: err.Error()})
	}
	return append(found, ledger.Integrity(path)...)
}

// note counts violations.
func (u *run) note(where string, found []ledger.Violation) {
	if len(found) == 0 {
		return
	}
	u.broken++
	kinds := make(map[ledger.Kind]bool)
	for _, b := range found {
		kinds[b.Kind] = true
	}
	for k := range kinds {
		u.found[k]++
	}
	if u.first == "" {
		u.first = fmt.Sprintf("%s: %v", where, found)
	}
}
