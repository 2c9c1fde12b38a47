// Package sessile is a session store for web applications. Hot sessions are read from memory,
// without I/O. Every security decision (login, logout, token rotation) is on disk before it is
// acknowledged. Session data and last-active times are written behind, in batches.
//
// Open a [Store], share it, and Close it at the end. A Store is safe for concurrent use. What it
// returns belongs to the caller. Most applications use it through package middleware:
//
//	import _ "github.com/sessile/sessile/persist/sqlite" // links SQLite for Open
//
//	store, err := sessile.Open(ctx, sessile.Config{Path: "sessions.db"})
//	…
//	sessions, err := middleware.New(store, middleware.Options{})
//	…
//	err = http.ListenAndServe(addr, sessions.Handler(mux))
//	…
//	err = store.Close() // writes what is still only in memory
//
// # Packages
//
//	middleware                       sessions of net/http: cookies, logins, guards
//	middleware/middlewaretest        tests of an application's handlers
//	admin                            a dashboard and a JSON API
//	metrics                          what the store measures; metrics/prometheus and metrics/otel export it
//	persist/sqlite                   one file, for one process
//	persist/postgres                 one database, for several nodes
//	compat/scs, gorilla, gin         the API of another session library
//
// # What is on disk when
//
//	Create, RotateToken, Destroy*, *Durable    when the call returns nil (fsync)
//	Flush, Update, Touch, Renew                within Config.BatchInterval
//	Sync, Close                                everything acknowledged before the call
//
// A logged-out session cannot come back: not by a late save, a crash, a power cut, a cold read or
// an eviction. While the disk cannot store a logout, the store refuses the session in memory and
// retries the write.
//
// # Caveats
//
//   - Only one process can have a session file open. For several use persist/postgres.
//   - Network file systems are not supported, because they guarantee neither locks nor fsync.
//   - A restored backup does not contain the logouts since it was made. See [Restore].
//   - Expiry follows the wall clock. Within one process the store's time never goes back. See
//     [Store.Now].
package sessile
