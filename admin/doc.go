// Package admin serves the administration of a store over HTTP or over a Unix socket: a JSON API
// and a dashboard. They show counters, health, sessions and events, and they end sessions.
//
//	feed := new(admin.Feed)
//	store, err := sessile.Open(ctx, sessile.Config{Events: feed.Observe})
//	…
//	handler, err := admin.Handler(store, admin.Options{Prefix: "/admin", Authorize: isAdmin, Feed: feed})
//	…
//	mux.Handle("/admin/", sessions.Handler(handler)) // the session middleware, if isAdmin asks it
//
// The package owns the most recent events ([Feed]) and no other state. It does not know who is an
// administrator: [Options.Authorize] decides that. It never shows a token or a fingerprint. It shows
// session data only under the keys that [Options.ShowData] names.
//
// A handler is safe for concurrent use. It starts no goroutine.
package admin
