package postgres_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres"
)

// trips counts the batches of statements that are sent.
type trips struct{ n atomic.Int64 }

func (*trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (*trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (x *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	x.n.Add(1)
	return ctx
}
func (*trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func TestBatchTakesFewRoundTrips(t *testing.T) {
	cfg := fresh(t)
	pool, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	x := new(trips)
	pool.ConnConfig.Tracer = x
	cfg.URL, cfg.Pool = "", pool
	d := open(t, cfg)
	r := create(t, d, "ann", 1)[0]
	for _, c := range []struct {
		what string
		b    persist.Batch
		want int64
	}{
		{"a write", persist.Batch{Writes: []persist.Write{writeOf(r)}}, 1},
		{"a touch", persist.Batch{Touches: []persist.Touch{touchOf(r, now+1)}}, 1},
		{"a destroy", persist.Batch{Ops: []persist.Op{destroyOp(r)}}, 2},
	} {
		x.n.Store(0)
		apply(t, d, c.b)
		if n := x.n.Load(); n != c.want {
			t.Errorf("%s takes %d round trips, want %d", c.what, n, c.want)
		}
	}
}

// unlocked returns the keys of the rows of activity that no transaction holds.
func unlocked(t *testing.T, c *pgx.Conn, schema string) (free map[int64]bool) {
	t.Helper()
	rows, _ := c.Query(t.Context(), `SELECT key FROM `+schema+`.activity FOR UPDATE SKIP LOCKED`)
	free = make(map[int64]bool)
	var key int64
	if _, err := pgx.ForEachRow(rows, []any{&key}, func() error { free[key] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	return free
}

func connection(t *testing.T) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// Nodes that lock in one order do not deadlock.
func TestTouchesLockInTheOrderOfTheirKeys(t *testing.T) {
	cfg := fresh(t)
	d := open(t, cfg)
	l := create(t, d, "ann", 3)
	holder, other := connection(t), connection(t)
	if _, err := holder.Exec(t.Context(), `BEGIN; UPDATE `+cfg.Schema+`.activity SET expires_at = expires_at WHERE key = $1`, pgx.QueryExecModeSimpleProtocol, l[1].Key); err != nil {
		t.Fatal(err)
	}
	done := make(chan persist.Result)
	go func() {
		done <- apply(t, d, persist.Batch{Touches: []persist.Touch{touchOf(l[2], now+1), touchOf(l[1], now+1), touchOf(l[0], now+1)}})
	}()
	for unlocked(t, other, cfg.Schema)[l[0].Key] { // until the touches wait for the second row
	}
	if !unlocked(t, other, cfg.Schema)[l[2].Key] {
		t.Error("the last row is locked before the one that another transaction holds")
	}
	if _, err := holder.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	for i, o := range (<-done).Touches {
		if o.Status != persist.StatusApplied {
			t.Errorf("touch %d: status %d", i, o.Status)
		}
	}
}

// The order of the keys is that of the locks only in a nested loop.
func TestTouchesFindTheirRowsOneByOne(t *testing.T) {
	cfg := fresh(t)
	d := open(t, cfg)
	create(t, d, "ann", 2)
	for _, rows := range []string{"5", "20000"} {
		shared.Exec(t, `INSERT INTO `+cfg.Schema+`.activity SELECT 1000 + i, 1, 2, 3 FROM generate_series(1, `+rows+`) AS i ON CONFLICT DO NOTHING`,
			`ANALYZE `+cfg.Schema+`.activity`)
		plan := explain(t, postgres.TouchPlanSQL, postgres.TouchSQL(d))
		if !strings.Contains(plan, "Nested Loop") || strings.Contains(plan, "Sort") || strings.Contains(plan, "Seq Scan") {
			t.Errorf("with %s rows:\n%s", rows, plan)
		}
	}
}

// explain is the plan of a statement over 512 keys, after another statement of its transaction.
func explain(t *testing.T, before, statement string) string {
	t.Helper()
	c := connection(t)
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	keys := make([]int64, 512)
	rows, _ := tx.Query(t.Context(), "EXPLAIN "+statement, keys, keys, keys)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// A plan of a small table does not stay for a large one.
func TestPlansAreMadeAnew(t *testing.T) {
	c := connection(t)
	exec := func(text string) {
		if _, err := c.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{
		`SET plan_cache_mode = force_generic_plan`, `CREATE TEMP TABLE small (key bigint PRIMARY KEY)`,
		`INSERT INTO small SELECT generate_series(1, 20)`, `ANALYZE small`,
		`PREPARE p AS SELECT FROM small WHERE key = ANY ($1::bigint[])`, `EXECUTE p ('{1}')`,
		`INSERT INTO small SELECT generate_series(21, 20000)`,
	} {
		exec(text)
	}
	indexed := func() bool {
		rows, _ := c.Query(t.Context(), `EXPLAIN EXECUTE p ('{1}')`)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(strings.Join(lines, ""), "Index Cond")
	}
	for range postgres.PlanUses - 1 {
		postgres.Replan(t.Context(), c)
	}
	if indexed() {
		t.Fatal("the test shows nothing: the plan of the small table uses the index")
	}
	if !postgres.Replan(t.Context(), c) || !indexed() {
		t.Error("the plan of the small table stays")
	}
}
