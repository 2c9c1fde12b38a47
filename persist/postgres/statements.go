package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// direct reports whether no pooler in transaction mode is between the node and the server: a feed at the same address would not hear
// anything through one.
func (s *settings) direct() bool { return s.FeedURL == "" }

// execMode says how statements are run. A direct connection keeps them on the server.
func (s *settings) execMode() pgx.QueryExecMode {
	if s.direct() || s.PreparedStatements {
		return pgx.QueryExecModeCacheStatement
	}
	return pgx.QueryExecModeCacheDescribe
}

// plansSQL has a connection keep one plan of each statement, because planning takes longer than most of them. Every plan finds its
// rows by an index, however many rows there are.
const plansSQL = `SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off`

// planUses is how often a connection is used before its statements are planned again. A plan that was made for a table with a few rows
// may be slow when the table has many.
const planUses = 100

// keepPlans has the connections of a pool keep their plans for planUses.
func keepPlans(c *pgxpool.Config) {
	connected, use := c.AfterConnect, c.PrepareConn
	if before := c.BeforeAcquire; use == nil && before != nil { //nolint:staticcheck // a program's own pool may set it
		use = func(ctx context.Context, conn *pgx.Conn) (bool, error) { return before(ctx, conn), nil } //nolint:unparam // as the pool wants it
	}
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if connected != nil {
			if err := connected(ctx, conn); err != nil {
				return err
			}
		}
		return conn.PgConn().Exec(ctx, plansSQL).Close()
	}
	c.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		if use != nil {
			if ok, err := use(ctx, conn); !ok || err != nil {
				return ok, err
			}
		}
		return replan(ctx, conn), nil
	}
}

// replan notes a use of a connection, and drops its plans when they are old. It reports whether the connection works.
func replan(ctx context.Context, conn *pgx.Conn) bool {
	const key = "sessile: uses"
	data := conn.PgConn().CustomData()
	uses, _ := data[key].(int)
	uses++
	data[key] = uses
	return uses%planUses != 0 || conn.PgConn().Exec(ctx, "DISCARD PLANS").Close() == nil
}
