package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestLoginAlwaysMakesANewSession(t *testing.T) { // S20, S39, ASVS 7.2.4: session fixation
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.browser()
	b.do(set(f, "k", 1))
	guest, planted := b.session(), b.cookie
	b.login("alice")
	first := b.session()
	b.login("alice")
	second := b.session()
	if guest.ID() == first.ID() || first.ID() == second.ID() || b.cookie == planted {
		t.Error("a login kept an id or a token")
	}
	f.want(b.user(), "alice")
	old := &browser{f: f, cookie: planted}
	f.want(old.user(), "")
	for _, s := range []sessile.Session{guest, first} {
		_, err := f.store.Read(t.Context(), s.ID())
		f.wantErr(err, sessile.ErrNotFound)
	}
}

func TestLoginCarriesOverTheNamedKeys(t *testing.T) { // carried over at login by name
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, CarryOver: []string{"cart", "pending", "gone"}})
	b := f.browser()
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("cart", []int{1, 2}))
		f.must(h.Set("state", "oauth"))
		f.must(h.Set("wish", "x"))
		f.must(h.Set("gone", 1))
		f.must(h.Set("over", "guest"))
	})
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("pending", true)) // before the login, by name: comes along
		f.must(h.Set("lost", true))    // before the login, not named
		f.must(h.Delete("gone"))
		f.must(h.Login(r.Context(), middleware.Login{
			UserID: "alice", CarryOver: []string{"wish", "over"}, Data: map[string]any{"over": "login"},
		}))
		_, ok, err := middleware.Get[bool](h, "lost")
		if ok || err != nil {
			t.Error("an unnamed change is visible after the login")
		}
		f.must(h.Set("after", true)) // goes into the new session
	})
	data := string(b.session().Data().JSON())
	f.want(data, `{"after":true,"cart":[1,2],"over":"login","pending":true,"wish":"x"}`)
}

func TestLoginCarriesNothingOverFromAnotherUser(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{CarryOver: []string{"cart"}})
	b := f.login("alice")
	b.do(set(f, "cart", "alice's"))
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("cart", "hers too"))
		f.must(h.Login(r.Context(), middleware.Login{UserID: "bob", Data: map[string]int{"n": 1}}))
	})
	f.want(b.user(), "bob")
	f.want(string(b.session().Data().JSON()), `{"n":1}`)
	b.do(set(f, "cart", "bob's"))
	b.login("bob")
	f.want(valueOf[string](b, "cart"), "bob's")
}

func TestLoginWithoutDataKeepsWhatIsCarriedOver(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, CarryOver: []string{"cart"}})
	for name, data := range map[string]any{"nil": nil, "nil map": map[string]int(nil), "nil pointer": (*struct{})(nil), "empty": struct{}{}} {
		b := f.browser()
		b.do(set(f, "cart", name))
		b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Login(r.Context(), middleware.Login{UserID: "alice", Data: data}))
		})
		f.want(valueOf[string](b, "cart"), name)
	}
}

func TestLoginCarriesOverFlashMessagesIfNamed(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, CarryOver: []string{middleware.FlashKey}})
	b := f.browser()
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.must(h.AddFlash("a", "one")) })
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.AddFlash("b", "two"))
		f.must(h.Authenticate(r.Context(), "alice"))
		f.must(h.AddFlash("c", "three"))
		all, err := h.Flashes()
		f.must(err)
		f.want(len(all), 3)
	})
}

func TestLoginThatFailsKeepsTheSession(t *testing.T) { // the old one ends only when the new one exists
	f := setUp(t, sessile.Config{MaxSessionsPerUser: 1, OnLimit: sessile.LimitRefuseNew}, middleware.Options{})
	elsewhere, b := f.login("bob"), f.login("alice")
	before := b.cookie
	resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("k", 1))
		f.wantErr(h.Authenticate(r.Context(), ""), sessile.ErrInvalidUserID)
		f.wantErr(h.Authenticate(r.Context(), "bob"), sessile.ErrLimitReached)
		f.wantErr(h.Login(r.Context(), middleware.Login{UserID: "carol", Data: "no object"}), sessile.ErrInvalidData)
		f.wantErr(h.Login(r.Context(), middleware.Login{UserID: "carol", Data: map[string]string{"k": "\xff"}}), sessile.ErrInvalidData)
		f.wantErr(h.Login(r.Context(), middleware.Login{UserID: "carol", TTL: -1}), sessile.ErrInvalidTime)
		user, _ := h.UserID()
		f.want(user, "alice")
	})
	f.want(golden(t, resp), "")
	f.want(b.cookie, before)
	f.want(valueOf[int](b, "k"), 1)
	f.want(elsewhere.user(), "bob")
}

func TestLoginChoosesItsLifetimes(t *testing.T) { // remember me
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: time.Minute, MaxLifetime: 2 * time.Minute}, middleware.Options{})
		short, long := f.login("alice"), f.browser()
		long.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Login(r.Context(), middleware.Login{UserID: "alice", TTL: time.Hour, MaxLifetime: sessile.NoMaxLifetime}))
		})
		wait(time.Minute)
		f.want(short.user(), "")
		f.want(long.user(), "alice")
		f.want(long.session().Deadline().IsZero(), true)
	})
}

func TestLoginWithoutAResponseIsUndone(t *testing.T) { // a panicking handler commits nothing
	for name, fail := range map[string]func(f *fixture, h *middleware.Handle){
		"panic":     func(*fixture, *middleware.Handle) { panic("handler") },
		"abort":     func(*fixture, *middleware.Handle) { panic(http.ErrAbortHandler) },
		"late data": func(f *fixture, h *middleware.Handle) { fill(f, h) },
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{MaxDataBytes: 100}, middleware.Options{Guests: true})
			b := f.browser()
			b.do(set(f, "k", 1))
			resp := func() *http.Response {
				defer func() { _ = recover() }()
				return b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					f.must(h.Authenticate(r.Context(), "alice"))
					fail(f, h)
				})
			}()
			list, err := f.store.ListForUser(t.Context(), "alice")
			f.must(err)
			f.want(len(list), 0)
			if resp != nil {
				f.want(golden(t, resp), "")
				f.want(resp.StatusCode, http.StatusInternalServerError)
			}
		})
	}
}

// fill makes the commit fail: a parallel request fills the session after Set has checked its size.
func fill(f *fixture, h *middleware.Handle) {
	f.Helper()
	f.must(h.Set("mine", "0123456789012345678901234567890123456789"))
	s, _ := h.Current()
	_, err := f.store.Update(f.Context(), s.ID(), new(sessile.Changes).Set("theirs", "0123456789012345678901234567890123456789012345678901234567890"))
	f.must(err)
}

func TestLoginBesideParallelRequestsLogsNobodyOut(t *testing.T) { // two parallel requests do not log the browser out
	f := setUp(t, sessile.Config{TouchInterval: time.Nanosecond}, middleware.Options{Guests: true})
	for name, slow := range map[string]action{
		"reads":  look,
		"writes": set(f, "k", 2),
		"saves": func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Set("k", 3))
			f.wantErr(h.Save(r.Context()), sessile.ErrNotFound)
			f.wantErr(h.Set("k", 4), middleware.ErrNoSession) // nor does a guest take the login's place
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := f.browser()
			b.do(set(f, "k", 1))
			old := b.request()
			under := b.serve(b.request(), func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) { // loaded before
				h.Current()
				b.login("alice")
				slow(w, r, h)
			})
			f.want(golden(t, under), "")
			f.want(golden(t, b.serve(old, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { // loaded after
				f.want(h.IsAuthenticated(), false)
				f.wantErr(h.Set("k", 5), middleware.ErrNoSession)
			})), "")
			f.want(b.user(), "alice")
		})
	}
}

func TestLoginAndLogoutInParallelLeaveNothingBehind(t *testing.T) {
	f := setUp(t, sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit}, middleware.Options{})
	b := f.login("alice")
	var wg sync.WaitGroup
	for i := range 16 {
		r := b.request()
		wg.Go(func() {
			resp := b.serve(r, func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				if i%2 == 0 {
					f.must(h.Authenticate(r.Context(), "alice"))
					return
				}
				f.must(h.Logout(r.Context()))
			})
			if resp.StatusCode != http.StatusOK {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
	wg.Wait()
	f.want(b.user(), "")
	list, err := f.store.ListForUser(t.Context(), "alice")
	f.must(err)
	f.want(len(list), 8)
}

func TestLoginOutlivesItsClient(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.browser()
	ctx, cancel := context.WithCancel(t.Context())
	resp := b.serve(b.request().WithContext(ctx), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Authenticate(r.Context(), "alice"))
		f.must(h.Set("k", 1))
		cancel()
	})
	b.take(resp)
	f.want(valueOf[int](b, "k"), 1) // the commit went on

	b.serve(b.request().WithContext(ctx), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		if err := h.Authenticate(ctx, "bob"); err == nil || errors.Is(err, sessile.ErrNotFound) {
			t.Errorf("a login of a client that has left: %v", err)
		}
	})
}

// The same with an invalid cookie: its removal is decided when the request arrives, and a login may
// come in between.
func TestLoginOverADeadCookieIsNotUndone(t *testing.T) {
	for name, c := range map[string]struct {
		guests bool
		slow   action
	}{
		"removed":            {false, look},
		"removed for guests": {true, look},
		"replaced by a guest's": {true, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			_ = h.Set("cart", 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{Guests: c.guests})
			b := f.login("alice")
			f.must(f.store.Destroy(t.Context(), b.session().ID()))
			resp := b.serve(b.request(), func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				b.login("alice")
				c.slow(w, r, h)
			})
			f.want(golden(t, resp), "")
			b.take(resp)
			f.want(b.user(), "alice")
		})
	}
}

func TestLoginAfterAFailedReadIsComplete(t *testing.T) {
	f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{AllowAnonymousOnError: true})
	b := f.browser()
	b.cookie = f.coldToken("alice")
	f.fail(persisttest.ByHash, persist.ErrUnavailable)
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.wantErr(h.Err(), sessile.ErrUnavailable)
		f.heal()
		f.must(h.Authenticate(r.Context(), "bob"))
		f.must(h.Err())
		f.must(h.Set("k", 1))
	})
	f.want(b.user(), "bob")
	f.want(valueOf[int](b, "k"), 1)
}

func TestLoginEndsEverySessionThatTheBrowserSent(t *testing.T) {
	for _, second := range []string{"alice", "mallory"} {
		t.Run(second, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{})
			b, both := twice(f, "alice", second)
			b.take(b.serve(both, func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Authenticate(r.Context(), "alice"))
			}))
			f.want(b.user(), "alice")
			f.want(f.alive("alice", "mallory"), 1)
			b.serve(both, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.want(h.IsAuthenticated(), false) })
		})
	}
}

// The story:
//
//  1. A login begins with a guest's cart.
//  2. A parallel request ends the guest's session.
//  3. The login carries over only what its own request sets. What was in the session stays gone.
func TestLoginCarriesNothingOverFromAnEndedSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, CarryOver: []string{"cart", "wish", middleware.FlashKey}})
	b := f.browser()
	b.do(set(f, "cart", "the guest's"))
	guest := b.session().ID()
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("wish", "this request's"))
		f.must(f.store.Destroy(r.Context(), guest))
		f.must(h.Authenticate(r.Context(), "alice"))
	})
	f.want(string(b.session().Data().JSON()), `{"wish":"this request's"}`)
}

// The login carries over the present data, not the data from when the request arrived, also if
// the session has another token since.
func TestLoginCarriesOverWhatAParallelRequestSet(t *testing.T) {
	for _, then := range []func(*fixture) action{
		func(*fixture) action { return nothing },
		rotate,
	} {
		f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, CarryOver: []string{"cart"}})
		b := f.browser()
		b.do(set(f, "cart", 1))
		b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			parallel := b.twin()
			parallel.do(set(f, "cart", 2))
			parallel.do(then(f))
			f.must(h.Authenticate(r.Context(), "alice"))
		})
		f.want(valueOf[int](b, "cart"), 2)
	}
}

// A login that fails after it finds the session ended does not create a guest session instead.
func TestLoginThatFailsOverAnEndedSessionLeavesNothing(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{CarryOver: []string{"cart"}})
	b := f.login("alice")
	resp := b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("cart", 1))
		f.must(f.store.Destroy(r.Context(), b.session().ID()))
		f.wantErr(h.Login(r.Context(), middleware.Login{UserID: "alice", Data: "no object"}), sessile.ErrInvalidData)
	})
	f.want(golden(t, resp), "")
	f.want(resp.StatusCode, http.StatusOK)
	f.want(f.store.Stats().Created, uint64(1))
}
