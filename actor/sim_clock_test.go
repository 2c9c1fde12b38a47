package actor

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/internal/clock"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// The simulation of clocks drives the core with a wall clock that is set, by seconds
// or by years, at any moment and between two processes, and the rule of the store
// (clock.Clock). What it is held against is the time that passes while a store runs,
// which no wall clock changes: nothing lives longer than its TTL and its lifetime by
// it, nothing that was seen expired comes back, no proof of identity is fresh for longer
// than it may be.
//
// Two allowances: a process that is killed takes along what passed since its last
// commit, if the wall clock has gone back too; and a time is known to a second or two.

const (
	simSecond = int64(1_000_000)
	simYear   = 365 * 24 * 3600 * simSecond
	simFresh  = 60 * simSecond
	simSlack  = 2*ahead + 2*simSecond
)

// timed is a session in the simulation of clocks. All but its id is by the time that
// passes while a store runs; unset means that a row was written by another hand, and
// nobody has read it since.
type timed struct {
	rec      *persist.Record
	ttl      int64
	lifetime int64
	born     int64
	last     int64
	proof    int64
	distrust bool // the clock has gone back before this process began: its proof is older, and does not count
	foreign  bool // another hand wrote its row
	over     bool // it was seen expired in this process
	overAt   int64
	gone     bool
}

type clockSim struct {
	t        *testing.T
	rng      *rand.Rand
	variant  string
	verbose  bool
	c        *core
	pub      *published
	h        *harness // makes commands, and nothing else
	disk     *persisttest.Memory
	clock    *clock.Clock
	high     int64 // of a variant
	wall     int64
	mono     int64 // begins anew with each process
	ran      int64 // how long stores have run
	commitAt int64 // ran at the last commit
	lost     int64 // what kills have taken along
	batch    *persist.Batch
	sessions []*timed
	n        uint64
	reads    int
	restarts int
	failure  string
}

func (m *clockSim) failf(format string, args ...any) {
	if m.failure == "" {
		m.failure = fmt.Sprintf(format, args...)
	}
}

func (m *clockSim) logf(format string, args ...any) {
	if m.verbose {
		m.t.Logf("ran %d s, wall %d s: %s", m.ran/simSecond, m.wall/simSecond, fmt.Sprintf(format, args...))
	}
}

// now is the store's time, as storeClock.micros has it.
func (m *clockSim) now() int64 {
	switch {
	case m.variant == "the wall clock alone":
		return m.wall
	case m.variant == "the latest of the wall clock":
		m.high = max(m.high, m.wall)
		return m.high
	case m.rng.IntN(3) == 0: // the last look was less than 10 ms ago
		return m.clock.At(m.mono)
	default:
		return m.clock.Look(m.wall, m.mono)
	}
}

// boot begins a process.
func (m *clockSim) boot() {
	m.mono = m.rng.Int64N(simYear)
	last, unproven := m.disk.Traits().Clock, int64(0)
	if m.variant == "restarts by the wall clock" {
		last = 0
	}
	if last-m.wall > simSecond { // as newClock has it
		unproven = last + simSecond
	}
	m.clock, m.high, m.batch = clock.New(m.wall, m.mono, max(last, unproven+1)), 0, nil
	if m.variant == "proofs from before count" {
		unproven = 0
	}
	cfg := Config{
		Entries: 1 + m.rng.IntN(4), Bytes: 1 << 20, BatchInterval: 100_000_000, BatchSize: 64, MaxPending: 1000, MaxPendingBytes: 1 << 20,
		MaxTombstones: 100, MaxLoads: 10, Exclusive: true, Seed: 1, Grace: 30 * simSecond, Unproven: unproven,
	}
	hot, index := cache.New[View](cfg.Entries, cfg.Bytes)
	m.c = newCore(cfg, hot)
	m.pub = newPublished(index, m.c.lease)
	m.logf("a process begins, unproven %d s", unproven/simSecond)
	for _, x := range m.sessions {
		x.distrust = unproven > 0 || m.variant == "proofs from before count" && last-m.wall > simSecond
	}
}

// send gives the core a message. What it wants to be written is written at once or
// later, or the disk refuses it.
func (m *clockSim) send(msg message) map[command]response {
	answers := map[command]response{}
	for {
		out := m.c.step(msg, m.now(), m.mono)
		m.pub.publish(m.c.hot, out)
		for _, r := range out.replies {
			<-r.call.resume
			answers[r.call.self] = responseOf(r)
		}
		if out.batch != nil {
			m.batch = out.batch
		}
		if m.batch == nil {
			return answers
		}
		b := m.batch
		m.batch = nil
		if m.rng.IntN(8) == 0 {
			msg = batchDone{err: persist.ErrUnavailable}
			continue
		}
		m.sabotage(b)
		res, err := m.disk.Apply(m.t.Context(), b)
		m.commitAt = m.ran
		msg = batchDone{result: res, err: err}
	}
}

// sabotage breaks what is written, for the controls.
func (m *clockSim) sabotage(b *persist.Batch) {
	if m.variant != "what was taken back is not written" {
		return
	}
	for i := range b.Touches {
		b.Touches[i].Retime = nil
	}
	for i := range b.Writes {
		b.Writes[i].Retime = nil
	}
}

// ask sends a command and answers it from the disk if it must be.
func (m *clockSim) ask(r command) response {
	resp, ok := m.send(r)[r]
	for i := 0; ok && resp.load != nil && i < 10; i++ {
		l := resp.load
		o := &loaded{load: l}
		switch l.kind {
		case byToken:
			o.record, o.err = m.disk.ByHash(m.t.Context(), l.token)
		case byID:
			o.record, o.err = m.disk.ByID(m.t.Context(), l.id)
		default:
			o.listing, o.err = m.disk.ByUser(m.t.Context(), l.user)
		}
		resp, ok = m.send(o)[r]
	}
	for i := 0; !ok && i < 200; i++ { // it waits for the disk
		m.pass(simSecond / 20)
		resp, ok = m.send(wakeUp{})[r]
	}
	if !ok {
		m.failf("no answer")
	}
	if m.variant == "what is read counts as it is stored" {
		for _, x := range m.sessions {
			m.asStored(x.rec.ID)
		}
	}
	return resp
}

// asStored is the control that believes every row.
func (m *clockSim) asStored(id persist.ID) {
	if e, d := m.c.hot.ByID(id), m.c.dirty[id]; e != nil && d != nil && d.retime {
		if rec, err := m.disk.ByID(m.t.Context(), id); err == nil {
			d.retime = false
			m.c.hot.Put(e, viewOf(rec), 1000)
		}
	}
}

func (m *clockSim) pass(d int64) { m.wall, m.mono, m.ran = m.wall+d, m.mono+d, m.ran+d }

func (m *clockSim) act() {
	m.pass(m.rng.Int64N(10 * simSecond))
	switch k := m.rng.IntN(100); {
	case k < 8 && len(m.sessions) < 30:
		m.create()
	case k < 45:
		m.read(m.pick(), m.rng.IntN(4))
	case k < 60:
		m.touch(m.pick())
	case k < 66:
		m.reauth(m.pick())
	case k < 76:
		m.step()
	case k < 82:
		m.restart()
	case k < 86:
		m.send(reset{reason: "test"}) // everything is read anew
	case k < 90:
		m.hand(m.pick())
	case k < 94:
		m.sweep()
	default:
		m.pass(m.rng.Int64N(90 * simSecond))
		m.send(wakeUp{})
	}
}

func (m *clockSim) pick() *timed {
	if len(m.sessions) == 0 {
		return nil
	}
	return m.sessions[m.rng.IntN(len(m.sessions))]
}

// step sets the wall clock.
func (m *clockSim) step() {
	far := []int64{5 * simSecond, 3600 * simSecond, simYear / 12, 10 * simYear}[m.rng.IntN(4)]
	m.wall += m.rng.Int64N(2*far) - far
	m.wall = max(m.wall, simYear) // a time before 1970 is none
	m.logf("the wall clock was set")
}

// restart kills the process, or lets it end; the next has its clock set, or not.
func (m *clockSim) restart() {
	m.restarts++
	before := m.now()
	if m.rng.IntN(2) == 0 {
		m.send(closing{})
		for i := 0; i < 200 && !m.c.idle(); i++ {
			m.pass(simSecond / 20)
			m.send(wakeUp{})
		}
	}
	if m.rng.IntN(2) == 0 {
		m.step()
	}
	back := m.wall < before
	for _, x := range m.sessions {
		if x.over && (back && x.overAt > m.commitAt-simSecond) {
			x.over = false // only what was seen by the last commit is remembered
		}
		rec, err := m.disk.ByID(m.t.Context(), x.rec.ID)
		if err == nil && x.foreign && rec.LastActive > before-ahead { // what was taken back may not have been written
			x.born, x.last, x.over = unset, unset, false
		}
	}
	if back {
		m.lost += m.ran - m.commitAt
	}
	m.boot()
}

func (m *clockSim) create() {
	m.n++
	now := m.now()
	x := &timed{ttl: (20 + m.rng.Int64N(200)) * simSecond, born: m.ran, last: m.ran, proof: m.ran}
	x.lifetime = x.ttl * (1 + m.rng.Int64N(4))
	x.rec = &persist.Record{
		Identity: &persist.Identity{UserID: "u", CreatedAt: now, Deadline: now + x.lifetime, TTL: x.ttl},
		Version:  1, LastActive: now, ExpiresAt: now + x.ttl, Data: []byte("{}"),
	}
	x.rec.ID[15], x.rec.ID[0], x.rec.Hash[0] = byte(m.n), 1, byte(m.n)
	if resp := m.ask(newCommand(func(c *createCommand) { c.record, c.grows = x.rec, true })); resp.err == nil {
		m.sessions = append(m.sessions, x)
		m.logf("session %d, TTL %d s, lifetime %d s", m.n, x.ttl/simSecond, x.lifetime/simSecond)
	}
}

// read looks at a session in one of the ways there are.
func (m *clockSim) read(x *timed, way int) {
	if x == nil {
		return
	}
	switch way {
	case 0:
		m.saw(x, m.ask(m.h.readID(x.rec.ID)), true)
	case 1:
		resp := m.ask(m.h.list("u"))
		for _, v := range resp.views {
			if v.ID == x.rec.ID {
				m.saw(x, response{view: v}, false)
			}
		}
	case 2: // an optimistic read
		rec, err := m.disk.ByHash(m.t.Context(), persist.TokenKey{Hash: x.rec.Hash})
		epoch := m.pub.epoch.Load()
		if err != nil || epoch == 0 || m.c.hot.ByID(x.rec.ID) != nil || m.variant == "what is read counts as it is stored" {
			return
		}
		v, moved := m.c.cfg.read(rec, m.now())
		m.send(found{rec, v, moved, epoch})
		m.saw(x, response{view: v}, true)
	default:
		m.saw(x, m.ask(m.h.read(x.rec.Hash)), true)
	}
}

// saw holds what a read has shown against what is promised. If it is kept, a row of
// another hand's has a beginning.
func (m *clockSim) saw(x *timed, resp response, kept bool) {
	if errors.Is(resp.err, persist.ErrNotFound) {
		x.gone = true
		return
	}
	now := m.now()
	if resp.err != nil || resp.view == nil {
		return
	}
	v := resp.view
	m.reads++
	m.logf("session %d: active %t, until %d s, deadline %d s, now %d s", x.rec.ID[15], v.ActiveAt(now), v.ExpiresAt/simSecond, v.Deadline/simSecond, now/simSecond)
	if !v.ActiveAt(now) {
		// A list was active when it was answered, and keeps nothing: that its times are over
		// at a later look at the wall clock is nothing that the store has said.
		if kept && !x.over {
			x.over, x.overAt = true, m.ran
		}
		return
	}
	if x.foreign && x.born == unset {
		if kept {
			x.born, x.last = m.ran, m.ran
		}
		if v.ExpiresAt > now+x.ttl+ahead || v.Deadline > now+x.lifetime+ahead {
			m.failf("session %d of another program lives %d s more, %d s at most", x.rec.ID[15], (v.ExpiresAt-now)/simSecond, (v.Deadline-now)/simSecond)
		}
	}
	m.checkAge(x, v, now)
}

func (m *clockSim) checkAge(x *timed, v *View, now int64) {
	allowed := simSlack + m.lost
	id := x.rec.ID[15]
	switch {
	case x.gone:
		m.failf("session %d was gone, and is back", id)
	case x.over:
		m.failf("session %d was seen expired, and is valid again", id)
	case x.born != unset && m.ran-x.last >= x.ttl+allowed:
		m.failf("session %d lives %d s after its last access, its TTL is %d s", id, (m.ran-x.last)/simSecond, x.ttl/simSecond)
	case x.born != unset && m.ran-x.born >= x.lifetime+allowed:
		m.failf("session %d lives for %d s, its lifetime is %d s", id, (m.ran-x.born)/simSecond, x.lifetime/simSecond)
	}
	proof := v.AuthAt
	if proof == 0 {
		proof = v.CreatedAt
	}
	switch fresh := now-proof < simFresh; {
	case fresh && x.distrust:
		m.failf("a proof of session %d from before the clock went back counts", id)
	case fresh && m.ran-x.proof >= simFresh+allowed:
		m.failf("the proof of session %d is %d s old by the store's time, and was given %d s ago", id, (now-proof)/simSecond, (m.ran-x.proof)/simSecond)
	}
}

func (m *clockSim) touch(x *timed) {
	if x == nil {
		return
	}
	var r command = m.h.touch(x.rec.ID)
	if m.rng.IntN(3) == 0 {
		r = m.h.durable(x.rec.ID, "1")
	}
	began := m.ran
	// A durable update that the disk refuses is in memory all the same, and tried again.
	if resp := m.ask(r); resp.err == nil || errors.Is(resp.err, persist.ErrUnavailable) {
		m.logf("access to session %d", x.rec.ID[15])
		if x.over || x.gone {
			m.failf("session %d was over, and was renewed", x.rec.ID[15])
		}
		if x.born == unset {
			x.born = began
		}
		x.last = m.ran
	}
}

// reauth is a rotation after which the user has just proved who they are.
func (m *clockSim) reauth(x *timed) {
	if x == nil {
		return
	}
	m.n++
	r := m.h.rotateTo(x.rec.ID, persist.Hash{2, byte(m.n), byte(m.n >> 8)})
	r.change.Reauth = true
	if resp := m.ask(r); resp.err == nil {
		x.rec.Hash, x.proof, x.distrust = r.change.To, m.ran, false
		if x.born == unset {
			x.born, x.last = m.ran, m.ran
		}
		m.logf("proof of session %d", x.rec.ID[15])
	}
}

// hand is another program that puts every time of a row into the future.
func (m *clockSim) hand(x *timed) {
	if x == nil || x.over || m.c.hot.ByID(x.rec.ID) != nil {
		return
	}
	rec, err := m.disk.ByID(m.t.Context(), x.rec.ID)
	if err != nil || m.pub.epoch.Load() == 0 {
		return
	}
	by := m.rng.Int64N(10*simYear) + simYear/365
	at := m.clock.At(m.mono) + by
	_, err = m.disk.Apply(m.t.Context(), &persist.Batch{Touches: []persist.Touch{{
		Ref: rec.Ref(), LastActive: at, ExpiresAt: at + x.ttl,
		Retime: &persist.Retime{CreatedAt: at, Deadline: at + x.lifetime, AuthAt: at, RotatedAt: forever, Until: forever},
	}}})
	if err != nil {
		m.t.Fatal(err)
	}
	x.foreign, x.born, x.last, x.proof = true, unset, unset, -simYear
	m.logf("another hand puts session %d %d s ahead", x.rec.ID[15], by/simSecond)
}

// sweep is Actor.Sweep.
func (m *clockSim) sweep() {
	refs, _, err := m.disk.Expired(m.t.Context(), m.now(), 0, 100)
	if err != nil {
		m.t.Fatal(err)
	}
	if len(refs) == 0 {
		return
	}
	for _, ref := range m.expire(refs) {
		m.ask(m.h.readID(ref.ID))
		for _, x := range m.sessions {
			if x.rec.ID == ref.ID && x.born == unset {
				x.born, x.last = m.ran, m.ran
			}
		}
	}
}

func (m *clockSim) expire(refs []persist.Ref) []persist.Ref {
	x := m.h.expireReq(refs)
	m.ask(x)
	return x.active
}

func runClocks(t *testing.T, seed uint64, variant string, verbose bool) *clockSim {
	t.Helper()
	m := &clockSim{
		t: t, rng: rand.New(rand.NewPCG(seed, 2)), variant: variant, verbose: verbose,
		disk: persisttest.NewMemory(), wall: 50 * simYear,
	}
	m.boot()
	for range 250 {
		if m.act(); m.failure != "" {
			break
		}
	}
	return m
}

// TestSimulationOfClocksKeepsEveryPromise: S29, I6, I1: however wall clocks are set, while a
// store runs and between two processes.
func TestSimulationOfClocksKeepsEveryPromise(t *testing.T) {
	if *simSeed != 0 {
		if m := runClocks(t, *simSeed, "", true); m.failure != "" {
			t.Fatal(m.failure)
		}
		return
	}
	reads, restarts := 0, 0
	for seed := uint64(1); seed <= uint64(*simSeeds); seed++ {
		m := runClocks(t, seed, "", false)
		if m.failure != "" {
			t.Fatalf("seed %d: %s\nreplay: go test ./actor -run TestSimulatedClocks -sim.seed=%d -v", seed, m.failure, seed)
		}
		reads, restarts = reads+m.reads, restarts+m.restarts
	}
	t.Logf("%d runs, %d reads checked, %d restarts", *simSeeds, reads, restarts)
}

// TestSimulationNoticesBrokenClocks is its negative control.
func TestSimulationNoticesBrokenClocks(t *testing.T) {
	for _, v := range []string{
		"the wall clock alone", "the latest of the wall clock", "restarts by the wall clock", "proofs from before count",
		"what is read counts as it is stored", "what was taken back is not written",
	} {
		t.Run(v, func(t *testing.T) {
			caught, example := 0, ""
			for seed := uint64(1); seed <= 300; seed++ {
				if m := runClocks(t, seed, v, false); m.failure != "" {
					caught, example = caught+1, m.failure
				}
			}
			t.Logf("%d of 300 runs noticed: %s", caught, example)
			if caught == 0 {
				t.Fatal("no run noticed")
			}
		})
	}
}
