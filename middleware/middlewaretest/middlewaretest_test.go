package middlewaretest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is an application under test.
func shop(sessions *middleware.Sessions) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		user, _ := middleware.FromRequest(r).UserID()
		fmt.Fprint(w, "hello ", user)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Authenticate(r.Context(), r.PostFormValue("user")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.FromRequest(r).Logout(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return sessions.Handler(mux)
}

func TestRequestOfAUserIsOneLine(t *testing.T) {
	sessions := middlewaretest.New(t, middleware.Options{})
	w := httptest.NewRecorder()
	shop(sessions).ServeHTTP(w, middlewaretest.Request(t, sessions, http.MethodGet, "/", "alice"))
	if got := w.Body.String(); got != "hello alice" {
		t.Fatal(got)
	}
	middlewaretest.RequireNoCookie(t, sessions, w.Result())
}

func TestClientKeepsItsCookie(t *testing.T) {
	sessions := middlewaretest.New(t, middleware.Options{})
	phone := middlewaretest.NewClient(t, sessions, shop(sessions))
	desk := phone.NewDevice()
	if got := phone.Post("/login", url.Values{"user": {"alice"}}); got.Text != "hello alice" {
		t.Fatal(got.Text)
	}
	if got := desk.Get("/"); got.Text != "hello " {
		t.Fatal(got.Text)
	}
	mine, ok := phone.Session()
	if !ok || mine.UserID() != "alice" {
		t.Fatal(mine, ok)
	}
	if s := desk.Login("bob"); s.UserID() != "bob" {
		t.Fatal(s.UserID())
	}
	if got := desk.Get("/"); got.Text != "hello bob" {
		t.Fatal(got.Text)
	}
	middlewaretest.RequireLoggedOut(t, sessions, phone.Post("/logout", nil).Response)
	if _, ok := phone.Session(); ok || phone.Cookie() != nil {
		t.Fatal("the client is logged in still")
	}
}

func TestAssertLoginFindsTheLogin(t *testing.T) {
	sessions := middlewaretest.New(t, middleware.Options{})
	client := middlewaretest.NewClient(t, sessions, shop(sessions))
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := middlewaretest.RequireLoggedIn(t, sessions, client.Post("/login", url.Values{"user": {"alice"}}).Response, "alice")
	if own, _ := client.Session(); own.ID() != s.ID() {
		t.Fatal("another session")
	}
}

// recorder is a test that is allowed to fail.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper() {}
func (r *recorder) Fatal(...any) {
	r.failed = true
	runtime.Goexit()
}
func (r *recorder) Fatalf(string, ...any) { r.Fatal() }

// TestAssertionsFailWhenTheyMust gives each assertion a response that violates it.
func TestAssertionsFailWhenTheyMust(t *testing.T) {
	sessions := middlewaretest.New(t, middleware.Options{})
	client := middlewaretest.NewClient(t, sessions, shop(sessions))
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	login := client.Post("/login", url.Values{"user": {"alice"}}).Response
	page := client.Get("/").Response
	forged := &http.Response{Header: http.Header{"Set-Cookie": {sessions.CookieName() + "=nonsense; Path=/"}}}
	removed := &http.Response{Header: http.Header{"Set-Cookie": {sessions.CookieName() + "=; Max-Age=0"}}, Request: page.Request}
	for name, assertion := range map[string]func(testing.TB){
		"no cookie":             func(tb testing.TB) { middlewaretest.Cookie(tb, sessions, page) },
		"a cookie":              func(tb testing.TB) { middlewaretest.RequireNoCookie(tb, sessions, login) },
		"another user":          func(tb testing.TB) { middlewaretest.RequireLoggedIn(tb, sessions, login, "bob") },
		"a forged cookie":       func(tb testing.TB) { middlewaretest.RequireLoggedIn(tb, sessions, forged, "alice") },
		"not logged out":        func(tb testing.TB) { middlewaretest.RequireLoggedOut(tb, sessions, login) },
		"a browser-only logout": func(tb testing.TB) { middlewaretest.RequireLoggedOut(tb, sessions, removed) },
	} {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			assertion(r)
		}()
		<-done
		if !r.failed {
			t.Errorf("%s: the assertion holds", name)
		}
	}
}

func TestTimeoutsNeedNoRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := middlewaretest.NewStore(t, sessile.Config{TTL: time.Hour})
		sessions := middlewaretest.Over(t, store, middleware.Options{})
		r := middlewaretest.Request(t, sessions, http.MethodGet, "/", "alice")
		<-time.After(time.Hour)
		w := httptest.NewRecorder()
		shop(sessions).ServeHTTP(w, r)
		if got := w.Body.String(); got != "hello " {
			t.Fatal(got)
		}
	})
}
