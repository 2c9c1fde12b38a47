package bench

import (
	"testing"
	"time"

	"github.com/alexedwards/scs/pgxstore"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/postgres"
)

// pgxSchema is that of the README of pgxstore.
const pgxSchema = `
CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL);
CREATE INDEX sessions_expiry_idx ON sessions (expiry);`

// newPool connects to a PostgreSQL server.
func newPool(tb testing.TB, url string) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// newSCSPostgres is scs with its store over pgx.
func newSCSPostgres(url string) func(testing.TB, options) client {
	return func(tb testing.TB, o options) client {
		tb.Helper()
		pool := newPool(tb, url)
		if _, err := pool.Exec(tb.Context(), pgxSchema); err != nil {
			tb.Fatal(err)
		}
		return newSCS(pgxstore.NewWithCleanupInterval(pool, 0), o)
	}
}

// openPostgres is a handle of a store in a schema of its own.
func openPostgres(tb testing.TB, url, schema string) *postgres.DB {
	tb.Helper()
	db, err := postgres.Open(tb.Context(), postgres.Config{URL: url, Schema: schema})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// nodeOn opens a store over PostgreSQL that can hold that many sessions in memory.
func nodeOn(tb testing.TB, url, schema string, o options) *sessile.Store {
	tb.Helper()
	cfg := sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup}
	sizeCache(&cfg, o.sessions)
	if o.touch {
		cfg.TouchInterval = time.Nanosecond
	}
	s, err := sessile.New(openPostgres(tb, url, schema), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// newSessilePostgres is Sessile over PostgreSQL.
func newSessilePostgres(url string) func(testing.TB, options) client {
	return func(tb testing.TB, o options) client {
		tb.Helper()
		schema := "client"
		if o.touch {
			schema = "touching_client"
		}
		return onStore(tb, nodeOn(tb, url, schema, o))
	}
}
