package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/pages"
)

// contentPolicy allows only content from this server: no inline scripts or styles, no frames, no
// forms that post elsewhere.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxBody limits the body of a request, in bytes.
const maxBody = 64 << 10

// handler serves one store.
type handler struct {
	store   *sessile.Store
	options Options
	socket  bool // whoever can open the socket is an administrator
	log     *slog.Logger
	pages   *pages.Pages
	actions map[string]action
	stored  storedCount
	streams chan struct{} // a slot for each open event stream
	copying sync.Mutex    // held while a backup is written
}

// Handler returns the API under Prefix/api/ and the dashboard under Prefix/. An error lists every
// fault of the options.
//
// Requests of other origins are refused ([http.CrossOriginProtection]). A change also needs the
// header Content-Type: application/json or Sessile-Admin, which no form of a page can send.
func Handler(store *sessile.Store, o Options) (http.Handler, error) {
	return newHandler(store, o, false)
}

func newHandler(store *sessile.Store, o Options, socket bool) (http.Handler, error) {
	o = o.withDefaults()
	err := o.check()
	if store == nil {
		err = errors.Join(err, errors.New("no store"))
	}
	if err != nil {
		return nil, fmt.Errorf("creating the admin handler: %w", err)
	}
	h := &handler{store: store, options: o, socket: socket, log: o.Logger, streams: make(chan struct{}, maxStreams)}
	if h.pages, err = newPages(o.Prefix, store.Now); err != nil {
		return nil, err
	}
	h.actions = h.allActions()
	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(h.answer(func(http.ResponseWriter, *http.Request) error {
		return &refusal{http.StatusForbidden, "This request came from another site. Nothing was changed."}
	}))
	return h.protect(csrf.Handler(http.MaxBytesHandler(h.routes(), maxBody))), nil
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	p := h.options.Prefix
	get := func(path string, do endpoint) { mux.Handle("GET "+p+path, h.answer(do)) }
	get("/api/stats", h.getStats)
	get("/api/health", h.getHealth)
	get("/api/sessions", h.getSessions)
	get("/api/sessions/{id}", h.getSession)
	get("/api/events", h.getEvents)

	change := func(path, name string) { mux.Handle("POST "+p+path, h.answer(h.apiChange(name))) }
	change("/api/sessions/{id}/revoke", actRevoke)
	change("/api/users/{user}/revoke", actRevokeUser)
	change("/api/revoke-all", actRevokeAll)
	change("/api/cleanup", actCleanup)
	change("/api/sync", actSync)
	change("/api/backup", actBackup)

	get("/{$}", h.overviewPage)
	get("/live", h.liveStream)
	get("/sessions", h.sessionsPage)
	get("/sessions/{id}", h.sessionPage)
	get("/confirm/{action}", h.confirmPage)
	mux.Handle("POST "+p+"/confirm/{action}", h.answer(h.formChange))
	mux.HandleFunc("GET "+p+"/static/{name}", h.pages.ServeStatic)
	mux.Handle(p+"/", h.answer(func(http.ResponseWriter, *http.Request) error {
		return &refusal{http.StatusNotFound, "There is nothing at this address."}
	}))
	return mux
}

// protect sets the security headers of every response, and refuses those who are not administrators.
func (h *handler) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", contentPolicy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Frame-Options", "DENY")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		if err := h.authorize(r); err != nil {
			h.log.Warn("admin request refused", "method", r.Method, "path", loggable(r), "remote", r.RemoteAddr, "error", err)
			h.fail(w, r, &refusal{http.StatusForbidden, "You may not administer this store."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// errNoAuthorize refuses everything if nobody decides who is an administrator.
var errNoAuthorize = errors.New("Options.Authorize is not set")

func (h *handler) authorize(r *http.Request) error {
	switch {
	case h.options.Authorize != nil:
		return h.options.Authorize(r)
	case h.socket:
		return nil
	default:
		return errNoAuthorize
	}
}
