package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// behind is a configuration whose feed goes through a proxy, with short leases.
func behind(t *testing.T) (postgres.Config, *postgrestest.Proxy) {
	p := through(t, mustHost(t))
	cfg := fresh(t)
	cfg.FeedURL = withHost(t, p.Addr())
	return cfg.WithLease(200 * time.Millisecond), p
}

func TestFeedDoesNotTellANodeItsOwnChanges(t *testing.T) {
	_, nodes := two(t)
	heard, other := watch(t, nodes[0]), watch(t, nodes[1])
	heard.untilFresh(t)
	other.untilFresh(t)
	mine, theirs := create(t, nodes[0], "ann", 1)[0], create(t, nodes[1], "ann", 1)[0]
	apply(t, nodes[0], persist.Batch{Ops: []persist.Op{destroyOp(mine)}})
	apply(t, nodes[1], persist.Batch{Ops: []persist.Op{destroyOp(theirs)}})
	want := persist.Event{Kind: persist.EventSessionChanged, ID: theirs.ID}
	heard.until(t, "the other node's change", func() bool { return slices.Contains(heard.events, want) })
	heard.untilFresh(t)
	heard.mu.Lock()
	defer heard.mu.Unlock()
	if len(heard.events) != 1 {
		t.Fatalf("%v", heard.events)
	}
}

func TestFeedThatIsCutResetsAndIsFreshAgain(t *testing.T) {
	cfg, p := behind(t)
	d := open(t, cfg)
	heard := watch(t, d)
	heard.untilFresh(t)
	p.Cut()
	heard.until(t, "Reset", func() bool { return len(heard.resets) >= 3 }) // began, lost, began again
	heard.untilFresh(t)
}

// No byte comes, and the connection is not closed: after three leases without even a beat, it is given up.
func TestFeedThatIsFrozenResetsAndIsFreshAgain(t *testing.T) {
	cfg, p := behind(t)
	d := open(t, cfg)
	heard := watch(t, d)
	heard.untilFresh(t)
	p.Freeze()
	heard.until(t, "Reset", func() bool {
		return slices.ContainsFunc(heard.resets, func(why string) bool { return strings.Contains(why, "three leases") })
	})
	heard.untilFresh(t)
}

// Writes fail, the feed is quiet but alive: nothing says that it is fresh.
func TestFeedIsNotFreshWhileWritesHang(t *testing.T) {
	p := through(t, mustHost(t))
	cfg := fresh(t)
	cfg.FeedURL, cfg.URL = cfg.URL, withHost(t, p.Addr())
	d := open(t, cfg.WithLease(100*time.Millisecond))
	heard := watch(t, d)
	heard.untilFresh(t)
	resume := p.Stall()
	heard.until(t, "Reset", func() bool { return len(heard.resets) >= 2 }) // no beat comes back for three leases
	resume()
	heard.untilFresh(t)
}

// beatSpy tells when a beat is sent.
type beatSpy struct{ sent chan time.Time }

func (b *beatSpy) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "pg_logical_emit_message") {
		select {
		case b.sent <- time.Now():
		default:
		}
	}
	return ctx
}
func (*beatSpy) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// The age of the feed counts from when the beat was sent: what was committed before that has been delivered.
func TestFreshIsAsOldAsItsBeat(t *testing.T) {
	cfg, p := behind(t)
	pool, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	spy := &beatSpy{sent: make(chan time.Time)}
	pool.ConnConfig.Tracer = spy
	cfg.URL, cfg.Pool = "", pool
	heard := watch(t, open(t, cfg))
	heard.untilFresh(t)
	resume := p.Stall()
	sent := <-spy.sent // its echo waits in the proxy
	<-spy.sent
	least := time.Since(sent)
	resume()
	heard.until(t, "Fresh", func() bool { return slices.Max(heard.ages) >= least })
}

// 2,000 sessions do not fit into one notification of 8,000 bytes.
func TestFeedTellsMoreThanOneNotificationHolds(t *testing.T) {
	_, nodes := two(t)
	heard := watch(t, nodes[1])
	heard.untilFresh(t)
	sessions := create(t, nodes[0], "ann", 2000)
	var b persist.Batch
	for _, r := range sessions {
		b.Ops = append(b.Ops, destroyOp(r))
	}
	apply(t, nodes[0], b)
	heard.until(t, "every session", func() bool {
		told := make(map[persist.ID]bool)
		for _, e := range heard.events {
			told[e.ID] = true
		}
		return len(told) == len(sessions)
	})
}

func TestFeedResetsForAUserWhoseIDFitsIntoNoNotification(t *testing.T) {
	_, nodes := two(t)
	heard := watch(t, nodes[1])
	heard.untilFresh(t)
	apply(t, nodes[0], persist.Batch{Ops: []persist.Op{{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: strings.Repeat("u", 7000)}}}})
	heard.until(t, "Reset", func() bool { return len(heard.resets) == 2 })
}

// A node of a newer version says something that this one does not know.
func TestFeedResetsForWhatItCannotRead(t *testing.T) {
	cfg, nodes := two(t)
	heard := watch(t, nodes[0])
	heard.untilFresh(t)
	for i, payload := range []string{"", "Z node AAAA", "S node ???", "S node AAAA"} {
		shared.Exec(t, `SELECT pg_notify('sessile:`+cfg.Schema+`', '`+payload+`')`)
		heard.until(t, "Reset", func() bool { return len(heard.resets) == 2+i })
	}
}
