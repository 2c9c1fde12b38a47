package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres"
)

func TestMigrateTwiceChangesNothing(t *testing.T) {
	cfg := fresh(t)
	for range 2 {
		if err := postgres.Migrate(context.Background(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	r := create(t, open(t, cfg), "ann", 1)[0]
	if err := postgres.Migrate(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := find(t, open(t, cfg), r); err != nil {
		t.Fatal(err)
	}
}

func TestNodesThatStartTogetherMigrateOnce(t *testing.T) {
	cfg := fresh(t)
	var all sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		all.Go(func() { errs <- postgres.Migrate(context.Background(), cfg) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	create(t, open(t, cfg), "ann", 1)
}

func TestOpenRefusesASchemaOfANewerVersion(t *testing.T) {
	cfg := fresh(t)
	open(t, cfg)
	shared.Exec(t, fmt.Sprintf("INSERT INTO %s.migration (version) VALUES (%d)", cfg.Schema, postgres.Newest()+1))
	if _, err := postgres.Open(context.Background(), cfg); !errors.Is(err, persist.ErrNewer) {
		t.Fatalf("Open: %v", err)
	}
	if err := postgres.Migrate(context.Background(), cfg); !errors.Is(err, persist.ErrNewer) {
		t.Fatalf("Migrate: %v", err)
	}
}

func TestOpenWithoutMigrationRefusesAnEmptySchema(t *testing.T) {
	cfg := fresh(t)
	cfg.NoMigrate = true
	if _, err := postgres.Open(context.Background(), cfg); !errors.Is(err, persist.ErrNotStore) {
		t.Fatalf("Open: %v", err)
	}
}

// The operator runs the texts; the node's role may neither create nor change a table, and the store works.
func TestStoreWorksWithTheLeastPrivileges(t *testing.T) {
	cfg := fresh(t)
	role := cfg.Schema + "_node"
	c, err := pgx.Connect(context.Background(), cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		shared.Exec(t, "DROP OWNED BY "+role, "DROP ROLE "+role)
		_ = c.Close(context.Background())
	})
	for _, text := range []string{
		postgres.SchemaSQL(cfg.Schema, 0), "CREATE ROLE " + role + " LOGIN PASSWORD 'node'", postgres.RoleSQL(cfg.Schema, role),
	} {
		if _, err := c.PgConn().Exec(context.Background(), text).ReadAll(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "node")
	cfg.URL, cfg.NoMigrate = u.String(), true
	d := open(t, cfg)
	watch(t, d).untilFresh(t)
	everything(t, d)
	if _, err := d.ByUser(context.Background(), persist.UserKey{ID: "ann"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Expired(context.Background(), now, 0, 10); err != nil {
		t.Fatal(err)
	}
}

// everything applies every kind of item.
func everything(t *testing.T, d persist.Backend) {
	t.Helper()
	r, guest := create(t, d, "ann", 3), create(t, d, "", 3)
	res := apply(t, d, persist.Batch{
		Touches: []persist.Touch{touchOf(r[1], now+1), {Ref: r[2].Ref(), Retime: &persist.Retime{Deadline: now + hour}}},
		Writes:  []persist.Write{writeOf(r[0])},
		Ops: []persist.Op{
			createOp(record("ann"), 3), createOp(record(""), 2), destroyOp(guest[2]),
			{Kind: persist.OpRotate, Ref: r[1].Ref(), From: r[1].Hash, To: record("").Hash},
			{Kind: persist.OpSeen, Ref: r[1].Ref(), To: r[1].Hash},
			{Kind: persist.OpExpire, Ref: r[1].Ref()}, {Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "bob"}},
		},
	})
	for i, o := range append(append(res.Ops, res.Writes...), res.Touches...) {
		if o.Status == 0 || o.Status == persist.StatusFailed {
			t.Errorf("item %d: status %d (%v)", i, o.Status, o.Err)
		}
	}
}
