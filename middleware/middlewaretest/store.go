package middlewaretest

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// NewStore opens a store and closes it when the test ends. The file is in the test's temporary
// directory, unless cfg.Path names another.
func NewStore(tb testing.TB, cfg sessile.Config) *sessile.Store {
	tb.Helper()
	cfg.Path = cmp.Or(cfg.Path, filepath.Join(tb.TempDir(), "sessions.db"))
	store, err := sessile.Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatalf("opening a store for the test: %v", err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Errorf("closing the test's store: %v", err)
		}
	})
	return store
}

// New returns the middleware over a new store; see [NewStore].
func New(tb testing.TB, opts middleware.Options) *middleware.Sessions {
	tb.Helper()
	return Over(tb, NewStore(tb, sessile.Config{}), opts)
}

// Over returns the middleware over store.
func Over(tb testing.TB, store *sessile.Store, opts middleware.Options) *middleware.Sessions {
	tb.Helper()
	m, err := middleware.New(store, opts)
	if err != nil {
		tb.Fatalf("building the middleware for the test: %v", err)
	}
	return m
}

// Request returns a request of a logged-in user, for a handler below m.Handler.
func Request(tb testing.TB, m *middleware.Sessions, method, target, userID string) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, target, nil)
	Login(tb, m, r, sessile.NewSession{UserID: userID})
	return r
}

// Login creates a session and adds its cookie to r. If n.Meta is zero, it describes the client of
// r, as after a login through the middleware.
func Login(tb testing.TB, m *middleware.Sessions, r *http.Request, n sessile.NewSession) sessile.Session {
	tb.Helper()
	if n.Meta == (sessile.Meta{}) {
		h := r.Header
		n.Meta = sessile.NewMeta(m.ClientIP(r), h.Get("User-Agent"), h.Get("Accept-Language"))
	}
	s, token, err := m.Store().CreateWith(tb.Context(), n)
	if err != nil {
		tb.Fatalf("creating a session for the test: %v", err)
	}
	r.AddCookie(&http.Cookie{Name: m.CookieName(), Value: token.Reveal()}) //nolint:gosec // a request's cookie has no attributes
	return s
}

// WithHandle returns r as a handler below m.Handler gets it: its context holds the request's
// [middleware.Handle]. It is for tests of code that takes a context or a request and calls
// [middleware.From]. Changes are committed when the test ends, or at once by
// [middleware.Handle.Save]. To test a whole handler, call m.Handler instead.
func WithHandle(tb testing.TB, m *middleware.Sessions, r *http.Request) *http.Request {
	tb.Helper()
	inside, leave, left := make(chan *http.Request), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inside <- r
			<-leave // the response must not begin while the test runs
		})).ServeHTTP(httptest.NewRecorder(), r)
	}()
	tb.Cleanup(func() {
		close(leave)
		<-left
	})
	select {
	case r = <-inside:
	case <-left:
		tb.Fatal("the middleware did not let the request through: its session could not be read")
	}
	return r
}
