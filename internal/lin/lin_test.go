package lin

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"go.uber.org/goleak"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
)

var (
	histories = flag.Int("lin.histories", 60, "histories to check")
	seed      = flag.Uint64("lin.seed", 0, "check one history alone")
	jobs      = flag.Int("lin.jobs", 2, "histories that are made at once")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	users   = 3
	clients = 8
	calls   = 40 // per client and half

	tick  = 2 * time.Millisecond // precision of an expiry
	never = time.Duration(1 << 62)
)

// store is the store under test: the real one, or a broken one.
type store interface {
	CreateWith(ctx context.Context, n sessile.NewSession) (sessile.Session, sessile.Token, error)
	ReadByToken(ctx context.Context, t sessile.Token) (sessile.Session, error)
	UpdateDurable(ctx context.Context, id sessile.ID, c *sessile.Changes) (sessile.Session, error)
	Update(ctx context.Context, id sessile.ID, c *sessile.Changes) (sessile.Session, error)
	RotateToken(ctx context.Context, id sessile.ID) (sessile.Token, error)
	Destroy(ctx context.Context, id sessile.ID, reason ...sessile.EndReason) error
	DestroyAllForUser(ctx context.Context, userID string, reason ...sessile.EndReason) (int, error)
}

// recorder records one history.
type recorder struct {
	t     *testing.T
	store store
	real  *sessile.Store
	began time.Time

	mu      sync.Mutex
	ids     [users][perUser]sessile.ID
	tokens  map[int]sessile.Token // by number
	known   [users][perUser][]int // numbers of a session's tokens that some client knows
	claimed [users]bool           // some client creates the session that expires
	history []porcupine.Operation
	next    atomic.Int64 // number of the next token
	value   atomic.Int64
}

// open starts a store that keeps only some sessions in memory.
func (l *recorder) open(path string, broken func(*sessile.Store) store) {
	l.t.Helper()
	s, err := sessile.Open(l.t.Context(), sessile.Config{Path: path, CacheSize: 3, BatchInterval: time.Millisecond, CleanupInterval: sessile.NoCleanup})
	if err != nil {
		l.t.Fatal(err)
	}
	l.real, l.store = s, s
	if broken != nil {
		l.store = broken(s)
	}
}

func (l *recorder) create() {
	l.t.Helper()
	for u := range users {
		for i := range lasting {
			s, tok, err := l.real.Create(l.t.Context(), sessile.Meta{}, name(u), nil)
			if err != nil {
				l.t.Fatal(err)
			}
			l.learn(s.ID(), input{user: u, session: i, token: int(l.next.Add(1)) - 1}, tok)
		}
	}
}

// learn tells the clients a session's token.
func (l *recorder) learn(id sessile.ID, in input, tok sessile.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[in.user][in.session] = id
	l.tokens[in.token] = tok
	l.known[in.user][in.session] = append(l.known[in.user][in.session], in.token)
}

func name(user int) string { return fmt.Sprint("user", user) }

// half runs the clients for one half of a history.
func (l *recorder) half(seed uint64, base int) {
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(base+c)))
			for range calls {
				l.call(rng, base+c)
			}
		})
	}
	group.Wait()
}

// call makes and records one call. Some callers have short deadlines.
func (l *recorder) call(rng *rand.Rand, client int) {
	in := l.draw(rng)
	ctx, cancel := context.WithCancel(l.t.Context())
	if rng.IntN(10) == 0 {
		ctx, cancel = context.WithTimeout(l.t.Context(), time.Duration(rng.IntN(400))*time.Microsecond)
	}
	defer cancel()
	from := time.Since(l.began)
	out := l.do(ctx, in, rng)
	l.note(client, in, from, out, time.Since(l.began))
}

// draw chooses a call.
func (l *recorder) draw(rng *rand.Rand) input {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := input{user: rng.IntN(users), session: rng.IntN(perUser)}
	if in.session == lasting && !l.claimed[in.user] {
		l.claimed[in.user] = true
		in.kind, in.token, in.ends = create, int(l.next.Add(1))-1, rng.IntN(lasting+1)
		return in
	}
	known := l.known[in.user][in.session]
	if len(known) == 0 {
		in.session = 0 // the other session is still being created
		known = l.known[in.user][0]
	}
	switch k := rng.IntN(100); {
	case k < 55:
		in.kind = read
		in.token = known[len(known)-1-rng.IntN(min(len(known), 3))]
	case k < 68:
		in.kind, in.value = update, int(l.value.Add(1))
	case k < 80:
		in.kind, in.value = flush, int(l.value.Add(1))
	case k < 96:
		in.kind, in.token = rotate, int(l.next.Add(1))-1
	case k < 99:
		in.kind = destroy
	default:
		in.kind = destroyAll
	}
	if in.session == lasting && (in.kind == update || in.kind == flush) { // would extend its life
		in.kind, in.token = read, known[len(known)-1]
	}
	return in
}

func (l *recorder) do(ctx context.Context, in input, rng *rand.Rand) output {
	l.mu.Lock()
	id, tok := l.ids[in.user][in.session], l.tokens[in.token]
	l.mu.Unlock()
	var err error
	switch in.kind {
	case create:
		lifetime := time.Duration(2+rng.IntN(20)) * time.Millisecond
		return l.createBrief(ctx, in, lifetime)
	case read:
		s, err := l.store.ReadByToken(ctx, tok)
		v, _, _ := sessile.Get[int](s, "v")
		return output{outcomeOf(err), v}
	case update:
		_, err = l.store.UpdateDurable(ctx, id, new(sessile.Changes).Set("v", in.value))
		if err != nil && outcomeOf(err) == nothing {
			return output{outcome: unknown} // a change is accepted before it is durable
		}
	case flush:
		_, err = l.store.Update(ctx, id, new(sessile.Changes).Set("v", in.value))
	case rotate:
		tok, err = l.store.RotateToken(ctx, id)
		if err == nil {
			l.learn(id, in, tok)
		}
	case destroy:
		err = l.store.Destroy(ctx, id)
	default:
		_, err = l.store.DestroyAllForUser(ctx, name(in.user))
	}
	return output{outcome: outcomeOf(err)}
}

// createBrief creates the session that expires soon, and records when.
func (l *recorder) createBrief(ctx context.Context, in input, lifetime time.Duration) output {
	n := sessile.NewSession{UserID: name(in.user), TTL: lifetime}
	if in.ends > 0 {
		l.mu.Lock()
		n.Replaces = l.ids[in.user][in.ends-1]
		l.mu.Unlock()
	}
	s, tok, err := l.store.CreateWith(ctx, n)
	if err != nil {
		return output{outcome: outcomeOf(err)} // no client knows it; the session that it replaces may have ended
	}
	// No call is an access to it. If it expires before it is on disk, it ends then.
	// The store's time may be behind the wall clock for a second: Open reads two clocks, and a busy machine
	// can stop it for milliseconds in between. So the end is known to lie between two instants.
	now := time.Since(l.began)
	byWall, byStore := s.ExpiresAt().Sub(l.began), now+s.ExpiresAt().Sub(l.real.Now())
	first, last := max(min(byWall, byStore), now+tick), max(byWall, byStore, now+tick)
	l.learn(s.ID(), in, tok)
	l.note(-1-in.user, input{kind: expire, user: in.user, session: in.session}, first-tick, output{}, last+tick)
	return output{}
}

// note records a call with its start and its end.
func (l *recorder) note(client int, in input, from time.Duration, out output, to time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if out.outcome == unknown {
		to = never // may be done at any later time
		client = clients*2 + len(l.history)
	}
	l.history = append(l.history, porcupine.Operation{ClientId: client, Input: in, Call: from.Nanoseconds(), Output: out, Return: to.Nanoseconds()})
}

// outcomeOf maps an error to the outcome of the call.
func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return done
	case errors.Is(err, sessile.ErrUnknown), errors.Is(err, sessile.ErrNotDurable):
		return unknown
	case errors.Is(err, sessile.ErrNotFound):
		return notFound
	default:
		return nothing
	}
}

// crash continues with the files that a killed process would leave.
func (l *recorder) crash(path string) string {
	l.t.Helper()
	next := path + ".crashed"
	if err := harness.Copy(path, next); err != nil {
		l.t.Fatal(err)
	}
	if err := l.real.Close(); err != nil {
		l.t.Fatal(err)
	}
	return next
}

// tooLate closes the pending calls: a killed process does nothing more.
func (l *recorder) tooLate(now time.Duration) {
	for i := range l.history {
		if op := &l.history[i]; op.Return == never.Nanoseconds() {
			op.Return = now.Nanoseconds() - 1
		}
	}
}

// run records one history and checks it.
func run(t *testing.T, seed uint64, broken func(*sessile.Store) store) bool {
	t.Helper()
	l := &recorder{t: t, began: time.Now(), tokens: make(map[int]sessile.Token)}
	dir, err := harness.Dir()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s.db")
	l.open(path, broken)
	l.create()
	l.half(seed, 0)
	if seed%2 == 0 {
		next := l.crash(path)
		l.open(next, broken)
		now := time.Since(l.began)
		l.tooLate(now)
		for u := range users {
			l.note(-10-u, input{kind: crash, user: u}, now, output{}, now)
		}
		l.half(seed, clients)
	}
	if err := l.real.Close(); err != nil {
		t.Fatal(err)
	}
	verdict, info := porcupine.CheckOperationsVerbose(model(), l.history, time.Minute)
	if verdict != porcupine.Ok && broken == nil {
		if f, err := os.CreateTemp("", "history-*.html"); err == nil { //nolint:usetesting // it outlives the test
			_ = porcupine.Visualize(model(), info, f)
			t.Logf("the history is drawn in %s", f.Name())
			_ = f.Close()
		}
	}
	if verdict == porcupine.Unknown && broken == nil {
		t.Fatal("the check has not come to an end")
	}
	return verdict != porcupine.Illegal
}

// TestCallsAreLinearizable also when callers give up, and across a crash.
func TestCallsAreLinearizable(t *testing.T) { // A2, I1, I2, R6
	first, n := uint64(time.Now().UnixNano())>>20, *histories
	if *seed != 0 {
		first, n = *seed, 1
	}
	t.Run("histories", func(t *testing.T) {
		for job := range *jobs {
			t.Run(strconv.Itoa(job), func(t *testing.T) {
				t.Parallel()
				for i := job; i < n; i += *jobs {
					if !run(t, first+uint64(i), nil) {
						t.Fatalf("history %d cannot have happened one after the other\nagain: go test ./internal/lin -lin.seed=%d", i, first+uint64(i))
					}
				}
			})
		}
	})
	t.Logf("%d histories of %d and %d calls from seed %d", n, clients*calls, 2*clients*calls, first)
}
