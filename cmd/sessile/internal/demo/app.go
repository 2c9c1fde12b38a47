// Package demo is a small web application that uses Sessile: a shop with a guest cart, logins,
// devices, a sensitive action and a dashboard for its administrator. The server renders all pages, and they work without JavaScript.
// The package owns its store, accounts and pages. An [App] is an http.Handler and safe for
// concurrent use.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
	"github.com/sessile/sessile/cmd/sessile/internal/settings"
	"github.com/sessile/sessile/cmd/sessile/internal/users"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist/postgres"
	_ "github.com/sessile/sessile/persist/sqlite" // registers the engine for sessile.Open
)

// Password is the initial password of every demo account. The login page and the log show it.
const Password = "sessile-demo"

// Names returns the names of the demo accounts.
func Names() []string { return []string{"alice", "bob", "carol"} }

// App is the demo. [Open] returns one; call Close at the end.
type App struct {
	settings settings.Settings
	store    *sessile.Store
	users    *users.Directory
	pages    renderer
	hub      *hub
	feed     *admin.Feed
	storm    storm
	log      *zap.Logger
	handler  http.Handler

	// leaving is closed when the server stops and streams have to end. leave closes it, once.
	leaving chan struct{}
	leave   func()
}

// Open opens the store and builds the application.
func Open(ctx context.Context, s settings.Settings, log *zap.Logger) (*App, error) {
	accounts, err := users.New(append(Names(), Admin), Password)
	if err != nil {
		return nil, err
	}
	a := &App{settings: s, users: accounts, hub: newHub(), feed: new(admin.Feed), log: log, leaving: make(chan struct{})}
	a.leave = sync.OnceFunc(func() { close(a.leaving) })

	cfg := s.Store
	cfg.Logger = log.Named("store")
	cfg.Events = a.observe
	if a.store, err = openStore(ctx, s, cfg); err != nil {
		return nil, err
	}
	if err := a.build(); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	return a, nil
}

// openStore opens the database that all nodes share, if one is set, and otherwise the SQLite file.
func openStore(ctx context.Context, s settings.Settings, cfg sessile.Config) (*sessile.Store, error) {
	if s.Database == "" {
		return sessile.Open(ctx, cfg)
	}
	db, err := postgres.Open(ctx, s.Postgres())
	if err != nil {
		return nil, err
	}
	cfg.Path = "" // there is no file
	store, err := sessile.New(db, cfg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return store, nil
}

// build creates everything that needs the store.
func (a *App) build() error {
	var err error
	if a.pages, err = newPages(a.store.Now, a.settings.Node); err != nil {
		return err
	}
	sessions, err := middleware.New(a.store, middleware.Options{
		Insecure:       a.settings.InsecureCookies(),
		Guests:         true,
		CarryOver:      cartKeys(),
		TrustedProxies: a.settings.TrustedProxies,
		ClearSiteData:  `"cache"`, // the pages are no-store, but some browsers kept them all the same
		ErrorHandler:   a.plainFailure,
		OnDenied:       a.denied,
	})
	if err != nil {
		return fmt.Errorf("building the session middleware: %w", err)
	}

	// CSRF: CrossOriginProtection rejects every unsafe request from another origin, according to the
	// browser (Sec-Fetch-Site, or Origin compared with Host). Forms therefore need no token.
	// SameSite=Lax alone is not enough: it admits requests from other ports and subdomains of the
	// same site. Scripts send neither header and are admitted, because they have no browser cookies.
	// All this requires that GET and HEAD change nothing, which is true for every route here.
	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(http.HandlerFunc(a.crossOrigin))
	dashboard, err := a.administration()
	if err != nil {
		return err
	}
	a.handler = guarded(a.settings.Node, csrf.Handler(a.routes(sessions, dashboard)))
	return nil
}

// ServeHTTP serves the application.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// EndStreams ends the live streams, so that the server's Shutdown does not wait for them.
func (a *App) EndStreams() { a.leave() }

// Close writes everything and closes the store. The error says what could not be written.
func (a *App) Close() error {
	a.leave()
	a.storm.tasks.Wait()
	return a.store.Close()
}

// observe receives the events of the store and the middleware, logs them, and notifies the pages
// that watch. It runs on the store's own goroutine: it may read the store, and no request waits
// for it.
func (a *App) observe(e sessile.Event) {
	a.log.Info("session event", zap.Inline(e))
	a.feed.Observe(e)
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

// endings say why a session ended. They follow the name of the device.
var endings = map[sessile.EventKind]string{ //nolint:gochecknoglobals // a constant in all but name
	sessile.EventDestroyed: "was logged out",
	sessile.EventEvicted:   "was logged out, because the account was used on more devices than allowed",
	sessile.EventExpired:   "has expired",
}
