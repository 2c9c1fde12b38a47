package middleware_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// lostAfter is how long a new token may stay unseen before it counts as lost.
const lostAfter = time.Minute

// rotated rotates a browser's token and loses the response.
func rotated(f *fixture, every time.Duration) (b *browser, lost *browser) {
	f.Helper()
	b = f.login("alice")
	wait(every)
	lost = b.twin()
	lost.do(look)
	if lost.cookie == b.cookie {
		f.Fatal("the token was not replaced")
	}
	return b, lost
}

// The response that carries a new token may be lost. Then the browser continues with the previous
// token. Before the fix, no later response had a cookie, and the browser was logged out at the end
// of the TTL, however active it was (grafana#16757).
func TestSuccessorThatIsLostIsReplacedAndTheCookieRenewed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: 2 * time.Hour}, middleware.Options{RotateEvery: time.Hour})
		b := f.login("alice")
		end := f.store.Now().Add(2 * time.Hour) // then the browser forgets its cookie
		for range 30 {
			wait(20 * time.Minute)
			b.serve(b.request(), look) // its answer is lost
			wait(lostAfter)
			for _, c := range b.do(look).Cookies() {
				end = f.store.Now().Add(time.Duration(c.MaxAge) * time.Second)
			}
			if !f.store.Now().Before(end) || b.twin().user() != "alice" {
				t.Fatal("an active browser is logged out")
			}
		}
	})
}

func TestSuccessorsThatAreLostAreReplacedOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: 2 * time.Hour}, middleware.Options{RotateEvery: time.Hour, DestroyOnReuse: true})
		b, lost := rotated(f, time.Hour)
		for range 5 {
			wait(lostAfter)
			next := b.twin()
			next.do(look)
			f.want(next.cookie != b.cookie, true)
			dead := lost.twin()
			f.want(dead.user(), "")
			f.want(golden(t, b.serve(b.request(), look)), "") // for the next minute
			lost = next
		}
		f.want(lost.user(), "alice") // at last it came: seen
		wait(29 * time.Second)
		f.want(b.twin().user(), "alice")
		wait(time.Second)
		f.want(b.twin().user(), "")
		f.want(f.count(sessile.EventTokenReused), 0)
		f.want(lost.user(), "alice")
	})
}

// Nobody can have copied a successor that nobody has sent, so its end is not a reuse.
func TestSuccessorThatComesLateEndsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Hour, DestroyOnReuse: true})
		b, lost := rotated(f, time.Hour)
		wait(lostAfter)
		b.do(look)
		for range 3 {
			f.want(lost.twin().user(), "")
			f.want(f.count(sessile.EventTokenReused), 0)
			f.want(b.user(), "alice")
			wait(2 * lostAfter)
		}
	})
}

func TestSuccessorThatWasSeenIsNotReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{RotateGrace: time.Hour}, middleware.Options{RotateEvery: time.Hour})
		b, next := rotated(f, time.Hour)
		f.want(next.user(), "alice")
		wait(lostAfter)
		f.want(golden(t, b.do(look)), "")
		f.want(next.user(), "alice")
	})
}

// An older request does not show that the browser lacks the new token: the browser may have
// received it meanwhile and be idle.
func TestSuccessorOutlivesARequestThatBeganBeforeIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Hour})
		b := f.login("alice")
		wait(time.Hour)
		next := b.twin()
		resp := b.serve(b.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			h.IsAuthenticated()
			next.do(look) // a parallel request has the token replaced
			wait(2 * lostAfter)
		})
		f.want(golden(t, resp), "")
		f.want(next.user(), "alice")
	})
}

func TestSuccessorThatIsLostIsReplacedOnceByParallelRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Hour})
		b, _ := rotated(f, time.Hour)
		wait(lostAfter)
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
		for cookie := range successors {
			b.cookie = cookie
		}
		f.want(b.user(), "alice")
	})
}

func TestSuccessorOfABearerIsNotReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Hour, Bearer: true})
		b, lost := rotated(f, time.Hour)
		wait(lostAfter)
		r := f.browser().request()
		r.Header.Set("Authorization", "Bearer "+b.cookie)
		f.want(golden(t, b.serve(r, look)), "")
		f.want(lost.user(), "alice")
	})
}

// Without RotateEvery, which a new version of the application may leave out, a browser that lost a
// token still gets another.
func TestSuccessorThatIsLostIsReplacedAfterRotationWasSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Hour})
		b, _ := rotated(f, time.Hour)
		var err error
		f.m, err = middleware.New(f.store, middleware.Options{})
		f.must(err)
		wait(lostAfter)
		before := b.cookie
		f.want(b.user(), "alice")
		f.want(b.cookie != before, true)
		f.want(b.user(), "alice")
	})
}
