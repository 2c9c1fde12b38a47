package postgres

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessile/sessile/persist"
)

// The times of the feed, in leases. The actor trusts memory until one lease after it sent the last beat that came back.
const (
	defaultLease  = time.Second
	beatsPerLease = 4
	leasesToLose  = 3 // a connection that delivers nothing for so long, not even our own beat, hangs
)

// beatSQL writes to the log. Its COMMIT therefore waits for the disk and the standby, as that of a security operation does, and
// a node that only reaches a former primary gets no beat back.
const beatSQL = `SELECT pg_notify($1, $2), pg_logical_emit_message(true, 'sessile', '')`

// beats sends beats. When a beat comes back, the feed was fresh at the instant before it was sent.
type beats struct {
	numbers *atomic.Uint64 // of the DB: a beat of an earlier connection of the feed is not taken for one of this

	mu   sync.Mutex
	sent map[uint64]persist.Instant // those that have not come back
}

// send sends one beat through the connections of the writes. It ignores a failure: that beat does not come back.
func (b *beats) send(ctx context.Context, d *DB, s persist.Sink) {
	within, cancel := context.WithTimeout(ctx, d.cfg.lease)
	defer cancel()
	number := binary.BigEndian.AppendUint64(nil, b.begin(s.Now()))
	_, err := d.writes.Exec(within, beatSQL, d.channel(), d.payload(beatKind, number))
	if ctx.Err() == nil {
		distrust(d.writes, err)
	}
}

// begin notes the instant at which a beat is sent.
func (b *beats) begin(at persist.Instant) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.numbers.Add(1)
	b.sent[n] = at
	delete(b.sent, n-beatsPerLease*leasesToLose)
	return n
}

// back tells s that a beat has come back, and at which instant the feed was therefore fresh.
func (b *beats) back(n *notification, s persist.Sink) {
	if len(n.fields) != 1 || len(n.fields[0]) != 8 {
		return
	}
	number := binary.BigEndian.Uint64(n.fields[0])
	b.mu.Lock()
	at, ok := b.sent[number]
	delete(b.sent, number)
	b.mu.Unlock()
	if ok {
		s.Fresh(at)
	}
}

// run sends a beat at once and then at every tick, until ctx ends.
func (b *beats) run(ctx context.Context, d *DB, s persist.Sink) {
	tick := time.NewTicker(d.cfg.lease / beatsPerLease)
	defer tick.Stop()
	for ctx.Err() == nil {
		b.send(ctx, d, s)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
