package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres"
)

// two returns two nodes of one store.
func two(t testing.TB) (cfg postgres.Config, nodes [2]*postgres.DB) {
	cfg = fresh(t)
	return cfg, [2]*postgres.DB{open(t, cfg), open(t, cfg)}
}

// ask reads one number from the shared server.
func ask(t testing.TB, query string, args ...any) (n int) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Two nodes touch, write, rotate and destroy the same sessions in random orders. No batch fails, and the server sees no deadlock.
func TestBatchesOfTwoNodesDoNotDeadlock(t *testing.T) {
	const deadlocks = `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`
	before := ask(t, deadlocks)
	_, nodes := two(t)
	sessions := slices.Concat(create(t, nodes[0], "ann", 50), create(t, nodes[0], "bob", 50), create(t, nodes[0], "", 50))
	var all sync.WaitGroup
	for i, d := range nodes {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			for range 40 {
				b := persist.Batch{Now: now}
				for n, at := range random.Perm(len(sessions))[:80] {
					switch r := sessions[at]; n % 4 {
					case 0, 1:
						b.Touches = append(b.Touches, touchOf(r, now+int64(random.IntN(1000))))
					case 2:
						b.Writes = append(b.Writes, writeOf(r))
					default:
						b.Ops = append(b.Ops, persist.Op{Kind: persist.OpRotate, Ref: r.Ref(), From: r.Hash, To: record("").Hash})
					}
				}
				b.Ops = append(b.Ops, createOp(record([]string{"ann", "bob"}[random.IntN(2)]), 40), createOp(record(""), 45))
				if _, err := d.Apply(context.Background(), &b); err != nil {
					t.Errorf("node %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	if n := ask(t, deadlocks) - before; n > 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// Logins of one user, and guests, on two nodes at once never leave more sessions than the limit allows, also where the role's
// transactions would keep one snapshot.
func TestLimitsAreExactAcrossNodes(t *testing.T) {
	for _, isolation := range []string{"read committed", "repeatable read"} {
		t.Run(isolation, func(t *testing.T) {
			cfg := fresh(t)
			cfg.URL += "&default_transaction_isolation=" + url.PathEscape(isolation)
			crowd(t, cfg, open(t, cfg), open(t, cfg))
		})
	}
}

func crowd(t *testing.T, cfg postgres.Config, nodes ...*postgres.DB) {
	var all sync.WaitGroup
	for _, d := range nodes {
		all.Go(func() {
			for range 40 {
				res := apply(t, d, persist.Batch{Ops: []persist.Op{createOp(record("ann"), 5), createOp(record(""), 20)}})
				for _, o := range res.Ops {
					if o.Status != persist.StatusApplied {
						t.Errorf("status %d (%v)", o.Status, o.Err)
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	count := func(user string) int {
		return ask(t, `SELECT count(*) FROM `+cfg.Schema+`.session WHERE user_id = $1`, user)
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if ann, guests := count("ann"), count(""); ann > 5 || guests > 20 {
			t.Fatalf("%d sessions and %d guests, the limits are 5 and 20", ann, guests)
		}
	}
	if ann, guests := count("ann"), count(""); ann != 5 || guests != 20 {
		t.Errorf("%d sessions and %d guests are left", ann, guests)
	}
}

// More users than the server's table of locks has room for.
func TestBatchOfManyUsersKeepsTheLimits(t *testing.T) {
	cfg := fresh(t)
	var all sync.WaitGroup
	for _, d := range []*postgres.DB{open(t, cfg), open(t, cfg)} {
		all.Go(func() {
			var b persist.Batch
			for n := range 6000 {
				b.Ops = append(b.Ops, createOp(record(fmt.Sprint("user ", n)), 1))
			}
			apply(t, d, b)
		})
	}
	all.Wait()
	if n := ask(t, `SELECT count(*) FROM `+cfg.Schema+`.session`); n != 6000 {
		t.Fatalf("%d sessions of 6,000 users, the limit is 1", n)
	}
}

// A login is repeated on another node, because its outcome was unknown.
func TestSameCreateOnTwoNodesIsAppliedOnce(t *testing.T) {
	_, nodes := two(t)
	for range 20 {
		r := record("ann")
		outcomes := onBoth(t, nodes, func() persist.Op { return createOp(r, 0) })
		if a, b := outcomes[0], outcomes[1]; a.Status != persist.StatusApplied || b.Status != persist.StatusApplied || a.Key != b.Key {
			t.Fatalf("%+v, %+v", a, b)
		}
	}
}

func TestRotationsOnTwoNodesHaveOneWinner(t *testing.T) {
	_, nodes := two(t)
	for range 20 {
		r := create(t, nodes[0], "ann", 1)[0]
		outcomes := onBoth(t, nodes, func() persist.Op {
			return persist.Op{Kind: persist.OpRotate, Ref: r.Ref(), From: r.Hash, To: record("").Hash}
		})
		if outcomes[0].Status+outcomes[1].Status != persist.StatusApplied+persist.StatusConflict {
			t.Fatalf("%+v", outcomes)
		}
	}
}

// onBoth applies an operation on each node at once.
func onBoth(t *testing.T, nodes [2]*postgres.DB, op func() persist.Op) (outcomes [2]persist.Outcome) {
	var all sync.WaitGroup
	for i, d := range nodes {
		all.Go(func() { outcomes[i] = apply(t, d, persist.Batch{Ops: []persist.Op{op()}}).Ops[0] })
	}
	all.Wait()
	return outcomes
}

func TestGuestsOfAnotherNodeAreEvictedInTheirOrder(t *testing.T) {
	_, nodes := two(t)
	guests := create(t, nodes[0], "", 3)
	apply(t, nodes[1], persist.Batch{Touches: []persist.Touch{touchOf(guests[0], now+1)}})
	res := apply(t, nodes[1], persist.Batch{Ops: []persist.Op{createOp(record(""), 3)}})
	if r := res.Ops[0].Removed; len(r) != 1 || r[0].ID != guests[1].ID {
		t.Fatalf("removed %v", r)
	}
	create(t, nodes[0], "", 2) // without a limit: now there are five
	res = apply(t, nodes[1], persist.Batch{Ops: []persist.Op{createOp(record(""), 3)}})
	if r := res.Ops[0].Removed; len(r) != 3 || r[0].ID != guests[2].ID {
		t.Fatalf("removed %v", r)
	}
}

// What the server refuses for one item fails that item alone: here by a constraint, as of an operator.
func TestItemThatTheServerRefusesFailsAlone(t *testing.T) {
	cfg := fresh(t)
	d := open(t, cfg)
	r := create(t, d, "ann", 2)
	shared.Exec(t, `ALTER TABLE `+cfg.Schema+`.session ADD CHECK (user_agent <> 'poison')`, `ALTER TABLE `+cfg.Schema+`.session ADD CHECK (data <> 'poison')`)
	bad, good := record("bob"), record("bob")
	bad.UserAgent = "poison"
	w := writeOf(r[0])
	w.Data = func() []byte { return []byte("poison") }
	res := apply(t, d, persist.Batch{
		Writes:  []persist.Write{w, writeOf(r[1])},
		Touches: []persist.Touch{touchOf(r[0], now+5), {Ref: record("").Ref(), Retime: &persist.Retime{}}},
		Ops:     []persist.Op{createOp(bad, 0), createOp(good, 0)},
	})
	for i, o := range []persist.Outcome{res.Writes[0], res.Ops[0]} {
		if o.Status != persist.StatusFailed || o.Err == nil {
			t.Errorf("bad item %d: status %d (%v)", i, o.Status, o.Err)
		}
	}
	for i, o := range []persist.Outcome{res.Writes[1], res.Ops[1], res.Touches[0]} {
		if o.Status != persist.StatusApplied {
			t.Errorf("good item %d: status %d (%v)", i, o.Status, o.Err)
		}
	}
	if res.Touches[1].Status != persist.StatusGone {
		t.Errorf("the touch of no session: status %d", res.Touches[1].Status)
	}
	if _, err := find(t, d, good); err != nil {
		t.Error(err)
	}
}

// Another transaction holds the row: Apply ends in time, nothing is done, and the next batch works.
func TestApplyGivesUpOnALockInTime(t *testing.T) {
	cfg := fresh(t)
	cfg.ApplyTimeout = 2 * time.Second
	d := open(t, cfg)
	r := create(t, d, "ann", 1)[0]
	c, err := pgx.Connect(context.Background(), cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	tx, err := c.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(context.Background(), `SELECT FROM `+cfg.Schema+`.session FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Apply(context.Background(), &persist.Batch{Now: now, Ops: []persist.Op{destroyOp(r)}}); !errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("Apply: %v", err)
	}
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	if o := apply(t, d, persist.Batch{Ops: []persist.Op{destroyOp(r)}}).Ops[0]; o.Status != persist.StatusApplied {
		t.Fatalf("status %d", o.Status)
	}
}

// The commit is there, but the standby that must confirm it is not: a failover would lose it.
func TestCommitWithoutItsStandbyIsUnknown(t *testing.T) {
	s := server(t)
	patient := open(t, postgres.Config{URL: s.URL(), ApplyTimeout: 20 * time.Second})
	hasty := open(t, postgres.Config{URL: s.URL(), ApplyTimeout: 2 * time.Second})
	r := create(t, patient, "ann", 2)
	if err := s.Exec(context.Background(), `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`, `SELECT pg_reload_conf()`); err != nil {
		t.Fatal(err)
	}
	if _, err := hasty.Apply(context.Background(), &persist.Batch{Now: now, Ops: []persist.Op{destroyOp(r[0])}}); !errors.Is(err, persist.ErrUnknown) {
		t.Errorf("Apply: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := patient.Apply(context.Background(), &persist.Batch{Now: now, Ops: []persist.Op{destroyOp(r[1])}})
		done <- err
	}()
	for { // an operator ends the wait: the server says COMMIT, and warns
		if err := s.Exec(context.Background(), `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if !errors.Is(err, persist.ErrUnknown) {
				t.Errorf("Apply: %v", err)
			}
			return
		default:
		}
	}
}

func TestDestroyEndsASessionWhoseTimesAreLost(t *testing.T) {
	cfg := fresh(t)
	d := open(t, cfg)
	r := create(t, d, "ann", 1)[0]
	shared.Exec(t, `DELETE FROM `+cfg.Schema+`.activity`)
	res := apply(t, d, persist.Batch{
		Writes: []persist.Write{writeOf(r)}, Touches: []persist.Touch{touchOf(r, now)},
		Ops: []persist.Op{{Kind: persist.OpExpire, Ref: r.Ref()}, destroyOp(r)},
	})
	if res.Writes[0].Status != persist.StatusFailed || res.Ops[0].Status != persist.StatusFailed || res.Ops[1].Status != persist.StatusApplied {
		t.Fatalf("%+v", res)
	}
	if _, err := find(t, d, r); !errors.Is(err, persist.ErrNotFound) {
		t.Fatalf("ByHash: %v", err)
	}
}

// The operator has made commits asynchronous for the role. Those of operations are durable all the same.
func TestCommitIsDurableWhateverTheRoleSays(t *testing.T) {
	cfg := fresh(t)
	cfg.URL += "&synchronous_commit=off"
	d := open(t, cfg)
	shared.Exec(t, `CREATE FUNCTION `+cfg.Schema+`.note() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN NEW.user_agent := current_setting('synchronous_commit'); RETURN NEW; END $$`,
		`CREATE TRIGGER note BEFORE INSERT ON `+cfg.Schema+`.session FOR EACH ROW EXECUTE FUNCTION `+cfg.Schema+`.note()`)
	r := create(t, d, "ann", 1)[0]
	if got, err := find(t, d, r); err != nil || got.UserAgent != "on" {
		t.Fatalf("synchronous_commit was %q (%v)", got.UserAgent, err)
	}
}
