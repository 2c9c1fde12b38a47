// Package scs has the fields and methods of github.com/alexedwards/scs/v2 over Sessile's store and
// middleware. A program changes an import and a constructor:
//
//	sessionManager := scs.New(store, "userID") // the key of the logged-in user's ID
//	sessionManager.Cookie.Secure = true
//	http.ListenAndServe(addr, sessionManager.LoadAndSave(mux))
//
// # What is the same
//
// Put, Get and the other methods work as before. A value comes back with its type. A commit comes
// before the first byte of the response.
//
// # What is better
//
//   - A logout is final. A request that was in flight cannot bring the session back.
//   - Parallel requests keep each other's keys.
//   - A change of the user's ID begins a new session with a new token, so a login that forgets
//     RenewToken is safe too.
//   - Handlers can list and end the user's sessions, with [middleware.FromRequest].
//
// # What a program changes
//
//   - There are no fields Store, Codec and HashTokenInStore. The store keeps JSON, and only hashes of
//     tokens.
//   - gob.Register becomes [SessionManager.Register].
//   - Cookie.HttpOnly must stay true. An empty Cookie.Path means "/", and Cookie.SameSite 0 means Lax.
//   - [SessionManager.RenewToken] does not extend the session, and [SessionManager.SetDeadline]
//     extends one only at a login.
//   - [SessionManager.Token] is "" inside [SessionManager.Iterate].
//   - The cookie is sent when it changes, and once in each of the store's TouchInterval, not after
//     each change of the data.
//   - A session without data is not created.
//   - A value that is changed in place must be put again.
//   - Put in a request of another site without the cookie, and in a request whose session has ended
//     meanwhile, is dropped.
//
// docs/coming-from.md shows how users stay logged in during the move.
package scs
