package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
)

// Pauses before the feed connects again.
const (
	leastPause = 50 * time.Millisecond
	mostPause  = 2 * time.Second
)

// Watch reports the changes of other nodes to s until ctx ends, and reconnects by itself. It calls s.Reset when it begins to listen
// and when it loses the connection.
func (d *DB) Watch(ctx context.Context, s persist.Sink) error {
	for pause := leastPause; ctx.Err() == nil; pause = min(2*pause, mostPause) {
		if d.listen(ctx, s) {
			pause = leastPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// listen reports what the feed delivers to s until the connection fails or ctx ends. heard reports whether the feed has
// delivered anything.
func (d *DB) listen(ctx context.Context, s persist.Sink) (heard bool) {
	lost := func(err error) bool {
		if ctx.Err() == nil {
			s.Reset(fmt.Sprintf("the feed of changes is lost: %v", err))
		}
		return heard
	}
	c, err := d.openFeed(ctx)
	if err != nil {
		return lost(err)
	}
	defer closeFeed(ctx, c)
	s.Reset("listening to the other nodes")
	b := &beats{numbers: &d.beats, sent: make(map[uint64]persist.Instant)}
	beating, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { b.run(beating, d, s) })
	defer done.Wait()
	defer stop()
	for {
		payload, err := nextPayload(ctx, c, leasesToLose*d.cfg.lease)
		if err != nil {
			return lost(err)
		}
		heard = true
		d.hear(payload, b, s)
	}
}

// openFeed connects and listens.
func (d *DB) openFeed(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.feed.ConnectTimeout)
	defer cancel()
	c, err := d.cfg.connectFeed(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{d.channel()}.Sanitize()); err != nil {
		closeFeed(ctx, c)
		return nil, err
	}
	return c, nil
}

// closeFeed closes a connection that may hang.
func closeFeed(ctx context.Context, c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultLease)
	defer cancel()
	_ = c.Close(ctx)
}

var errSilent = errors.New("nothing was heard for three leases")

// nextPayload waits for a notification, at most for a time in which several beats must come.
func nextPayload(ctx context.Context, c *pgx.Conn, most time.Duration) (string, error) {
	wait, cancel := context.WithTimeoutCause(ctx, most, errSilent)
	defer cancel()
	n, err := c.WaitForNotification(wait)
	if err != nil {
		if ctx.Err() == nil && errors.Is(context.Cause(wait), errSilent) {
			return "", errSilent
		}
		return "", err
	}
	return n.Payload, nil
}

// hear passes a notification on to s. A notification that it cannot read may be about any session, so it is a Reset.
func (d *DB) hear(payload string, b *beats, s persist.Sink) {
	n, err := parseNotification(payload)
	if err == nil && d.own(&n) {
		if n.kind == beatKind {
			b.back(&n, s)
		}
		return
	}
	var events []persist.Event
	if err == nil {
		events, err = n.events()
	}
	switch {
	case err != nil:
		s.Reset(err.Error())
	case len(events) > 0:
		s.Invalidate(events)
	}
}

// checkFeed checks that a beat that is sent like a write comes back on a connection of the feed.
func (d *DB) checkFeed(ctx context.Context) error {
	c, err := d.openFeed(ctx)
	if err != nil {
		return fmt.Errorf("connecting the feed: %w", err)
	}
	defer closeFeed(ctx, c)
	ctx, cancel := context.WithTimeout(ctx, d.cfg.feed.ConnectTimeout)
	defer cancel()
	if _, err := d.writes.Exec(ctx, beatSQL, d.channel(), d.payload(beatKind)); err != nil {
		return fmt.Errorf("writing to the feed: %w", err)
	}
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("%w: the feed does not hear what is written: FeedURL must lead to the same database without a pooler in transaction mode: %w",
				ErrInvalidConfig, err)
		}
		if n.Payload == d.payload(beatKind) {
			return nil
		}
	}
}
