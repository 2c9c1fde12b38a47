package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

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
		f.must(h.Set("after", true)) // modo loses a change after a login in one request
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

func TestLoginThatFailsKeepsTheSession(t *testing.T) { // modo destroys the old session before the new one exists
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

func TestGuestSessionBeginsWhenSomethingIsSet(t *testing.T) { // S39
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, GuestTTL: time.Hour})
	b := f.browser()
	for name, do := range map[string]action{
		"a visit":   nothing,
		"a look":    look,
		"a removal": func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.must(h.Delete("k")) },
		"set and removed": func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			f.must(h.Set("k", 1))
			f.must(h.Delete("k"))
		},
		"a save":           func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Save(r.Context())) },
		"a logout":         func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) },
		"a failed handler": func(http.ResponseWriter, *http.Request, *middleware.Handle) {},
	} {
		if got := golden(t, b.do(do)); got != "" {
			t.Errorf("%s sets %q", name, got)
		}
	}
	f.want(f.store.Stats().Created, uint64(0))

	f.want(golden(t, b.do(set(f, "k", 1))), "__Host-session=TOKEN; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax")
	f.want(valueOf[int](b, "k"), 1)
	b.do(set(f, "l", 2)) // the same guest goes on
	f.want(f.store.Stats().Created, uint64(1))
	f.want(b.session().IsGuest(), true)
	f.want(b.session().TTL(), time.Hour)
}

func TestGuestsAreBounded(t *testing.T) { // guests have a limit of their own
	f := setUp(t, sessile.Config{MaxGuests: 3, MaxSessionsPerUser: 1}, middleware.Options{Guests: true})
	member := f.login("alice")
	var guests []*browser
	for range 5 {
		b := f.browser()
		b.do(set(f, "k", 1))
		guests = append(guests, b)
	}
	alive := 0
	for _, b := range guests {
		alive += valueOf[int](b, "k")
	}
	f.want(alive, 3)
	f.want(member.user(), "alice")
	list, err := f.store.ListForUser(t.Context(), "alice")
	f.must(err)
	f.want(len(list), 1)
}

func TestGuestSessionMayBeginAfterALogout(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.login("alice")
	b.do(set(f, "private", 1))
	old := b.cookie
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Logout(r.Context()))
		f.must(h.AddFlash("ok", "You are logged out."))
	})
	if b.cookie == old || b.cookie == "" {
		t.Error("the message has no session of its own")
	}
	f.want(b.user(), "")
	f.want(valueOf[int](b, "private"), 0)
	f.want((&browser{f: f, cookie: old}).user(), "")
}

func TestLogoutEndsTheSessionAndRemovesTheCookie(t *testing.T) { // A21, ASVS 7.4.1
	for name, tt := range map[string]struct {
		opts  middleware.Options
		clear string
	}{
		"plain":           {},
		"Clear-Site-Data": {middleware.Options{ClearSiteData: `"cache", "storage"`}, `"cache", "storage"`}, // S18
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, tt.opts)
			b := f.login("alice")
			old := b.cookie
			resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Set("k", 1))
				f.must(h.Logout(r.Context()))
				f.want(h.IsAuthenticated(), false)
				f.wantErr(h.Set("k", 1), middleware.ErrNoSession)
				f.must(h.Logout(r.Context())) // once more is nothing
			})
			f.want(golden(t, resp), "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
			f.want(resp.Header.Get("Clear-Site-Data"), tt.clear)
			replay := &browser{f: f, cookie: old}
			f.want(replay.user(), "")
			f.want(replay.do(look).Header.Get("Clear-Site-Data"), "")
		})
	}
}

func TestLogoutAfterTheFirstByteEndsTheSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	resp := b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		w.WriteHeader(http.StatusOK)
		f.must(h.Logout(r.Context()))
	})
	f.want(golden(t, resp), "")
	resp = b.do(look)
	f.want(golden(t, resp), "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
}

func TestLogoutAllAndLogoutOthersEndTheSessionsOfTheUser(t *testing.T) { // ASVS 7.4.2, 7.4.3; A23
	f := setUp(t, sessile.Config{}, middleware.Options{})
	here, there, third, stranger := f.login("alice"), f.login("alice"), f.login("alice"), f.login("bob")
	resp := here.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		n, err := h.LogoutOthers(r.Context())
		f.must(err)
		f.want(n, 2)
	})
	f.want(golden(t, resp), "")
	f.want(here.user()+there.user()+third.user()+stranger.user(), "alicebob")

	there.login("alice")
	here.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		n, err := h.LogoutAll(r.Context())
		f.must(err)
		f.want(n, 2)
	})
	f.want(here.cookie, "")
	f.want(here.user()+there.user()+stranger.user(), "bob")
}

func TestLogoutAllOfAGuestEndsOneSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b, other := f.browser(), f.browser()
	b.do(set(f, "k", 1))
	other.do(set(f, "k", 1))
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		n, err := h.LogoutAll(r.Context())
		f.must(err)
		f.want(n, 1)
	})
	f.want(b.cookie, "")
	f.want(valueOf[int](other, "k"), 1)
}

func TestSessionsListsTheDevicesOfTheUser(t *testing.T) { // S36; modo lists fingerprints and data, and leaves the cookie when a user revokes their own session
	f := setUp(t, sessile.Config{}, middleware.Options{})
	laptop, phone, stranger := f.browser(), f.browser(), f.login("bob")
	laptop.header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0")
	phone.header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")
	laptop.login("alice")
	phone.login("alice")

	var list []middleware.Device
	phone.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		var err error
		list, err = h.Devices(r.Context())
		f.must(err)
	})
	if len(list) != 2 {
		t.Fatalf("%d devices", len(list))
	}
	f.want(list[0].DeviceName+"/"+list[0].DeviceType, "Safari on iPhone/mobile")
	f.want(list[0].Current, true)
	f.want(list[1].DeviceName+"/"+list[1].DeviceType, "Firefox on Windows/desktop")
	f.want(list[1].Current, false)
	f.want(list[1].IPAddress, "192.0.2.1")

	foreign := stranger.session().ID()
	phone.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		unknown := h.Revoke(r.Context(), sessile.ID{1, 2, 3})
		others := h.Revoke(r.Context(), foreign) // A15: the same answer, and nothing happens
		f.wantErr(unknown, sessile.ErrNotFound)
		f.wantErr(others, sessile.ErrNotFound)
		f.must(h.Revoke(r.Context(), list[1].ID))
	})
	f.want(laptop.user(), "")
	f.want(stranger.user(), "bob")
	resp := phone.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Revoke(r.Context(), list[0].ID))
	})
	f.want(golden(t, resp), "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
}

func TestDoneClosesForAStreamWhenTheSessionEnds(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b, other := f.login("alice"), f.login("alice")
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		done := h.Done(r.Context())
		select {
		case <-done:
			t.Error("it has ended already")
		default:
		}
		other.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			_, err := h.LogoutOthers(r.Context())
			f.must(err)
		})
		<-done
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

// fill makes the commit fail: a parallel request fills the session after h.Set has looked.
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
