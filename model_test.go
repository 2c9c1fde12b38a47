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
	"github.com/sessile/sessile/internal/life"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

var (
	modelSteps = flag.Int("model.steps", 60, "deeds of a sequence of the model-based test")
	modelJobs  = flag.Int("model.jobs", 1, "how often -rapid.checks sequences are made, all at once")
)

// deed is one step of a sequence: who does what to which session.
type deed struct {
	Do   string
	Who  int
	Pick int
	N    int
}

// deeds are what a sequence is drawn from; what is named more often is done more
// often. A failure is made simpler by doing nothing instead.
func deeds() []string {
	return []string{
		"nothing",
		"create", "create", "create", "create", "read", "read", "read", "read", "update", "update", "update", "store", "touch", "touch",
		"again", "again", "rotate", "rotate", "renew", "renew", "reissue", "reissue", "destroy", "destroy", "others", "all", "sync", "sweep",
		"wait", "wait", "jump", "break", "mend", "mend", "crash", "restart",
	}
}

func sequences() *rapid.Generator[[]deed] {
	one := rapid.Custom(func(r *rapid.T) deed {
		return deed{
			rapid.SampledFrom(deeds()).Draw(r, "do"), rapid.IntRange(0, 1).Draw(r, "who"),
			rapid.IntRange(0, 9).Draw(r, "pick"), rapid.IntRange(0, 600).Draw(r, "n"),
		}
	})
	return rapid.SliceOfN(one, *modelSteps, *modelSteps)
}

// world is a store, its disk and its clock, and two who use it.
type world struct {
	t       *testing.T
	vfs     *faultvfs.VFS
	twist   func(*sqlite.DB) persist.Backend
	path    string
	crashes int
	offset  atomic.Int64 // of the wall clock, ns
	began   time.Time    // of the monotonic clock
	store   *sessile.Store
	book    *life.Book
	clients []*life.Client
	hot     int
	when    life.When
	found   []life.Breach
}

const mostSessions = 4

func (w *world) open() {
	w.t.Helper()
	var err error
	w.store, err = life.Setup{
		Path: w.path, VFS: w.vfs.Name, Hot: w.hot, Max: mostSessions, Twist: w.twist,
		Adjust: func(c *sessile.Config) {
			*c = sessile.WithClocks(*c, w.now, func() time.Duration { return time.Since(w.began) })
		},
	}.Open(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func (w *world) close() {
	if err := w.store.Close(); err != nil {
		w.found = append(w.found, life.Breach{Kind: life.Unreadable, What: err.Error()})
	}
}

// do does one deed.
func (w *world) do(d deed) {
	c := w.clients[d.Who]
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
		if ahead := w.offset.Load(); ahead < int64(20*time.Minute) {
			w.offset.Store(ahead + int64(time.Minute))
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
		_, _ = w.store.CleanupExpired(context.Background())
	case "wait":
		<-time.After(time.Duration(d.N) * time.Millisecond)
	case "jump": // by at most ten minutes in all: nothing expires by it
		w.offset.Store(int64(time.Duration(d.N-300) * 2 * time.Second))
	default:
		w.trouble(d)
	}
}

// trouble is what happens to the store and its disk.
func (w *world) trouble(d deed) {
	switch d.Do {
	case "break":
		code := []int32{faultvfs.WriteFails, faultvfs.SyncFails, faultvfs.Full}[d.Pick%3]
		w.faulty(true)
		left := d.N % 8 // calls that still succeed
		w.vfs.Set(func(c faultvfs.Call) (v faultvfs.Verdict) {
			if c.Op == faultvfs.Write || c.Op == faultvfs.Sync || c.Op == faultvfs.Truncate {
				if left--; left < 0 {
					v.Code = code
				}
			}
			return v
		})
	case "mend":
		w.mend()
	case "restart":
		w.mend()
		w.close()
		w.open()
		w.tell(false)
	case "crash":
		w.crash()
	}
}

func (w *world) faulty(yes bool) {
	for _, c := range w.clients {
		c.Faulty = yes
	}
}

// mend repairs the disk; the store must recover by itself.
func (w *world) mend() {
	w.vfs.Set(nil)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := w.store.Sync(ctx); err != nil {
		w.found = append(w.found, life.Breach{Kind: life.Late, What: "it has not recovered: " + err.Error()})
	}
	w.faulty(false)
}

func (w *world) tell(lossy bool) {
	for _, c := range w.clients {
		c.Restart(w.store, lossy)
	}
}

// crash goes on with the files as a killed process leaves them.
func (w *world) crash() {
	w.crashes++
	next := filepath.Join(filepath.Dir(w.path), "crashed"+strconv.Itoa(w.crashes))
	if err := life.Copy(w.path, next); err != nil {
		w.t.Fatal(err)
	}
	if w.clients[0].Faulty { // what was promised to be retried died with the process
		w.when = life.Crashed
	}
	w.vfs.Set(nil)
	_ = w.store.Close() // what it writes now is in the old file
	w.path = next
	w.faulty(false)
	w.open()
	w.tell(true)
	w.check("after a crash")
}

func (w *world) check(when string) {
	for _, b := range w.book.Check(context.Background(), w.store, w.when) {
		w.found = append(w.found, life.Breach{Kind: b.Kind, What: when + ": " + b.What})
	}
}

// follow does a sequence in a bubble and returns the promises that were broken.
func follow(t *testing.T, vfs *faultvfs.VFS, hot int, list []deed, twist func(*sqlite.DB) persist.Backend) []life.Breach {
	t.Helper()
	dir, err := life.Dir()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w := &world{vfs: vfs, twist: twist, path: filepath.Join(dir, "s.db"), hot: hot, book: life.NewBook(), when: life.Settled}
	synctest.Test(t, func(t *testing.T) {
		w.t, w.began = t, time.Now()
		w.open()
		for i := range 2 {
			w.clients = append(w.clients, &life.Client{Store: w.store, User: fmt.Sprint("user", i), Max: mostSessions, Patience: 2 * time.Second, Now: w.now, Say: w.book.Hear})
		}
		for _, d := range list {
			w.do(d)
		}
		w.mend()
		w.check("at the end")
		w.close()
		w.twist = nil
		w.open()
		w.check("opened again")
		w.close()
	})
	w.found = append(w.found, life.Integrity(w.path)...)
	for _, c := range w.clients {
		w.found = append(w.found, c.Found()...)
	}
	return w.found
}

// TestAnySequenceKeepsThePromises: R7: logins, changes, rotations and log-outs of two
// users in any order, with a hot set of a few, a disk that breaks and is mended,
// crashes, restarts and a clock that jumps; what was promised is the model.
// Longer: -rapid.checks=50000 -model.jobs=2 -model.steps=100.
func TestAnySequenceKeepsThePromises(t *testing.T) {
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
	t.Logf("%d sequences of %d deeds", n.Load(), *modelSteps)
}

// The negative controls: stores that break a promise.
func TestASequenceNoticesABrokenStore(t *testing.T) {
	vfs := faultvfs.NewForBubble(t.Name())
	for name, c := range map[string]struct {
		twist func(*sqlite.DB) persist.Backend
		kind  life.Kind
	}{
		"a destroy is acknowledged before it is committed": {life.Early, life.Undone},
		"a rotation leaves the old token good":             {life.Lenient, life.Resurrected},
	} {
		t.Run(name, func(t *testing.T) {
			noticed := 0
			for i := range 20 {
				for _, b := range follow(t, vfs, 2, sequences().Example(i), c.twist) {
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
