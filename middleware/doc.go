// Package middleware brings a [sessile.Store] to net/http: it finds the session
// of a request by its cookie, gives handlers a [Handle] to it, and commits what
// they changed before the first byte of the response. It is a plain
// func(http.Handler) http.Handler and works under any router that is one.
//
//	sessions, err := middleware.New(store, middleware.Options{})
//	http.ListenAndServeTLS(addr, cert, key, sessions.Handler(mux))
//
//	h := middleware.FromRequest(r)
//	user, ok := h.UserID()
//	err := h.Set("theme", "dark")
//
// A Handle is safe for concurrent use within its request. Parallel requests of
// one session do not lose each other's keys: changes are sent key by key.
//
// # When a session is written
//
// Logins, logouts and rotations are done, and on disk, when their method
// returns. What [Handle.Set] and its like change is sent to the store at the first
// of WriteHeader, Write, Flush, Hijack, ReadFrom or the end of the handler. Later
// changes are [ErrHeadersSent]; a stream or a websocket uses [Handle.Update].
// A handler that panics commits nothing: a session that it created is destroyed.
// If nothing changed, an access is recorded once in the store's TouchInterval.
//
// If the store fails, the answer is a 503, and not that of a visitor: see
// Options.ErrorHandler and Options.AllowAnonymousOnError.
//
// # Which cookie counts
//
// A browser may send several cookies of one name: from another path or domain, or
// planted by a sibling domain. They are tried in the order in which they come, three at
// most, and the first that opens a session counts; different values are told as
// an event. The prefix "__Host-" of the default name keeps other domains from
// planting one at all.
//
// A cookie that opens nothing is removed, unless the browser may have a good one:
// if its token was replaced a moment ago, or if more than three values came.
//
// # Caching
//
// A response that depends on the session says "Vary: Cookie", and one that sets
// the cookie "Cache-Control: no-store". A handler that looks at its session for the
// first time after the response has begun is too late for either.
//
// # CSRF
//
// SameSite=Lax is depth, not the defence: it lets through what comes from another
// port or subdomain of the same site. Put [http.CrossOriginProtection] around the
// routes, and let GET and HEAD change nothing.
//
// # Logins
//
// [Handle.Authenticate] always makes a new session with a new token, so a token that
// somebody planted before is worth nothing after (session fixation). When a
// password changes call [Handle.LogoutOthers]; when an account is linked or its
// address verified, [sessile.Store.DestroyAllForUser], for who registered it before
// may not be its owner. While a second factor is missing keep the user in a guest's
// session under a key of yours, and call Authenticate when both are there.
//
// The package knows cookies and headers; it refuses to know records, hashes, SQL
// and the actor.
package middleware
