// Package postgres stores sessions in PostgreSQL 15 or newer, for applications that run on several nodes.
// [Open] returns a [persist.Backend] for sessile.New. All nodes that use one schema of one database are one store.
//
// It owns the SQL, the schema, the connections and the feed that tells a node what other nodes change. It caches no session,
// and knows neither policy nor raw tokens. Its methods are safe for concurrent use, except Apply: the contract allows one call
// at a time.
//
// # A batch
//
// Apply commits a batch in two transactions.
//
//  1. The touches are one UPDATE, which locks its rows in the order of their keys and never inserts. A touch is idempotent
//     and only moves forward, so nothing depends on its being in the transaction of the operations.
//  2. Writes and operations are one transaction in two round trips. The first locks the users, then every session that the
//     batch can meet, in key order, and reads it. Go decides every outcome. The second writes the differences, notifies
//     the other nodes and commits.
//
// All transactions lock in the same order (all users, users, sessions, activity, the store's row), so they cannot deadlock.
// A deadlock, a serialization failure or a duplicate key is retried within the deadline of the batch.
//
// # The feed
//
// Watch listens on its own connection, which must reach the server directly. Every quarter of a lease it sends a beat through
// the connections of the writes. A beat is as durable as a write. When it comes back on the feed, the feed was fresh at the
// moment when it was sent.
package postgres
