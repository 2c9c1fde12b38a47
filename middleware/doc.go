// Package middleware connects a [sessile.Store] to net/http. It finds the session of a request by
// its cookie, gives handlers a [Handle] to it, and commits their changes before the first byte of
// the response. [Sessions.Handler] is a plain func(http.Handler) http.Handler, so it works with
// every net/http router.
//
//	sessions, err := middleware.New(store, middleware.Options{})
//	http.ListenAndServeTLS(addr, cert, key, sessions.Handler(mux))
//
//	h := middleware.FromRequest(r)
//	user, ok := h.UserID()
//	err := h.Set("theme", "dark")
//
// A Handle is safe for concurrent use within its request. The middleware sends changes key by key,
// so parallel requests of one session keep each other's changes. The package handles cookies and
// headers. It knows no records, token hashes or SQL.
//
// # When a session is written
//
// Logins, logouts and rotations are on disk when their method returns nil. Changes by [Handle.Set]
// and similar methods go to the store when the response begins: at the first WriteHeader, Write,
// Flush, Hijack or ReadFrom, or when the handler returns. After that they return [ErrHeadersSent].
// Streams and websockets use [Handle.Update].
//
// A handler that answers a failure itself calls [Handle.Save], and [Handle.SaveDurable] for what a
// crash must not undo. If Save fails, the response does not send the changes again, so the client of
// a 409 finds none of them applied.
//
// If a handler panics before the response begins, its changes are lost, and a session that it
// created is destroyed.
//
// A request that changes nothing still counts as an access. The store records one access per
// TouchInterval.
//
// If the store fails, the request gets a 503. It is never treated as anonymous, unless
// Options.AllowAnonymousOnError is set. Options.ErrorHandler can write another response.
//
// # Which cookie counts
//
// A browser may send several cookies with our name: from another path or domain, or planted by a
// sibling domain. The middleware tries at most three, in order, and takes the first that opens a
// session. If the values differ, it emits [sessile.EventAmbiguousCookies]. The prefix "__Host-" of
// the default name prevents other domains from planting a cookie at all.
//
// The response removes a cookie that opens nothing, except in three cases, because the browser may
// have a valid one:
//
//   - The token was replaced less than a minute ago.
//   - The request carries more than three different values.
//   - Another site makes the request, so SameSite withholds our cookie.
//
// In these cases the response renews no cookie either. It also renews none if a second cookie opens
// another session, because the first one may be planted.
//
// A login or logout ends every session that the browser's cookies open, not only the one that
// counts.
//
// # What a request may do, and when
//
// [RequireUser] and [RequireFresh] decide when the head of a request arrives. The body may take
// minutes, a websocket stays open for hours, and the session may end meanwhile. So Handle.Devices,
// Handle.Revoke, Handle.LogoutAll and Handle.LogoutOthers ask the store again. Before any other
// action that must not outlive a logout, read the body and then call [Handle.Check].
//
// Before a change of password call [Handle.Reauthenticate]. It also checks that the token is still
// the current one, and replaces it.
//
//	password := r.PostFormValue("password") // reads the body
//	if err := h.Reauthenticate(ctx); err != nil { … } // after the body: the session may have ended meanwhile
//	err := users.SetPassword(ctx, user, password)
//	if err == nil {
//		_, err = h.LogoutOthers(ctx)
//	}
//
// # Clients without cookies
//
// Mobile applications and scripts send their token in the Authorization header, if Options.Bearer is
// set. [Handle.Issue] creates their sessions and returns the tokens, without a cookie. An API token
// ([Login.APIToken]) has a limit of its own per user. It is never a recent authentication, and opens
// nothing as a cookie.
//
// # Caching
//
// A response that depends on the session gets "Vary: Cookie", and one that sets the cookie gets
// "Cache-Control: no-store". It gets neither if the handler first accesses the session after the
// response has begun.
//
// # CSRF
//
// SameSite=Lax is only a second line of defence, because it does not stop requests from other ports
// and subdomains of the same site. Wrap the routes in [http.CrossOriginProtection], and never
// change anything on GET or HEAD.
//
// CrossOriginProtection allows every GET. That includes the handshake of a WebSocket that another
// origin opens in the user's name. Wrap WebSocket handlers in [RequireSameOrigin].
//
// # Logins
//
// [Handle.Authenticate] and [Handle.Login] always create a new session with a new token, so a token
// that an attacker planted gives no access (session fixation).
//
//   - After a change of password call [Handle.LogoutOthers]. [Login.Confirm] stops logins in flight
//     with the old password.
//   - After an account is linked or its address verified, call [sessile.Store.DestroyAllForUser],
//     because whoever registered it earlier may not be the owner.
//   - While a second factor is missing, keep the user in a guest session under a key of your own.
//     Call Authenticate when both factors are verified.
//
// # Coming from another library
//
// [Options.Adopt] keeps users logged in when another session library is replaced: the first request
// with the old cookie gets a new session. docs/coming-from.md has recipes.
package middleware
