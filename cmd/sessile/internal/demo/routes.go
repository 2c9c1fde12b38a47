package demo

import (
	"net/http"

	"github.com/sessile/sessile/middleware"
)

// maxBody limits the body of a request, in bytes.
const maxBody = 64 << 10

// action is a handler that gets the session and returns an error, which the caller renders.
type action func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error

// routes returns the routes of the application. Static files and health are outside the session
// middleware, because they are the same for everybody.
func (a *App) routes(sessions *middleware.Sessions, dashboard http.Handler) http.Handler {
	open, user, script := a.page, a.userPage, a.script

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", open(a.home))
	mux.Handle("POST /cart", open(a.addToCart))
	mux.Handle("POST /cart/empty", open(a.emptyCart))
	mux.Handle("GET /login", open(a.loginPage))
	mux.Handle("POST /login", open(a.login))
	mux.Handle("POST /logout", open(a.logout))

	mux.Handle("GET /session", user(a.sessionPage))
	mux.Handle("POST /count", user(a.count))
	mux.Handle("POST /rotate", user(a.rotate))
	mux.Handle("GET /devices", user(a.devices))
	mux.Handle("POST /devices/revoke", user(a.revoke))
	mux.Handle("POST /devices/logout-others", user(a.logoutOthers))
	mux.Handle("POST /devices/logout-all", user(a.logoutAll))
	mux.Handle("GET /live", user(a.live))
	mux.Handle("GET /live/stream", user(a.stream))
	mux.Handle("GET /storm", user(a.stormPage))
	mux.Handle("POST /storm", user(a.postStorm))
	mux.Handle("GET /storm/stream", user(a.stormStream))
	mux.Handle("GET /confirm", user(a.confirmPage))
	mux.Handle("POST /confirm", user(a.confirm))

	// These require a recent password check.
	mux.Handle("GET /account", a.fresh(a.accountPage))
	mux.Handle("POST /account/password", a.fresh(a.changePassword))

	mux.Handle("POST /api/login", script(a.apiLogin))
	mux.Handle("GET /api/me", script(a.apiMe))
	mux.Handle("POST /api/count", script(a.apiCount))
	mux.Handle("POST /api/cart/{item}", script(a.apiCart))
	mux.Handle("GET /api/sessions", script(a.apiSessions))
	mux.Handle("DELETE /api/sessions/{id}", script(a.apiRevoke))
	mux.Handle("POST /api/rotate", script(a.apiRotate))
	mux.Handle("POST /api/logout", script(a.apiLogout))
	mux.Handle("POST /api/logout-others", script(a.apiLogoutOthers))
	mux.Handle("GET /api/stats", script(a.apiStats))
	mux.Handle(adminPrefix+"/", dashboard)
	mux.Handle("/", open(a.missing))

	outer := http.NewServeMux()
	outer.HandleFunc("GET /static/{name}", a.pages.ServeStatic)
	outer.HandleFunc("GET /healthz", a.healthz)
	outer.Handle("/", http.MaxBytesHandler(sessions.Handler(mux), maxBody))
	return outer
}

// userPage serves a page to logged-in users.
func (a *App) userPage(do action) http.Handler {
	return a.redirecting(middleware.RequireUser("/login")(a.page(do)), func(h *middleware.Handle) string {
		if h.IsAuthenticated() {
			return ""
		}
		return "/login"
	})
}

// fresh serves a page to users who have recently given their password.
func (a *App) fresh(do action) http.Handler {
	guard := middleware.RequireFresh(a.settings.FreshFor, "/confirm")
	return a.redirecting(middleware.RequireUser("/login")(guard(a.page(do))), func(h *middleware.Handle) string {
		switch s, _ := h.Current(); {
		case !h.IsAuthenticated():
			return "/login"
		case a.store.Now().Sub(s.AuthenticatedAt()) >= a.settings.FreshFor:
			return withNext("/confirm", "/account")
		default:
			return ""
		}
	})
}

// redirecting redirects a POST that a guard would reject. A guard redirects a GET to the right page,
// but answers a POST with a bare status. The guard still decides; this only improves the response.
func (a *App) redirecting(guarded http.Handler, instead func(*middleware.Handle) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			h := middleware.FromRequest(r)
			if path := instead(h); path != "" {
				a.keepEnd(h)
				seeOther(w, r, path)
				return
			}
		}
		guarded.ServeHTTP(w, r)
	})
}
