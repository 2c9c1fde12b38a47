package middleware_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// sends returns a request of the browser with these cookies of the session's name, in this order.
func (b *browser) sends(values ...string) *http.Request {
	r := b.request()
	r.Header.Del("Cookie")
	for _, v := range values {
		r.Header.Add("Cookie", b.f.m.CookieName()+"="+v)
	}
	return r
}

// planted are tokens that open nothing.
func planted() (values []string) {
	for _, c := range []string{"A", "B", "C"} {
		values = append(values, "AQ"+strings.Repeat(c, 50))
	}
	return values
}

// twice is a browser with two valid cookies of one name, from another path or domain.
func twice(f *fixture, first, second string) (*browser, *http.Request) {
	b, other := f.login(first), f.login(second)
	return b, b.sends(b.cookie, other.cookie)
}

// alive counts the sessions of users.
func (f *fixture) alive(users ...string) (n int) {
	f.Helper()
	for _, user := range users {
		list, err := f.store.ListForUser(f.Context(), user)
		f.must(err)
		n += len(list)
	}
	return n
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a store in a real file, and the middleware over it.
type fixture struct {
	*testing.T
	store  *sessile.Store
	m      *middleware.Sessions
	events *eventLog
	disk   *persisttest.Hooked
	reads  atomic.Int64 // by token, of the backend
}

func setUp(t *testing.T, cfg sessile.Config, opts middleware.Options) *fixture {
	t.Helper()
	f := &fixture{T: t, events: &eventLog{marks: make(chan struct{})}}
	cfg.Path = filepath.Join(t.TempDir(), "s.db")
	cfg.Events = f.events.add
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: cfg.Path})
	f.must(err)
	f.disk = persisttest.Hook(db, persisttest.Hooks{})
	f.heal()
	f.store, err = sessile.New(f.disk, cfg)
	f.must(err)
	t.Cleanup(func() {
		f.heal()
		if err := f.store.Close(); err != nil && !errors.Is(err, sessile.ErrClosed) {
			t.Error(err)
		}
	})
	f.m, err = middleware.New(f.store, opts)
	f.must(err)
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) wantErr(err, target error) {
	f.Helper()
	if !errors.Is(err, target) {
		f.Errorf("error is %v, not %v", err, target)
	}
}

func (f *fixture) want(got, want any) {
	f.Helper()
	if got != want {
		f.Errorf("got %v, want %v", got, want)
	}
}

// action is a handler that uses its session.
type action func(w http.ResponseWriter, r *http.Request, h *middleware.Handle)

func handler(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { do(w, r, middleware.FromRequest(r)) })
}

// browser keeps one cookie, as a browser would.
type browser struct {
	f      *fixture
	cookie string
	header http.Header
}

func (f *fixture) browser() *browser { return &browser{f: f, header: make(http.Header)} }

// login returns a browser in which a user has logged in through the middleware.
func (f *fixture) login(user string) *browser {
	f.Helper()
	b := f.browser()
	b.login(user)
	return b
}

// request returns what the browser would send now.
func (b *browser) request() *http.Request {
	r := httptest.NewRequestWithContext(b.f.Context(), http.MethodGet, "https://example.com/", nil)
	maps.Copy(r.Header, b.header)
	if b.cookie != "" {
		r.Header.Add("Cookie", b.f.m.CookieName()+"="+b.cookie)
	}
	return r
}

// do sends a request and keeps the cookie of the response.
func (b *browser) do(a action) *http.Response {
	b.f.Helper()
	return b.take(b.serve(b.request(), a))
}

// serve serves a request and ignores the cookie of the response.
func (b *browser) serve(r *http.Request, a action) *http.Response {
	w := httptest.NewRecorder()
	b.f.m.Handler(handler(a)).ServeHTTP(w, r)
	return w.Result()
}

// take keeps the cookie of a response.
func (b *browser) take(resp *http.Response) *http.Response {
	for _, c := range resp.Cookies() {
		if c.Name != b.f.m.CookieName() {
			continue
		}
		b.cookie = c.Value // "" when it is removed
	}
	return resp
}

// user returns the user that the server sees for the browser.
func (b *browser) user() string {
	b.f.Helper()
	var user string
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { user, _ = h.UserID() })
	return user
}

// session returns the session that the browser's cookie opens.
func (b *browser) session() sessile.Session {
	b.f.Helper()
	var s sessile.Session
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { s, _ = h.Current() })
	return s
}

// nothing is a handler that does not access its session.
func nothing(http.ResponseWriter, *http.Request, *middleware.Handle) {}

// look is a handler that accesses its session.
func look(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { h.IsAuthenticated() }

// set is a handler that sets a key.
func set(f *fixture, key string, v any) action {
	return func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.Helper()
		f.must(h.Set(key, v))
	}
}

// valueOf returns a key of the session as a new request sees it.
func valueOf[T any](b *browser, key string) T {
	b.f.Helper()
	var v T
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		var err error
		v, _, err = middleware.Get[T](h, key)
		b.f.must(err)
	})
	return v
}

// mark is an event of the tests. When it arrives, all earlier events have arrived.
const mark sessile.EventKind = "mark"

// eventLog keeps the events of a store.
type eventLog struct {
	mu    sync.Mutex
	all   []sessile.Event
	marks chan struct{}
}

func (l *eventLog) add(e sessile.Event) {
	if e.Kind == mark {
		l.marks <- struct{}{}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

// count returns the number of events of a kind, once everything before has arrived.
func (f *fixture) count(kind sessile.EventKind) (n int) {
	f.Helper()
	f.store.Stats() // the loop answers callers first and hands their events over then: ask it once more
	bridge.Of(f.store).(interface{ Emit(e sessile.Event) }).Emit(sessile.Event{Kind: mark})
	<-f.events.marks
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	for _, e := range f.events.all {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// hook sets the hooks of the backend. Reads by token are always counted.
func (f *fixture) hook(hooks persisttest.Hooks) {
	before := hooks.Before
	hooks.Before = func(c *persisttest.Call) {
		if c.Method == persisttest.ByHash {
			f.reads.Add(1)
		}
		if before != nil {
			before(c)
		}
	}
	f.disk.Set(hooks)
}

// fail makes the calls of one method of the backend fail.
func (f *fixture) fail(m persisttest.Method, err error) {
	f.hook(persisttest.Hooks{Fail: persisttest.FailOn(m, err)})
}

// heal removes what hook and fail set.
func (f *fixture) heal() { f.hook(persisttest.Hooks{}) }

// coldToken returns the token of a session that is on disk and not in memory.
func (f *fixture) coldToken(user string) string {
	f.Helper()
	_, t, err := f.store.Create(f.Context(), sessile.Meta{}, user, nil)
	f.must(err)
	for range 3 { // the store of these tests keeps one session in memory
		_, _, err := f.store.Create(f.Context(), sessile.Meta{}, "somebody else", nil)
		f.must(err)
	}
	return t.Reveal()
}

// bubble runs a test in a synctest bubble with its own clock. The store reuses requests from a pool
// of the process, and a channel of one bubble must not get into another. Two garbage collections
// empty the pool.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	defer func() {
		runtime.GC()
		runtime.GC()
	}()
	synctest.Test(t, test)
}

// wait advances the time in a bubble.
func wait(d time.Duration) { <-time.After(d) }

func (b *browser) login(user string) {
	b.f.Helper()
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		b.f.must(h.Authenticate(r.Context(), user))
	})
}
