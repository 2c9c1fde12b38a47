package lin

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

const (
	nodeSessions = 2
	nodeClients  = 4 // of each node
	nodeCalls    = 25
)

// cluster records a history of calls on nodes, in virtual time.
type cluster struct {
	t      *testing.T
	stores [nodes]*sessile.Store
	hasty  bool // its barriers do not wait

	mu      sync.Mutex
	rng     *rand.Rand
	ids     [nodeSessions]sessile.ID
	tokens  []sessile.Token     // by number
	known   [nodeSessions][]int // numbers of a session's tokens
	history []porcupine.Operation

	order  atomic.Int64 // of the beginnings and ends of calls
	values atomic.Int64
}

// between draws a duration below most.
func (l *cluster) between(most time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Duration(l.rng.Int64N(int64(most)))
}

// open starts the nodes. Reads and commits take a while, and events are late.
func (l *cluster) open(broken func(persist.Backend) persist.Backend) {
	l.t.Helper()
	for i, m := range persisttest.NewShared(nodes) {
		b := persist.Backend(m)
		if broken != nil {
			b = broken(b)
		}
		slow := persisttest.Hook(b, persisttest.Hooks{
			Before: func(c *persisttest.Call) {
				switch c.Method {
				case persisttest.Watch:
					f := &lateFeed{Sink: c.Sink, l: l, news: make(chan struct{}, 1)}
					go f.deliver(c.Ctx)
					c.Sink = f
				case persisttest.Apply:
					<-time.After(l.between(20 * time.Millisecond))
				}
			},
			After: func(c *persisttest.Call) {
				if c.Method == persisttest.ByHash || c.Method == persisttest.ByID {
					<-time.After(l.between(20 * time.Millisecond))
				}
			},
		})
		s, err := sessile.New(slow, sessile.Config{CleanupInterval: sessile.NoCleanup, BatchInterval: time.Millisecond, Slog: slog.New(slog.DiscardHandler)})
		if err != nil {
			l.t.Fatal(err)
		}
		l.stores[i] = s
	}
}

// lateFeed delivers what a feed tells later, in order.
type lateFeed struct {
	persist.Sink
	l     *cluster
	news  chan struct{}
	mu    sync.Mutex
	delay time.Duration
	until time.Time // when another delay is drawn
	queue []lateNews
}

type lateNews struct {
	at   time.Time
	tell func()
}

func (f *lateFeed) Reset(why string)             { f.push(func() { f.Sink.Reset(why) }) }
func (f *lateFeed) Invalidate(e []persist.Event) { f.push(func() { f.Sink.Invalidate(e) }) }
func (f *lateFeed) Fresh(at persist.Instant)     { f.push(func() { f.Sink.Fresh(at) }) }

func (f *lateFeed) push(tell func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.After(f.until) {
		f.until = now.Add(f.l.between(3 * persist.DefaultLease))
		f.delay = max(0, f.l.between(3*persist.DefaultLease)-persist.DefaultLease)
	}
	f.queue = append(f.queue, lateNews{time.Now().Add(f.delay), tell})
	select {
	case f.news <- struct{}{}:
	default:
	}
}

func (f *lateFeed) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		wait := time.Hour
		f.mu.Lock()
		var tell func()
		if len(f.queue) > 0 {
			if wait = time.Until(f.queue[0].at); wait <= 0 {
				tell, f.queue = f.queue[0].tell, f.queue[1:]
			}
		}
		f.mu.Unlock()
		if tell != nil {
			tell()
			continue
		}
		select {
		case <-time.After(wait):
		case <-f.news:
		case <-ctx.Done():
		}
	}
}

// call makes and records one call of a client on a node.
func (l *cluster) call(client, node int) {
	in := l.draw(node)
	began := l.order.Add(1)
	out := l.do(in)
	ended := l.order.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, porcupine.Operation{ClientId: client, Input: in, Call: began, Output: out, Return: ended})
}

func (l *cluster) draw(node int) nodeInput {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := nodeInput{node: node, session: l.rng.IntN(nodeSessions)}
	known := l.known[in.session]
	in.token = known[max(0, len(known)-1-l.rng.IntN(2))]
	switch k := l.rng.IntN(100); {
	case k < 50:
		in.kind = read
	case k < 62:
		in.kind = verify
	case k < 82:
		in.kind, in.value = update, int(l.values.Add(1))
	case k < 91:
		in.kind, in.token = rotate, len(l.tokens)
		l.tokens = append(l.tokens, sessile.Token{})
	case k < 92:
		in.kind = destroy
	default:
		in.kind = barrier
	}
	return in
}

func (l *cluster) do(in nodeInput) nodeOutput {
	s, ctx := l.stores[in.node], l.t.Context()
	l.mu.Lock()
	id, token := l.ids[in.session], l.tokens[in.token]
	l.mu.Unlock()
	var err error
	switch in.kind {
	case read:
		return shown(s.ReadByToken(ctx, token))
	case verify:
		return shown(s.Verify(ctx, token))
	case update:
		_, err = s.Update(ctx, id, new(sessile.Changes).Set("v", in.value).Set(strconv.Itoa(in.node), in.value))
	case rotate:
		if token, err = s.RotateToken(ctx, id); err == nil {
			l.learn(in.session, in.token, token)
		}
		if _, replaced := errors.AsType[*sessile.RotatedError](err); replaced {
			err = nil // it is done, another node has replaced its token since, and nobody gets it
		}
	case destroy:
		err = s.Destroy(ctx, id)
	default:
		if !l.hasty {
			err = s.Barrier(ctx)
		}
	}
	return nodeOutput{outcome: outcomeOf(err)}
}

// shown is what a read returns.
func shown(s sessile.Session, err error) nodeOutput {
	out := nodeOutput{outcome: outcomeOf(err)}
	if err != nil {
		return out
	}
	out.data.value, _, _ = sessile.Get[int](s, "v")
	for n := range nodes {
		out.data.of[n], _, _ = sessile.Get[int](s, strconv.Itoa(n))
	}
	return out
}

// learn tells the clients a session's token.
func (l *cluster) learn(session, number int, t sessile.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens[number] = t
	l.known[session] = append(l.known[session], number)
}

// runNodes records one history and checks it.
func runNodes(t *testing.T, seed uint64, hasty bool, broken func(persist.Backend) persist.Backend) bool {
	t.Helper()
	l := &cluster{hasty: hasty, rng: rand.New(rand.NewPCG(seed, 0)), tokens: make([]sessile.Token, nodeSessions)}
	synctest.Test(t, func(t *testing.T) {
		l.t = t
		l.open(broken)
		for i := range nodeSessions {
			s, token, err := l.stores[0].Create(t.Context(), sessile.Meta{}, "ann", nil)
			if err != nil {
				t.Fatal(err)
			}
			l.ids[i] = s.ID()
			l.learn(i, i, token)
		}
		var all sync.WaitGroup
		for client := range nodes * nodeClients {
			all.Go(func() {
				for range nodeCalls {
					l.call(client, client%nodes)
					<-time.After(l.between(100 * time.Millisecond))
				}
			})
		}
		all.Wait()
		for _, s := range l.stores {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	verdict := checkNodes(l.history)
	if verdict == porcupine.Unknown && !hasty && broken == nil {
		t.Fatal("the check has not come to an end")
	}
	return verdict != porcupine.Illegal
}

// TestCallsAreLinearizableOverTwoNodes checks calls on two nodes of one backend, both of which change the same keys, against the
// specification of shared.
func TestCallsAreLinearizableOverTwoNodes(t *testing.T) {
	first, n := uint64(time.Now().UnixNano())>>20, *histories
	if *seed != 0 {
		first, n = *seed, 1
	}
	t.Run("histories", func(t *testing.T) {
		for job := range *jobs {
			t.Run(strconv.Itoa(job), func(t *testing.T) {
				t.Parallel()
				for i := job; i < n; i += *jobs {
					if !runNodes(t, first+uint64(i), false, nil) {
						t.Fatalf("no order of its calls explains history %d (seed %d)", i, first+uint64(i))
					}
				}
			})
		}
	})
	t.Logf("%d histories of %d calls from seed %d", n, nodes*nodeClients*nodeCalls, first)
}
