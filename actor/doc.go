// Package actor owns the hot sessions. One goroutine, the loop, is the only one
// that changes anything; a second one, the writer, is the only one that commits.
// Readers look sessions up in the index that the loop publishes: Peek never waits for
// the loop, and a miss may ask it. Start starts these goroutines and those of Actor's comment;
// Close joins them. An Actor is safe for concurrent use.
// This package refuses to know SQL, HTTP and raw tokens. It carries no compatibility promise.
//
// # States
//
//	session:    cold ─load→ clean ─change→ dirty ─batch leaves→ in flight ─acked→ clean ─evict→ cold
//	                                          ▲────── failed: requeue ──────┘
//	            any ─destroy→ tombstone open ─deletion on disk→ committed ─older loads over→ forgotten
//	            hot ─rotation of unknown outcome, no grace→ locked out ─rotation with From zero→ hot
//
//	operation:  accepted → ready → in flight → done: answered
//	                         ▲         ├─ batch failed: callers so far get the error; if it must be
//	                         ├─────────┘  done, or may have been, it is ready for the next batch,
//	                         │            which leaves when the pause of all is over (retry.at)
//	                         └─ delayed ◀─ item failed: the same, but the pause is its own, and others
//	                                       may overtake it
//
// A seenOp is answered when it is accepted. Later callers may wait for the retry of a destroy.
//
// # A command whose session is cold
//
//	caller                       loop                         disk
//	  │ updateCommand ──────────▶ │ not in memory: a load       │
//	  │ ◀───────────── load       │                             │
//	  │ ByID ─────────────────────┼───────────────────────────▶ │
//	  │ ◀─────────────────────────┼──────────────────── record  │
//	  │ loaded ─────────────────▶ │ decide: install it          │
//	  │                           │ run the command: dirty      │
//	  │ ◀───────────── answer     │                             │
//
// Whoever asks for the same session meanwhile waits for the same load. A caller that
// gives up is followed by the next.
//
// # A batch
//
//	caller           loop                                   writer            disk
//	  │ Create ────▶ │ operation: ready                      │                │
//	  │              │ fill: operations, durable changes,    │                │
//	  │              │       the oldest dirty sessions       │                │
//	  │              │ batch ──────────────────────────────▶ │ Apply ───────▶ │
//	  │              │ (the next batch collects)             │                │
//	  │              │ ◀─────────────────────────── batchDone│ ◀───── outcomes│
//	  │              │ settle: acked, requeue, delay         │                │
//	  │              │ publish: the index, then the answers  │                │
//	  │ ◀─── answer  │                                       │                │
//
// # Words
//
//	admission       who finds room, who waits for it and who is refused
//	alias           the token before, by which the index finds a session too, in its grace
//	bulk            sessions of commands over many, of which a commit takes only so many
//	chore           work in memory over many sessions, done in steps
//	cold, hot       not in memory, in memory
//	core, shell     what the loop knows, and the step that decides; what carries out its effects
//	dirty           with changes that are not on disk
//	epoch           a number; as long as it stays the same, rows are as current as memory; 0 = never trust
//	grace           time in which the token before still opens the session; endless until its successor is presented
//	lease           how long memory is trusted; without end where nobody else writes, 0 while that store rests
//	load            one cold read for everybody who asks for the same
//	late create     a create of unknown outcome, which the database may commit later
//	locked out      what a session is that no token opens: whether its rotation was done was unknown
//	lost successor  a token that nobody has presented for a minute; a rotation from the one before replaces it
//	operation       what leaves as a persist.Op
//	optimistic read a cold read that does not ask the loop, and is checked by the epoch
//	piece           what one commit deletes of a log-out
//	publish         show readers what a step decided
//	settle          take the outcome that a commit has for an item
//	step            one message, and what it makes due; it decides, and does no I/O
//	tick            the monotonic clock, by which things become due; now is the wall clock
//	tombstone       what is over and must not come back from a row that was read before
//	yield           leave memory for a row that others may have written; nothing ends by it, and touches are written all the same
//
// # Invariants
//
//  1. A step changes only what the loop owns. Readers see nothing of it before publish,
//     and then in the order that publish documents. The files that internal/arch lists as
//     this package's core (rules_test.go) import neither context nor sync, and of time use
//     durations alone: rules core-import and clock.
//  2. Every accepted command is answered at most once, as the last line of publish: who has
//     an answer finds what it says. A caller that is gone gets none.
//  3. A session with changes that are not on disk is pinned. What is written is always its
//     current view, so that a failed batch cannot bring back something older. After a
//     rotation of unknown outcome without a grace no token opens its session: memory locks
//     it out, and a row that comes from the disk is redirected to the token that nobody has. The
//     retry does not change that: only a rotation with From zero, or a restart.
//  4. A row that comes from the disk is held against every tombstone that was open or
//     committed since its load began. A session's tombstone refuses the row even if it was
//     committed before the load began. A row of an optimistic read is used only if the epoch
//     stayed the same. What is over does not come back.
//  5. Operations that are ready leave, settle and are retried in the order in which they
//     were accepted. Two kinds may be overtaken: bulk, of commands over many sessions, that
//     a batch has no room for, and what the disk refused by itself and is delayed. Rotations,
//     which build on each other, have precedes and overtake for that. One batch is in flight
//     at a time.
//  6. Where others write too, memory is served only before a tick, the end of the lease; a
//     row that differs from it wins, unless a tombstone says that the row is older; and a
//     change of data is answered when it is on disk.
//
// # Read in this order
//
//  1. core.go: configuration, what the loop knows, and what a step decides.
//  2. step.go: a command, its call, and one step. loop.go: how a call reaches the loop, and
//     the loop itself. actor.go: start and end.
//  3. update.go, a command that is answered from memory. dirty.go and queue.go: what of it
//     is to be written. create.go, a command that waits for the disk. batch.go: how
//     it leaves and settles; retry.go: if that fails. abandon.go: if its caller gives up. sync.go and syncs.go: who
//     waits for all of it.
//  4. publish.go, with package cache: what readers and the observer see, and when.
//  5. read.go, reader.go and load.go: cold reads. tombstone.go, tombstone_user.go, end.go and
//     destroy.go: the races that a destroy wins. view.go: how a record counts.
//  6. admission.go: who waits for room, and what goes with a commit. overload.go: who is
//     refused. peers.go, news.go and create_late.go: what changes where others write too.
//  7. rotate.go, rotate_retry.go and seen.go last; destroy_user.go, which is a log-out in
//     pieces; ending.go and destroy_all.go, which is one of everybody; and search.go.
package actor
