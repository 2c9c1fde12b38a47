package middleware_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a real store in a real file, and the middleware over it.
type fixture struct {
	*testing.T
	store  *sessile.Store
	m      *middleware.Sessions
	events *eventLog
	disk   *disk
}

func setUp(t *testing.T, cfg sessile.Config, opts middleware.Options) *fixture {
	t.Helper()
	f := &fixture{T: t, events: &eventLog{}, disk: &disk{}}
	cfg.Path = filepath.Join(t.TempDir(), "s.db")
	cfg.Events = f.events.add
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: cfg.Path})
	f.must(err)
	f.disk.Backend = db
	f.store, err = sessile.New(f.disk, cfg)
	f.must(err)
	t.Cleanup(func() {
		f.disk.heal()
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

// login is a browser in which a user has logged in through the middleware.
func (f *fixture) login(user string) *browser {
	f.Helper()
	b := f.browser()
	b.login(user)
	return b
}

func (b *browser) login(user string) {
	b.f.Helper()
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		b.f.must(h.Authenticate(r.Context(), user))
	})
}

// request is what the browser would send now.
func (b *browser) request() *http.Request {
	r := httptest.NewRequestWithContext(b.f.Context(), http.MethodGet, "https://example.com/", nil)
	maps.Copy(r.Header, b.header)
	if b.cookie != "" {
		r.Header.Add("Cookie", b.f.m.CookieName()+"="+b.cookie)
	}
	return r
}

// do sends a request and keeps the cookie of the answer.
func (b *browser) do(a action) *http.Response {
	b.f.Helper()
	return b.take(b.serve(b.request(), a))
}

// serve answers a request, and leaves the cookie alone.
func (b *browser) serve(r *http.Request, a action) *http.Response {
	w := httptest.NewRecorder()
	b.f.m.Handler(handler(a)).ServeHTTP(w, r)
	return w.Result()
}

// take keeps the cookie of an answer.
func (b *browser) take(resp *http.Response) *http.Response {
	for _, c := range resp.Cookies() {
		if c.Name != b.f.m.CookieName() {
			continue
		}
		b.cookie = c.Value // "" when it is removed
	}
	return resp
}

// user is who the server takes the browser for.
func (b *browser) user() string {
	b.f.Helper()
	var user string
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { user, _ = h.UserID() })
	return user
}

// session is what the browser's cookie opens.
func (b *browser) session() sessile.Session {
	b.f.Helper()
	var s sessile.Session
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { s, _ = h.Current() })
	return s
}

// nothing is a handler that leaves its session alone.
func nothing(http.ResponseWriter, *http.Request, *middleware.Handle) {}

// look is a handler that looks at its session.
func look(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { h.IsAuthenticated() }

// set is a handler that sets a key.
func set(f *fixture, key string, v any) action {
	return func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.Helper()
		f.must(h.Set(key, v))
	}
}

// valueOf is a key of the session as a new request sees it.
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

// eventLog keeps the events of a store.
type eventLog struct {
	mu  sync.Mutex
	all []sessile.Event
}

func (l *eventLog) add(e sessile.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

// count tells how many events of a kind there were, once everything before is told.
func (f *fixture) count(kind sessile.EventKind) int {
	f.Helper()
	const mark = "mark"
	bridge.Of(f.store).(interface{ Emit(e sessile.Event) }).Emit(sessile.Event{Kind: mark})
	for deadline := time.Now().Add(10 * time.Second); ; {
		f.events.mu.Lock()
		n, seen := 0, false
		for i, e := range f.events.all {
			if e.Kind == kind {
				n++
			}
			if e.Kind == mark {
				f.events.all[i].Kind, seen = "old mark", true
			}
		}
		f.events.mu.Unlock()
		if seen {
			return n
		}
		if time.Now().After(deadline) {
			f.Fatal("no event arrives")
		}
		wait(time.Millisecond)
	}
}

// disk is a backend whose operations can be made to fail.
type disk struct {
	persist.Backend
	reading atomic.Pointer[error]
	garbled atomic.Bool
	reads   atomic.Int64

	applying atomic.Pointer[func(*persist.Batch)] // before every commit, if set
	writing  atomic.Pointer[error]                // instead of every commit
	applied  atomic.Pointer[func() error]         // after every commit, if set
}

func (d *disk) failApply(err error) { d.writing.Store(&err) }

func (d *disk) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	if look := d.applying.Load(); look != nil {
		(*look)(b)
	}
	if err := d.writing.Load(); err != nil {
		return persist.Result{}, *err
	}
	res, err := d.Backend.Apply(ctx, b)
	if end := d.applied.Load(); end != nil {
		err = errors.Join(err, (*end)())
	}
	return res, err
}

func (d *disk) failReads(err error) { d.reading.Store(&err) }

func (d *disk) heal() {
	d.reading.Store(nil)
	d.writing.Store(nil)
	d.applied.Store(nil)
}

func (d *disk) ByHash(ctx context.Context, k persist.TokenKey) (persist.Record, error) {
	d.reads.Add(1)
	if err := d.reading.Load(); err != nil {
		return persist.Record{}, *err
	}
	r, err := d.Backend.ByHash(ctx, k)
	if d.garbled.Load() {
		r.Data = []byte(`{"user":`)
	}
	return r, err
}

// coldToken is the token of a session that is on disk and not in memory.
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

// bubble runs a test in a bubble with a clock of its own. The store keeps requests for
// reuse in a pool of the process, and a channel of one bubble must not get into
// another: two collections empty the pool.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	defer func() {
		runtime.GC()
		runtime.GC()
	}()
	synctest.Test(t, test)
}

// wait lets time pass in a bubble.
func wait(d time.Duration) { <-time.After(d) }
