// Package middleware brings a [sessile.Store] to net/http: it finds the session
// of a request by its cookie, gives handlers a [Handle] to it, and commits what
// they changed before the first byte of the response. It is a plain
// func(http.Handler) http.Handler and works under any router that is one.
//
// A Handle is safe for concurrent use within its request. Parallel requests of
// one session do not lose each other's keys: changes are sent key by key.
//
// # CSRF
//
// SameSite=Lax is depth, not the defence. Put [http.CrossOriginProtection] around
// the routes that change something.
//
// The package knows cookies and headers; it refuses to know records, hashes, SQL
// and the actor.
package middleware
