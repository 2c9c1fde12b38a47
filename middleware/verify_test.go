package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// deafSink hears no events, only that the feed is fresh: as if they were late.
type deafSink struct{ persist.Sink }

func (deafSink) Invalidate([]persist.Event) {}

// secondNode is a session on one of two nodes, and the other one, which hears no events.
type secondNode struct {
	*testing.T
	first *sessile.Store
	id    sessile.ID
	disk  *persisttest.Hooked // of the second node
	m     *middleware.Sessions
	token sessile.Token
}

func onSecondNode(t *testing.T, test func(*secondNode)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		handles := persisttest.NewShared(2)
		first, err := sessile.New(handles[0], sessile.Config{})
		must(err)
		deaf := persisttest.Hooks{Before: persisttest.On(persisttest.Watch, func(c *persisttest.Call) { c.Sink = deafSink{c.Sink} })}
		n := &secondNode{T: t, first: first, disk: persisttest.Hook(handles[1], deaf)}
		second, err := sessile.New(n.disk, sessile.Config{})
		must(err)
		t.Cleanup(func() { _, _ = first.Close(), second.Close() })
		s, token, err := first.Create(t.Context(), sessile.Meta{}, "ann", nil)
		must(err)
		n.id, n.token = s.ID(), token
		n.m, err = middleware.New(second, middleware.Options{})
		must(err)
		<-time.After(time.Second)
		test(n)
	})
}

// status is the answer to a request with the session's token.
func (n *secondNode) status(guard func(http.Handler) http.Handler) int {
	h := n.m.Handler(guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })))
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", http.NoBody)
	r.AddCookie(&http.Cookie{Name: n.m.CookieName(), Value: n.token.Reveal()})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestVerifyRefusesWhatAnotherNodeHasEnded(t *testing.T) {
	onSecondNode(t, func(n *secondNode) {
		user, verify := middleware.RequireUser(""), middleware.Verify("")
		for range 2 {
			if got := n.status(verify); got != http.StatusTeapot {
				n.Fatalf("an active session: status %d", got)
			}
		}
		if err := n.first.Destroy(n.Context(), n.id); err != nil {
			n.Fatal(err)
		}
		if got := n.status(user); got != http.StatusTeapot {
			n.Fatalf("without Verify and without news: status %d: the test shows nothing", got)
		}
		if got := n.status(verify); got != http.StatusUnauthorized {
			n.Errorf("a session that another node has ended: status %d", got)
		}
		if got := n.status(user); got != http.StatusUnauthorized {
			n.Errorf("after Verify has found out: status %d", got)
		}
	})
}

func TestVerifyAnswers503IfTheDatabaseFails(t *testing.T) {
	onSecondNode(t, func(n *secondNode) {
		user, verify := middleware.RequireUser(""), middleware.Verify("")
		if got := n.status(user); got != http.StatusTeapot {
			n.Fatalf("status %d", got)
		}
		n.disk.Set(persisttest.Hooks{Fail: persisttest.FailOn(persisttest.ByHash, persist.ErrUnavailable)})
		if got := n.status(verify); got != http.StatusServiceUnavailable {
			n.Errorf("the database fails: status %d", got)
		}
		if got := n.status(user); got != http.StatusTeapot {
			n.Errorf("without Verify: status %d", got)
		}
	})
}

func TestVerifyReadsNothingOverAFile(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	user, anybody := f.login("alice"), f.browser()
	before := f.reads.Load()
	if got, _ := f.guarded(middleware.Verify("/login"), user.asks("GET", "/a", true)); got != http.StatusTeapot {
		t.Errorf("a user: status %d", got)
	}
	if got := f.reads.Load(); got != before {
		t.Errorf("%d reads of the disk", got-before)
	}
	if got, to := f.guarded(middleware.Verify("/login"), anybody.asks("GET", "/a", true)); got != http.StatusSeeOther || to != "/login?next=%2Fa" {
		t.Errorf("nobody: status %d, to %q", got, to)
	}
}
