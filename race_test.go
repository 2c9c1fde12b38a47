package sessile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// gated is a real backend whose reads and commits a test can hold up.
type gated struct {
	*sqlite.DB
	afterRead   func() // a row has been read and is not offered yet
	beforeApply func(*persist.Batch)
	failApply   func() error
	listing     func(persist.Listing) persist.Listing
	record      func(persist.Record) persist.Record
	healed      atomic.Bool // commits go through
}

func (g *gated) ByUser(ctx context.Context, u persist.UserKey) (persist.Listing, error) {
	l, err := g.DB.ByUser(ctx, u)
	if g.listing != nil {
		l = g.listing(l)
	}
	for i := range l.Records {
		if g.record != nil {
			l.Records[i] = g.record(l.Records[i])
		}
	}
	return l, err
}

func (g *gated) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	r, err := g.DB.ByHash(ctx, k)
	if g.afterRead != nil {
		g.afterRead()
	}
	if g.record != nil && err == nil {
		r = g.record(r)
	}
	return r, err
}

func (g *gated) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	if g.healed.Load() {
		return g.DB.Apply(ctx, b)
	}
	if g.beforeApply != nil {
		g.beforeApply(b)
	}
	if g.failApply != nil {
		if err := g.failApply(); err != nil {
			return persist.Result{}, err
		}
	}
	return g.DB.Apply(ctx, b)
}

// openGated starts a store over a gated backend. Its hot set holds one session,
// unless cfg says otherwise.
func openGated(t *testing.T, cfg sessile.Config) (*sessile.Store, *gated) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	g := &gated{DB: db}
	cfg.CacheSize = max(cfg.CacheSize, 1)
	s, err := sessile.New(g, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.healed.Store(true)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, g
}

func login(t *testing.T, s *sessile.Store, user string) (sessile.Session, sessile.Token) {
	t.Helper()
	x, tok, err := s.Create(t.Context(), sessile.Meta{}, user, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x, tok
}

// TestReadThatRacesADestroyDoesNotReviveTheSession forces the interleaving: the
// row is read, the session destroyed and its deletion committed, and only then
// does the read come back (S32, D7).
func TestReadThatRacesADestroyDoesNotReviveTheSession(t *testing.T) {
	ends := map[string]func(*sessile.Store, sessile.Session) error{
		"destroy": func(s *sessile.Store, x sessile.Session) error { return s.Destroy(t.Context(), x.ID()) },
		"destroy all": func(s *sessile.Store, _ sessile.Session) error {
			_, err := s.DestroyAllForUser(t.Context(), "ann")
			return err
		},
		"rotate": func(s *sessile.Store, x sessile.Session) error {
			_, err := s.RotateToken(t.Context(), x.ID())
			return err
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s, g := openGated(t, sessile.Config{})
			x, tok := login(t, s, "ann")
			login(t, s, "bob") // pushes ann out of memory
			var once sync.Once
			g.afterRead = func() {
				once.Do(func() {
					if err := end(s, x); err != nil {
						t.Error(err)
					}
				})
			}
			for range 2 {
				if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrNotFound) {
					t.Fatalf("read after the end: %v", err)
				}
			}
		})
	}
}

// TestFlushInFlightDoesNotSurviveADestroy forces a destroy while the batch with
// the session's flush is being committed (A1, D4, D5).
func TestFlushInFlightDoesNotSurviveADestroy(t *testing.T) {
	s, g := openGated(t, sessile.Config{BatchInterval: time.Millisecond})
	x, tok := login(t, s, "ann")
	flying, destroyed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	g.beforeApply = func(b *persist.Batch) {
		if len(b.Writes) > 0 {
			once.Do(func() { close(flying); <-destroyed })
		}
	}
	now := time.Now()
	if err := s.Flush(t.Context(), x.ID(), map[string]int{"n": 1}, now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	<-flying
	done := make(chan error)
	go func() { done <- s.Destroy(t.Context(), x.ID()) }()
	for !errors.Is(readErr(t, s, tok), sessile.ErrNotFound) { // denied while its own flush is being written
	}
	close(destroyed)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatalf("after the destroy: %v", err)
	}
}

func readErr(t *testing.T, s *sessile.Store, tok sessile.Token) error {
	t.Helper()
	_, err := s.ReadByToken(t.Context(), tok)
	return err
}

// TestDestroyThatCannotBeWrittenIsRefusedAndRetried: the disk refuses; the
// session is refused in memory; when the disk is back the deletion is written (D9, I1).
func TestDestroyThatCannotBeWrittenIsRefusedAndRetried(t *testing.T) {
	s, g := openGated(t, sessile.Config{})
	x, tok := login(t, s, "ann")
	var mu sync.Mutex
	broken := true
	g.failApply = func() error {
		mu.Lock()
		defer mu.Unlock()
		if broken {
			return persist.ErrUnknown
		}
		return nil
	}
	if err := s.Destroy(t.Context(), x.ID()); !errors.Is(err, sessile.ErrNotDurable) {
		t.Fatalf("destroy on a broken disk: %v", err)
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatalf("the session is not refused: %v", err)
	}
	if _, _, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); !errors.Is(err, sessile.ErrUnknown) {
		t.Fatalf("create on a broken disk: %v", err)
	}
	if h := s.Health(); h.State == sessile.HealthOK {
		t.Fatalf("health is %v", h)
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := g.ByID(t.Context(), persist.ID(x.ID())); !errors.Is(err, persist.ErrNotFound) {
		t.Fatalf("the deletion was not written: %v", err)
	}
	if h := s.Health(); h.State != sessile.HealthOK {
		t.Fatalf("health is %v: %s", h.State, h.Reason)
	}
}

// TestRotateOfUnknownOutcomeHandsOutNothing: the old token stays dead (D9, I2).
func TestRotateOfUnknownOutcomeHandsOutNothing(t *testing.T) {
	s, g := openGated(t, sessile.Config{})
	x, tok := login(t, s, "ann")
	var once sync.Once
	g.failApply = func() (err error) {
		once.Do(func() { err = persist.ErrUnknown })
		return err
	}
	if fresh, err := s.RotateToken(t.Context(), x.ID()); !errors.Is(err, sessile.ErrUnknown) || !fresh.IsZero() {
		t.Fatalf("rotation: %v", err)
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatalf("the old token: %v", err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatalf("the old token after the retry: %v", err)
	}
	if _, err := s.Read(t.Context(), x.ID()); err != nil {
		t.Fatalf("the session itself: %v", err)
	}
}

// TestContextEndsEveryCallWhileTheDiskStalls: I9, D16. Hot reads do not notice.
func TestContextEndsEveryCallWhileTheDiskStalls(t *testing.T) {
	s, g := openGated(t, sessile.Config{})
	x, tok := login(t, s, "ann")
	stall, stalled := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(stall) })
	t.Cleanup(release) // before the store's Close, which waits for the disk
	var once sync.Once
	g.beforeApply = func(*persist.Batch) { once.Do(func() { close(stalled); <-stall }) }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := s.Create(ctx, sessile.Meta{}, "bob", nil); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, sessile.ErrUnknown) {
		t.Fatalf("create: %v", err)
	}
	<-stalled
	if err := readErr(t, s, tok); err != nil {
		t.Fatalf("hot read: %v", err)
	}
	if err := s.Destroy(ctx, x.ID()); !errors.Is(err, sessile.ErrNotDurable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("destroy: %v", err)
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatalf("destroyed while stalled: %v", err)
	}
	release()
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := s.ListForUser(t.Context(), "bob"); err != nil || len(list) != 0 {
		t.Fatalf("a session whose caller left lives on: %v, %v", list, err)
	}
}

// TestConcurrentClientsKeepEveryPromise mixes all commands and checks the invariants after.
func TestConcurrentClientsKeepEveryPromise(t *testing.T) {
	const goroutines, steps, users = 1000, 10, 50
	path := filepath.Join(t.TempDir(), "s.db")
	cfg := sessile.Config{Path: path, CacheSize: 200, MaxSessionsPerUser: sessile.NoSessionLimit, BatchInterval: 2 * time.Millisecond}
	s, err := sessile.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	results := make([]owned, goroutines)
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			o := owned{store: s, user: fmt.Sprint("user", i%users), rng: rand.New(rand.NewPCG(uint64(i), 1))}
			for range steps {
				// Of a thousand at once some may be refused: then nothing was done.
				if err := o.step(t.Context()); err != nil && !errors.Is(err, sessile.ErrOverloaded) {
					t.Error(err)
					return
				}
			}
			results[i] = o
		})
	}
	all.Wait()
	for range 2 { // in memory, and after a restart
		for _, o := range results {
			o.check(t, s)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = sessile.Open(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// owned is one goroutine's sessions: what it created nobody else touches.
type owned struct {
	store *sessile.Store
	user  string
	rng   *rand.Rand
	id    sessile.ID
	token sessile.Token
	live  bool
	n     int
	dead  []sessile.Token
}

func (o *owned) step(ctx context.Context) error {
	if !o.live {
		s, tok, err := o.store.Create(ctx, sessile.Meta{}, o.user, nil)
		o.id, o.token, o.live, o.n = s.ID(), tok, err == nil, 0
		return err
	}
	switch o.rng.IntN(7) {
	case 0:
		tok, err := o.store.RotateToken(ctx, o.id)
		if err == nil {
			o.dead, o.token = append(o.dead, o.token), tok
		}
		return err
	case 1:
		o.dead, o.live = append(o.dead, o.token), false
		if err := o.store.Destroy(ctx, o.id); err != nil {
			return fmt.Errorf("a log-out: %v", err) //nolint:errorlint // never refused
		}
		return nil
	case 2:
		_, err := o.store.ListForUser(ctx, o.user)
		return err
	case 3:
		_, err := o.store.Renew(ctx, o.id)
		return err
	case 4:
		if o.rng.IntN(100) > 0 {
			_, err := o.store.Read(ctx, o.id)
			return err
		}
		_, err := o.store.CleanupExpired(ctx)
		return err
	default:
		_, err := o.store.Update(ctx, o.id, new(sessile.Changes).Set("n", o.n+1))
		if err == nil {
			o.n++
		}
		return err
	}
}

func (o *owned) check(t *testing.T, s *sessile.Store) {
	t.Helper()
	for _, tok := range o.dead {
		if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
			t.Fatalf("a dead token opens: %v", err) // I1, I2
		}
	}
	if !o.live {
		return
	}
	x, err := s.ReadByToken(t.Context(), o.token)
	if err != nil {
		t.Fatalf("a live session: %v", err) // I3
	}
	if n, _, err := sessile.Get[int](x, "n"); err != nil || n != o.n {
		t.Fatalf("n is %d, want %d: %v", n, o.n, err)
	}
	if x.ExpiresAt().After(x.Deadline()) {
		t.Fatal("expiry after the deadline") // I6
	}
}

// TestLimitHoldsUnderConcurrentLogins: A17, S37.
func TestLimitHoldsUnderConcurrentLogins(t *testing.T) {
	s, _ := openGated(t, sessile.Config{MaxSessionsPerUser: 5})
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, _, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := s.ListForUser(t.Context(), "ann"); err != nil || len(list) != 5 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
}

// TestUpdateInParallelKeepsEveryKey: S44.
func TestUpdateInParallelKeepsEveryKey(t *testing.T) {
	s, _ := openGated(t, sessile.Config{})
	x, tok := login(t, s, "ann")
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			if _, err := s.Update(t.Context(), x.ID(), new(sessile.Changes).Set(fmt.Sprint("k", i), i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := s.ReadByToken(t.Context(), tok)
	if err != nil || len(got.Data().Keys()) != 64 {
		t.Fatalf("%d keys, %v", len(got.Data().Keys()), err)
	}
}

// TestRotateInParallelLeavesOneToken: A25, S21.
func TestRotateInParallelLeavesOneToken(t *testing.T) {
	s, _ := openGated(t, sessile.Config{})
	x, first := login(t, s, "ann")
	tokens := make([]sessile.Token, 32)
	var all sync.WaitGroup
	for i := range tokens {
		all.Go(func() {
			var err error
			if tokens[i], err = s.RotateToken(t.Context(), x.ID()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	live := 0
	for _, tok := range slices.Concat(tokens, []sessile.Token{first}) {
		if readErr(t, s, tok) == nil {
			live++
		}
	}
	if live != 1 {
		t.Fatalf("%d tokens are live", live)
	}
}

// openIn opens a store in a new file, for the time of the test.
func openIn(t *testing.T, cfg sessile.Config) *sessile.Store {
	t.Helper()
	cfg.Path = filepath.Join(t.TempDir(), "s.db")
	s, err := sessile.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestReadFromMemoryAllocatesNothing is the ceiling of the hot path, by token and by its text.
func TestReadFromMemoryAllocatesNothing(t *testing.T) {
	s := openIn(t, sessile.Config{})
	_, tok := login(t, s, "ann")
	text, ctx := tok.Reveal(), t.Context()
	for name, read := range map[string]func() error{
		"ReadByToken": func() error { _, err := s.ReadByToken(ctx, tok); return err },
		"Lookup":      func() error { _, err := s.Lookup(ctx, text); return err },
	} {
		if n := testing.AllocsPerRun(1000, func() {
			if err := read(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestReadFromDiskEndsWithItsContext although the disk does not answer (I9); whoever
// else waits for the same reads again.
func TestReadFromDiskEndsWithItsContext(t *testing.T) {
	s, g := openGated(t, sessile.Config{})
	_, tok := login(t, s, "ann")
	login(t, s, "bob") // memory holds one session
	disk := make(chan struct{})
	g.afterRead = func() { <-disk }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.ReadByToken(ctx, tok); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the disk stalls: %v", err)
	}
	close(disk)
	if _, err := s.ReadByToken(t.Context(), tok); err != nil {
		t.Error(err)
	}
}
