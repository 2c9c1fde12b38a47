package postgres_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessile/sessile/persist"
)

// counter is a tracer that counts queries.
type counter struct{ n atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestColdReadsThatWaitShareAQuery(t *testing.T) {
	p := through(t, mustHost(t))
	cfg := fresh(t)
	pool, err := pgxpool.ParseConfig(withHost(t, p.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	queries := &counter{}
	pool.ConnConfig.Tracer = queries
	cfg.URL, cfg.Pool, cfg.FeedURL, cfg.ReadConns, cfg.ReadTimeout = "", pool, cfg.URL, 1, 20e9
	d := open(t, cfg)
	sessions := create(t, d, "ann", 100)
	if _, err := find(t, d, sessions[0]); err != nil {
		t.Fatal(err)
	}
	resume := p.Stall()
	defer resume()
	before := queries.n.Load()
	var started, all sync.WaitGroup
	for i, r := range sessions {
		started.Add(1)
		all.Go(func() {
			started.Done()
			var got persist.Record
			var err error
			if i%2 == 0 {
				got, err = find(t, d, r)
			} else {
				got, err = d.ByID(context.Background(), r.ID)
			}
			if err != nil || got.ID != r.ID {
				t.Errorf("session %d: %v", i, err)
			}
		})
	}
	all.Go(func() {
		if _, err := find(t, d, record("nobody")); !errors.Is(err, persist.ErrNotFound) {
			t.Errorf("a session that is not there: %v", err)
		}
	})
	started.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.ByID(ctx, sessions[0].ID); !errors.Is(err, context.Canceled) { // while the others wait
		t.Errorf("a caller who has left: %v", err)
	}
	resume()
	all.Wait()
	if n := queries.n.Load() - before; n > 50 {
		t.Errorf("%d queries for 101 reads", n)
	}
}

func TestRowThatCannotBeReadIsCorrupt(t *testing.T) {
	cfg := fresh(t)
	d := open(t, cfg)
	r := create(t, d, "ann", 3)
	shared.Exec(t, `DELETE FROM `+cfg.Schema+`.activity WHERE key = (SELECT min(key) FROM `+cfg.Schema+`.session)`,
		`ALTER TABLE `+cfg.Schema+`.session DROP CONSTRAINT session_id_check`,
		`UPDATE `+cfg.Schema+`.session SET id = 'short' WHERE key = (SELECT max(key) FROM `+cfg.Schema+`.session)`)
	for _, bad := range []*persist.Record{r[0], r[2]} {
		if _, err := find(t, d, bad); !errors.Is(err, persist.ErrCorrupt) {
			t.Errorf("ByHash: %v", err)
		}
	}
	if _, err := d.ByID(context.Background(), r[0].ID); !errors.Is(err, persist.ErrCorrupt) {
		t.Errorf("ByID: %v", err)
	}
	if l, err := d.ByUser(context.Background(), persist.UserKey{ID: "ann"}); err != nil || l.Unreadable != 2 || len(l.Records) != 1 {
		t.Errorf("ByUser: %d records, %d unreadable, %v", len(l.Records), l.Unreadable, err)
	}
	if p, err := d.Search(context.Background(), persist.Query{Limit: 10}); err != nil || p.Unreadable != 2 || len(p.Records) != 1 {
		t.Errorf("Search: %d records, %d unreadable, %v", len(p.Records), p.Unreadable, err)
	}
	if _, err := find(t, d, r[1]); err != nil {
		t.Errorf("the good one: %v", err)
	}
}
