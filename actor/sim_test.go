package actor

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

var (
	simSeeds = flag.Int("sim.seeds", 1000, "simulated runs of a store")
	simSeed  = flag.Uint64("sim.seed", 0, "replay one seed, with its trace")
	simSteps = flag.Int("sim.steps", 400, "steps of a run")
)

// The simulation drives the pure step without goroutines or disk. A seeded
// scheduler decides which client acts, when a disk read happens and when its
// result is offered, how a commit ends (done, refused, unknown either way, one
// item refused), when callers give up, when the clock jumps and when the process
// crashes. A model knows what has been promised and checks every answer.

// simClient is one caller: its request, and what its answer is held against.
type simClient struct {
	cmd     command
	what    string
	sess    *simSession // nil for create, list, sync, expire
	load    *load       // it must read the disk
	result  *loaded     // it has read the disk and not come back yet
	epoch   uint64      // of an optimistic read, when it began
	began   int64       // of an optimistic read
	token   persist.Hash
	changes int // of the token of sess when the call began
	key     string
	val     int
	floors  map[*simSession]map[string]int // what a sync covers, or a read must show
	targets []*simSession                  // what a destroy of a user covers, or a create replaces
	over    map[*simSession]bool           // what a list must not show
	dead    bool                           // a read must find nothing
	alive   bool                           // a read must find the session
	unsure  bool                           // a create that a wipe may or may not cover
	grace   bool                           // a rotation that leaves the old token a grace
	reissue bool                           // a rotation from the token before, of a lost successor
	named   bool                           // a rotation from live alone
	due     bool                           // and that must be done
	live    persist.Hash                   // the token when the call began
}

// simSession is what the model knows of a session.
type simSession struct {
	id       persist.ID
	user     string
	tokens   []persist.Hash         // all that were ever handed out; the last is the live one
	doomed   bool                   // something that may end it has begun
	leaving  int                    // creates in progress that replace it
	ended    bool                   // its end is acknowledged: it never comes back
	durable  bool                   // and its end is on disk
	rotating int                    // rotations in progress
	changes  int                    // rotations that ever began
	lost     bool                   // a rotation of unknown outcome: no token opens it
	unsure   bool                   // which token is live is not known
	graces   map[persist.Hash]int64 // tokens replaced that may have a grace, and its end at most
	gracing  int                    // rotations with a grace in progress
	hinted   bool                   // its new token may have been seen
	turned   int64                  // when its last rotation was acknowledged
	phantom  bool                   // a token that nobody has may have a grace
	watches  []chan struct{}
	values   map[string]int // acknowledged updates
	stored   map[string]int // those known to be on disk
	busy     map[string]bool
	born     int64 // first expiry
	floorExp int64 // it cannot expire before then
	deadline int64
}

type sim struct {
	t        *testing.T
	h        *harness // makes commands, and nothing else
	rng      *rand.Rand
	c        *core
	pub      *published
	disk     *persisttest.Memory
	now      int64 // wall clock: jumps ahead, stands still
	tick     int64 // monotonic clock
	step     int
	clients  []*simClient
	sessions []*simSession
	batch    *persist.Batch
	late     *batchDone // and the core has not heard of it
	trace    uint64
	healthy  bool
	verbose  bool
	ghosts   []persist.ID        // creates that failed or were given up: the state must clean up after them
	strays   map[persist.ID]bool // those that a crash kept it from
	created  map[persist.ID]*persist.Record
	serial   int
	users    int // who log in: in every other run there is one, with many sessions
	acks     int
	ender    simEnder
	everyone int           // log-outs of everybody that are on disk
	meant    []*simSession // by the last log-out
	meantAt  int           // and its step
	reissues int           // lost successors that were replaced
	pieces   int           // of log-outs, but the last ones
	crashes  int
	fast     int           // optimistic reads that were answered
	rows     []found       // and that the core has not heard of
	lines    []publication // another order of publish, for its control
	looks    int           // between publications
	variant  string
	failure  string
}

const simUsers = 3

func newSim(t *testing.T, seed uint64, variant string, verbose bool) *sim {
	t.Helper()
	m := &sim{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: 1_000_000_000,
		disk: persisttest.NewMemory(), variant: variant, verbose: verbose, strays: make(map[persist.ID]bool),
		created: make(map[persist.ID]*persist.Record), users: 1 + int(seed%2)*(simUsers-1),
	}
	m.boot()
	return m
}

func (m *sim) config() Config {
	c := Config{
		Entries: 1 + m.rng.IntN(6), Bytes: 1 << 20, BatchInterval: 100 * time.Millisecond,
		BatchSize: 1 + m.rng.IntN(8), MaxPending: 3 + m.rng.IntN(20), MaxPendingBytes: 1 << 20,
		MaxTombstones: 4 + m.rng.IntN(30), MaxLoads: 2 + m.rng.IntN(10), Exclusive: true, Seed: m.rng.Uint64(),
	}
	c.MaxWaiting, c.Patience = int(c.Seed%10), time.Duration(c.Seed>>8%200)*time.Millisecond
	return c
}

func (m *sim) boot() {
	m.batch, m.late, m.ender = nil, nil, simEnder{}
	cfg := m.config()
	hot, index := cache.New[View](cfg.Entries, cfg.Bytes)
	m.c = newCore(cfg, hot)
	m.c.all = func() iter.Seq[*entry] { // a map has no order: the same seed would give other runs
		return slices.Values(slices.SortedFunc(hot.All(), func(a, b *entry) int {
			x, y := a.ID(), b.ID()
			return bytes.Compare(x[:], y[:])
		}))
	}
	m.c.bulk.rows = 1 + int(cfg.Seed>>16%3)/2
	m.c.bulk.most = m.c.bulk.rows
	m.pub = newPublished(index, m.c.lease)
	if m.lines != nil {
		m.pub.lines = m.lines
	}
}

func (m *sim) logf(format string, args ...any) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d ", m.trace)
	fmt.Fprintf(h, format, args...)
	m.trace = h.Sum64()
	if m.verbose {
		m.t.Logf("%4d t=%d "+format, append([]any{m.step, m.now}, args...)...)
	}
}

func (m *sim) failf(format string, args ...any) {
	if m.failure == "" {
		m.failure = fmt.Sprintf("step %d: ", m.step) + fmt.Sprintf(format, args...)
	}
}

// sabotage breaks the core on purpose, for the negative controls.
func (m *sim) sabotage() {
	switch m.variant {
	case "no tombstones": // a load may bring back what is over
		m.c.tombstones = newTombstones()
	case "no tombstones of versions": // a load may bring back an older version
		clear(m.c.tombstones.versions)
	case "no piece is noted": // a load may bring back what a piece has ended
		for _, l := range m.c.tombstones.users {
			for _, u := range l {
				u.piece = 0
			}
		}
	case "no log-out of everybody is noted": // a load may bring back what it means
		m.c.tombstones.all = nil
	case "no pins": // eviction loses what is not on disk
		for _, d := range m.c.dirty {
			m.c.hot.Unpin(d.entry)
			m.c.hot.Pin(d.entry)
		}
	}
}

// send gives the core one message and carries out its effects. A reader looks between any
// two publications.
func (m *sim) send(msg message) {
	out := m.c.step(msg, m.now, m.tick)
	if m.variant == "the epoch never changes" {
		out.epoch = 1
	}
	m.sabotage()
	changed := m.c.hot.Changed()
	var answers []reply
	for _, line := range m.pub.lines {
		line.show(m.pub, changed, out)
		for _, r := range out.replies {
			if len(r.call.resume) > 0 {
				<-r.call.resume
				answers = append(answers, r)
				m.answered(r)
			}
		}
		m.look(changed)
	}
	m.c.hot.Published()
	if len(answers) != len(out.replies) {
		m.failf("%d of %d answers were sent", len(answers), len(out.replies))
	}
	m.ender.woken = m.ender.woken || out.end
	if out.batch != nil {
		if m.batch != nil {
			m.failf("a second batch while one is in flight")
		}
		m.batch = out.batch
	}
}

func (m *sim) client(x command) *simClient {
	for _, c := range m.clients {
		if c.cmd == x {
			return c
		}
	}
	return nil
}

func (m *sim) remove(c *simClient) {
	for i, x := range m.clients {
		if x == c {
			m.clients = append(m.clients[:i], m.clients[i+1:]...)
			return
		}
	}
}

func (m *sim) run() {
	for m.step = 0; m.step < *simSteps && m.failure == ""; m.step++ {
		m.act()
	}
	m.finish()
}

// pass lets time pass. Now and then the wall clock stands still: it was set back.
func (m *sim) pass(d int64) {
	m.tick += d
	if m.healthy || m.step%50 > 4 {
		m.now += d
	}
}

// act is one move of the scheduler.
func (m *sim) act() {
	m.pass(int64(m.rng.IntN(20_000)))
	if m.ender.atWork() && m.rng.IntN(3) == 0 {
		m.end()
		return
	}
	switch k := m.rng.IntN(100); {
	case k < 40 && len(m.clients) < 12:
		m.begin()
	case k < 60:
		m.readDisk()
	case k < 75:
		m.comeBack()
	case k < 90:
		m.commit()
	case k < 93:
		m.send(wakeUp{})
	case k < 95:
		m.giveUp()
	case k < 96:
		m.pass(int64(m.rng.IntN(3)) * 1_000_000)
		m.send(wakeUp{})
	case k < 97:
		m.noise()
	case k < 98:
		m.write()
		m.send(reset{reason: "foreign writer"})
	case k < 99:
		m.reread()
	case k == 99 && m.rng.IntN(8) == 0:
		m.crash()
	}
}

// write is what another program does to the disk: now and then it deletes a session.
func (m *sim) write() {
	if x := m.pick(); x != nil && m.rng.IntN(2) == 0 {
		x.doomed = true
		m.quietly(persist.Op{Kind: persist.OpDestroy, Ref: persist.Ref{ID: x.id}})
	}
}

// reread reads the watched sessions again that a reset has let go.
func (m *sim) reread() {
	for _, w := range m.c.watched.byEnd {
		if w.entry == nil && !slices.ContainsFunc(m.clients, func(c *simClient) bool { return c.what == "reread" }) {
			m.start(&simClient{what: "reread"}, m.h.readID(w.id))
			return
		}
	}
}

func (m *sim) pick() *simSession {
	if len(m.sessions) == 0 {
		return nil
	}
	n := min(len(m.sessions), 8)
	return m.sessions[len(m.sessions)-1-m.rng.IntN(n)]
}

func (m *sim) hash() (h persist.Hash) {
	for i := range h {
		h[i] = byte(m.rng.Uint32())
	}
	return h
}

// readDisk lets one caller that leads a load read the disk now. What it has read
// may be old by the time it is offered.
func (m *sim) readDisk() {
	for _, i := range m.rng.Perm(len(m.clients)) {
		c := m.clients[i]
		if c.load == nil && c.epoch == 0 || c.result != nil {
			continue
		}
		o := &loaded{load: c.load}
		ctx := m.t.Context()
		switch {
		case m.rng.IntN(20) == 0 && !m.healthy:
			o.err = persist.ErrUnavailable
		case c.epoch != 0:
			o.record, o.err = m.disk.ByHash(ctx, persist.TokenKey{Hash: c.token})
		case c.load.kind == byToken:
			o.record, o.err = m.disk.ByHash(ctx, c.load.token)
		case c.load.kind == byID:
			o.record, o.err = m.disk.ByID(ctx, c.load.id)
		case c.load.kind == byPage:
			o = page(ctx, m.disk, c.load)
		default:
			o.listing, o.err = m.disk.ByUser(ctx, c.load.user)
		}
		c.result = o
		m.logf("disk read for %s: %v", c.what, o.err)
		return
	}
}

func (m *sim) comeBack() {
	if m.rng.IntN(8) == 0 {
		m.tellFound()
	}
	for _, i := range m.rng.Perm(len(m.clients)) {
		c := m.clients[i]
		if c.result != nil && c.epoch != 0 {
			m.endOptimistic(c)
			return
		}
		if c.result != nil {
			result := c.result
			c.load, c.result = nil, nil
			m.logf("%s comes back", c.what)
			m.send(result)
			return
		}
	}
}

// commit ends the batch in flight in one of the ways a disk can end it.
func (m *sim) commit() {
	if m.late != nil {
		x := *m.late
		m.late = nil
		m.logf("settled")
		m.send(x)
		return
	}
	if m.batch == nil {
		return
	}
	b := m.batch
	m.batch = nil
	how := m.rng.IntN(12)
	switch {
	case m.healthy:
		how = 11
	case slices.ContainsFunc(b.Ops, func(op persist.Op) bool { return op.Kind == persist.OpDestroyUser }) && m.rng.IntN(2) == 0:
		how = 2 // the retry does not find the sessions that the piece has deleted
	}
	var res persist.Result
	var err error
	switch how {
	case 0:
		err = persist.ErrUnavailable
	case 1:
		err = persist.ErrUnknown // and it was not done
	case 2:
		_, err = m.disk.Apply(m.t.Context(), b)
		err = errors.Join(persist.ErrUnknown, err) // and it was done
	case 3:
		res, err = m.applyButOne(b)
	default:
		res, err = m.applyAll(b)
	}
	m.logf("commit of %d: way %d, %v", b.Len(), how, err)
	m.late = &batchDone{res, err} // readers see it before the core hears of it
}

// applyAll commits a batch, or does so as a broken backend would.
func (m *sim) applyAll(b *persist.Batch) (persist.Result, error) {
	for i := range b.Ops {
		switch m.variant {
		case "replaces nothing":
			b.Ops[i].Replaces = persist.ID{}
		case "pieces begin anew": // and end what was created since
			b.Ops[i].Through = 0
		}
	}
	res, err := m.disk.Apply(m.t.Context(), b)
	for i := range res.Ops {
		m.pieces += int(min(res.Ops[i].Through, 1))
	}
	switch m.variant {
	case "a piece is taken for the whole": // a log-out is acknowledged that is done in part
		for i := range res.Ops {
			res.Ops[i].Through = 0
		}
	case "upsert": // a destroyed session is inserted again by a late save (A1, A2)
		for _, op := range b.Ops {
			if op.Kind == persist.OpDestroy && m.created[op.Ref.ID] != nil {
				m.quietly(persist.Op{Kind: persist.OpCreate, Record: m.created[op.Ref.ID]})
			}
		}
	case "early acknowledgement": // what is acknowledged is not there
		for i, op := range b.Ops {
			if op.Kind == persist.OpCreate && res.Ops[i].Status == persist.StatusApplied {
				m.quietly(persist.Op{Kind: persist.OpDestroy, Ref: persist.Ref{ID: op.Record.ID}})
			}
		}
	}
	return res, err
}

// quietly does something to the disk that the state is not told of.
func (m *sim) quietly(op persist.Op) {
	if _, err := m.disk.Apply(m.t.Context(), &persist.Batch{Now: m.now, Ops: []persist.Op{op}}); err != nil {
		m.t.Fatal(err)
	}
}

// applyButOne commits a batch in which one item is refused by itself.
func (m *sim) applyButOne(b *persist.Batch) (persist.Result, error) {
	if len(b.Ops) == 0 {
		return m.disk.Apply(m.t.Context(), b)
	}
	bad := m.rng.IntN(len(b.Ops))
	rest := *b
	rest.Ops = append(append([]persist.Op(nil), b.Ops[:bad]...), b.Ops[bad+1:]...)
	res, err := m.disk.Apply(m.t.Context(), &rest)
	if err != nil {
		return res, err
	}
	failed := persist.Outcome{Status: persist.StatusFailed, Err: persist.ErrCorrupt}
	ops := append([]persist.Outcome(nil), res.Ops[:bad]...)
	res.Ops = append(append(ops, failed), res.Ops[bad:]...)
	return res, nil
}

func (m *sim) giveUp() {
	if len(m.clients) == 0 {
		return
	}
	c := m.clients[m.rng.IntN(len(m.clients))]
	if c.what == "piece" || c.what == "pass" { // the ender never does
		return
	}
	m.logf("%s gives up", c.what)
	if c.epoch != 0 { // nobody knows of it
		m.remove(c)
		return
	}
	if c.load != nil && m.rng.IntN(3) == 0 { // it never comes back
		m.remove(c)
		m.gaveUp(c)
		m.send(abandon{c.cmd.base(), true})
		return
	}
	if c.load != nil { // it is reading the disk, and comes back with its own failure
		c.result = &loaded{load: c.load, err: context.Canceled, own: true}
		return
	}
	m.send(abandon{c.cmd.base(), false})
	if m.client(c.cmd) == c && len(m.c.chores) == 0 {
		m.failf("%s gives up and is not answered", c.what)
	}
}

// noise is somebody who has seen a session on disk before its creator knew of it.
func (m *sim) noise() {
	l, err := m.disk.ByUser(m.t.Context(), persist.UserKey{ID: fmt.Sprintf("u%d", m.rng.IntN(simUsers))})
	if err != nil || len(l.Records) == 0 {
		return
	}
	id := l.Records[m.rng.IntN(len(l.Records))].ID
	m.start(&simClient{what: "noise"}, []command{m.h.readID(id), m.h.touch(id), m.h.watch(id)}[m.rng.IntN(3)])
}

// crash loses everything but the disk, and holds the disk to what was promised.
func (m *sim) crash() {
	if m.batch != nil && m.rng.IntN(2) == 0 { // it may have been committed just now
		if _, err := m.disk.Apply(m.t.Context(), m.batch); err != nil {
			m.t.Fatal(err)
		}
	}
	m.crashes++
	m.logf("crash")
	for _, c := range m.clients {
		m.gaveUp(c)
	}
	m.clients, m.rows = nil, nil
	m.boot()
	m.afterCrash()
}

// finish heals the disk, lets everything end, and compares disk and promises.
func (m *sim) finish() {
	m.healthy = true
	for i := 0; m.failure == ""; i++ {
		m.reread()
		m.end()
		if len(m.clients) == 0 && m.c.idle() && !m.ender.atWork() {
			break
		}
		if i > 5000 {
			m.failf("does not come to rest: %d callers wait %v, %d changes pending", len(m.clients), m.waiting(), len(m.c.dirty)+m.c.ops.len())
			break
		}
		m.pass(50_000)
		m.readDisk()
		m.comeBack()
		m.commit()
		m.send(wakeUp{})
	}
	if m.failure == "" {
		m.afterAll()
	}
}

func runSim(t *testing.T, seed uint64, variant string, verbose bool) (*sim, string) {
	t.Helper()
	m := newSim(t, seed, variant, verbose)
	m.run()
	return m, m.failure
}

// TestSimulationKeepsEveryPromise checks I1–I6 and I9 in seeded runs (R8): D5, D7, D9, D11, D12, D17, S29.
func TestSimulationKeepsEveryPromise(t *testing.T) {
	if *simSeed != 0 {
		if _, failure := runSim(t, *simSeed, "", true); failure != "" {
			t.Fatal(failure)
		}
		return
	}
	acks, crashes, fast, looks, reissues, pieces, everyone := 0, 0, 0, 0, 0, 0, 0
	for seed := uint64(1); seed <= uint64(*simSeeds); seed++ {
		m, failure := runSim(t, seed, "", false)
		if failure != "" {
			t.Fatalf("seed %d: %s\nreplay: go test ./actor -run TestSimulationKeeps -sim.seed=%d -v", seed, failure, seed)
		}
		acks, crashes, fast, looks = acks+m.acks, crashes+m.crashes, fast+m.fast, looks+m.looks
		reissues, pieces, everyone = reissues+m.reissues, pieces+m.pieces, everyone+m.everyone
	}
	t.Logf("%d runs, %d acknowledgements checked, %d optimistic reads and %d lost successors among them, %d looks between publications, %d crashes, %d pieces of log-outs, %d log-outs of everybody", *simSeeds, acks, fast, reissues, looks, crashes, pieces, everyone)
}

// TestSimulationNoticesBrokenStores is the negative control of the simulation:
// each variant breaks one rule, and some run must notice.
func TestSimulationNoticesBrokenStores(t *testing.T) {
	variants := []string{"pieces begin anew", "a piece is taken for the whole", "no piece is noted", "no log-out of everybody is noted", "replaces nothing", "no tombstones", "no tombstones of versions", "no pins", "upsert", "early acknowledgement", "the epoch never changes", "rows are installed"}
	for _, v := range variants {
		t.Run(v, func(t *testing.T) {
			caught, runs := 0, uint64(0)
			for runs < 300 && caught < 3 || caught == 0 && runs < 2000 { // a rare race may need more runs
				if runs++; brokenRun(t, runs, v) {
					caught++
				}
			}
			t.Logf("%d of %d runs noticed", caught, runs)
			if caught == 0 {
				t.Fatal("no run noticed")
			}
		})
	}
}

// brokenRun reports whether a sabotaged run fails, by a check or a panic.
func brokenRun(t *testing.T, seed uint64, variant string) (failed bool) {
	t.Helper()
	defer func() {
		if recover() != nil {
			failed = true
		}
	}()
	_, failure := runSim(t, seed, variant, false)
	return failure != ""
}

// TestSimulationIsDeterministic: the same seed gives the same trace (R8).
func TestSimulationIsDeterministic(t *testing.T) {
	for seed := uint64(1); seed <= 50; seed++ {
		a, _ := runSim(t, seed, "", false)
		b, _ := runSim(t, seed, "", false)
		if a.trace != b.trace {
			t.Fatalf("seed %d: traces differ", seed)
		}
	}
}

func (m *sim) waiting() []string {
	var what []string
	for _, c := range m.clients {
		what = append(what, fmt.Sprintf("%s load=%v result=%v", c.what, c.load != nil, c.result != nil))
	}
	return what
}
