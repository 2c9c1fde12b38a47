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
// if its token was replaced a moment ago, if more than three values came, or if another
// site makes the request and SameSite keeps ours back. Nor is a session's cookie sent
// again then, or where a second one is good too: the first may be planted.
//
// A login and a logout end every session that the browser's cookies open, and not only
// the one that counts.
//
// # What a request may do, and when
//
// [RequireUser] and [RequireFresh] decide when the head of a request has come. Its body
// may take minutes, a websocket stays for hours, and the session may be ended
// meanwhile. What acts on more than the session itself asks the store again when it acts:
// [Handle.Devices], [Handle.Revoke], [Handle.LogoutAll] and [Handle.LogoutOthers] do
// so by themselves. Before anything else that matters, read the body first and call
// [Handle.Check] then; before a change of password, [Handle.Reauthenticated], which also
// asks whether the token is still the session's, and gives the session another:
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
// A response that depends on the session says "Vary: Cookie", and one that sets
// the cookie "Cache-Control: no-store". A handler that looks at its session for the
// first time after the response has begun is too late for either.
//
// # CSRF
//
// SameSite=Lax is depth, not the defence: it lets through what comes from another
// port or subdomain of the same site. Put [http.CrossOriginProtection] around the
// routes, and let GET and HEAD change nothing. It lets every GET through, also the
// handshake of a WebSocket that another origin opens in the user's name: put
// [RequireSameOrigin] around those.
//
// # Logins
//
// [Handle.Authenticate] always makes a new session with a new token, so a token that
// somebody planted before is worth nothing after (session fixation). When a
// password changes call [Handle.LogoutOthers]; when an account is linked or its
// address verified, [sessile.Store.DestroyAllForUser], because whoever registered it
// earlier may not be the owner. Logins that are under way with the old password at
// that time are stopped by [Login].Confirm. While a second factor is missing keep the user in a guest's
// session under a key of yours, and call Authenticate when both are there.
//
// The package knows cookies and headers; it refuses to know records, hashes, SQL
// and the actor.
package middleware
