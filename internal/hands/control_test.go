//go:build linux

package hands

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile/internal/life"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// notice plays rounds of an act with a broken store until a breach of a kind is found.
func notice(t *testing.T, name string, kind life.Kind, twist func(r *round) func(*sqlite.DB) persist.Backend) {
	t.Helper()
	needShell(t)
	if elsewhere(t) {
		return
	}
	const most = 20
	for i := range most {
		r := newRound(t, uint64(i+1), life.Setup{}, name)
		r.setup.Twist = twist(r)
		for _, b := range r.play() {
			if b.Kind == kind {
				t.Logf("noticed in round %d: %v", i+1, b)
				return
			}
		}
	}
	t.Errorf("%d rounds did not notice", most)
}

// unchecked is a store that does not look at a commit whether its file is the one at the
// path: it acknowledges what is lost.
type unchecked struct {
	*sqlite.DB
	path string
	file os.FileInfo
}

// Apply acknowledges everything while the file is gone.
func (u *unchecked) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	res, err := u.DB.Apply(ctx, b)
	if info, statErr := os.Stat(u.path); err == nil || statErr == nil && os.SameFile(info, u.file) {
		return res, err
	}
	applied := func(n int) []persist.Outcome {
		all := make([]persist.Outcome, n)
		for i := range all {
			all[i] = persist.Outcome{Status: persist.Applied, Key: 1<<40 + int64(i)}
		}
		return all
	}
	return persist.Result{Ops: applied(len(b.Ops)), Writes: applied(len(b.Writes)), Touches: applied(len(b.Touches))}, nil
}

func TestOtherHandsNoticeAnUncheckedCommit(t *testing.T) {
	notice(t, "moved away", unnoticed, func(r *round) func(*sqlite.DB) persist.Backend {
		return func(db *sqlite.DB) persist.Backend {
			info, err := os.Stat(r.path)
			if err != nil {
				r.t.Fatal(err)
			}
			return &unchecked{db, r.path, info}
		}
	})
}

// pinned is a store whose watched sessions are not read again after a reset: what it
// reads of them is what was created.
type pinned struct {
	*sqlite.DB
	mu      sync.Mutex
	created map[persist.ID]persist.Record
	watched func(persist.ID) bool
}

// Apply remembers what is created.
func (p *pinned) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	res, err := p.DB.Apply(ctx, b)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, op := range b.Ops {
		if op.Kind == persist.Create && err == nil && res.Ops[i].Status == persist.Applied {
			p.created[op.Record.ID] = *op.Record
		}
	}
	return res, err
}

func (p *pinned) old(match func(persist.Record) bool) (persist.Record, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, r := range p.created {
		if match(r) && p.watched(id) {
			return r, true
		}
	}
	return persist.Record{}, false
}

// ByID reads a watched session as it was created.
func (p *pinned) ByID(ctx context.Context, id persist.ID) (persist.Record, error) {
	if r, ok := p.old(func(r persist.Record) bool { return r.ID == id }); ok {
		return r, nil
	}
	return p.DB.ByID(ctx, id)
}

// ByHash does the same.
func (p *pinned) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	if r, ok := p.old(func(r persist.Record) bool { return r.Hash == k.Hash }); ok {
		return r, nil
	}
	return p.DB.ByHash(ctx, k)
}

func TestOtherHandsNoticeAWatchedSessionThatIsNotReset(t *testing.T) {
	notice(t, "deletes all", life.Undone, func(r *round) func(*sqlite.DB) persist.Backend {
		return func(db *sqlite.DB) persist.Backend {
			return &pinned{DB: db, created: make(map[persist.ID]persist.Record), watched: r.victims.watched}
		}
	})
}

// forgetful is a store whose repair takes the file as it finds it: a commit of another
// program while the writer was broken resets nothing.
type forgetful struct {
	*sqlite.DB
	broken atomic.Bool
	until  atomic.Int64 // Unix nanoseconds: nothing is reset before then
}

// Apply notes whether the writer is broken.
func (f *forgetful) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	res, err := f.DB.Apply(ctx, b)
	if f.broken.Swap(err != nil) && err == nil {
		f.until.Store(time.Now().Add(inTime + noise).UnixNano())
	}
	return res, err
}

// Look keeps the resets to itself that a repair has brought.
func (f *forgetful) Look(s persist.Sink) (again bool) { return f.DB.Look(deaf{s, f}) }

type deaf struct {
	persist.Sink
	f *forgetful
}

// Reset is passed on unless a repair is its reason.
func (d deaf) Reset(reason string) {
	if !d.f.broken.Load() && time.Now().UnixNano() >= d.f.until.Load() {
		d.Sink.Reset(reason)
	}
}

func TestOtherHandsNoticeARepairThatForgets(t *testing.T) {
	notice(t, "full volume, then deletes", life.Undone, func(*round) func(*sqlite.DB) persist.Backend {
		return func(db *sqlite.DB) persist.Backend { return &forgetful{DB: db} }
	})
}
