//go:build linux

package foreign

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"
)

// notice plays rounds of an action with a broken store until it finds a violation of a kind.
func notice(t *testing.T, name string, kind ledger.Kind, wrap func(r *round) func(*sqlite.DB) persist.Backend) {
	t.Helper()
	needShell(t)
	if reexec(t) {
		return
	}
	const most = 20
	for i := range most {
		r := newRound(t, uint64(i+1), harness.Setup{}, name)
		r.setup.Wrap = wrap(r)
		for _, b := range r.play() {
			if b.Kind == kind {
				t.Logf("noticed in round %d: %v", i+1, b)
				return
			}
		}
	}
	t.Errorf("%d rounds did not notice", most)
}

// unchecked is a store that does not check before a commit whether its file is at the path. It acknowledges
// changes that are lost.
func unchecked(db *sqlite.DB, path string, file os.FileInfo) persist.Backend {
	applied := func(n int) []persist.Outcome {
		all := make([]persist.Outcome, n)
		for i := range all {
			all[i] = persist.Outcome{Status: persist.StatusApplied, Key: 1<<40 + int64(i)}
		}
		return all
	}
	return harness.Broken(db, persisttest.Hooks{After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
		if info, err := os.Stat(path); c.Err == nil || err == nil && os.SameFile(info, file) {
			return
		}
		b := c.Batch
		c.Result, c.Err = persist.Result{Ops: applied(len(b.Ops)), Writes: applied(len(b.Writes)), Touches: applied(len(b.Touches))}, nil
	})})
}

func TestForeignNoticesAnUncheckedCommit(t *testing.T) {
	notice(t, "moved away", unnoticed, func(r *round) func(*sqlite.DB) persist.Backend {
		return func(db *sqlite.DB) persist.Backend {
			info, err := os.Stat(r.path)
			if err != nil {
				r.t.Fatal(err)
			}
			return unchecked(db, r.path, info)
		}
	})
}

// frozen is a store that does not read watched sessions again after a reset. It returns them as they were
// created.
type frozen struct {
	mu      sync.Mutex
	created map[persist.ID]persist.Record
	watched func(persist.ID) bool
}

func (f *frozen) hook(db *sqlite.DB) persist.Backend {
	return harness.Broken(db, persisttest.Hooks{After: func(c *persisttest.Call) {
		switch c.Method {
		case persisttest.Apply:
			f.learn(c)
		case persisttest.ByID:
			f.replace(c, func(r persist.Record) bool { return r.ID == c.ID })
		case persisttest.ByHash:
			f.replace(c, func(r persist.Record) bool { return r.Hash == c.Key.Hash })
		}
	}})
}

// learn records created sessions.
func (f *frozen) learn(c *persisttest.Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, op := range c.Batch.Ops {
		if op.Kind == persist.OpCreate && c.Err == nil && c.Result.Ops[i].Status == persist.StatusApplied {
			f.created[op.Record.ID] = *op.Record
		}
	}
}

// replace returns watched sessions as they were created.
func (f *frozen) replace(c *persisttest.Call, match func(persist.Record) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, r := range f.created {
		if match(r) && f.watched(id) {
			c.Record, c.Err = r, nil
			return
		}
	}
}

func TestForeignNoticesAWatchedSessionThatIsNotReset(t *testing.T) {
	notice(t, "deletes all", ledger.Undone, func(r *round) func(*sqlite.DB) persist.Backend {
		f := &frozen{created: make(map[persist.ID]persist.Record), watched: r.targets.watched}
		return f.hook
	})
}

// forgetful is a store whose repair accepts the file as it is: a commit of another program while the writer was
// broken resets nothing.
type forgetful struct {
	broken atomic.Bool
	until  atomic.Int64 // Unix nanoseconds; nothing is reset before that time
}

func (f *forgetful) hook(db *sqlite.DB) persist.Backend {
	return harness.Broken(db, persisttest.Hooks{
		Before: persisttest.On(persisttest.Look, func(c *persisttest.Call) { c.Sink = filtered{c.Sink, f} }),
		After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			if f.broken.Swap(c.Err != nil) && c.Err == nil {
				f.until.Store(time.Now().Add(inTime + noise).UnixNano())
			}
		}),
	})
}

// filtered passes on resets, except those of a repair.
type filtered struct {
	persist.Sink
	f *forgetful
}

func (d filtered) Reset(reason string) {
	if !d.f.broken.Load() && time.Now().UnixNano() >= d.f.until.Load() {
		d.Sink.Reset(reason)
	}
}

func TestForeignNoticesARepairThatForgets(t *testing.T) {
	notice(t, "full volume, then deletes", ledger.Undone, func(*round) func(*sqlite.DB) persist.Backend {
		return new(forgetful).hook
	})
}
