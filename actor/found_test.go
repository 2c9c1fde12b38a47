// Reproductions of defects that reviews have found. Each failed before its fix;
// RELIABILITY.md lists them.

package actor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// rig drives a state by hand over a memory backend.
type rig struct {
	*testing.T
	s     *state
	disk  *persisttest.Memory
	now   int64
	batch *persist.Batch
	n     byte
}

func newRig(t *testing.T, adjust func(*Config)) *rig {
	c := Config{
		Entries: 1000, Bytes: 1 << 30, BatchInterval: 100 * time.Millisecond, BatchSize: 100, MaxPending: 1000,
		MaxPendingBytes: 1 << 20, MaxGraves: 100, MaxLoads: 100, Exclusive: true,
	}
	if adjust != nil {
		adjust(&c)
	}
	return &rig{T: t, s: newState(c), disk: persisttest.NewMemory(), now: 1_000_000_000}
}

func (g *rig) req(k kind) *request { return &request{kind: k, reply: make(chan response, 1)} }

func (g *rig) send(m message) []answer {
	out := g.s.step(m, g.now, g.now)
	if out.batch != nil {
		g.batch = out.batch
	}
	return append([]answer(nil), out.replies...)
}

// commit applies the batch in flight and returns the result, unsettled.
func (g *rig) commit() settled {
	g.Helper()
	if g.batch == nil {
		g.Fatal("no batch")
	}
	b := g.batch
	g.batch = nil
	res, err := g.disk.Apply(context.Background(), b)
	return settled{res, err}
}

func (g *rig) record(user string) *persist.Record {
	g.n++
	id := persist.ID{1, g.n}
	return &persist.Record{
		Identity: &persist.Identity{ID: id, UserID: user, CreatedAt: g.now, Deadline: persist.NoDeadline, TTL: 3_600_000_000},
		Hash:     persist.Hash{1, g.n}, Version: 1, Data: []byte("{}"), LastActive: g.now, ExpiresAt: g.now + 3_600_000_000,
	}
}

func (g *rig) createReq(user string) *request {
	r := g.req(kindCreate)
	r.record = g.record(user)
	return r
}

func (g *rig) create(user string) *persist.Record {
	g.Helper()
	r := g.createReq(user)
	g.send(r)
	if a := g.send(g.commit()); len(a) != 1 || a[0].err != nil {
		g.Fatal(a)
	}
	return r.record
}

// a session that is read by id between the commit of its create and its
// settling panics the loop, and so the process.
func TestAReadBeforeTheCreateSettlesPanicsTheLoop(t *testing.T) {
	g := newRig(t, nil)
	c := g.createReq("u")
	g.send(c)
	done := g.commit() // on disk and visible; the writer has not reported yet
	l, err := g.disk.ByUser(context.Background(), persist.UserKey{ID: "u"})
	if err != nil || len(l.Records) != 1 {
		t.Fatal(err)
	}
	r := g.req(kindReadID) // ListForUser has told the id
	r.id = l.Records[0].ID
	a := g.send(r)
	if len(a) != 1 || a[0].load == nil {
		t.Fatal(a)
	}
	r.offer = &offer{load: a[0].load, record: l.Records[0]}
	if a := g.send(r); len(a) != 1 || a[0].err != nil {
		t.Fatal(a)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("the loop panics: %v", p)
		}
	}()
	g.send(done)
}

// a destroy that waits for room among the graves and gives up was not refused.
func TestAWaitingDestroyClaimsNotDurable(t *testing.T) {
	disk := persisttest.NewMemory()
	b := &bent{Memory: disk}
	a := Start(b, Config{
		Entries: 1, Bytes: 1 << 20, BatchInterval: time.Millisecond, BatchSize: 10, MaxPending: 100, MaxPendingBytes: 1 << 20,
		MaxGraves: 1, MaxLoads: 10, CloseTimeout: 10 * time.Millisecond, Exclusive: true, Now: func() int64 { return time.Now().UnixMicro() }, Tick: func() int64 { return time.Now().UnixMicro() },
	})
	defer a.Close()
	g := newRig(t, nil)
	g.now = time.Now().UnixMicro()
	rec := g.record("u")
	if _, err := a.Create(context.Background(), rec, persist.Limit{}, persist.ID{}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Create(context.Background(), g.record("v"), persist.Limit{}, persist.ID{}); err != nil { // evicts u's
		t.Fatal(err)
	}
	b.fail(persist.ErrUnavailable)
	if err := a.Destroy(context.Background(), persist.ID{9}); !errors.Is(err, ErrNotDurable) { // one grave: the bound
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := a.Destroy(ctx, rec.ID)
	_, rerr := a.Find(context.Background(), persist.TokenKey{Hash: rec.Hash})
	if errors.Is(err, ErrNotDurable) && rerr == nil {
		t.Errorf("Destroy: %v; and the session opens", err)
	}
	b.fail(nil)
	if err := a.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// log-outs of one user pile up without bound while the disk fails.
func TestRepeatedLogOutsPileUp(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxGraves, c.MaxPending = 10, 10 })
	for range 5000 {
		r := g.req(kindDestroyUser)
		r.user.ID = "u"
		g.send(r)
		if g.batch != nil {
			g.batch = nil
			g.send(settled{err: persist.ErrUnavailable})
		}
		g.now += 10_000
	}
	if n := len(g.s.ops); n > 100 {
		t.Fatalf("%d operations and %d graves (counted as %d) for one user, though MaxGraves and MaxPending are 10", n, len(g.s.graves.users["u"]), g.s.graves.len())
	}
}

// while one cold read is slow, every write of a session digs another grave.
func TestASlowReadLetsRowGravesGrow(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	slow := g.req(kindRead)
	slow.key.Hash = persist.Hash{99} // of an unknown token, say
	g.send(slow)
	for i := range 5000 {
		r := g.req(kindTouch)
		r.id, r.at, r.expires = rec.ID, g.now, g.now+3_600_000_000
		g.send(r)
		g.now += 200_000
		g.send(wake{})
		g.send(g.commit())
		_ = i
	}
	if n := len(g.s.graves.buried); n > 1000 {
		t.Fatalf("%d graves of one session's row; Stats.Tombstones says %d", n, g.s.graves.len())
	}
}

// the end of an old interest takes a newer one away.
func TestAnOldInterestEndsANewOne(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	w1 := g.req(kindWatch)
	w1.id = rec.ID
	g.send(w1)
	rot := g.req(kindRotate)
	rot.id, rot.to = rec.ID, persist.Hash{50}
	g.send(rot)
	g.batch = nil
	g.send(settled{err: persist.ErrUnknown}) // closes the first channel
	g.now += 5_000_000
	g.send(wake{})
	g.send(g.commit()) // done at last
	w2 := g.req(kindWatch)
	w2.id = rec.ID
	a := g.send(w2)
	if len(a) != 1 || a[0].done == nil {
		t.Fatal(a)
	}
	un := g.req(kindUnwatch) // the context of the first call ends
	un.id = rec.ID
	g.send(un)
	d := g.req(kindDestroy)
	d.id = rec.ID
	out := g.s.step(d, g.now, g.now)
	if len(out.ended) != 1 {
		t.Fatal("the session is destroyed, and the second Done never closes")
	}
}

// operations starve the write-behind when batches are small.
func TestOperationsStarveWrites(t *testing.T) {
	g := newRig(t, func(c *Config) { c.BatchSize = 4 })
	rec := g.create("u")
	r := g.req(kindTouch)
	r.id, r.at, r.expires = rec.ID, g.now, g.now+3_600_000_000
	g.send(r)
	for i := range 100 {
		for range 8 {
			d := g.req(kindDestroy) // of unknown sessions: anybody's logout with a stale id
			g.n++
			d.id = persist.ID{7, byte(i), g.n}
			g.send(d)
		}
		g.now += 100_000
		if g.batch != nil {
			g.send(g.commit())
		}
	}
	if g.s.queue.Len() > 0 {
		t.Fatalf("a touch has waited for %v with BatchInterval 100ms", time.Duration(g.s.age())*time.Microsecond)
	}
}

// shared backend: with the lease over, a list shows what memory has rather than what it has just read.
func TestListAfterTheLeaseShowsOldMemory(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Second })
	g.send(fresh{0})
	rec := g.create("u")
	g.now += 10_000_000 // no news: the lease is over
	r := g.req(kindList)
	r.user.ID = "u"
	a := g.send(r)
	if len(a) != 1 || a[0].load == nil {
		t.Fatal(a)
	}
	l, _ := g.disk.ByUser(context.Background(), r.user)
	l.Records[0].Version, l.Records[0].Data = 77, []byte(`{"by":"another node"}`)
	r.offer = &offer{load: a[0].load, listing: l}
	a = g.send(r)
	if len(a) != 1 || len(a[0].views) != 1 {
		t.Fatal(a)
	}
	if v := a[0].views[0]; v.Version != 77 {
		t.Fatalf("the list shows version %d of %x from untrusted memory, the disk just said 77", v.Version, rec.ID)
	}
}

type bent struct {
	*persisttest.Memory
	err error
}

func (b *bent) fail(err error) { lockB <- struct{}{}; b.err = err; <-lockB }

var lockB = make(chan struct{}, 1)

func (b *bent) Apply(ctx context.Context, x *persist.Batch) (persist.Result, error) {
	lockB <- struct{}{}
	err := b.err
	<-lockB
	if err != nil {
		return persist.Result{}, fmt.Errorf("bent: %w", err)
	}
	return b.Memory.Apply(ctx, x)
}

// a rotation that is committed while its entry is dropped leaves no grave: a slow
// cold read brings the replaced token back.
func TestARotatedOutTokenComesBack(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	old := rec.Hash
	g.s.hot.Clear() // evicted
	slow := g.req(kindRead)
	slow.key.Hash = old
	ld := g.send(slow)[0].load
	row, _ := g.disk.ByHash(context.Background(), slow.key) // and now the caller is slow
	r := g.req(kindReadID)
	r.id = rec.ID
	l2 := g.send(r)[0].load
	row2, _ := g.disk.ByID(context.Background(), rec.ID)
	r.offer = &offer{load: l2, record: row2}
	g.send(r)
	up := g.req(kindUpdate) // its write fails by itself, five times
	up.id, up.maxData, up.changes = rec.ID, 1<<20, []object.Change{{Key: "k", Value: []byte("1")}}
	g.send(up)
	var rot *request
	for i := range itemTries {
		g.now += 200_000
		if i == itemTries-1 {
			rot = g.req(kindRotate)
			rot.id, rot.to = rec.ID, persist.Hash{50}
			// together with the write: both are due
			out := g.s.step(rot, g.now, g.now)
			g.batch = out.batch
		} else {
			g.send(wake{})
		}
		b := g.batch
		if b == nil || len(b.Writes) != 1 {
			t.Fatalf("try %d: %+v", i, b)
		}
		g.batch = nil
		rest := *b
		rest.Writes = nil
		res, err := g.disk.Apply(context.Background(), &rest)
		res.Writes = []persist.Outcome{{Status: persist.Failed, Err: persist.ErrCorrupt}}
		g.send(settled{res, err})
	}
	if d, _ := g.disk.ByID(context.Background(), rec.ID); d.Hash != rot.to {
		t.Fatal("not rotated")
	}
	slow.offer = &offer{load: ld, record: row}
	a := g.send(slow)
	if len(a) == 1 && a[0].view != nil {
		t.Fatal("the replaced token opens the session")
	}
}

// guests that a create of unknown outcome evicted stay in memory.
func TestDoubtForgetsNoGuests(t *testing.T) {
	g := newRig(t, nil)
	first := g.create("")
	c := g.createReq("")
	c.limit.Max = 1
	g.send(c)
	g.commit() // done on disk: first is gone,
	g.send(settled{err: persist.ErrUnknown})
	if _, err := g.disk.ByID(context.Background(), first.ID); err == nil {
		t.Fatal("not evicted")
	}
	up := g.req(kindUpdate)
	up.id, up.maxData, up.changes = first.ID, 1<<20, []object.Change{{Key: "k", Value: []byte("1")}}
	if a := g.send(up); len(a) == 1 && a[0].err == nil && a[0].load == nil {
		t.Fatal("an Update of a guest that is not there is acknowledged, and will be lost")
	}
}

// shared backend: another node destroys the session between our commit and its settling.
func TestAnInvalidationBeforeTheCreateSettlesIsLost(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Hour })
	g.send(fresh{0})
	c := g.createReq("u")
	g.send(c)
	done := g.commit()
	_, err := g.disk.Apply(context.Background(), &persist.Batch{Now: g.now, Ops: []persist.Op{{Kind: persist.DestroyUser, User: persist.UserKey{ID: "u"}}}})
	if err != nil {
		t.Fatal(err)
	}
	g.send(invalidate{[]persist.Event{{Kind: persist.UserChanged, UserID: "u"}}}) // delivered before the other's Apply returned
	g.send(done)
	for range 10 {
		g.now += 1_000_000
		g.send(fresh{0})
	}
	if g.s.hot.Get((*[32]byte)(&c.record.Hash)) != nil {
		t.Fatal("the other node's log-out was acknowledged, and this node serves the session from memory for ever")
	}
}

// the retry of a rotation with a grace outlived the rotation that replaced its
// token, and had later ones refused for a grace that nobody had (seed 594076).
func TestARetryOutlivesTheRotationThatReplacedIt(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	rotate := func(to byte, until int64) []answer {
		r := g.req(kindRotate)
		r.id, r.to, r.until = rec.ID, persist.Hash{to}, until
		return g.send(r)
	}
	rotate(2, persist.Unseen)
	done := g.commit() // done, and reported as of unknown outcome
	rotate(3, 0)       // waits for the next batch
	g.send(settled{err: fmt.Errorf("%w", persist.ErrUnknown)})
	g.now += 10_000_000
	g.send(wake{})
	if g.batch == nil || len(g.batch.Ops) != 2 || done.err != nil {
		t.Fatalf("%+v, %v", g.batch, done.err)
	}
	retried := g.commit()
	retried.result.Ops[0] = persist.Outcome{Status: persist.Failed, Err: persist.ErrUnavailable}
	if a := g.send(retried); len(a) != 1 || a[0].err != nil {
		t.Fatal(a)
	}
	if len(g.s.later) > 0 {
		t.Errorf("%d retries are left", len(g.s.later))
	}
	rotate(4, persist.Unseen)
	if a := g.send(g.commit()); len(a) != 1 || a[0].err != nil {
		t.Error(a)
	}
}

// Two rotations of unknown outcome failed again, each by itself. The second one was tried
// before the first: it was taken for one that cannot be done, and then the first one was
// done, whose grace the second had ended. The token before them was good again (I2).
func TestARetriedRotationOvertookTheOneBefore(t *testing.T) {
	for name, c := range map[string]struct {
		at      [2]int64 // of their next tries
		commits int      // once in so many passes
		fails   int      // that commit does
	}{"placed before it": {[2]int64{3, 6}, 3, 0}, "due before it": {[2]int64{6, 3}, 1, 0}, "put back before it": {[2]int64{6, 3}, 1, 2}} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, nil)
			rec := g.create("u")
			g.fly()
			g.do(g.graced(rec.ID, 2))
			second := g.rotate(rec.ID, 3)
			g.do(second)
			g.settle()
			g.refused(g.fails(persist.ErrUnknown), second, persist.ErrUnknown)
			g.pass(10 * interval)
			g.carries(2, 0, 0)
			g.status(persist.Failed, persist.Conflict)
			for i := range c.at {
				g.s.later[i].at = g.s.tick + c.at[i]*interval
			}
			g.fly()
			for i, commits := 0, 0; i < 90; i++ {
				if g.pass(3 * interval); g.batch == nil || i%c.commits < c.commits-1 {
					continue
				}
				if commits++; commits == c.fails {
					g.fails(persist.ErrUnavailable)
					continue
				}
				g.settle()
			}
			for range 2 {
				equal(t, "the token before is refused", g.find(g.read(rec.Hash)).err != nil, true)
				g.do(reset{"test"})
			}
			equal(t, "tries left", len(g.s.later)+len(g.s.ops), 0)
		})
	}
}

// Two rotations that were committed together have left no trace of the first token on
// disk, and nobody has been told yet. A read of that token that came to the disk then was
// told that there is no such session, and the next one, from memory, found it.
func TestATokenWasMissedWhileItsRotationsSettled(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	g.do(reset{"test"}) // it is on disk alone
	r := g.read(rec.Hash)
	load := g.answer(g.do(r), r).load
	g.fly()
	first := g.rotate(rec.ID, 2)
	first.offer = &offer{load: g.answer(g.do(first), first).load, record: *rec}
	g.do(first)
	g.do(g.rotate(rec.ID, 3))
	g.settle()
	settles := g.commit()
	_, err := g.disk.ByHash(t.Context(), r.key)
	r.offer = &offer{load: load, err: err}
	g.okay(g.answer(g.do(r), r))
	g.okay(g.find(g.read(rec.Hash)))
	g.do(settles)
	equal(t, "afterwards it is refused", g.find(g.read(rec.Hash)).err != nil, true)
}

// The same for a read by id, of a session that a login evicts: on disk it is gone already,
// in memory it is there until the login is settled.
func TestAnIDIsNotMissedWhileALoginSettles(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	g.do(reset{"test"})
	r := g.touch(rec.ID)
	load := g.answer(g.do(r), r).load
	g.s.keep(*rec, viewOf(*rec), false)
	r.offer = &offer{load: load, err: persist.ErrNotFound}
	g.okay(g.answer(g.do(r), r))
}

// A token whose grace had long ended was still a second key of its session, and in the
// middle of the next rotation what it found did not name it as the previous one any more:
// it was taken for the current token (I2).
func TestATokenAfterItsGraceWasGoodInTheMiddleOfARotation(t *testing.T) {
	for name, end := range map[string]func(*rig){
		"rotated": func(g *rig) { g.settle() },
		"unknown": func(g *rig) { g.fails(persist.ErrUnknown) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				g := newRig(t, nil)
				rec := g.create("u")
				first := g.graced(rec.ID, 2)
				g.rotated(first)
				g.seen(first, g.now+1)
				g.pass(10 * interval)
				g.settle()
				g.do(g.rotate(rec.ID, 3))
				var over, taken atomic.Bool
				var ready, reader sync.WaitGroup
				ready.Add(1)
				reader.Go(func() {
					ready.Done()
					for !over.Load() && !taken.Load() {
						v := g.s.hot.Get((*[32]byte)(&rec.Hash))
						taken.Store(v != nil && v.Previous != rec.Hash)
					}
				})
				ready.Wait()
				end(g)
				over.Store(true)
				if reader.Wait(); taken.Load() {
					t.Fatal("it finds a session whose token it might be")
				}
			}
		})
	}
}

// A create of unknown outcome may have evicted a session that somebody watches, which
// stays in memory, or whose row has been read already: memory served it for ever.
func TestDoubtKeepsNoWatchedSession(t *testing.T) {
	for name, user := range map[string]string{"a user's": "u", "a guest's": ""} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, nil)
			first := g.create(user)
			w := g.req(kindWatch)
			w.id = first.ID
			g.ok(g.do(w), w)
			c := g.createReq(user)
			c.limit.Max = 1
			g.do(c)
			g.commit()
			g.do(settled{err: persist.ErrUnknown})
			for range 10 {
				if g.pass(10 * interval); g.batch != nil {
					g.settle()
				}
			}
			equal(t, "in memory", g.s.hot.ByID(first.ID) != nil, false)
		})
	}
}

func TestDoubtKeepsNoRowThatWasReadBefore(t *testing.T) {
	g := newRig(t, nil)
	first := g.create("u")
	g.do(reset{"test"})
	r := g.read(first.Hash)
	load := g.answer(g.do(r), r).load
	c := g.createReq("u")
	c.limit.Max = 1
	g.do(c)
	g.commit()
	g.do(settled{err: persist.ErrUnknown})
	r.offer = &offer{load: load, record: *first}
	g.do(r)
	equal(t, "in memory", g.s.hot.ByID(first.ID) != nil, false)
}

// While a commit hangs, every durable change of one session that its caller gave up left
// its request behind (D13, I8).
func TestDurableChangesThatAreGivenUpPileUp(t *testing.T) {
	g := newRig(t, nil)
	rec := g.create("u")
	g.fly() // and it hangs
	for range 100 {
		r := g.durable(rec.ID, "1")
		g.do(r)
		g.do(abandon{req: r})
	}
	equal(t, "those that wait", len(g.s.dirty[rec.ID].wait), 0)
	equal(t, "places in the next batch", len(g.s.durable), 1)
	last := g.durable(rec.ID, "2")
	g.do(last)
	g.settle()
	g.ok(g.settle(), last)
}

// The data of sessions that are being created counts as what waits for the disk (D13).
func TestLoginsCountAsBytesThatWait(t *testing.T) {
	g := newRig(t, nil)
	g.fly()
	const size = 1000
	logins := func(n int) (l []*request) {
		for range n {
			c := g.createReq("u")
			c.record.Data = append([]byte(`{"k":"`), append(make([]byte, size-8), `"}`...)...)
			g.do(c)
			l = append(l, c)
		}
		return l
	}
	before := g.stats().PendingBytes
	l := logins(5)
	equal(t, "they count", g.stats().PendingBytes-before, 5*size)
	g.do(abandon{req: l[0]})
	equal(t, "but not when they are given up", g.stats().PendingBytes-before, 4*size)
	g.settle()
	g.settle()
	equal(t, "nor when they are done", g.stats().PendingBytes, 0)
	logins(1)
	g.fails(persist.ErrUnavailable)
	equal(t, "nor when they have failed", g.stats().PendingBytes, 0)
}
