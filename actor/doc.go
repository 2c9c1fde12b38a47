// Package actor owns the hot sessions. One goroutine, the loop, is the only one
// that changes anything; a second one, the writer, is the only one that commits.
// Readers look sessions up in the index that the loop publishes and never wait
// for it. Start starts both, Close joins them. An Actor is safe for concurrent use.
// This package refuses to know SQL, HTTP and raw tokens. It carries no compatibility promise.
//
// # States
//
//	session:    cold ─load→ clean ─change→ dirty ─batch leaves→ in flight ─acked→ clean ─evict→ cold
//	                                          ▲────── failed: requeue ──────┘
//	            any ─destroy→ fenced ─deletion on disk→ tombstone ─older loads over→ forgotten
//
//	operation:  accepted → ready → in flight → answered
//	                         ▲────── batch failed ──┤
//	                         └─ delayed ◀─ item failed
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
//	  │              │ ◀─────────────────────────── committed│ ◀───── outcomes│
//	  │              │ settle: acked, requeue, delay         │                │
//	  │              │ publish: the index, then the answers  │                │
//	  │ ◀─── answer  │                                       │                │
//
// # Words
//
//	acked           on disk, as the disk has told
//	admission       who finds room, who waits for it and who is refused
//	batch           what one commit takes
//	call            what all commands have: the way back to the caller
//	command         one call of the API on its way through the loop
//	core            what the loop knows, and the step that decides
//	covers          the oldest change that is on disk when an operation is
//	dirty           with changes that are not on disk
//	epoch           a number; as long as it stays the same, rows are as current as memory
//	effects         what a step decided, for the shell to carry out
//	fenced          refused in memory, and not yet deleted on disk
//	found           a row that an optimistic read has brought
//	install         put a row into memory
//	lease           how long memory is trusted where others write too
//	load            one cold read for everybody who asks for the same
//	operation       what must be on disk before it is answered
//	optimistic read a cold read that does not ask the loop, and is checked by the epoch
//	publish         show readers what a step decided
//	settle          take the outcome of what was in flight
//	tombstone       what is over and must not come back from a row that was read before
//
// # Invariants
//
//  1. A step changes only what the loop owns. Readers see nothing of it before publish,
//     and then in the order that publish documents. The core's files import no lock, no
//     context, no clock; internal/arch holds it.
//  2. Every accepted command is answered exactly once, and after publish: who has an
//     answer finds what it says.
//  3. A session with changes that are not on disk is pinned. What is written is always its
//     current view, so that a failed batch cannot bring back something older.
//  4. A row that comes from the disk is held against every tombstone that was open or
//     committed since its load began. What is over does not come back.
//  5. Operations leave, settle and are retried in the order in which they were accepted.
//     One batch is in flight at a time.
//
// # Read in this order
//
// command.go, core.go, then one command from its public method to its end: update.go, or
// create.go for one that waits for the disk. publish.go for what readers see and when.
// dirty.go and batch.go for what is written; opqueue.go for operations; load.go,
// tombstone.go and decide.go for cold reads and the races that they lose; reader.go for
// the reads that do not ask the loop. rotate.go and rotate_retry.go last.
package actor
