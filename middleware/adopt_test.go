package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// oldLibrary has the sessions of another library: the user of each cookie.
type oldLibrary struct {
	mu    sync.Mutex
	users map[string]string
	asked atomic.Int32
	fail  error // of the deletion
}

// options are those of a middleware that adopts the sessions.
func (l *oldLibrary) options() middleware.Options {
	return middleware.Options{Adopt: l.adopt, AdoptCookie: http.Cookie{Name: "old"}}
}

func (l *oldLibrary) adopt(r *http.Request) (middleware.Login, bool) {
	l.asked.Add(1)
	c, err := r.Cookie("old")
	if err != nil {
		return middleware.Login{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	user, ok := l.users[c.Value]
	return middleware.Login{
		UserID: user, Data: map[string]string{"theme": "dark"}, TTL: time.Hour, MaxLifetime: 2 * time.Hour,
		Confirm: func(context.Context) error { return l.end(c.Value) },
	}, ok
}

func (l *oldLibrary) end(cookie string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	if _, ok := l.users[cookie]; !ok {
		return middleware.ErrNoSession
	}
	delete(l.users, cookie)
	return nil
}

// knows returns a library with a session of alice.
func knows() *oldLibrary { return &oldLibrary{users: map[string]string{"a1": "alice"}} }

// from returns a browser that has a cookie of the other library and none of ours.
func (f *fixture) from(old string) *browser {
	b := f.browser()
	b.header.Set("Cookie", "old="+old)
	return b
}

const removal = "old=; Path=/; Max-Age=0"

// cookiesOf returns what a response does with each cookie: "session" or "old", set or removed.
func cookiesOf(f *fixture, resp *http.Response) string {
	var did []string
	for _, line := range resp.Header.Values("Set-Cookie") {
		switch {
		case line == removal:
			did = append(did, "old removed")
		case strings.HasPrefix(line, f.m.CookieName()+"=;"):
			did = append(did, "session removed")
		case strings.HasPrefix(line, f.m.CookieName()+"="):
			did = append(did, "session set")
		default:
			did = append(did, line)
		}
	}
	return strings.Join(did, ", ")
}

func TestAdoptKeepsTheUserLoggedIn(t *testing.T) {
	for name, do := range map[string]action{"read": look, "ignored": nothing} {
		t.Run(name, func(t *testing.T) {
			old := knows()
			f := setUp(t, sessile.Config{}, old.options())
			b := f.from("a1")
			resp := b.do(do)
			f.want(cookiesOf(f, resp), "old removed, session set")
			f.want(resp.Header.Get("Cache-Control"), "no-store")
			b.header.Del("Cookie")
			f.want(b.user(), "alice")
			f.want(valueOf[string](b, "theme"), "dark")
			f.want(b.session().TTL(), time.Hour)
			f.want(b.session().Deadline().Sub(b.session().CreatedAt()), 2*time.Hour)
			f.want(len(old.users), 0)
			f.want(old.asked.Load(), int32(1))
		})
	}
}

func TestAdoptWithoutAnOldSessionChangesNothing(t *testing.T) {
	old := knows()
	f := setUp(t, sessile.Config{}, old.options())
	f.want(cookiesOf(f, f.from("unknown").do(look)), "")
	f.want(old.asked.Load(), int32(1))
	f.want(cookiesOf(f, f.browser().do(look)), "")
	f.want(old.asked.Load(), int32(1)) // nobody is asked about a request without the cookie
	f.want(f.store.Stats().Created, uint64(0))
}

func TestAdoptOfParallelFirstRequestsMakesOneSession(t *testing.T) {
	old := knows()
	opts, begun := old.options(), make(chan struct{})
	opts.Adopt = func(r *http.Request) (middleware.Login, bool) {
		<-begun
		return old.adopt(r)
	}
	f := setUp(t, sessile.Config{}, opts)
	var wg sync.WaitGroup
	tokens := make(chan string, 8)
	for range cap(tokens) {
		wg.Go(func() {
			b := f.from("a1")
			b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
				user, _ := h.UserID()
				f.want(user, "alice")
			})
			tokens <- b.cookie
		})
	}
	close(begun)
	wg.Wait()
	close(tokens)
	one := <-tokens
	for token := range tokens {
		f.want(token == one, true)
	}
	f.want(old.asked.Load(), int32(1))
	f.want(f.store.Stats().Created, uint64(1))
}

func TestAdoptOfTwoBrowsersKeepsThemApart(t *testing.T) {
	old := knows()
	old.users["b1"] = "bob"
	f := setUp(t, sessile.Config{}, old.options())
	f.want(f.from("a1").user(), "alice")
	f.want(f.from("b1").user(), "bob")
}

// The client lost the response with the new cookie. It still has the old one.
func TestAdoptAgainWithinAMinuteGivesTheSameSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, knows().options())
		lost := f.from("a1")
		id := lost.session().ID()
		wait(59 * time.Second)
		f.want(f.from("a1").session().ID() == id, true)
		wait(2 * time.Minute)
		f.want(f.from("a1").user(), "")
		lost.header.Del("Cookie")
		f.want(lost.user(), "alice")
	})
}

func TestAdoptNeverReplacesASession(t *testing.T) {
	old := knows()
	f := setUp(t, sessile.Config{}, old.options())
	b := f.login("bob")
	b.header.Set("Cookie", "old=a1")
	resp := b.do(look)
	f.want(cookiesOf(f, resp), "old removed")
	f.want(resp.Header.Get("Cache-Control"), "no-store")
	f.want(b.user(), "bob")
	f.want(f.store.Stats().Created, uint64(1))
	f.want(len(old.users), 0) // and it cannot come back after bob's logout
}

func TestAdoptDoesNotReviveALoggedOutSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, knows().options())
		b := f.from("a1")
		b.do(look)
		b.header.Del("Cookie")
		b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) })
		f.want(b.cookie, "")
		for range 3 { // at once, and when this process has forgotten the adoption
			f.want(f.from("a1").user(), "")
			wait(time.Minute)
		}
		f.want(f.store.Stats().Created, uint64(1))
	})
}

func TestAdoptThatFailsIsTriedAgain(t *testing.T) {
	old := knows()
	old.fail = errors.New("the other library's store is down")
	f := setUp(t, sessile.Config{}, old.options())
	b := f.from("a1")
	resp := b.do(look)
	f.want(resp.StatusCode, http.StatusServiceUnavailable)
	f.want(cookiesOf(f, resp), "")
	f.want(f.alive("alice"), 0)
	old.fail = nil
	f.want(b.user(), "alice")
}

func TestAdoptOfAUsedSessionIsAnonymous(t *testing.T) {
	opts := knows().options()
	opts.Adopt = func(*http.Request) (middleware.Login, bool) { // like a signed cookie that another node has used
		return middleware.Login{UserID: "alice", Confirm: func(context.Context) error { return middleware.ErrNoSession }}, true
	}
	f := setUp(t, sessile.Config{}, opts)
	b := f.from("a1")
	f.want(cookiesOf(f, b.do(look)), "old removed")
	f.want(b.user(), "")
	f.want(f.alive("alice"), 0)
}

// The old session is used, so a handler that fails must not lose the new one.
func TestAdoptOutlivesAPanic(t *testing.T) {
	f := setUp(t, sessile.Config{}, knows().options())
	b := f.from("a1")
	func() {
		defer func() { _ = recover() }()
		b.do(func(http.ResponseWriter, *http.Request, *middleware.Handle) { panic("handler") })
	}()
	f.want(b.user(), "alice")
	f.want(f.store.Stats().Created, uint64(1))
}

func TestAdoptIgnoresRequestsOfOtherSites(t *testing.T) {
	old := knows()
	f := setUp(t, sessile.Config{}, old.options())
	b := f.from("a1")
	b.header.Set("Sec-Fetch-Site", "cross-site")
	f.want(cookiesOf(f, b.do(look)), "")
	f.want(old.asked.Load(), int32(0))
}

func TestAdoptTakesGuestsIfTheyAreAllowed(t *testing.T) {
	for _, guests := range []bool{true, false} {
		opts := knows().options()
		if opts.Guests = guests; guests {
			opts.GuestTTL, opts.GuestMaxLifetime = time.Minute, time.Hour
		}
		opts.Adopt = func(*http.Request) (middleware.Login, bool) {
			return middleware.Login{Data: map[string]int{"cart": 3}}, true
		}
		f := setUp(t, sessile.Config{}, opts)
		b := f.from("a1")
		b.do(look)
		f.want(b.cookie != "", guests)
		f.want(valueOf[int](b, "cart") == 3, guests)
		if s := b.session(); guests {
			f.want(s.TTL(), time.Minute)
			f.want(s.Deadline().Sub(s.CreatedAt()), time.Hour)
		}
	}
}

func TestAdoptOverTheLimitIsAnonymous(t *testing.T) {
	old := knows()
	f := setUp(t, sessile.Config{MaxSessionsPerUser: 1, OnLimit: sessile.LimitRefuseNew}, old.options())
	f.login("alice")
	b := f.from("a1")
	resp := b.do(look)
	f.want(resp.StatusCode, http.StatusOK)
	f.want(cookiesOf(f, resp), "")
	f.want(len(old.users), 1)
}

// Both libraries call their cookie the same. Nobody is asked about a cookie of ours.
func TestAdoptOfACookieWithOurNameReplacesIt(t *testing.T) {
	old := knows()
	opts := old.options()
	opts.Insecure, opts.Cookie.Name = true, "old"
	f := setUp(t, sessile.Config{}, opts)
	b := f.from("a1")
	f.want(cookiesOf(f, b.do(look)), "session set")
	b.header.Del("Cookie")
	f.want(b.user(), "alice")
	f.want(old.asked.Load(), int32(1))
}

// A request with a token that a login has just replaced was in flight. The browser has a newer cookie.
func TestAdoptLeavesARequestInFlightAlone(t *testing.T) {
	old := knows()
	f := setUp(t, sessile.Config{}, old.options())
	b := f.login("bob")
	b.header.Set("Cookie", "old=a1")
	slow := b.request()
	b.header.Del("Cookie")
	b.login("bob")
	f.want(cookiesOf(f, b.serve(slow, look)), "")
	f.want(old.asked.Load(), int32(0))
	f.want(f.alive("alice"), 0)
}

// TestAdoptWithoutConfirmIsRefused: the old cookie would log in again after every logout.
func TestAdoptWithoutConfirmIsRefused(t *testing.T) {
	old := knows()
	opts := old.options()
	opts.Adopt = func(r *http.Request) (middleware.Login, bool) {
		l, ok := old.adopt(r)
		l.Confirm = nil
		return l, ok
	}
	f := setUp(t, sessile.Config{}, opts)
	resp := f.from("a1").do(look)
	f.want(resp.StatusCode, http.StatusInternalServerError)
	f.want(cookiesOf(f, resp), "")
	f.want(f.alive("alice"), 0)
}

// TestAdoptFailsTheRequestIfTheOldSessionCannotBeEnded, also that of a user with a session of ours: it
// would come back after a logout.
func TestAdoptFailsTheRequestIfTheOldSessionCannotBeEnded(t *testing.T) {
	old := knows()
	f := setUp(t, sessile.Config{}, old.options())
	b := f.login("alice")
	b.header.Set("Cookie", "old=a1")
	old.fail = errors.New("the old database is down")
	f.want(b.do(look).StatusCode, http.StatusServiceUnavailable)
	old.fail = nil
	resp := b.do(look)
	f.want(resp.StatusCode, http.StatusOK)
	f.want(cookiesOf(f, resp), "old removed")
	f.want(len(old.users), 0)
}

// TestAdoptOutlivesTheClientThatBeganIt, because requests with the same cookie wait for its result.
func TestAdoptOutlivesTheClientThatBeganIt(t *testing.T) {
	old := knows()
	opts := old.options()
	opts.Adopt = func(r *http.Request) (middleware.Login, bool) {
		if r.Context().Err() != nil {
			return middleware.Login{}, false
		}
		return old.adopt(r)
	}
	f := setUp(t, sessile.Config{}, opts)
	b := f.from("a1")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	b.serve(b.request().WithContext(gone), look)
	f.want(b.user(), "alice")
}
