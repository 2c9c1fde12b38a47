// Reproductions of defects that reviews have found. Each failed before its fix;
// docs/defects.md lists them.

package sessile_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"
)

// hooked is a backend whose calls a test can bend.
type hooked struct {
	persist.Backend
	mu     sync.Mutex
	apply  func(*persist.Batch) (persist.Result, error)
	byHash func(context.Context, persist.TokenKey) (persist.Record, error)
	byID   func(context.Context, persist.ID) (persist.Record, error)
}

func (h *hooked) Traits() persist.Traits {
	return persist.Traits{Engine: "hooked", Exclusive: true, StoreKey: make([]byte, 32)}
}

func (h *hooked) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	h.mu.Lock()
	f := h.apply
	h.mu.Unlock()
	if f != nil {
		return f(b)
	}
	return h.Backend.Apply(ctx, b)
}

func (h *hooked) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	h.mu.Lock()
	f := h.byHash
	h.mu.Unlock()
	if f != nil {
		return f(ctx, k)
	}
	return h.Backend.ByHash(ctx, k)
}

func (h *hooked) ByID(ctx context.Context, id persist.ID) (persist.Record, error) {
	h.mu.Lock()
	f := h.byID
	h.mu.Unlock()
	if f != nil {
		return f(ctx, id)
	}
	return h.Backend.ByID(ctx, id)
}

func (h *hooked) set(f func()) { h.mu.Lock(); f(); h.mu.Unlock() }

func hookedStore(t *testing.T, cfg sessile.Config) (*sessile.Store, *hooked) {
	t.Helper()
	h := &hooked{Backend: persisttest.NewMemory()}
	cfg.CleanupInterval = sessile.NoCleanup
	if cfg.CloseTimeout == 0 {
		cfg.CloseTimeout = 200 * time.Millisecond
	}
	s, err := sessile.New(h, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, h
}

func mk(t *testing.T, s *sessile.Store, user string) (sessile.Session, sessile.Token) {
	t.Helper()
	x, tok, err := s.Create(context.Background(), sessile.Meta{}, user, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x, tok
}

func eventually(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(d)
	for !ok() {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// a wall clock that is set back freezes the write-behind.
func TestClockSetBackDoesNotStopTheWriteBehind(t *testing.T) {
	var offset atomic.Int64
	cfg := sessile.WithClock(sessile.Config{BatchInterval: 10 * time.Millisecond}, func() time.Time {
		return time.Now().Add(time.Duration(offset.Load()))
	})
	s, _ := hookedStore(t, cfg)
	x, _ := mk(t, s, "u")
	offset.Store(int64(-time.Hour)) // NTP step, VM resume
	c := new(sessile.Changes).Set("k", 1)
	if _, err := s.Update(context.Background(), x.ID(), c); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second) // a hundred batch intervals
	if st := s.Stats(); st.Pending != 0 {
		t.Fatalf("1 s after an Update with BatchInterval 10 ms: pending=%d oldest=%v health=%+v", st.Pending, st.OldestPending, s.Health())
	}
}

// after one transient failure nothing is retried, so calls hang.
func TestClockSetBackDoesNotStopRetries(t *testing.T) {
	var offset atomic.Int64
	cfg := sessile.WithClock(sessile.Config{}, func() time.Time { return time.Now().Add(time.Duration(offset.Load())) })
	s, h := hookedStore(t, cfg)
	x, _ := mk(t, s, "u")
	y, _ := mk(t, s, "u")
	offset.Store(int64(-time.Hour))
	var n atomic.Int32
	h.set(func() {
		h.apply = func(b *persist.Batch) (persist.Result, error) {
			if n.Add(1) == 1 {
				return persist.Result{}, persist.ErrUnavailable
			}
			return h.Backend.Apply(context.Background(), b)
		}
	})
	if err := s.Destroy(context.Background(), x.ID()); !errors.Is(err, sessile.ErrNotDurable) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := s.Destroy(ctx, y.ID()); err != nil {
		t.Fatalf("disk is healthy again, but 3 s later: %v (commits tried: %d)", err, n.Load())
	}
}

// the timer spins while the clock stands.
func TestClockSetBackKeepsTheLoopIdle(t *testing.T) {
	var frozen, calls atomic.Int64
	t0 := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC).UnixMicro()
	frozen.Store(t0)
	cfg := sessile.WithClock(sessile.Config{BatchInterval: time.Second}, func() time.Time {
		calls.Add(1)
		return time.UnixMicro(frozen.Load())
	})
	s, _ := hookedStore(t, cfg)
	x, _ := mk(t, s, "u")
	if _, err := s.Update(context.Background(), x.ID(), new(sessile.Changes).Set("k", 1)); err != nil {
		t.Fatal(err)
	}
	frozen.Store(t0 + 999_990) // 10 µs before the batch is due,
	_ = s.Stats()
	frozen.Store(t0) // the wall clock is set back
	calls.Store(0)
	<-time.After(300 * time.Millisecond)
	if n := calls.Load(); n > 100 {
		t.Fatalf("the loop ran %d times in 300 ms with nothing to do", n)
	}
}

// an expiry far in the future overflows the timer: busy loop.
func TestTouchToAFarExpiryKeepsTheLoopIdle(t *testing.T) {
	var calls atomic.Int64
	cfg := sessile.WithClock(sessile.Config{MaxLifetime: sessile.NoMaxLifetime}, func() time.Time { calls.Add(1); return time.Now() })
	s, _ := hookedStore(t, cfg)
	x, _ := mk(t, s, "u")
	ctx := t.Context()
	for _, year := range []int{2400, 9999} {
		if err := s.Touch(ctx, x.ID(), time.Now(), time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		_ = s.Done(ctx, x.ID())
		if err := s.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		calls.Store(0)
		<-time.After(300 * time.Millisecond)
		if n := calls.Load(); n > 100 {
			t.Errorf("year %d: the idle loop ran %d times in 300 ms", year, n)
		}
	}
}

// Done with a context that has ended pins the session for ever.
func TestDoneWithAnEndedContextLeavesNoWatch(t *testing.T) {
	s, _ := hookedStore(t, sessile.Config{})
	for i := range 200 {
		x, _ := mk(t, s, fmt.Sprint("u", i))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Done(ctx, x.ID())
	}
	<-time.After(100 * time.Millisecond)
	if n := s.Stats().Watched; n != 0 {
		t.Fatalf("%d of 200 sessions stay watched, and pinned in memory, though every interest has ended", n)
	}
}

// an expiry that is brought forward does not close Done.
func TestDoneClosesAtAnExpiryThatATouchMovedForward(t *testing.T) {
	s, _ := hookedStore(t, sessile.Config{})
	x, tok := mk(t, s, "u")
	ctx := t.Context()
	done := s.Done(ctx, x.ID())
	now := time.Now()
	if err := s.Touch(ctx, x.ID(), now, now.Add(200*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(1500 * time.Millisecond):
		_, err := s.ReadByToken(ctx, tok)
		t.Fatalf("the session has expired (%v) but Done is open", err)
	}
}

// DestroyForUser that gave up while loading claims "refused from now on".
func TestDestroyForUserThatGivesUpIsNotErrNotDurable(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{CacheSize: 1})
	x, tok := mk(t, s, "u")
	mk(t, s, "other") // evicts x from memory
	release := make(chan struct{})
	h.set(func() {
		h.byID = func(ctx context.Context, id persist.ID) (persist.Record, error) {
			<-release
			return h.Backend.ByID(ctx, id)
		}
	})
	go func() { _, _ = s.Read(context.Background(), x.ID()) }() // leads the load
	eventually(t, time.Second, "no load", func() bool { return s.Stats().Loads == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := s.DestroyForUser(ctx, "u", x.ID())
	_, n2 := s.DestroyAllExcept(ctx, "u", x.ID())
	h.set(func() { h.byID = nil })
	close(release)
	<-time.After(50 * time.Millisecond)
	_, rerr := s.ReadByToken(context.Background(), tok)
	if errors.Is(err, sessile.ErrNotDurable) && rerr == nil {
		t.Fatalf("DestroyForUser: %v\nDestroyAllExcept: %v\nand the token still opens the session", err, n2)
	}
}

// a cold read that reaches SQLite after Close, because Close has given up waiting for it, hangs for ever.
func TestReadThatReachesTheDiskAfterCloseReturns(t *testing.T) {
	db, err := sqlite.Open(context.Background(), sqlite.Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	h := &hooked{Backend: db}
	s, err := sessile.New(h, sessile.Config{
		CacheSize: 1, CleanupInterval: sessile.NoCleanup, CloseTimeout: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, tok := mk(t, s, "u")
	mk(t, s, "other")
	asked, goOn := make(chan struct{}), make(chan struct{})
	h.set(func() {
		h.byHash = func(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
			close(asked) // the scheduler takes the processor away here
			<-goOn
			return db.ByHash(ctx, k)
		}
	})
	ctx, cancel := context.WithCancel(context.Background()) // never ends, as far as the store knows
	defer cancel()
	got := make(chan error, 1)
	go func() { _, err := s.ReadByToken(ctx, tok); got <- err }()
	<-asked
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "1 reads have not ended") {
		t.Fatal(err)
	}
	close(goOn)
	select {
	case err := <-got:
		t.Log(err)
	case <-time.After(2 * time.Second):
		t.Error("ReadByToken still hangs 2 s after Close returned")
		cancel()
		<-got
	}
}

// a cold read that takes until the session would have expired, and somebody has renewed
// it meanwhile: it was reported as expired (a simulated life found it).
func TestReadOfASessionThatIsRenewedMeanwhileIsNotExpired(t *testing.T) {
	var offset atomic.Int64
	cfg := sessile.WithClock(sessile.Config{CacheSize: 1, TTL: time.Hour}, func() time.Time { return time.Now().Add(time.Duration(offset.Load())) })
	s, h := hookedStore(t, cfg)
	session, tok := mk(t, s, "u")
	mk(t, s, "other") // takes its room
	h.set(func() {
		h.byHash = func(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
			h.set(func() { h.byHash = nil })
			row, err := h.Backend.ByHash(ctx, k)
			offset.Store(int64(50 * time.Minute))
			if _, err := s.Renew(ctx, session.ID()); err != nil {
				t.Error(err)
			}
			offset.Store(int64(70 * time.Minute))
			return row, err
		}
	})
	if _, err := s.ReadByToken(t.Context(), tok); err != nil {
		t.Errorf("a session that never expired: %v", err)
	}
	offset.Store(int64(150 * time.Minute))
	mk(t, s, "third")
	if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
		t.Errorf("a session that has expired: %v", err)
	}
}

// a batch that ends after CloseTimeout: its callers are told ErrClosed.
func TestCloseAnswersTheCallersOfTheLastBatch(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{CloseTimeout: 50 * time.Millisecond})
	started := make(chan struct{})
	h.set(func() {
		h.apply = func(b *persist.Batch) (persist.Result, error) {
			close(started)
			<-time.After(300 * time.Millisecond) // the disk is slow, and then it is well
			return h.Backend.Apply(context.Background(), b)
		}
	})
	got := make(chan error, 1)
	go func() {
		_, _, err := s.Create(context.Background(), sessile.Meta{}, "u", nil)
		got <- err
	}()
	<-started
	cerr := s.Close()
	err := <-got
	l, _ := h.ByUser(context.Background(), persist.UserKey{ID: "u"})
	if err != nil && len(l.Records) > 0 {
		t.Fatalf("Close: %v; Create: %v, yet the session is stored", cerr, err)
	}
}

// Sync says "on disk" of a change that the disk has refused.
func TestSyncWaitsForAnItemThatTheDiskRefused(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{BatchInterval: 200 * time.Millisecond})
	x, _ := mk(t, s, "u")
	var n atomic.Int32
	h.set(func() {
		h.apply = func(b *persist.Batch) (persist.Result, error) {
			if len(b.Writes) == 1 && n.Add(1) <= 3 { // one item alone cannot be done, three times
				return persist.Result{Writes: []persist.Outcome{{Status: persist.StatusFailed, Err: errors.New("damaged page")}}}, nil
			}
			return h.Backend.Apply(context.Background(), b)
		}
	})
	if _, err := s.Update(context.Background(), x.ID(), new(sessile.Changes).Set("k", 1)); err != nil {
		t.Fatal(err)
	}
	err := s.Sync(context.Background())
	r, _ := h.Backend.ByID(context.Background(), persist.ID(x.ID()))
	if err == nil && string(r.Data) != `{"k":1}` {
		t.Fatalf("Sync returned nil, but on disk there is %s", r.Data)
	}
}

// one session that cannot be deleted ends every sweep.
func TestCleanupContinuesPastARowThatCannotBeDeleted(t *testing.T) {
	clk := newClock()
	s, h := hookedStore(t, sessile.WithClock(sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit}, clk.now))
	bad, _ := mk(t, s, "u")
	for i := range 600 {
		mk(t, s, fmt.Sprint("u", i%7))
	}
	clk.advance(40 * 24 * time.Hour)
	h.set(func() {
		h.apply = func(b *persist.Batch) (persist.Result, error) {
			rest := *b
			rest.Ops = nil
			at := -1
			for i, op := range b.Ops {
				if op.Ref.ID == persist.ID(bad.ID()) {
					at = i
					continue
				}
				rest.Ops = append(rest.Ops, op)
			}
			res, err := h.Backend.Apply(context.Background(), &rest)
			if at >= 0 && err == nil {
				ops := append([]persist.Outcome{}, res.Ops[:at]...)
				ops = append(ops, persist.Outcome{Status: persist.StatusFailed, Err: persist.ErrCorrupt})
				res.Ops = append(ops, res.Ops[at:]...)
			}
			return res, err
		}
	})
	total := 0
	for range 1 {
		n, err := s.CleanupExpired(context.Background())
		total += n
		t.Log(n, err)
	}
	if total < 600 {
		t.Fatalf("one sweep deleted %d of 600 healthy expired sessions: one bad row ends every sweep at its chunk", total)
	}
}

// after a rotation of unknown outcome the token before the dead one still opens the session.
func TestRotateOfUnknownOutcomeKillsTheTokenBefore(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{})
	x, a := mk(t, s, "u")
	_, b, err := s.Rotate(context.Background(), x.ID(), sessile.Rotation{Grace: true})
	if err != nil {
		t.Fatal(err)
	}
	fail := func(*persist.Batch) (persist.Result, error) { return persist.Result{}, persist.ErrUnknown }
	h.set(func() { h.apply = fail })
	if _, err := s.RotateToken(context.Background(), x.ID()); !errors.Is(err, sessile.ErrUnknown) {
		t.Fatal(err)
	}
	if _, err := s.ReadByToken(context.Background(), b); err == nil {
		t.Error("b opens the session")
	}
	if _, err := s.ReadByToken(context.Background(), a); err == nil {
		t.Error("a, which b replaced, opens the session after a rotation without grace whose outcome is unknown")
	}
}

// and still does when the rotation has been done at last.
func TestRotateOfUnknownOutcomeKeepsTheTokenBeforeDeadAfterRecovery(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{CacheSize: 1})
	x, a := mk(t, s, "u")
	if _, _, err := s.Rotate(context.Background(), x.ID(), sessile.Rotation{Grace: true}); err != nil {
		t.Fatal(err)
	}
	z, _ := mk(t, s, "z")
	fail := func(*persist.Batch) (persist.Result, error) { return persist.Result{}, persist.ErrUnknown }
	h.set(func() { h.apply = fail })
	if _, err := s.RotateToken(context.Background(), x.ID()); !errors.Is(err, sessile.ErrUnknown) {
		t.Fatal(err)
	}
	_, _ = s.Read(context.Background(), z.ID()) // memory holds one session: x leaves it
	_, e1 := s.ReadByToken(context.Background(), a)
	h.set(func() { h.apply = nil })
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, err := s.ReadByToken(context.Background(), a)
	r, _ := h.Backend.ByID(context.Background(), persist.ID(x.ID()))
	if err == nil {
		t.Fatalf("the rotation is on disk (the token before is now b: %v), and a still opens the session from memory (during: %v)",
			r.Previous != sessile.HashOf(a), e1)
	}
}

// a grace that was ended comes back while its note waits for the disk.
func TestRotateGraceThatEndedStaysOverAfterAnEviction(t *testing.T) {
	clk := newClock()
	s, h := hookedStore(t, sessile.WithClock(sessile.Config{CacheSize: 1, RotateGrace: time.Second}, clk.now))
	x, a := mk(t, s, "u")
	_, b, err := s.Rotate(context.Background(), x.ID(), sessile.Rotation{Grace: true})
	if err != nil {
		t.Fatal(err)
	}
	z, _ := mk(t, s, "z")
	h.set(func() {
		h.apply = func(*persist.Batch) (persist.Result, error) { return persist.Result{}, persist.ErrUnavailable }
	})
	if _, err := s.ReadByToken(context.Background(), b); err != nil { // b is seen: a has 1 s left
		t.Fatal(err)
	}
	clk.advance(5 * time.Second)
	if _, err := s.ReadByToken(context.Background(), a); err == nil {
		t.Fatal("the grace has no end at all")
	}
	_, _ = s.Read(context.Background(), z.ID()) // evicts x
	if _, err := s.ReadByToken(context.Background(), a); err == nil {
		t.Fatal("a was refused 5 s after b was seen, and opens the session again after an eviction")
	}
}

// a backend that panics once on the caller's goroutine (net/http recovers) wedges its key.
func TestReadWorksAfterAPanicOfTheBackend(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{CacheSize: 1})
	_, tok := mk(t, s, "u")
	mk(t, s, "v")
	h.set(func() { h.byHash = func(context.Context, persist.TokenKey) (persist.Record, error) { panic("once") } })
	func() {
		defer func() { _ = recover() }()
		_, _ = s.ReadByToken(context.Background(), tok)
	}()
	h.set(func() { h.byHash = nil })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := s.ReadByToken(ctx, tok); err != nil {
		t.Fatalf("the next read of that token: %v; loads=%d", err, s.Stats().Loads)
	}
}

// an Events callback that never returns holds up Close.
func TestCloseReturnsWhileAnEventHookBlocks(t *testing.T) {
	stop := make(chan struct{})
	s, _ := hookedStore(t, sessile.Config{CloseTimeout: 50 * time.Millisecond, Events: func(sessile.Event) { <-stop }})
	mk(t, s, "u")
	closed := make(chan struct{})
	go func() { _ = s.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(2 * time.Second):
		t.Error("Close hangs behind a hook; a hook that calls Close deadlocks")
	}
	close(stop)
	<-closed
}

// a deletion that fails by itself is retried without any pause during Close.
func TestClosePausesBetweenRetriesOfAStuckDelete(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{CloseTimeout: 500 * time.Millisecond})
	x, _ := mk(t, s, "u")
	var n atomic.Int64
	h.set(func() {
		h.apply = func(b *persist.Batch) (persist.Result, error) {
			n.Add(1)
			return persist.Result{Ops: []persist.Outcome{{Status: persist.StatusFailed, Err: persist.ErrCorrupt}}}, nil
		}
	})
	_ = s.Destroy(context.Background(), x.ID())
	n.Store(0)
	_ = s.Close()
	if n.Load() > 50 {
		t.Fatalf("%d commits in the 500 ms of Close", n.Load())
	}
}

// a create whose answer meets the end of its context leaves a session behind.
func TestCreateThatIsCancelledLeavesNoSession(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit})
	var mu sync.Mutex
	var cancel context.CancelFunc
	h.set(func() {
		h.apply = func(b *persist.Batch) (persist.Result, error) {
			res, err := h.Backend.Apply(context.Background(), b)
			mu.Lock()
			c := cancel
			mu.Unlock()
			if c != nil {
				go c()
			}
			return res, err
		}
	})
	failed, good := 0, 0
	for range 3000 {
		ctx, c := context.WithCancel(context.Background())
		mu.Lock()
		cancel = c
		mu.Unlock()
		if _, _, err := s.Create(ctx, sessile.Meta{}, "u", nil); err != nil {
			failed++
		} else {
			good++
		}
		c()
	}
	mu.Lock()
	cancel = nil
	mu.Unlock()
	<-time.After(100 * time.Millisecond)
	_ = s.Sync(context.Background())
	l, err := s.ListForUser(context.Background(), "u")
	if err != nil || len(l) != good {
		t.Fatalf("%d creates succeeded, %d failed, and there are %d sessions (%v)", good, failed, len(l), err)
	}
	t.Log(good, failed)
}

// a session destroyed between its commit and the settling of its create comes back.
func TestDestroyBeforeTheCreateSettlesHolds(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{})
	committed, goOn := make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	h.set(func() {
		h.apply = func(b *persist.Batch) (persist.Result, error) {
			if n.Add(1) > 1 {
				return persist.Result{}, persist.ErrUnavailable // the disk fails from then on
			}
			res, err := h.Backend.Apply(context.Background(), b)
			close(committed) // visible to readers; SQLite checkpoints before COMMIT returns, and tidy may too
			<-goOn
			return res, err
		}
	})
	got := make(chan sessile.Token, 1)
	go func() { _, tok, _ := s.Create(context.Background(), sessile.Meta{}, "u", nil); got <- tok }()
	<-committed
	l, err := s.ListForUser(context.Background(), "u")
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	derr := s.Destroy(ctx, l[0].ID()) // "refused from now on in this process"
	close(goOn)
	tok := <-got
	if _, err := s.ReadByToken(context.Background(), tok); err == nil && !tok.IsZero() {
		t.Fatalf("Destroy: %v; and the session opens", derr)
	}
}

// Close waits for a commit that stalls, far beyond CloseTimeout: Apply gets a context that never ends.
func TestCloseReturnsWhileACommitStalls(t *testing.T) {
	h := &stalling{hooked: &hooked{Backend: persisttest.NewMemory()}, release: make(chan struct{})}
	s, err := sessile.New(h, sessile.Config{CloseTimeout: 50 * time.Millisecond, CleanupInterval: sessile.NoCleanup})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, _, _ = s.Create(ctx, sessile.Meta{}, "u", nil)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Log(err)
	case <-time.After(2 * time.Second):
		t.Error("Close hangs 2 s with CloseTimeout 50 ms, on a backend that would heed its context")
		close(h.release)
		<-closed
	}
}

type stalling struct {
	*hooked
	release chan struct{}
}

func (s *stalling) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	select {
	case <-ctx.Done():
	case <-s.release:
	}
	return persist.Result{}, persist.ErrUnknown
}

// a read before the create settles, over SQLite, nothing bent: it ended the process.
func TestCreateSurvivesReadsBeforeItSettles(t *testing.T) {
	s, err := sessile.Open(context.Background(), sessile.Config{Path: filepath.Join(t.TempDir(), "s.db"), MaxSessionsPerUser: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var wg sync.WaitGroup
	big := map[string]string{"x": strings.Repeat("y", 60_000)}
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _, _ = s.Create(ctx, sessile.Meta{}, "u", big)
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				l, _ := s.ListForUser(ctx, "u")
				for _, x := range l {
					_, _ = s.Read(ctx, x.ID())
				}
			}
		})
	}
	wg.Wait()
}

// an unknown outcome followed by Close: is the lost undo reported?
func TestConcurrentCallsUnderFaultsKeepTheirPromises(t *testing.T) {
	s, h := hookedStore(t, sessile.Config{CacheSize: 3, BatchInterval: time.Millisecond, MaxSessionsPerUser: 4, CloseTimeout: 2 * time.Second})
	var k atomic.Int64
	h.set(func() {
		h.apply = func(b *persist.Batch) (persist.Result, error) {
			switch k.Add(1) % 7 {
			case 0:
				return persist.Result{}, persist.ErrUnavailable
			case 3:
				_, _ = h.Backend.Apply(context.Background(), b)
				return persist.Result{}, persist.ErrUnknown
			}
			return h.Backend.Apply(context.Background(), b)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var bad atomic.Int64
	for w := range 6 {
		wg.Go(func() {
			user := fmt.Sprint("u", w%2)
			for i := 0; ctx.Err() == nil; i++ {
				c, end := context.WithTimeout(ctx, time.Duration(1+i%50)*time.Millisecond)
				x, tok, err := s.Create(c, sessile.Meta{}, user, nil)
				if err == nil {
					_, _ = s.Update(c, x.ID(), new(sessile.Changes).Set("k", i))
					_, t2, err := s.Rotate(c, x.ID(), sessile.Rotation{Grace: i%2 == 0})
					if err == nil && i%2 == 1 {
						if _, err := s.ReadByToken(ctx, tok); err == nil {
							bad.Add(1)
						}
					}
					_ = t2
					switch i % 4 {
					case 0:
						if err := s.Destroy(c, x.ID()); err == nil || errors.Is(err, sessile.ErrNotDurable) {
							if _, err := s.Read(ctx, x.ID()); err == nil {
								bad.Add(1 << 20)
							}
						}
					case 1:
						_, _ = s.DestroyAllExcept(c, user, x.ID())
					case 2:
						if _, err := s.DestroyAllForUser(c, user); err == nil || errors.Is(err, sessile.ErrNotDurable) {
							if _, err := s.Read(ctx, x.ID()); err == nil {
								bad.Add(1 << 40)
							}
						}
					}
				}
				end()
			}
		})
	}
	wg.Wait()
	h.set(func() { h.apply = nil })
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if bad.Load() != 0 || st.Tombstones != 0 || st.Loads != 0 || st.Pending != 0 {
		t.Fatalf("bad=%x %+v", bad.Load(), st)
	}
	t.Logf("%+v", st)
}
