package actor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// interval is the BatchInterval of a harness, in microseconds.
const interval = 100_000

// harness drives a core by hand over a memory backend.
type harness struct {
	*testing.T
	c     *core
	p     *published
	disk  *persisttest.Memory
	now   int64
	batch *persist.Batch
	n     byte
}

func newHarness(t *testing.T, adjust func(*Config)) *harness {
	cfg := Config{
		Entries: 1000, Bytes: 1 << 30, BatchInterval: 100 * time.Millisecond, BatchSize: 100, MaxPending: 1000,
		MaxPendingBytes: 1 << 20, MaxTombstones: 100, MaxLoads: 100, Exclusive: true,
	}
	if adjust != nil {
		adjust(&cfg)
	}
	g := &harness{T: t, disk: persisttest.NewMemory(), now: 1_000_000_000}
	hot, index := cache.New[View](cfg.Entries, cfg.Bytes)
	g.c = newCore(cfg, hot)
	g.p = newPublished(index, g.c.lease)
	return g
}

// do gives the core a message, publishes what it decided, and returns the effects, which
// hold until the next.
func (g *harness) do(m message) *effects {
	out := g.c.step(m, g.now, g.now)
	g.p.publish(g.c.hot, out)
	for _, r := range out.replies {
		<-r.call.resume
	}
	if out.batch != nil {
		g.batch = out.batch
	}
	return out
}

// send is do for who wants the answers alone.
func (g *harness) send(m message) (l []response) {
	for _, r := range g.do(m).replies {
		l = append(l, responseOf(r))
	}
	return l
}

// pass lets time pass and wakes the core.
func (g *harness) pass(d int64) *effects {
	g.now += d
	return g.do(wakeUp{})
}

// epoch is what is published after a step.
func (g *harness) epoch(*effects) uint64 { return g.p.epoch.Load() }

// full reports whether writes wait after a step.
func (g *harness) full(*effects) bool { return g.c.full }

// commit applies the batch in flight and returns the result, unsettled.
func (g *harness) commit() batchDone {
	g.Helper()
	if g.batch == nil {
		g.Fatal("no batch")
	}
	b := g.batch
	g.batch = nil
	res, err := g.disk.Apply(context.Background(), b)
	return batchDone{res, err}
}

// settle commits the batch in flight and tells the core.
func (g *harness) settle() *effects { g.Helper(); return g.do(g.commit()) }

// fails ends the commit in flight with err, nothing done.
func (g *harness) fails(err error) *effects {
	g.batch = nil
	return g.do(batchDone{err: err})
}

// refuses ends the commit in flight: each item is refused by itself.
func (g *harness) refuses(err error) *effects {
	b := g.batch
	g.batch = nil
	no := func(n int) []persist.Outcome {
		l := make([]persist.Outcome, n)
		for i := range l {
			l[i] = persist.Outcome{Status: persist.StatusFailed, Err: err}
		}
		return l
	}
	return g.do(batchDone{result: persist.Result{Ops: no(len(b.Ops)), Writes: no(len(b.Writes)), Touches: no(len(b.Touches))}})
}

// status has the disk say s of every operation of the batch in flight, without doing it.
func (g *harness) status(l ...persist.Status) *effects {
	g.batch = nil
	var res persist.Result
	for _, s := range l {
		o := persist.Outcome{Status: s}
		if s == persist.StatusFailed {
			o.Err = persist.ErrCorrupt
		}
		res.Ops = append(res.Ops, o)
	}
	return g.do(batchDone{result: res})
}

// newCommand is a command as its public method makes it.
func newCommand[C any, P interface {
	*C
	command
}](set func(P)) P {
	x := P(new(C))
	*x.base() = call{self: x, resume: make(chan *load, 1)}
	set(x)
	return x
}

func (*harness) touch(id persist.ID) *touchCommand {
	return newCommand(func(x *touchCommand) { x.id, x.renew = id, true })
}

func (*harness) touchTo(id persist.ID, at, expires int64) *touchCommand {
	return newCommand(func(x *touchCommand) { x.id, x.at, x.expires = id, at, expires })
}

func (*harness) update(id persist.ID, value string) *updateCommand {
	return newCommand(func(x *updateCommand) {
		x.id, x.maxData, x.grows, x.changes = id, 1<<20, true, []object.Change{{Key: "k", Value: []byte(value)}}
	})
}

func (*harness) updateNothing(id persist.ID) *updateCommand {
	return newCommand(func(x *updateCommand) { x.id, x.maxData, x.grows = id, 1000, true })
}

func (g *harness) durable(id persist.ID, value string) *updateCommand {
	x := g.update(id, value)
	x.durable = true
	return x
}

func (*harness) flush(id persist.ID, doc *object.Object, at, expires int64) *updateCommand {
	return newCommand(func(x *updateCommand) { x.id, x.doc, x.at, x.expires, x.grows = id, doc, at, expires, true })
}

func (*harness) rotateTo(id persist.ID, to persist.Hash) *rotateCommand {
	return newCommand(func(x *rotateCommand) { x.id, x.change.To, x.grows = id, to, true })
}

func (g *harness) rotate(id persist.ID, to byte) *rotateCommand {
	return g.rotateTo(id, persist.Hash{2, to})
}

// graced is a rotation that leaves the old token a grace.
func (g *harness) graced(id persist.ID, to byte) *rotateCommand {
	x := g.rotate(id, to)
	x.change.Until = persist.Unseen
	return x
}

func (*harness) seenNote(id persist.ID, current persist.Hash, until int64) *seenCommand {
	return newCommand(func(x *seenCommand) { x.id, x.current, x.until = id, current, until })
}

func (*harness) destroy(id persist.ID) *destroyCommand {
	return newCommand(func(x *destroyCommand) { x.id, x.endsSessions = id, true })
}

func (g *harness) destroyOwned(id persist.ID, user string) *destroyCommand {
	x := g.destroy(id)
	x.owner.ID = user
	return x
}

func (*harness) wipe(user string) *destroyUserCommand {
	return newCommand(func(x *destroyUserCommand) { x.user.ID, x.endsSessions = user, true })
}

func (g *harness) wipeBut(user string, except persist.ID) *destroyUserCommand {
	x := g.wipe(user)
	x.except = except
	return x
}

func (*harness) read(h persist.Hash) *readCommand {
	return newCommand(func(x *readCommand) { x.token.Hash = h })
}

func (*harness) readID(id persist.ID) *readIDCommand {
	return newCommand(func(x *readIDCommand) { x.id = id })
}

func (*harness) list(user string) *listCommand {
	return newCommand(func(x *listCommand) { x.user.ID = user })
}

func (*harness) search(q persist.Query) *searchCommand {
	return newCommand(func(x *searchCommand) { x.query = q })
}

// page reads what a search asks for.
func page(ctx context.Context, disk persist.Reader, l *load) *loaded {
	p, err := disk.Search(ctx, *l.query)
	return &loaded{load: l, listing: persist.Listing{Records: p.Records, Unreadable: p.Unreadable}, next: p.Next, err: err}
}

func (*harness) sync() *syncCommand { return newCommand(func(*syncCommand) {}) }

func (*harness) expireReq(refs []persist.Ref) *expireCommand {
	return newCommand(func(x *expireCommand) { x.refs = refs })
}

func (*harness) watch(id persist.ID) *watchCommand {
	return newCommand(func(x *watchCommand) { x.id = id })
}

func (*harness) unwatch(id persist.ID, done chan struct{}) *unwatchCommand {
	return newCommand(func(x *unwatchCommand) { x.id, x.done = id, done })
}

func (g *harness) record(user string) *persist.Record {
	g.n++
	id := persist.ID{1, g.n}
	return &persist.Record{
		Identity: &persist.Identity{ID: id, UserID: user, CreatedAt: g.now, Deadline: persist.NoDeadline, TTL: 3_600_000_000},
		Hash:     persist.Hash{1, g.n}, Version: 1, Data: []byte("{}"), LastActive: g.now, ExpiresAt: g.now + 3_600_000_000,
	}
}

func (g *harness) createReq(user string) *createCommand {
	return newCommand(func(x *createCommand) { x.record, x.grows = g.record(user), true })
}

func (g *harness) create(user string) *persist.Record {
	g.Helper()
	x := g.createReq(user)
	g.do(x)
	g.ok(g.settle(), x)
	return x.record
}

// creates makes n sessions of as many users.
func (g *harness) creates(n int) []*persist.Record {
	g.Helper()
	l := make([]*persist.Record, n)
	for i := range l {
		l[i] = g.create("user" + string(rune('a'+i)))
	}
	return l
}

// startCommit puts a touch of a session of its own in flight, so that what follows collects.
func (g *harness) startCommit() {
	g.Helper()
	g.do(g.touch(g.create("inflight").ID))
	g.pass(interval)
	g.carries(0, 0, 1)
}

// cold evicts what is on disk, if it is to.
func (g *harness) cold(do bool) {
	if do {
		g.do(reset{reason: "test"})
	}
}

// find reads by token, by way of the disk if the core asks for it.
func (g *harness) find(h persist.Hash) response {
	g.Helper()
	x := g.read(h)
	a := g.answer(g.do(x), x)
	if a.load == nil {
		return a
	}
	rec, err := g.disk.ByHash(g.Context(), x.token)
	return g.answer(g.do(&loaded{load: a.load, record: rec, err: err}), x)
}

// by asks for x, by way of the disk if the core wants to read a session.
func (g *harness) by(x command) *effects {
	g.Helper()
	out := g.do(x)
	for _, r := range out.replies {
		if r.call == x.base() && r.load != nil {
			rec, err := g.disk.ByID(g.Context(), r.load.id)
			return g.do(&loaded{load: r.load, record: rec, err: err})
		}
	}
	return out
}

// stats asks for the counters.
func (g *harness) stats() Stats {
	g.Helper()
	x := newCommand(func(*statsCommand) {})
	g.ok(g.do(x), x)
	return x.stats
}

// response is what a command was answered.
type response struct {
	of    command
	view  *View
	views []*View
	next  int64 // of a search
	n     int
	done  chan struct{}
	err   error
	load  *load
}

func responseOf(r reply) response {
	a := response{of: r.call.self, load: r.load}
	if r.load != nil {
		return a
	}
	a.view, a.err = r.call.view, r.call.err
	switch x := r.call.self.(type) {
	case *listCommand:
		a.views, a.n = x.views, x.unreadable
	case *searchCommand:
		a.views, a.n, a.next = x.found.Views, x.found.Unreadable, x.found.Next
	case *destroyUserCommand:
		a.n = x.n
	case *expireCommand:
		a.n = x.n
	case *watchCommand:
		a.done = x.done
	}
	return a
}

// answer is the one answer to x among the effects.
func (g *harness) answer(out *effects, x command) response {
	g.Helper()
	var found []response
	for _, r := range out.replies {
		if r.call == x.base() {
			found = append(found, responseOf(r))
		}
	}
	if len(found) != 1 {
		g.Fatalf("%d answers", len(found))
	}
	return found[0]
}

// waits fails unless x has no answer among the effects.
func (g *harness) waits(out *effects, x command) {
	g.Helper()
	for _, r := range out.replies {
		if r.call == x.base() {
			g.Fatalf("answered: %v", r.call.err)
		}
	}
}

// refused fails unless x is answered with want.
func (g *harness) refused(out *effects, x command, want error) {
	g.Helper()
	if err := g.answer(out, x).err; !errors.Is(err, want) {
		g.Fatalf("%v, want %v", err, want)
	}
}

// ok fails unless x is answered without an error.
func (g *harness) ok(out *effects, x command) response {
	g.Helper()
	a := g.answer(out, x)
	g.okay(a)
	return a
}

func (g *harness) okay(a response) {
	g.Helper()
	if a.err != nil || a.load != nil {
		g.Fatalf("%v, load %t", a.err, a.load != nil)
	}
}

// rotated replaces a session's token.
func (g *harness) rotated(x *rotateCommand) {
	g.Helper()
	g.do(x)
	g.ok(g.settle(), x)
}

func (g *harness) rotatedError(a response) *RotatedError {
	g.Helper()
	e, ok := a.err.(*RotatedError) //nolint:errorlint // it is the answer itself
	if !ok {
		g.Fatalf("%v, want a RotatedError", a.err)
	}
	return e
}

// seen tells that the token of a rotation has come back.
func (g *harness) seen(x *rotateCommand, until int64) *effects {
	g.Helper()
	n := g.seenNote(x.id, x.change.To, until)
	out := g.do(n)
	g.ok(out, n)
	return out
}

// shortLived creates a session that ends after d microseconds.
func (g *harness) shortLived(d int64) *persist.Record {
	g.Helper()
	x := g.createReq("shortLived")
	x.record.ExpiresAt, x.record.TTL = g.now+d, d
	g.do(x)
	g.ok(g.settle(), x)
	return x.record
}

// shared is a harness whose backend others write to, with a lease of a second.
func shared(t *testing.T) *harness {
	g := newHarness(t, func(c *Config) { c.Exclusive, c.Lease = false, time.Second })
	g.do(renew{g.now})
	return g
}

// carries fails unless a batch with that many operations, writes and touches is on its way.
func (g *harness) carries(ops, writes, touches int) *persist.Batch {
	g.Helper()
	b := g.batch
	if b == nil {
		g.Fatal("no batch")
	}
	if len(b.Ops) != ops || len(b.Writes) != writes || len(b.Touches) != touches {
		g.Fatalf("%d operations, %d writes, %d touches; want %d, %d, %d",
			len(b.Ops), len(b.Writes), len(b.Touches), ops, writes, touches)
	}
	return b
}

// empty fails if a batch is on its way.
func (g *harness) empty() {
	g.Helper()
	if g.batch != nil {
		g.Fatalf("a batch of %d", g.batch.Len())
	}
}

// pinnedUntil shows that a session is kept from eviction until what holds it has let go.
func (g *harness) pinnedUntil(id persist.ID, release func()) {
	g.Helper()
	if e := g.c.hot.ByID(id); e == nil || !e.Pinned() {
		g.Fatal("it may be evicted")
	}
	release()
	if e := g.c.hot.ByID(id); e != nil && e.Pinned() {
		g.Fatal("it is kept for nothing")
	}
}

// equal fails unless got is want.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// micro is n microseconds.
func micro(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// happened counts the events of a kind among the effects.
func happened(out *effects, k EventKind) int {
	n := 0
	for _, e := range out.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}
