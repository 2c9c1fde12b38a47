// Package sessile is a session store for high-traffic web applications. Hot sessions are read from
// memory, without I/O. Every security decision (login, logout, token rotation) is on disk before it
// is acknowledged. Session data and last-active times are written behind, in batches.
//
// Open a [Store] on an SQLite file, share it, and Close it at the end. A Store is safe for
// concurrent use. What it returns belongs to the caller. Most applications use it through package
// middleware.
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
//   - Only one process can have the file open.
//   - Network file systems are not supported, because they guarantee neither locks nor fsync.
//   - A restored backup does not contain the logouts since it was made. See [Restore].
//   - Expiry follows the wall clock. Within one process the store's time never goes back. See
//     [Store.Now].
package sessile
