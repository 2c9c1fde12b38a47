package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
)

// hangOn has the server hang when it does something to a row of a table of the store.
func hangOn(t testing.TB, schema, event, when string) {
	t.Helper()
	shared.Exec(t, `CREATE FUNCTION `+schema+`.hang() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$`,
		`CREATE TRIGGER hang BEFORE `+event+` ON `+schema+`.`+when+` EXECUTE FUNCTION `+schema+`.hang()`)
}

// A batch is committed one by one, because one item of it cannot be stored. Then the connection hangs.
func TestBatchThatIsCommittedInPartIsOfUnknownOutcome(t *testing.T) {
	cfg := fresh(t)
	cfg.ApplyTimeout = 2 * time.Second
	d := open(t, cfg)
	r := create(t, d, "ann", 1)[0]
	shared.Exec(t, `ALTER TABLE `+cfg.Schema+`.session ADD CHECK (user_agent <> 'poison')`)
	hangOn(t, cfg.Schema, "INSERT", `session FOR EACH ROW WHEN (NEW.user_agent = 'hangs')`)
	bad, hangs := record("ann"), record("ann")
	bad.UserAgent, hangs.UserAgent = "poison", "hangs"
	_, err := d.Apply(t.Context(), &persist.Batch{Now: now, Writes: []persist.Write{writeOf(r)}, Ops: []persist.Op{createOp(bad, 0), createOp(hangs, 0)}})
	if got, _ := find(t, d, r); got.Version != 2 {
		t.Fatalf("the write is not committed: the test shows nothing (%v)", err)
	}
	if !errors.Is(err, persist.ErrUnknown) || errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("Apply: %v, want ErrUnknown alone", err)
	}
}

// Touches are committed before the rest, so the rest is not begun.
func TestTouchThatHangsLeavesTheRestOfItsBatchUndone(t *testing.T) {
	cfg := fresh(t)
	cfg.ApplyTimeout = 2 * time.Second
	d := open(t, cfg)
	r := create(t, d, "ann", 1)[0]
	hangOn(t, cfg.Schema, "UPDATE", `activity FOR EACH ROW`)
	rotate := persist.Op{Kind: persist.OpRotate, Ref: r.Ref(), From: r.Hash, To: record("").Hash}
	_, err := d.Apply(t.Context(), &persist.Batch{Now: now, Touches: []persist.Touch{touchOf(r, now+1)}, Ops: []persist.Op{rotate}})
	if !errors.Is(err, persist.ErrUnavailable) || errors.Is(err, persist.ErrUnknown) {
		t.Fatalf("Apply: %v, want ErrUnavailable alone", err)
	}
}
