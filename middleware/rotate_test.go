package middleware_test

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func rotate(f *fixture) action {
	return func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.Helper()
		f.must(h.Rotate(r.Context()))
	}
}

// twin is another request of the same browser, with its present cookie.
func (b *browser) twin() *browser { return &browser{f: b.f, cookie: b.cookie, header: b.header} }

func TestRotateKeepsTheSessionAndKillsTheOldToken(t *testing.T) { // S20
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(set(f, "k", 1))
	before, old := b.session(), b.twin()
	resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("before", 1))
		f.must(h.Rotate(r.Context()))
		f.must(h.Set("after", 1))
	})
	f.want(golden(t, resp), "__Host-session=TOKEN; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax")
	f.want(resp.Header.Get("Cache-Control"), "no-store")
	after := b.session()
	f.want(after.ID(), before.ID())
	f.want(after.Deadline(), before.Deadline())
	f.want(string(after.Data().JSON()), `{"after":1,"before":1,"k":1}`)
	f.want(old.user(), "")
	f.want(old.cookie != "", true) // moments ago: neither access nor a removal cookie
}

func TestRotateDoesNotRemoveTheCookieOfAParallelRequest(t *testing.T) { // it may come with the previous token
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
		b := f.login("alice")
		old := b.twin()
		b.do(rotate(f))
		wait(59 * time.Second)
		resp := old.serve(old.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			f.want(h.IsAuthenticated(), false)
			f.wantErr(h.Set("k", 1), middleware.ErrNoSession) // no guest session whose cookie would log the user out
		})
		f.want(golden(t, resp), "")
		wait(time.Second)
		f.want(golden(t, old.serve(old.request(), look)), "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
		f.want(b.user(), "alice")
	})
}

func TestRotateTwiceDoesNotRemoveTheCookieOfAParallelRequest(t *testing.T) { // it comes with the token before the last
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	slow := b.request()
	b.do(rotate(f))
	b.do(rotate(f))
	f.want(golden(t, b.serve(slow, look)), "")
	f.want(b.user(), "alice")
}

func TestRotateDoesNotFailARequestInProgress(t *testing.T) {
	f := setUp(t, sessile.Config{TouchInterval: time.Nanosecond}, middleware.Options{Cookie: middleware.Cookie{SessionCookie: true}})
	b := f.login("alice")
	resp := b.serve(b.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		b.do(rotate(f))
		f.must(h.Set("slow", 1))
	})
	f.want(golden(t, resp), "")
	f.want(valueOf[int](b, "slow"), 1)
}

// A story of the past (A25), after which a browser was logged out half a minute later:
//
//  1. A request is about to renew the cookie.
//  2. Another one replaces the token.
//  3. The first sends the old token after the new one.
func TestRotateIsNotUndoneByASlowResponse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TouchInterval: time.Minute, RotateGrace: 30 * time.Second}, middleware.Options{})
		b := f.login("alice")
		for name, change := range map[string]func(h *middleware.Handle){
			"only an access": func(*middleware.Handle) {},
			"a change":       func(h *middleware.Handle) { f.must(h.Set("slow", 1)) },
			"two accesses": func(h *middleware.Handle) {
				f.must(h.Update(t.Context(), new(sessile.Changes).Set("slow", 2)))
				<-time.After(2 * time.Minute)
				f.must(h.Set("slow", 3))
			},
		} {
			<-time.After(2 * time.Minute)
			resp := b.serve(b.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
				b.do(rotate(f))
				change(h)
			})
			f.want(golden(t, resp), "")
			b.take(resp)
			<-time.After(31 * time.Second)
			if b.user() != "alice" {
				t.Errorf("%s: logged out", name)
			}
		}
	})
}

func TestRotateByParallelRequestsLeavesOneToken(t *testing.T) { // S21, A25
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	var mu sync.Mutex
	var wg sync.WaitGroup
	var twins []*browser
	for range 10 {
		twin := b.twin()
		wg.Go(func() {
			twin.serveAndTake(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				// Later requests are told, and leave the first one's cookie alone.
				err := h.Rotate(r.Context())
				late := errors.Is(err, middleware.ErrNoSession) || errors.As(err, new(*sessile.RotatedError))
				if err != nil && !late {
					t.Error(err)
				}
			})
			mu.Lock()
			defer mu.Unlock()
			twins = append(twins, twin)
		})
	}
	wg.Wait()
	alive := 0
	for _, twin := range twins {
		f.want(twin.cookie != "", true)
		if twin.user() == "alice" {
			alive++
		}
	}
	f.want(alive, 1)
}

func (b *browser) serveAndTake(a action) { b.take(b.serve(b.request(), a)) }

func TestRotateEveryLogsNobodyOut(t *testing.T) { // S24
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TouchInterval: 30 * time.Second, RotateGrace: 30 * time.Second},
			middleware.Options{RotateEvery: 10 * time.Minute})
		b := f.login("alice")
		first := b.twin()
		f.want(golden(t, b.do(look)), "")
		wait(10 * time.Minute)
		f.want(b.user(), "alice") // rotated by this request
		second := b.twin()
		if first.cookie == second.cookie {
			t.Fatal("the token was not replaced")
		}

		// A slow response: the new token has not come back, so the old one stays valid. For a minute it
		// gets no second successor, and no response overwrites the successor in the browser.
		wait(time.Minute - time.Microsecond)
		resp := first.do(look)
		f.want(golden(t, resp), "")
		f.want(first.session().ID(), second.f.sessionOf(second).ID())

		// Now the new token was presented: the old one has its grace, and then it is invalid.
		wait(29 * time.Second)
		f.want(first.user(), "alice")
		wait(time.Second)
		f.want(first.user(), "")
		f.want(b.user(), "alice")
	})
}

// sessionOf returns a browser's session without a response whose cookie it would keep.
func (f *fixture) sessionOf(b *browser) (s sessile.Session) {
	b.serve(b.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { s, _ = h.Current() })
	return s
}

func TestRotateEveryKeepsParallelTabsLoggedIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Minute})
		b := f.login("alice")
		wait(time.Minute)
		var wg sync.WaitGroup
		var mu sync.Mutex
		successors := make(map[string]bool)
		for range 10 {
			tab := b.twin()
			wg.Go(func() {
				tab.serveAndTake(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
					if !h.IsAuthenticated() {
						t.Error("a tab was logged out")
					}
				})
				mu.Lock()
				defer mu.Unlock()
				if tab.cookie != b.cookie {
					successors[tab.cookie] = true
				}
			})
		}
		wg.Wait()
		f.want(len(successors), 1)
		f.want(b.user(), "alice")
	})
}

func TestRotateHasNoGrace(t *testing.T) { // S24: "never after privilege change"
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Minute})
		b := f.login("alice")
		first := b.twin()
		wait(time.Minute)
		b.do(look) // first has a grace now
		second := b.twin()
		b.do(rotate(f))
		f.want(first.user(), "")
		f.want(second.user(), "")
		f.want(b.user(), "alice")
	})
}

func TestRotateGraceEndsWithALogout(t *testing.T) { // S24: "never survives destroy"
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Minute})
		b := f.login("alice")
		first := b.twin()
		wait(time.Minute)
		b.do(look)
		f.want(first.user(), "alice")
		b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) })
		f.want(first.user(), "")
	})
}

func TestRotateReportsAReplacedTokenThatComesBack(t *testing.T) { // S25, A24
	for _, destroy := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Minute, DestroyOnReuse: destroy})
			b := f.login("alice")
			thief := b.twin()
			wait(time.Minute)
			b.do(look)
			b.do(look) // seen: the grace runs
			wait(29 * time.Second)
			f.want(thief.user(), "alice") // a parallel request, as far as anybody can tell
			f.want(f.count(sessile.EventTokenReused), 0)
			wait(31 * time.Second)
			f.want(thief.user(), "")
			f.want(f.count(sessile.EventTokenReused), 1)
			if destroy {
				f.want(b.user(), "")
			} else {
				f.want(b.user(), "alice")
			}
		})
	}
}

func TestReauthenticateReplacesTheToken(t *testing.T) { // ASVS 7.2.4
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{})
		b := f.login("alice")
		old, created := b.twin(), b.session()
		f.want(created.AuthenticatedAt(), created.CreatedAt())
		wait(2 * time.Minute)
		b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Reauthenticate(r.Context()))
			s, _ := h.Current()
			f.want(s.AuthenticatedAt().Sub(created.CreatedAt()), 2*time.Minute)
		})
		f.want(b.session().AuthenticatedAt().Sub(created.CreatedAt()), 2*time.Minute)
		f.want(b.session().ID(), created.ID())
		f.want(old.user(), "")
	})
}

func TestRotateOfAnEndedSessionIsAnError(t *testing.T) { // and nothing is sent
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		s, _ := h.Current()
		f.must(f.store.Destroy(r.Context(), s.ID()))
		f.wantErr(h.Rotate(r.Context()), sessile.ErrNotFound)
		f.want(h.IsAuthenticated(), false)
	})
	f.want(golden(t, resp), "") // the browser may have another by now
	f.want(golden(t, b.do(look)), "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax")
}

// Of two rotations at once one loses, and nothing else is lost: pending changes are sent in any
// case.
func TestRotateThatFailsLosesNoChanges(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	resp := b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("k", 1))
		b.do(rotate(f))
		if err := h.Rotate(r.Context()); !errors.As(err, new(*sessile.RotatedError)) {
			t.Error(err)
		}
	})
	f.want(golden(t, resp), "")
	f.want(valueOf[int](b, "k"), 1)
}

// The previous token is invalid, so the error page after a panic must send the new one.
func TestRotateBeforeAPanicSendsTheToken(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.take(b.panics(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Rotate(r.Context()))
		f.must(h.Set("lost", 1))
	}))
	f.want(b.user(), "alice")
	f.want(valueOf[int](b, "lost"), 0)
}

func TestRotateBeforeAPanicSendsNoTokenThatWasReplacedSince(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	f.want(golden(t, b.panics(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Rotate(r.Context()))
		s, _ := h.Current()
		_, _, err := f.store.Rotate(r.Context(), s.ID(), sessile.Rotation{})
		f.must(err)
		f.must(h.Renew(r.Context()))
	})), "")
}

// panics serves a request whose handler panics in the end.
func (b *browser) panics(do action) *http.Response {
	w := httptest.NewRecorder()
	func() {
		defer func() {
			_ = recover()
			w.WriteHeader(http.StatusInternalServerError)
		}()
		b.f.m.Handler(handler(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			do(w, r, h)
			panic("a handler")
		})).ServeHTTP(w, b.request())
	}()
	return w.Result()
}

// hijackable is a connection that a handler takes over.
type hijackable struct{ *httptest.ResponseRecorder }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

// A handler that takes over the connection writes its own headers, mostly without ours. A token
// that was rotated then would never reach the browser.
func TestRotateEveryDoesNotRotateAHijackedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Minute})
		b := f.login("alice")
		wait(2 * time.Minute)
		f.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _, err := w.(http.Hijacker).Hijack()
			f.must(err)
		})).ServeHTTP(hijackable{httptest.NewRecorder()}, b.request())
		f.want(f.sessionOf(b).RotatedAt().IsZero(), true)
		b.do(look)
		f.want(f.sessionOf(b).RotatedAt().IsZero(), false)
	})
}
