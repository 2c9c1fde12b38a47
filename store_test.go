package sessile_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sessile/sessile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The behaviour suite: every row of the contract, over the public face only,
// once per configuration. In "small" the hot set holds one session, so that
// everything goes through the disk; in "reopened" the store is closed and opened
// again before every call.
var configurations = []struct {
	name   string
	config sessile.Config
	reopen bool
}{
	{name: "large"},
	{name: "small", config: sessile.Config{CacheSize: 1}},
	{name: "slow batches", config: sessile.Config{BatchInterval: time.Hour}},
	{name: "tiny batches", config: sessile.Config{BatchSize: 1, CacheSize: 2}},
	{name: "reopened", reopen: true},
}

// fixture is a store under test and its clock.
type fixture struct {
	*testing.T
	cfg    sessile.Config
	store  *sessile.Store
	clock  *fakeClock
	reopen bool
}

// fakeClock is set by the test, in t, and read by the store's goroutines.
type fakeClock struct {
	t      time.Time
	shared atomic.Int64
}

func newClock() *fakeClock {
	c := new(fakeClock)
	c.set(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC))
	return c
}

func (c *fakeClock) now() time.Time { return time.UnixMicro(c.shared.Load()) }

func (c *fakeClock) set(t time.Time) { c.t = t; c.shared.Store(t.UnixMicro()) }

func (c *fakeClock) advance(d time.Duration) { c.set(c.t.Add(d)) }

// suite runs a test once per configuration.
func suite(t *testing.T, test func(f *fixture)) {
	t.Helper()
	suiteWith(t, func(*sessile.Config) {}, test)
}

func suiteWith(t *testing.T, adjust func(*sessile.Config), test func(f *fixture)) {
	t.Helper()
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) {
			f := &fixture{T: t, cfg: c.config, reopen: c.reopen, clock: newClock()}
			f.cfg.Path = filepath.Join(t.TempDir(), "s.db")
			f.cfg.CleanupInterval = sessile.NoCleanup
			adjust(&f.cfg)
			f.cfg = sessile.WithClock(f.cfg, f.clock.now)
			f.open()
			t.Cleanup(func() {
				if err := f.store.Close(); err != nil {
					t.Error(err)
				}
			})
			test(f)
		})
	}
}

func (f *fixture) open() {
	f.Helper()
	s, err := sessile.Open(f.Context(), f.cfg)
	f.must(err)
	f.store = s
}

// s is the store, closed and opened again if the configuration says so.
func (f *fixture) s() *sessile.Store {
	f.Helper()
	if f.reopen {
		f.must(f.store.Close())
		f.open()
	}
	return f.store
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) login(user string) (sessile.Session, sessile.Token) {
	f.Helper()
	s, t, err := f.s().Create(f.Context(), sessile.Meta{}, user, nil)
	f.must(err)
	return s, t
}

// wantErr fails unless err is target.
func (f *fixture) wantErr(err, target error) {
	f.Helper()
	if !errors.Is(err, target) {
		f.Fatalf("error is %v, want %v", err, target)
	}
}

func (f *fixture) alive(t sessile.Token) sessile.Session {
	f.Helper()
	s, err := f.s().ReadByToken(f.Context(), t)
	f.must(err)
	return s
}

func (f *fixture) dead(t sessile.Token) {
	f.Helper()
	_, err := f.s().ReadByToken(f.Context(), t)
	f.wantErr(err, sessile.ErrNotFound)
}

func (f *fixture) ids(list []sessile.Session) (ids []sessile.ID) {
	for _, s := range list {
		ids = append(ids, s.ID())
	}
	return ids
}

func TestCreateReturnsASessionThatItsTokenOpens(t *testing.T) {
	suite(t, func(f *fixture) {
		meta := sessile.NewMeta("192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "de-DE,de")
		s, tok, err := f.s().Create(f.Context(), meta, "ann", map[string]any{"cart": []int{1, 2}})
		f.must(err)
		got := f.alive(tok)
		if got.ID() != s.ID() || got.UserID() != "ann" || got.IPAddress() != "192.0.2.1" || got.DeviceName() != meta.DeviceName ||
			got.DeviceType() != "desktop" || got.Fingerprint() != meta.Fingerprint || got.UserAgent() != meta.UserAgent {
			f.Fatalf("read %+v, created %+v", got, s)
		}
		if !got.CreatedAt().Equal(f.clock.t) || !got.LastActiveAt().Equal(f.clock.t) ||
			!got.ExpiresAt().Equal(f.clock.t.Add(30*24*time.Hour)) || !got.Deadline().Equal(f.clock.t.Add(90*24*time.Hour)) {
			f.Fatalf("times: %v %v %v %v", got.CreatedAt(), got.LastActiveAt(), got.ExpiresAt(), got.Deadline())
		}
		cart, ok, err := sessile.Get[[]int](got, "cart")
		if err != nil || !ok || !slices.Equal(cart, []int{1, 2}) {
			f.Fatalf("cart is %v, %v, %v", cart, ok, err)
		}
	})
}

func TestCreateWithNilDataStoresAnEmptyObject(t *testing.T) {
	suite(t, func(f *fixture) {
		_, tok := f.login("ann")
		if got := string(f.alive(tok).Data().JSON()); got != "{}" {
			f.Fatalf("data is %s", got)
		}
	})
}

func TestReadByTokenOfAnUnknownTokenIsErrNotFound(t *testing.T) { // A3, S6
	suite(t, func(f *fixture) {
		_, tok := f.login("ann")
		raw := []byte(tok.Reveal())
		raw[20] ^= 1 // still of the alphabet or refused by ParseToken
		if forged, err := sessile.ParseToken(string(raw)); err == nil {
			f.dead(forged)
		}
		f.dead(sessile.Token{})
		if st := f.store.Stats(); st.Hot > 1 {
			f.Fatalf("%d sessions in memory", st.Hot)
		}
	})
}

func TestReadFindsExpiredSessions(t *testing.T) {
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.clock.advance(31 * 24 * time.Hour)
		f.dead(tok)
		got, err := f.s().Read(f.Context(), s.ID())
		f.must(err)
		if got.ID() != s.ID() {
			f.Fatal("another session")
		}
		_, err = f.s().Read(f.Context(), sessile.ID{1})
		f.wantErr(err, sessile.ErrNotFound)
	})
}

func TestReadByTokenRefusesExpiredSessionsExactly(t *testing.T) { // A20, S26
	suite(t, func(f *fixture) {
		_, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Hour, MaxLifetime: 2 * time.Hour})
		f.must(err)
		f.clock.advance(time.Hour - time.Microsecond)
		got := f.alive(tok)
		_, err = f.s().Renew(f.Context(), got.ID())
		f.must(err)
		f.clock.advance(time.Hour - time.Microsecond)
		f.alive(tok)
		f.clock.advance(time.Microsecond)
		f.dead(tok)
	})
}

func TestTouchDoesNotExtendTheAbsoluteDeadline(t *testing.T) { // S27, I6
	suite(t, func(f *fixture) {
		s, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Hour, MaxLifetime: 90 * time.Minute})
		f.must(err)
		f.clock.advance(time.Hour - time.Microsecond)
		renewed, err := f.s().Renew(f.Context(), s.ID())
		f.must(err)
		if !renewed.ExpiresAt().Equal(s.Deadline()) {
			f.Fatalf("expires %v, deadline %v", renewed.ExpiresAt(), s.Deadline())
		}
		f.must(f.s().Touch(f.Context(), s.ID(), f.clock.t, f.clock.t.Add(24*time.Hour)))
		f.clock.set(s.Deadline().Add(-time.Microsecond))
		f.alive(tok)
		f.clock.advance(time.Microsecond)
		f.dead(tok)
	})
}

func TestReadByTokenRefusesASessionThatWasSeenExpired(t *testing.T) { // S29
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.clock.advance(31 * 24 * time.Hour)
		f.dead(tok)
		if f.reopen {
			return // the promise is of one process: the wall clock is all that a new one has
		}
		f.clock.advance(-20 * 24 * time.Hour)
		f.dead(tok)
		f.wantErr(f.s().Touch(f.Context(), s.ID(), f.clock.t, f.clock.t.Add(time.Hour)), sessile.ErrNotFound)
	})
}

func TestListIsOrderedAndShowsUnwrittenChanges(t *testing.T) {
	suite(t, func(f *fixture) {
		a, _ := f.login("ann")
		f.clock.advance(time.Second)
		b, _ := f.login("ann")
		c, _ := f.login("ann") // the same instant: the newest id comes first
		f.login("bob")
		f.clock.advance(time.Second)
		f.must(f.s().Touch(f.Context(), a.ID(), f.clock.t, f.clock.t.Add(time.Hour)))
		list, err := f.s().ListForUser(f.Context(), "ann")
		f.must(err)
		tie := []sessile.ID{b.ID(), c.ID()}
		slices.SortFunc(tie, func(x, y sessile.ID) int { return y.Compare(x) })
		if want := append([]sessile.ID{a.ID()}, tie...); !slices.Equal(f.ids(list), want) {
			f.Fatalf("list is %v, want %v", f.ids(list), want)
		}
		if !list[0].LastActiveAt().Equal(f.clock.t) {
			f.Fatal("the list does not show the touch")
		}
		none, err := f.s().ListForUser(f.Context(), "carl")
		if err != nil || len(none) != 0 {
			f.Fatalf("list of nobody: %v, %v", none, err)
		}
	})
}

func TestListLeavesOutExpiredAndDestroyed(t *testing.T) { // S36
	suite(t, func(f *fixture) {
		_, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
		f.must(err)
		b, _ := f.login("ann")
		c, _ := f.login("ann")
		f.must(f.s().Destroy(f.Context(), b.ID()))
		f.clock.advance(time.Minute)
		list, err := f.s().ListForUser(f.Context(), "ann")
		f.must(err)
		if !slices.Equal(f.ids(list), []sessile.ID{c.ID()}) {
			f.Fatalf("list is %v", f.ids(list))
		}
	})
}

func TestLimitEvictsTheLeastRecentlyActive(t *testing.T) { // A17, S37, S38
	suiteWith(t, func(c *sessile.Config) { c.MaxSessionsPerUser = 3 }, func(f *fixture) {
		var toks []sessile.Token
		var ids []sessile.ID
		for range 3 {
			s, tok := f.login("ann")
			toks, ids = append(toks, tok), append(ids, s.ID())
			f.clock.advance(time.Second)
		}
		f.must(f.s().Touch(f.Context(), ids[0], f.clock.t, f.clock.t.Add(time.Hour)))
		f.clock.advance(time.Second)
		_, newest := f.login("ann")
		f.alive(toks[0])
		f.dead(toks[1])
		f.alive(toks[2])
		f.alive(newest)
	})
}

func TestLimitNeverEvictsTheNewSession(t *testing.T) { // a fault of the original: a clock step
	suiteWith(t, func(c *sessile.Config) { c.MaxSessionsPerUser = 1 }, func(f *fixture) {
		f.login("ann")
		f.clock.advance(-time.Hour)
		_, tok := f.login("ann")
		f.alive(tok)
	})
}

func TestLimitDoesNotCountExpiredSessions(t *testing.T) {
	suiteWith(t, func(c *sessile.Config) { c.MaxSessionsPerUser = 2; c.OnLimit = sessile.LimitRefuseNew }, func(f *fixture) {
		for range 2 {
			_, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
			f.must(err)
		}
		_, _, err := f.s().Create(f.Context(), sessile.Meta{}, "ann", nil)
		f.wantErr(err, sessile.ErrLimitReached)
		f.clock.advance(time.Minute)
		f.login("ann")
	})
}

func TestDestroyIsFinalAndIdempotent(t *testing.T) { // A1, A21, S30
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.alive(tok)
		f.must(f.s().Destroy(f.Context(), s.ID()))
		f.dead(tok)
		f.must(f.s().Destroy(f.Context(), s.ID()))
		f.must(f.s().Destroy(f.Context(), sessile.ID{9}))
		_, err := f.s().Read(f.Context(), s.ID())
		f.wantErr(err, sessile.ErrNotFound)
	})
}

func TestFlushDoesNotReviveADestroyedSession(t *testing.T) { // A1, A2, S22, D4
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		ctx, later := f.Context(), f.clock.t.Add(time.Hour)
		f.must(f.s().Flush(ctx, s.ID(), map[string]int{"n": 1}, f.clock.t, later)) // still queued
		f.must(f.s().Destroy(ctx, s.ID()))
		f.wantErr(f.s().Flush(ctx, s.ID(), map[string]int{"n": 2}, f.clock.t, later), sessile.ErrNotFound)
		f.wantErr(f.s().Touch(ctx, s.ID(), f.clock.t, later), sessile.ErrNotFound)
		_, err := f.s().Update(ctx, s.ID(), new(sessile.Changes).Set("n", 3))
		f.wantErr(err, sessile.ErrNotFound)
		_, err = f.s().RotateToken(ctx, s.ID())
		f.wantErr(err, sessile.ErrNotFound)
		f.must(f.s().Sync(ctx))
		f.dead(tok)
	})
}

func TestDestroyForUserRefusesForeignSessions(t *testing.T) { // A15, S34
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		foreign := f.s().DestroyForUser(f.Context(), "bob", s.ID())
		unknown := f.s().DestroyForUser(f.Context(), "bob", sessile.ID{7})
		f.wantErr(foreign, sessile.ErrNotFound)
		f.wantErr(unknown, sessile.ErrNotFound)
		if a, b := strings.ReplaceAll(foreign.Error(), s.ID().String(), "ID"), strings.ReplaceAll(unknown.Error(), sessile.ID{7}.String(), "ID"); a != b {
			f.Fatalf("a foreign session can be told from an unknown one: %q, %q", a, b)
		}
		f.alive(tok)
		f.must(f.s().DestroyForUser(f.Context(), "ann", s.ID()))
		f.dead(tok)
	})
}

func TestDestroyAllForUserCountsAndSparesOthers(t *testing.T) { // A23, S35
	suite(t, func(f *fixture) {
		_, a := f.login("ann")
		_, b := f.login("ann")
		_, c := f.login("bob")
		n, err := f.s().DestroyAllForUser(f.Context(), "ann")
		f.must(err)
		if n != 2 {
			f.Fatalf("destroyed %d", n)
		}
		f.dead(a)
		f.dead(b)
		f.alive(c)
		if n, err := f.s().DestroyAllForUser(f.Context(), "nobody"); n != 0 || err != nil {
			f.Fatalf("%d, %v", n, err)
		}
		_, again := f.login("ann")
		f.alive(again)
	})
}

func TestDestroyAllExceptKeepsOne(t *testing.T) {
	suite(t, func(f *fixture) {
		keep, kept := f.login("ann")
		_, b := f.login("ann")
		n, err := f.s().DestroyAllExcept(f.Context(), "ann", keep.ID())
		f.must(err)
		if n != 1 {
			f.Fatalf("destroyed %d", n)
		}
		f.alive(kept)
		f.dead(b)
	})
}

func TestDestroyAllExceptAWrongIDDestroysNothing(t *testing.T) { // S33, a fault of the original
	suite(t, func(f *fixture) {
		_, a := f.login("ann")
		foreign, _ := f.login("bob")
		old, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
		f.must(err)
		f.clock.advance(time.Minute)
		for _, keep := range []sessile.ID{foreign.ID(), {3}, {}, old.ID()} {
			_, err := f.s().DestroyAllExcept(f.Context(), "ann", keep)
			f.wantErr(err, sessile.ErrNotFound)
		}
		f.alive(a)
	})
}

func TestRotateReplacesTheTokenAndNothingElse(t *testing.T) { // S20
	suite(t, func(f *fixture) {
		s, old, err := f.s().Create(f.Context(), sessile.Meta{}, "ann", map[string]int{"n": 7})
		f.must(err)
		f.clock.advance(time.Hour)
		tok, err := f.s().RotateToken(f.Context(), s.ID())
		f.must(err)
		f.dead(old)
		got := f.alive(tok)
		n, _, err := sessile.Get[int](got, "n")
		f.must(err)
		if got.ID() != s.ID() || n != 7 || !got.Deadline().Equal(s.Deadline()) || !got.CreatedAt().Equal(s.CreatedAt()) {
			f.Fatalf("after rotation %+v", got)
		}
		var rotated *sessile.RotatedError
		_, err = f.s().ReadByToken(f.Context(), old)
		if !errors.As(err, &rotated) || rotated.SessionID != s.ID() {
			f.Fatalf("the old token says %v", err)
		}
		_, err = f.s().RotateToken(f.Context(), sessile.ID{5})
		f.wantErr(err, sessile.ErrNotFound)
	})
}

func TestRotateGraceEndsAfterTheNewTokenWasSeen(t *testing.T) { // S24
	suite(t, func(f *fixture) {
		s, old := f.login("ann")
		_, tok, err := f.s().Rotate(f.Context(), s.ID(), sessile.Rotation{From: old, Grace: true})
		f.must(err)
		_, _, err = f.s().Rotate(f.Context(), s.ID(), sessile.Rotation{From: old, Grace: true})
		f.wantErr(err, sessile.ErrNotFound) // never a second successor
		_, _, err = f.s().Rotate(f.Context(), s.ID(), sessile.Rotation{From: tok, Grace: true})
		f.wantErr(err, sessile.ErrInGrace) // which would push out the token that its browser may have still
		f.clock.advance(time.Hour)
		f.alive(old) // the answer with the new token may have been lost
		f.alive(tok)
		f.clock.advance(29 * time.Second)
		f.alive(old)
		f.clock.advance(time.Second)
		f.dead(old)
		f.alive(tok)
		third, err := f.s().RotateToken(f.Context(), s.ID())
		f.must(err)
		f.dead(old)
		f.dead(tok)
		f.alive(third)
	})
}

func TestFlushReplacesDataAndTimes(t *testing.T) {
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.clock.advance(time.Minute)
		f.must(f.s().Flush(f.Context(), s.ID(), map[string]string{"a": "1"}, f.clock.t, f.clock.t.Add(time.Hour)))
		got := f.alive(tok)
		if !got.LastActiveAt().Equal(f.clock.t) || !got.ExpiresAt().Equal(f.clock.t.Add(time.Hour)) || string(got.Data().JSON()) != `{"a":"1"}` {
			f.Fatalf("after flush: %v %v %s", got.LastActiveAt(), got.ExpiresAt(), got.Data().JSON())
		}
		f.must(f.s().FlushDurable(f.Context(), s.ID(), map[string]string{"b": "2"}, f.clock.t, f.clock.t.Add(1000*24*time.Hour)))
		got = f.alive(tok)
		if !got.ExpiresAt().Equal(got.Deadline()) || string(got.Data().JSON()) != `{"b":"2"}` { // I6
			f.Fatalf("after durable flush: %v %s", got.ExpiresAt(), got.Data().JSON())
		}
		f.wantErr(f.s().Flush(f.Context(), sessile.ID{4}, nil, f.clock.t, f.clock.t), sessile.ErrNotFound)
	})
}

func TestTouchNeverMovesTheLastActivityBack(t *testing.T) { // S29, spring-session#1280
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.clock.advance(time.Minute)
		late, early := f.clock.t, f.clock.t.Add(-time.Second)
		f.must(f.s().Touch(f.Context(), s.ID(), late.Add(time.Hour), late.Add(time.Hour))) // what is to come has not been
		f.must(f.s().Touch(f.Context(), s.ID(), early, early.Add(time.Minute)))
		if got := f.alive(tok); !got.LastActiveAt().Equal(late) || !got.ExpiresAt().Equal(late.Add(time.Hour)) {
			f.Fatalf("an older touch won: %v %v", got.LastActiveAt(), got.ExpiresAt())
		}
	})
}

func TestUpdateDoesNotReviveExpiredSessions(t *testing.T) { // a fault of the original
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.clock.advance(30 * 24 * time.Hour)
		later := f.clock.t.Add(time.Hour)
		f.wantErr(f.s().Touch(f.Context(), s.ID(), f.clock.t, later), sessile.ErrExpired)
		f.wantErr(f.s().Flush(f.Context(), s.ID(), nil, f.clock.t, later), sessile.ErrExpired)
		_, err := f.s().Update(f.Context(), s.ID(), new(sessile.Changes).Set("a", 1))
		f.wantErr(err, sessile.ErrNotFound) // ErrExpired is one
		_, err = f.s().RotateToken(f.Context(), s.ID())
		f.wantErr(err, sessile.ErrExpired)
		f.dead(tok)
	})
}

func TestUpdateChangesSingleKeysAndCountsAsAccess(t *testing.T) {
	suite(t, func(f *fixture) {
		s, tok, err := f.s().Create(f.Context(), sessile.Meta{}, "ann", map[string]any{"a": 1, "b": "x", "c": true})
		f.must(err)
		f.clock.advance(time.Minute)
		_, err = f.s().Update(f.Context(), s.ID(), new(sessile.Changes).Set("a", 2).Delete("b").Set("d", nil))
		f.must(err)
		got := f.alive(tok)
		if want := `{"a":2,"c":true,"d":null}`; string(got.Data().JSON()) != want || !got.LastActiveAt().Equal(f.clock.t) {
			f.Fatalf("data is %s, active %v", got.Data().JSON(), got.LastActiveAt())
		}
	})
}

func TestCreateRefusesHostileDataBeforeAnythingIsQueued(t *testing.T) { // S45
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		ctx, later := f.Context(), f.clock.t.Add(time.Hour)
		for name, c := range map[string]struct {
			data any
			want error
		}{
			"array":     {[]int{1}, sessile.ErrInvalidData},
			"string":    {"x", sessile.ErrInvalidData},
			"channel":   {map[string]any{"a": make(chan int)}, sessile.ErrInvalidData},
			"too large": {map[string]string{"a": strings.Repeat("x", 64<<10)}, sessile.ErrDataTooLarge},
		} {
			if err := f.store.Flush(ctx, s.ID(), c.data, f.clock.t, later); !errors.Is(err, c.want) {
				f.Fatalf("%s: %v", name, err)
			}
			if _, _, err := f.store.Create(ctx, sessile.Meta{}, "ann", c.data); !errors.Is(err, c.want) {
				f.Fatalf("%s: %v", name, err)
			}
		}
		_, err := f.store.Update(ctx, s.ID(), new(sessile.Changes).Set("a", strings.Repeat("x", 64<<10)))
		f.wantErr(err, sessile.ErrDataTooLarge)
		f.wantErr(f.store.Touch(ctx, s.ID(), time.Time{}, later), sessile.ErrInvalidTime)
		f.wantErr(f.store.Touch(ctx, s.ID(), f.clock.t, time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC)), sessile.ErrInvalidTime)
		for _, user := range []string{"", "\xff", strings.Repeat("u", 1000)} {
			_, _, err := f.store.Create(ctx, sessile.Meta{}, user, nil)
			f.wantErr(err, sessile.ErrInvalidUserID)
		}
		if got := f.alive(tok); string(got.Data().JSON()) != "{}" {
			f.Fatalf("data is %s", got.Data().JSON())
		}
	})
}

func TestCreateChecksLifetimes(t *testing.T) { // A19, S28
	suite(t, func(f *fixture) {
		for _, n := range []sessile.NewSession{
			{TTL: -1}, {TTL: 1 << 62}, {MaxLifetime: -5}, {MaxLifetime: 1 << 62}, {TTL: 1}, {MaxLifetime: 1},
			{TTL: 365 * 24 * time.Hour}, {TTL: time.Hour, MaxLifetime: time.Minute},
		} {
			n.UserID = "ann"
			if _, _, err := f.store.CreateWith(f.Context(), n); !errors.Is(err, sessile.ErrInvalidTime) {
				f.Fatalf("%v, %v: %v", n.TTL, n.MaxLifetime, err)
			}
		}
		_, _, err := f.store.CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: 365 * 24 * time.Hour})
		if !strings.Contains(err.Error(), "a TTL of 8760h0m0s is longer than the MaxLifetime, 2160h0m0s") {
			f.Fatal(err)
		}
		short, _, err := f.store.CreateWith(f.Context(), sessile.NewSession{UserID: "ann", MaxLifetime: time.Hour})
		f.must(err)
		if short.TTL() != time.Hour || !short.ExpiresAt().Equal(short.Deadline()) {
			f.Fatalf("a lifetime of an hour has the TTL %v", short.TTL())
		}
		s, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", MaxLifetime: sessile.NoMaxLifetime})
		f.must(err)
		if !s.Deadline().IsZero() {
			f.Fatalf("deadline %v", s.Deadline())
		}
		for range 40 {
			f.clock.advance(29 * 24 * time.Hour)
			_, err := f.s().Renew(f.Context(), s.ID())
			f.must(err)
		}
		f.alive(tok)
	})
}

func TestCleanupDeletesExpiredSessionsAndNothingElse(t *testing.T) { // D8
	suite(t, func(f *fixture) {
		var ended []sessile.ID
		for i := range 30 {
			s, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: fmt.Sprint("u", i), TTL: time.Minute})
			f.must(err)
			ended = append(ended, s.ID())
		}
		extended, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
		f.must(err)
		f.clock.advance(time.Minute - time.Second)
		f.must(f.s().Touch(f.Context(), extended.ID(), f.clock.t, f.clock.t.Add(time.Hour))) // may not be on disk yet
		f.clock.advance(time.Second)
		n, err := f.s().CleanupExpired(f.Context())
		f.must(err)
		if n != len(ended) {
			f.Fatalf("deleted %d, want %d", n, len(ended))
		}
		f.alive(tok)
		for _, id := range ended {
			_, err := f.s().Read(f.Context(), id)
			f.wantErr(err, sessile.ErrNotFound)
		}
	})
}

func TestGuestsHaveNoUserAndAreCapped(t *testing.T) { // S39
	suiteWith(t, func(c *sessile.Config) { c.MaxGuests = 3 }, func(f *fixture) {
		var toks []sessile.Token
		for range 5 {
			s, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{Guest: true})
			f.must(err)
			if !s.IsGuest() {
				f.Fatal("no guest")
			}
			toks = append(toks, tok)
		}
		f.dead(toks[0])
		f.dead(toks[1])
		for _, tok := range toks[2:] {
			f.alive(tok)
		}
		_, _, err := f.s().CreateWith(f.Context(), sessile.NewSession{Guest: true, UserID: "ann"})
		f.wantErr(err, sessile.ErrInvalidUserID)
	})
}

func TestDoneClosesWhenTheSessionEnds(t *testing.T) {
	suite(t, func(f *fixture) {
		if f.reopen {
			return // Done is of this process
		}
		s, _ := f.login("ann")
		other, _ := f.login("ann")
		ctx, cancel := context.WithCancel(f.Context())
		defer cancel()
		done, kept := f.store.Done(ctx, s.ID()), f.store.Done(ctx, other.ID())
		f.must(f.store.Destroy(f.Context(), s.ID()))
		<-done
		<-f.store.Done(ctx, s.ID())
		select {
		case <-kept:
			f.Fatal("a living session is done")
		default:
		}
		_, err := f.store.DestroyAllForUser(f.Context(), "ann")
		f.must(err)
		<-kept
	})
}

func TestCloseIsIdempotentAndFinal(t *testing.T) { // D19
	suite(t, func(f *fixture) {
		s, tok := f.login("ann")
		f.must(f.store.Flush(f.Context(), s.ID(), map[string]int{"n": 1}, f.clock.t, f.clock.t.Add(time.Hour)))
		f.must(f.store.Close())
		f.must(f.store.Close())
		_, err := f.store.ReadByToken(f.Context(), tok)
		f.wantErr(err, sessile.ErrClosed)
		f.wantErr(f.store.Destroy(f.Context(), s.ID()), sessile.ErrClosed)
		f.wantErr(f.store.Sync(f.Context()), sessile.ErrClosed)
		f.open()
		if n, _, err := sessile.Get[int](f.alive(tok), "n"); n != 1 || err != nil {
			f.Fatalf("n is %d, %v", n, err) // nothing was lost
		}
	})
}
