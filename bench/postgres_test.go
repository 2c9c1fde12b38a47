package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// pgSessions is how many sessions the database has. batchOf is the size of the batches of touches.
const (
	pgSessions = 20_000
	batchOf    = 512
)

// overPostgres measures Sessile over PostgreSQL in turns with bare pgx, with scs over pgxstore, and with Sessile over SQLite.
func overPostgres(t *testing.T, r *report) {
	server, err := postgrestest.Start("fsync=on", "shared_buffers=256MB", "max_connections=200")
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	url := server.URL()
	list := []*site{
		newSite(t, contestant{"sessile-postgres", newSessilePostgres(url), true, "Sessile over PostgreSQL, no limit of sessions per user"}, pgSessions, options{}),
		newSite(t, contestant{"scs-pgxstore", newSCSPostgres(url), false, "scs, gob codec, pgxpool with its defaults"}, pgSessions, options{}),
	}
	for _, w := range works() {
		if w.touch {
			continue
		}
		for _, clients := range []int{1, 64} {
			results := compare(list, w, clients, 9, 200*time.Millisecond)
			ratios(results)
			r.Results = append(r.Results, results...)
		}
	}
	r.Behind = touchesOverPostgres(t, url)
	r.Durable = append(createsOverPostgres(t, url), revocation(t, url))
	r.Lookups = hotReads(t, url)
}

// inTurns measures several ways in turns of random order, and returns the median of each.
func inTurns(rounds int, ways []func() float64) []float64 {
	all := make([][]float64, len(ways))
	for range rounds {
		for _, i := range rand.Perm(len(ways)) {
			all[i] = append(all[i], ways[i]())
		}
	}
	medians := make([]float64, len(ways))
	for i, l := range all {
		slices.Sort(l)
		medians[i] = l[len(l)/2]
	}
	return medians
}

// touchWay is a way to store a batch of touches.
type touchWay struct {
	name string
	send func(context.Context, []persist.Touch) error
}

// touchWays are ours, and two that programs write by hand. They touch rows of the schema touches.
func touchWays(db persist.Backend, conn *pgx.Conn) []touchWay {
	return []touchWay{
		{"touches, persist/postgres", func(ctx context.Context, l []persist.Touch) error {
			_, err := db.Apply(ctx, &persist.Batch{Touches: l})
			return err
		}},
		{"touches, bare pgx.Batch", func(ctx context.Context, l []persist.Touch) error {
			var q pgx.Batch
			for _, x := range l {
				q.Queue(`UPDATE touches.activity SET last_active = $2, expires_at = $3 WHERE key = $1`, x.Ref.Key, x.LastActive, x.ExpiresAt)
			}
			return conn.SendBatch(ctx, &q).Close()
		}},
		{"touches, bare unnest", func(ctx context.Context, l []persist.Touch) error {
			var keys, last, ends []int64
			for _, x := range l {
				keys, last, ends = append(keys, x.Ref.Key), append(last, x.LastActive), append(ends, x.ExpiresAt)
			}
			_, err := conn.Exec(ctx, `UPDATE touches.activity a SET last_active = t.l, expires_at = t.e
				FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS t (k, l, e) WHERE a.key = t.k`, keys, last, ends)
			return err
		}},
	}
}

// touchesOverPostgres measures batches of touches of random sessions.
func touchesOverPostgres(t *testing.T, url string) (list []writeRate) {
	t.Helper()
	db := openPostgres(t, url, "touches")
	refs := insertSessions(t, db)
	now := time.Now().UnixMicro()
	batch := func() (l []persist.Touch) {
		now++
		for _, k := range rand.Perm(len(refs))[:batchOf] {
			l = append(l, persist.Touch{Ref: refs[k], LastActive: now, ExpiresAt: now + month})
		}
		return l
	}
	all := touchWays(db, connectPG(t, url))
	var ways []func() float64
	for _, w := range all {
		ways = append(ways, func() float64 {
			var took time.Duration
			n := 0
			for ; took < 300*time.Millisecond; n += batchOf {
				l, began := batch(), time.Now()
				if err := w.send(t.Context(), l); err != nil {
					t.Fatal(err)
				}
				took += time.Since(began)
			}
			return float64(n) / took.Seconds()
		})
	}
	for i, perSecond := range inTurns(15, ways) {
		fmt.Printf("postgres/batch=%d %s: %.0f/s\n", batchOf, all[i].name, perSecond)
		list = append(list, writeRate{What: all[i].name, Sessions: pgSessions, PerSecond: perSecond})
	}
	return list
}

// insertSessions stores sessions, and returns their references.
func insertSessions(t *testing.T, db persist.Backend) (refs []persist.Ref) {
	t.Helper()
	for len(refs) < pgSessions {
		var b persist.Batch
		for i := range 1000 {
			row := freshRow(len(refs)+i, sessile.Meta{})
			b.Ops = append(b.Ops, persist.Op{Kind: persist.OpCreate, Record: &persist.Record{
				Identity: &persist.Identity{ID: row.id, UserID: row.user, CreatedAt: row.created, Deadline: persist.NoDeadline, TTL: month},
				Hash:     row.hash, Version: 1, Data: row.data, LastActive: row.created, ExpiresAt: row.created + month,
			}})
		}
		res, err := db.Apply(t.Context(), &b)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range res.Ops {
			refs = append(refs, persist.Ref{ID: b.Ops[i].Record.ID, Key: o.Key})
		}
	}
	return refs
}

func connectPG(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	c, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

const insertSQL = `WITH s AS (INSERT INTO creates.session (key, id, token_hash, rotated_until, rotated_at, auth_at, defaults, user_id, ip_address,
	user_agent, device_name, device_type, fingerprint, created_at, ttl, version, data)
	VALUES (nextval('creates.session_key'), $1, $2, 0, 0, 0, 0, $3, '', '', '', '', '', $4, $5, 1, $6) RETURNING key)
	INSERT INTO creates.activity (key, last_active, expires_at, deadline) SELECT key, $4, $4 + $5, $4 + 3 * $5 FROM s`

// bareGroupPG is minimal group commit with pgx: one goroutine sends all waiting rows as one batch, which is one transaction.
func bareGroupPG(t *testing.T, url string) func(int) error {
	t.Helper()
	c := connectPG(t, url)
	in := make(chan chan error, 1024)
	t.Cleanup(func() { close(in) })
	go func() {
		for first := range in {
			group := []chan error{first}
			for len(in) > 0 {
				group = append(group, <-in)
			}
			var q pgx.Batch
			for i := range group {
				r := freshRow(i, sessile.Meta{})
				q.Queue(insertSQL, r.id[:], r.hash[:], r.user, r.created, int64(month), r.data)
			}
			err := c.SendBatch(context.Background(), &q).Close()
			for _, b := range group {
				b <- err
			}
		}
	}()
	return func(int) error {
		done := make(chan error, 1)
		in <- done
		return <-done
	}
}

// createsOverPostgres measures 64 callers who create sessions, in turns with bare group commit.
func createsOverPostgres(t *testing.T, url string) (list []durable) {
	t.Helper()
	store := nodeOn(t, url, "creates", options{sessions: 100_000})
	data := map[string]string{"profile": profile}
	calls := []func(int) error{
		func(i int) error {
			_, _, err := store.Create(context.Background(), sessile.Meta{}, fmt.Sprint("user", i), data)
			return err
		},
		bareGroupPG(t, url),
	}
	names := []string{"sessile-postgres", "bare group commit, pgx"}
	rounds := make([][]durable, len(calls))
	for range 5 {
		for _, i := range rand.Perm(len(calls)) {
			rounds[i] = append(rounds[i], callers(t, "create over PostgreSQL", names[i], 64, calls[i]))
		}
	}
	for _, l := range rounds {
		slices.SortFunc(l, func(a, b durable) int { return int(a.PerSecond - b.PerSecond) })
		list = append(list, l[len(l)/2])
	}
	return list
}

// revocation measures how long after its acknowledgement a destroy is seen by another node that had the session in memory.
func revocation(t *testing.T, url string) durable {
	t.Helper()
	const trials = 1000
	ctx := context.Background()
	a, b := nodeOn(t, url, "two_nodes", options{}), nodeOn(t, url, "two_nodes", options{})
	var times []time.Duration
	for len(times) < trials {
		s, token, err := a.Create(ctx, sessile.Meta{}, "ann", nil)
		if err != nil {
			t.Fatal(err)
		}
		for hits := b.Stats().Hits; b.Stats().Hits == hits; {
			if _, err := b.ReadByToken(ctx, token); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Destroy(ctx, s.ID()); err != nil {
			t.Fatal(err)
		}
		acknowledged := time.Now()
		for err == nil {
			_, err = b.ReadByToken(ctx, token)
		}
		if !errors.Is(err, sessile.ErrNotFound) {
			t.Fatal(err)
		}
		times = append(times, time.Since(acknowledged))
	}
	slices.Sort(times)
	us := func(q float64) float64 { return float64(times[int(q*(trials-1))].Nanoseconds()) / 1000 }
	fmt.Printf("postgres: refused by the other node after the acknowledgement: median %.0f us, p99 %.0f us, longest %.0f us\n", us(0.5), us(0.99), us(1))
	return durable{Operation: "refusal elsewhere after the acknowledgement", Contestant: "sessile-postgres", Callers: 1, MedianUS: us(0.5), P99US: us(0.99)}
}

// hotReads measures reads from memory: of a store that nodes share, and of one over SQLite.
func hotReads(t *testing.T, url string) (list []lookup) {
	t.Helper()
	names := []string{"hot read over PostgreSQL", "hot read over SQLite"}
	stores := []*sessile.Store{nodeOn(t, url, "hot", options{}), openStore(t, filepath.Join(t.TempDir(), "s.db"), 0, nil)}
	var ways []func() float64
	for _, s := range stores {
		_, tokens := fill(t, s, pgSessions, short)
		ways = append(ways, func() float64 {
			n, began := 0, time.Now()
			for ; time.Since(began) < 100*time.Millisecond; n += 100 {
				for i := range 100 {
					if _, err := s.ReadByToken(context.Background(), tokens[(n+i)%len(tokens)]); err != nil {
						t.Fatal(err)
					}
				}
			}
			return float64(time.Since(began).Nanoseconds()) / float64(n)
		})
	}
	for i, ns := range inTurns(25, ways) {
		fmt.Printf("%s: %.0f ns\n", names[i], ns)
		list = append(list, lookup{What: names[i], Sessions: pgSessions, Clients: 1, NS: ns})
	}
	return list
}
