// Package sessile is a session store for web applications with much traffic: hot
// sessions are answered from memory without I/O, every security decision is on
// disk before it is acknowledged, and the chatty part is written behind in
// batches.
//
// Open a [Store] on an SQLite file, share it, Close it. It is safe for concurrent
// use, and what it returns are values of the caller's own. Most applications use
// it through package middleware.
//
// # What is on disk when
//
//	Create, RotateToken, Destroy*, FlushDurable    when the call returns (fsync)
//	Flush, Update, Touch                           within Config.BatchInterval
//	Sync, Close                                    everything acknowledged before
//
// A logged-out session cannot come back: not by a late save, a crash, a power
// cut, a cold read or an eviction. While the disk refuses to store a logout, the
// session is refused in memory and the write is retried.
//
// # Caveats
//
// One process has the file open at a time. Network file systems are not
// supported: they promise neither locks nor fsync. A restored backup knows
// nothing of the logouts since it was made. Expiry follows the wall clock, which
// within one process never goes back.
package sessile
