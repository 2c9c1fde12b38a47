package actor

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/persist"
)

// forever is the end of a lease that does not end.
const forever = math.MaxInt64

// state is everything the loop knows. It belongs to the loop: its methods take
// the time as an argument, do no I/O, wait for nothing and hold no lock, so that
// a test can drive it step by step.
type state struct {
	cfg  Config
	now  int64 // time of the current step: decides what has expired
	tick int64 // monotonic clock of the current step: decides when something is written
	rng  *rand.Rand
	out  effects // of the current step

	hot     *cache.Hot[View]
	calm    atomic.Uint64         // as it is published; see quick
	dirty   map[persist.ID]*dirty // changes that are not on disk yet
	queue   queue                 // of those not in the flight
	back    []*dirty              // of the flight that settles: those to put back
	bytes   int64                 // data of dirty, and of sessions that are being created
	ops     []*pendingOp          // security operations that wait for a batch, in order
	later   []*pendingOp          // those that failed by themselves and wait for their time
	durable []*dirty              // somebody waits for these to be on disk
	flight  *flight               // the batch that is being committed
	syncs   []barrier
	seq     uint64 // of the last accepted change or operation
	retry   backoff
	graves  graves
	loads   map[loadKey]*load
	watched map[persist.ID]*watch
	watchAt int64              // no watched session ends before then
	spins   map[persist.ID]int // queued or flying rotations per session

	exclusive  bool
	lease      int64 // memory may be served before then
	gated      bool
	closing    bool
	finished   bool       // nothing more is written
	waiting    []*request // destroys that wait for room among the graves
	keeping    []*request // destroys that keep a session which a create under way replaces
	growing    line       // calls that wait for room in pending
	reading    line       // calls that wait for a cold read
	refusedAt  int64      // tick of the last refusal for want of room
	overloaded bool       // that has been told
	stirs      uint64     // security operations, resets and dropped changes so far
	stats      Stats
}

func newState(cfg Config) *state {
	s := &state{
		cfg:       cfg,
		rng:       rand.New(rand.NewPCG(cfg.Seed, 0x5e551e)), // jitter only: nothing secret comes from here
		hot:       cache.New[View](cfg.Entries, cfg.Bytes),
		dirty:     make(map[persist.ID]*dirty),
		queue:     queue{near: make(map[int64]*dirty)},
		graves:    newGraves(),
		loads:     make(map[loadKey]*load),
		watched:   make(map[persist.ID]*watch),
		spins:     make(map[persist.ID]int),
		exclusive: cfg.Exclusive,
		growing:   line{last: longAgo},
		reading:   line{last: longAgo},
		refusedAt: longAgo,
	}
	if s.exclusive {
		s.lease = forever
	}
	s.out.lease = s.lease
	return s
}

// step handles one message at the time now, which follows the wall clock and
// never goes back (S29), and tick, by the monotonic one, and returns what must be
// done about it. The effects are valid until the next step.
func (s *state) step(m message, now, tick int64) *effects {
	s.now, s.tick = now, tick
	s.growing.lasts(tick)
	s.reading.lasts(tick)
	clear(s.out.replies)
	clear(s.out.events)
	s.out = effects{replies: s.out.replies[:0], events: s.out.events[:0]}
	switch m := m.(type) {
	case *request:
		s.request(m)
	case abandon:
		if m.gone {
			s.abandonLoad(m.req)
		} else {
			s.abandon(m.req)
		}
	case settled:
		s.settle(m)
	case reset:
		s.reset(m.reason)
	case invalidate:
		s.invalidate(m.events)
	case found:
		s.found(m)
	case fresh:
		s.renewLease(m.age.Microseconds())
	case closing:
		s.close()
	case surrender:
		s.surrender()
	case wake:
	}
	s.promoteLater()
	s.admitWaiting()
	s.expireWatched()
	s.serveLines()
	if s.out.batch = s.nextBatch(); s.out.batch != nil {
		s.serveLines() // what left with it has made room
	}
	s.answerSyncs()
	s.out.shut = s.markLines()
	s.tellRefusals()
	s.out.wake = s.nextWake()
	s.out.lease = s.lease
	s.calm.Store(s.calmNow()) // before anybody is answered, and before the disk has a batch
	return &s.out
}

// request handles a command, or a command that comes back with what the disk said.
func (s *state) request(r *request) {
	if o := r.offer; o != nil {
		r.offer, r.told = nil, false // it was told to read the disk
		s.offered(r, o)
		return
	}
	if s.gated && r.grows() {
		s.lineUp(&s.growing, r, s.turn())
		return
	}
	s.handle(r)
}

// handle runs a command against memory, or starts a load for it.
func (s *state) handle(r *request) {
	switch r.kind {
	case kindRead:
		s.read(r)
	case kindList:
		s.startLoad(r, loadKey{kind: byUser, user: r.user.ID})
	case kindCreate:
		s.create(r)
	case kindDestroy:
		s.destroy(r)
	case kindDestroyUser:
		s.destroyUser(r)
	case kindExpire:
		s.expire(r)
	case kindSync:
		s.sync(r)
	case kindUnwatch:
		s.unwatch(r)
	case kindStats:
		s.reply(r, response{stats: s.snapshot()})
	default:
		if e := s.resident(r); e != nil {
			s.onResident(r, e)
		}
	}
}

// onResident runs the commands that need their session in memory.
func (s *state) onResident(r *request, e *entry) {
	switch r.kind {
	case kindReadID:
		s.reply(r, response{view: e.Value()})
	case kindRotate:
		s.rotate(r, e)
	case kindSeen:
		s.seen(r, e)
	case kindTouch:
		s.touch(r, e)
	case kindFlush:
		s.flush(r, e)
	case kindUpdate:
		s.update(r, e)
	case kindWatch:
		s.watch(r, e)
	case kindDestroy:
		s.destroyOwned(r, e)
	case kindDestroyUser:
		s.destroyExcept(r, e)
	default:
		panic("actor: unknown request kind")
	}
}

// reply answers r, once.
func (s *state) reply(r *request, resp response) {
	if r != nil && !r.told {
		r.told = true
		s.out.replies = append(s.out.replies, answer{r, resp})
	}
}

func (s *state) fail(r *request, err error) { s.reply(r, response{err: err}) }

func (s *state) event(e Event) {
	e.At = s.now
	s.out.events = append(s.out.events, e)
}

// nextSeq numbers an accepted change.
func (s *state) nextSeq() uint64 { s.seq++; return s.seq }

// abandon answers a caller whose time is up with what became of its command. A
// durable operation that is not under way yet is not executed (D17).
func (s *state) abandon(r *request) {
	if r.told {
		return // the answer is on its way
	}
	left := new(leftError)
	switch taken := s.abandonOp(r); {
	case r.dug:
		left.state = ErrNotDurable
	case r.lined:
		left.state = ErrOverloaded
	case r.kind == kindCreate || r.kind == kindRotate:
		if !taken {
			left.state = persist.ErrUnknown
		}
	}
	s.unask(r)
	s.fail(r, left)
	r.left = true
}

// full reports whether pending is at a bound.
func (s *state) full(num, den int) bool {
	return (len(s.dirty)+len(s.ops))*den >= s.cfg.MaxPending*num ||
		s.bytes*int64(den) >= s.cfg.MaxPendingBytes*int64(num)
}

// gate closes at the bound and opens again at nine tenths of it (D14).
func (s *state) gate() bool {
	if s.gated {
		s.gated = s.full(9, 10)
	} else {
		s.gated = s.full(1, 1)
	}
	return s.gated
}

// never is the nextWake of a state in which nothing will be due.
const never = time.Duration(-1)

// nextWake is how long nothing is due.
func (s *state) nextWake() time.Duration {
	at := int64(forever)
	if s.flight == nil && (s.queue.Len() > 0 || len(s.ops) > 0) {
		at = min(at, max(s.oldest()+s.cfg.BatchInterval.Microseconds(), s.retry.at))
		if s.urgent() || s.due() {
			at = max(s.tick, s.retry.at)
		}
	}
	for _, p := range s.later {
		at = min(at, p.at)
	}
	if s.overloaded {
		at = min(at, s.refusedAt+refusedLately)
	}
	if len(s.growing.waits) > 0 {
		at = min(at, s.patienceEnds(&s.growing))
	}
	if len(s.reading.waits) > 0 {
		at = min(at, s.patienceEnds(&s.reading))
	}
	wait := never
	if at != forever {
		wait = max(time.Duration(at-s.tick)*time.Microsecond, 0)
	}
	if len(s.watched) == 0 {
		return wait
	}
	// The wall clock may be set ahead: look at it now and then.
	end := time.Duration(min(max(s.watchAt-s.now, 10_000), 60_000_000)) * time.Microsecond
	if wait == never {
		return end
	}
	return min(wait, end)
}
