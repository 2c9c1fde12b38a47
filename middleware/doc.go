// Package middleware brings a [sessile.Store] to net/http. It finds the session of a request
// by its cookie, gives handlers a [Handle] to it, and commits their changes before the first
// byte of the response. [Sessions.Handler] is a plain func(http.Handler) http.Handler, so it
// works with every router for net/http.
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
// Logins, logouts and rotations are on disk when their method returns. Changes by
// [Handle.Set] and similar methods go to the store when the response begins: at the first
// WriteHeader, Write, Flush, Hijack or ReadFrom, or at the end of the handler. Later changes
// are [ErrHeadersSent]; a stream or a websocket uses [Handle.Update]. If a handler panics,
// nothing is committed, and a session that it created is destroyed. If nothing changed, an
// access is recorded once per TouchInterval of the store.
//
// If the store fails, the request gets a 503. It is never treated as anonymous, unless
// Options.AllowAnonymousOnError says so. Options.ErrorHandler writes another answer.
//
// # Which cookie counts
//
// A browser may send several cookies of one name: from another path or domain, or
// planted by a sibling domain. At most three are tried, in their order, and the first that
// opens a session counts. If the values differ, [sessile.EventAmbiguousCookies] is emitted. The prefix
// "__Host-" of the default name keeps other domains from planting a cookie at all.
//
// A cookie that opens nothing is removed, unless the browser may have a valid one. That is so
// if the token was replaced a moment ago, if more than three values came, or if another site
// makes the request and SameSite holds our cookie back. In these cases no cookie is renewed
// either, nor if a second cookie is valid too, because the first may be planted.
//
// A login and a logout end every session that the browser's cookies open, not only the one
// that counts.
//
// # What a request may do, and when
//
// [RequireUser] and [RequireFresh] decide when the head of a request has arrived. The body may
// take minutes, a websocket lives for hours, and the session may end meanwhile. So
// [Handle.Devices], [Handle.Revoke], [Handle.LogoutAll] and [Handle.LogoutOthers] ask the
// store again. Before any other action that must not outlive a logout, read the body and then
// call [Handle.Check]. Before a change of password call [Handle.Reauthenticated]: it also
// checks that the token is still the session's, and replaces it.
//
//	password := r.PostFormValue("password") // reads the body
//	if err := h.Reauthenticated(ctx); err != nil { … } // not before: it may have ended while it came
//	err := users.SetPassword(ctx, user, password)
//	if err == nil {
//		_, err = h.LogoutOthers(ctx)
//	}
//
// # Caching
//
// A response that depends on the session gets "Vary: Cookie", and one that sets the cookie
// gets "Cache-Control: no-store". It gets neither if the handler first looks at its session
// after the response has begun.
//
// # CSRF
//
// SameSite=Lax is a second line of defence: it lets requests from another port or subdomain
// of the same site through. Put [http.CrossOriginProtection] around the routes, and let GET
// and HEAD change nothing. It lets every GET through, including the handshake of a WebSocket
// that another origin opens in the user's name. Put [RequireSameOrigin] around those.
//
// # Logins
//
// [Handle.Authenticate] and [Handle.Login] always make a new session with a new token, so a
// token that somebody planted before gives no access (session fixation). After a change of
// password call [Handle.LogoutOthers]; [Login].Confirm stops logins in flight with the old
// password. After an account is linked or its address verified, call
// [sessile.Store.DestroyAllForUser], because whoever registered it earlier may not be the
// owner. While a second factor is missing, keep the user in a guest's session under a key of
// your own, and call Authenticate when both factors are there.
//
// The package knows cookies and headers. It does not know records, hashes, SQL or the actor.
package middleware
