package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// guarded is a guard's response to a request.
func (f *fixture) guarded(guard func(http.Handler) http.Handler, r *http.Request) (status int, to string) {
	f.Helper()
	w := httptest.NewRecorder()
	f.m.Handler(guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))).ServeHTTP(w, r)
	return w.Code, w.Header().Get("Location")
}

// asks is a request of a browser for a page, or of a script.
func (b *browser) asks(method, target string, page bool) *http.Request {
	r := b.request()
	u, err := url.Parse("https://example.com" + target)
	b.f.must(err)
	r.Method, r.URL, r.RequestURI = method, u, target
	if page {
		r.Header.Set("Accept", "text/html,application/xhtml+xml")
	}
	return r
}

func TestRequireUserRefusesAnonymousRequests(t *testing.T) { // 401, or redirect to a login path for browsers
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	anybody, guest, user := f.browser(), f.browser(), f.login("alice")
	guest.do(set(f, "cart", 1))
	for _, c := range []struct {
		name   string
		r      *http.Request
		login  string
		status int
		to     string
	}{
		{"a user", user.asks("GET", "/a", true), "/login", http.StatusTeapot, ""},
		{"a user's form", user.asks("POST", "/a", true), "/login", http.StatusTeapot, ""},
		{"a browser", anybody.asks("GET", "/a?b=c&d=e", true), "/login", http.StatusSeeOther, "/login?next=%2Fa%3Fb%3Dc%26d%3De"},
		{"a login path with a query", anybody.asks("GET", "/a", true), "/in?lang=en", http.StatusSeeOther, "/in?lang=en&next=%2Fa"},
		{"a browser's HEAD", anybody.asks("HEAD", "/a", true), "/login", http.StatusSeeOther, "/login?next=%2Fa"},
		{"a browser's form", anybody.asks("POST", "/a", true), "/login", http.StatusUnauthorized, ""},
		{"a script", anybody.asks("GET", "/a", false), "/login", http.StatusUnauthorized, ""},
		{"a browser without a login path", anybody.asks("GET", "/a", true), "", http.StatusUnauthorized, ""},
		{"a guest", guest.asks("GET", "/a", false), "/login", http.StatusUnauthorized, ""},
		{"another site in the path", anybody.asks("GET", "//evil.example/", true), "/login", http.StatusSeeOther, "/login"},
	} {
		status, to := f.guarded(middleware.RequireUser(c.login), c.r)
		if status != c.status || to != c.to {
			t.Errorf("%s: %d %q", c.name, status, to)
		}
	}
}

func TestRequireUserNextIsThePageThatWasRequested(t *testing.T) { // whatever outer routes did to r.URL
	f := setUp(t, sessile.Config{}, middleware.Options{})
	guarded := middleware.RequireUser("/login")(http.NotFoundHandler())
	mux := http.NewServeMux()
	mux.Handle("GET /app/", http.StripPrefix("/app", guarded))
	mux.Handle("GET /a/b/", http.StripPrefix("/a", f.m.Handler(http.StripPrefix("/b", guarded))))
	mux.Handle("GET /x/{name}", http.StripPrefix("/x/", guarded))
	mux.Handle("GET /plain", guarded)
	mux.Handle("GET /rewritten", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL = &url.URL{Path: "/elsewhere"}
		guarded.ServeHTTP(w, r)
	}))
	app := f.m.Handler(mux)
	for target, next := range map[string]string{
		"/app/a?b=c&d=e": "/app/a?b=c&d=e", "/app/": "/app/", "/a/b/c": "/a/b/c", "/x/y%2Fz%2e%2E": "/x/y%2Fz%2e%2E",
		"/app/%2F%2Fevil.example": "/app/%2F%2Fevil.example", "/app/a?next=//evil.example#": "/app/a?next=//evil.example#",
		"/plain?": "/plain?", "/rewritten?q": "/rewritten?q", "http://example.com/app/a?b": "/app/a?b",
		"http://evil.example/plain": "/plain", "https://example.com//evil.example/": "",
	} {
		r := f.browser().asks("GET", "/", true)
		r.RequestURI = target
		u, err := url.ParseRequestURI(target)
		f.must(err)
		r.URL = u
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if next == "" { // the router has cleaned the path
			f.want(strings.Contains(w.Header().Get("Location"), "next"), false)
			continue
		}
		f.want(w.Header().Get("Location"), "/login?next="+url.QueryEscape(next))
		f.want(middleware.LocalPath(next, ""), next)
	}
}

func TestRequireUserNextIsAddedToTheQueryOfTheLoginPath(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	for login, want := range map[string]string{
		"/login": "/login?next=%2Fa", "/login?": "/login?next=%2Fa", "/login?a=b": "/login?a=b&next=%2Fa",
		"/login#f": "/login?next=%2Fa#f", "/login?a=b&c#f?g": "/login?a=b&c&next=%2Fa#f?g", "/login?next=/home&a=b": "/login?a=b&next=%2Fa",
		"https://sso.example/in?client=1#f": "https://sso.example/in?client=1&next=%2Fa#f",
	} {
		_, to := f.guarded(middleware.RequireUser(login), f.browser().asks("GET", "/a", true))
		f.want(to, want)
	}
}

func TestRequireUserNextSurvivesTheWire(t *testing.T) { // HTTP/1 and HTTP/2, absolute form, "*", CONNECT
	f := setUp(t, sessile.Config{}, middleware.Options{})
	app := f.m.Handler(http.StripPrefix("/app", middleware.RequireUser("/login")(http.NotFoundHandler())))
	for _, h2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(app)
		server.EnableHTTP2 = h2
		server.StartTLS()
		t.Cleanup(server.Close)
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, _ := f.get(client, server.URL+"/app/a%2Fb?c=d", func(r *http.Request) { r.Header.Set("Accept", "text/html") })
		f.want(resp.Header.Get("Location"), "/login?next=%2Fapp%2Fa%252Fb%3Fc%3Dd")
		f.want(resp.ProtoMajor == 2, h2)
	}
	w := f.listenTo(app)
	for first, want := range map[string]string{
		"GET http://evil.example/app/a?b HTTP/1.1": "/login?next=%2Fapp%2Fa%3Fb",
		"GET /app/a HTTP/1.1":                      "/login?next=%2Fapp%2Fa",
		"GET /app//evil.example/ HTTP/1.1":         "/login?next=%2Fapp%2F%2Fevil.example%2F",
		"GET * HTTP/1.1":                           "", "OPTIONS * HTTP/1.1": "", "CONNECT example.com:443 HTTP/1.1": "",
		"POST /app/a HTTP/1.1": "",
	} {
		method, _, _ := strings.Cut(first, " ")
		f.want(w.say(ask(first, "Accept: text/html"), method)[0].Header.Get("Location"), want)
	}
}

func TestRequireUserChallengesABearer(t *testing.T) { // RFC 9110 §15.5.2
	f := setUp(t, sessile.Config{}, middleware.Options{Bearer: true})
	w := httptest.NewRecorder()
	f.m.Handler(middleware.RequireUser("")(http.NotFoundHandler())).ServeHTTP(w, f.browser().request())
	f.want(w.Code, http.StatusUnauthorized)
	f.want(w.Header().Get("WWW-Authenticate"), "Bearer")
}

func TestRequireGuestRefusesUsers(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	anybody, user := f.browser(), f.login("alice")
	status, _ := f.guarded(middleware.RequireGuest("/"), anybody.asks("GET", "/login", true))
	f.want(status, http.StatusTeapot)
	status, to := f.guarded(middleware.RequireGuest("/home"), user.asks("GET", "/login", true))
	f.want(status, http.StatusSeeOther)
	f.want(to, "/home")
	status, _ = f.guarded(middleware.RequireGuest(""), user.asks("GET", "/login", true))
	f.want(status, http.StatusForbidden)
}

func TestRequireFreshRefusesAnOldProof(t *testing.T) { // recent authentication
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{})
		b := f.login("alice")
		guard := middleware.RequireFresh(5*time.Minute, "/confirm")
		check := func(want int) {
			t.Helper()
			status, _ := f.guarded(guard, b.asks("POST", "/delete", true))
			f.want(status, want)
		}
		check(http.StatusTeapot)
		wait(5*time.Minute - time.Microsecond)
		check(http.StatusTeapot)
		wait(time.Microsecond)
		check(http.StatusForbidden)
		status, to := f.guarded(guard, b.asks("GET", "/delete", true))
		f.want(status, http.StatusSeeOther)
		f.want(to, "/confirm?next=%2Fdelete")
		b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Reauthenticate(r.Context()))
		})
		check(http.StatusTeapot)
	})
}

func TestGuardsRefuseEverythingWithoutTheMiddleware(t *testing.T) { // a mistake in the routes
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody came through") })
	for _, guard := range []func(http.Handler) http.Handler{
		middleware.RequireUser("/login"), middleware.RequireGuest("/"), middleware.RequireFresh(time.Hour, "/login"),
		middleware.Require(func(sessile.Session) bool { return true }, "/login"),
	} {
		w := httptest.NewRecorder()
		guard(next).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if w.Code != http.StatusInternalServerError {
			t.Error(w.Code)
		}
	}
}

func TestLocalPathStaysOnTheSite(t *testing.T) { // CWE-601
	for next, want := range map[string]string{
		"/": "/", "/a?b=c#d": "/a?b=c#d", "/a//b": "/a//b", "/:80": "/:80", "/%2F%2Fevil.example": "/%2F%2Fevil.example",
		"": "/else", "a": "/else", "//evil.example": "/else", "///evil.example": "/else", `/\evil.example`: "/else",
		`\\evil.example`: "/else", "https://evil.example": "/else", "javascript:alert(1)": "/else", "/\t/evil.example": "/else",
		"/\n/evil.example": "/else", " //evil.example": "/else", "/a\x00": "/else", "/%zz": "/else", "?next=/": "/else",
	} {
		if got := middleware.LocalPath(next, "/else"); got != want {
			t.Errorf("%q: %q", next, got)
		}
	}
}

func FuzzLocalPath(f *testing.F) { // R9: whatever comes, a browser stays on the site
	for _, seed := range []string{"/", "//evil.example", `/\evil.example`, "/\t/evil.example", "/a?b#c", "https:/evil.example", "/.//evil.example"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://example.com/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		path := middleware.LocalPath(next, "/")
		// A browser drops tabs and line breaks, and treats a backslash as a slash.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(path)
		if u, err := base.Parse(seen); err != nil || u.Host != base.Host || u.Scheme != base.Scheme || strings.HasPrefix(seen, "//") {
			t.Errorf("%q leads to %q: %v", next, seen, err)
		}
	})
}

func TestLocalPathAllowsASpace(t *testing.T) {
	if got := middleware.LocalPath("/a b", "/"); got != "/a b" {
		t.Error(got)
	}
	if got := middleware.LocalPath("/a\x1fb", "/"); got != "/" {
		t.Error(got)
	}
}
