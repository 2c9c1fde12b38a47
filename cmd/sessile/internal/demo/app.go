// Package demo is a small web application that uses Sessile as an application
// would: a shop with a guest cart, logins, devices, and a dangerous action. It is
// rendered on the server and needs no JavaScript. It owns its store, its accounts
// and its pages. An [App] is an http.Handler and safe for concurrent use.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/settings"
	"github.com/sessile/sessile/cmd/sessile/internal/users"
	"github.com/sessile/sessile/middleware"
	_ "github.com/sessile/sessile/persist/sqlite" // the engine of sessile.Open
)

// Password is the password of every demo account at the start. The login page
// prints it, and the log does too.
const Password = "sessile-demo"

// Names are the demo accounts.
func Names() []string { return []string{"alice", "bob", "carol"} }

// App is the demo. Get one from [Open]; Close it at the end.
type App struct {
	settings settings.Settings
	store    *sessile.Store
	users    *users.Directory
	pages    *pages
	hub      *hub
	log      *zap.Logger
	handler  http.Handler

	// leaving is closed when streams have to end because the server does. Close
	// and EndStreams close it, once.
	leaving chan struct{}
	leave   func()
}

// Open opens the store and builds the application.
func Open(ctx context.Context, s settings.Settings, log *zap.Logger) (*App, error) {
	accounts, err := users.New(Names(), Password)
	if err != nil {
		return nil, err
	}
	a := &App{settings: s, users: accounts, hub: newHub(), log: log, leaving: make(chan struct{})}
	a.leave = sync.OnceFunc(func() { close(a.leaving) })

	cfg := s.Store
	cfg.Logger = log.Named("store")
	cfg.Events = a.observe
	if a.store, err = sessile.Open(ctx, cfg); err != nil {
		return nil, err
	}
	if err := a.build(); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	return a, nil
}

// build makes what stands on the store.
func (a *App) build() error {
	var err error
	if a.pages, err = newPages(a.store.Now); err != nil {
		return err
	}
	sessions, err := middleware.New(a.store, middleware.Options{
		Insecure:       a.settings.InsecureCookies(),
		Guests:         true,
		CarryOver:      []string{keyCart},
		TrustedProxies: a.settings.TrustedProxies,
		ClearSiteData:  `"cache"`, // the pages are no-store already; browsers have been known to keep them all the same
		ErrorHandler:   a.plainFailure,
	})
	if err != nil {
		return fmt.Errorf("building the session middleware: %w", err)
	}

	// CSRF: CrossOriginProtection refuses every unsafe request that a browser says
	// comes from another origin (Sec-Fetch-Site, or Origin against Host), so no form
	// needs a token and no page a secret. SameSite=Lax alone would not do: it lets
	// through what comes from another port or subdomain of the same site. Scripts
	// send neither header and are let through: they hold no browser's cookies.
	// It relies on GET and HEAD changing nothing, which holds for all routes below.
	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(http.HandlerFunc(a.crossOrigin))
	a.handler = guarded(csrf.Handler(a.routes(sessions)))
	return nil
}

// ServeHTTP serves the application.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// EndStreams ends the live streams, so that a server's Shutdown does not wait for them.
func (a *App) EndStreams() { a.leave() }

// Close writes everything and closes the store. Its error says what could not be written.
func (a *App) Close() error {
	a.leave()
	return a.store.Close()
}

// observe hears what happens in the store and in the middleware: it logs it, and
// tells the pages that watch. It runs on a goroutine of the store's own, so it may
// read the store, and no request waits for it.
func (a *App) observe(e sessile.Event) {
	a.log.Info("session event", zap.Inline(e))
	switch e.Kind {
	case sessile.EventRotated:
		a.hub.toSession(e.SessionID, "This session has a new token.")
	case sessile.EventCreated:
		if s, err := a.store.Read(context.Background(), e.SessionID); err == nil {
			a.hub.name(s.ID(), s.DeviceName())
		}
		a.hub.toUser(e.UserID, a.hub.device(e.SessionID)+" has logged in.")
	case sessile.EventDestroyed, sessile.EventEvicted, sessile.EventExpired:
		a.hub.end(e.SessionID, e.UserID, endings[e.Kind])
	}
}

// endings say why a session has ended, after the name of its device.
var endings = map[sessile.EventKind]string{ //nolint:gochecknoglobals // a constant in all but name
	sessile.EventDestroyed: "was logged out",
	sessile.EventEvicted:   "was logged out, because the account is in use on more devices than is allowed",
	sessile.EventExpired:   "has expired",
}
