package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres"
)

// database makes a database beside the usual one, and returns its URL.
func database(t *testing.T, name, options string) string {
	t.Helper()
	shared.Exec(t, "CREATE DATABASE "+name+" TEMPLATE template0 "+options)
	t.Cleanup(func() { shared.Exec(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func TestOpenRefusesAnEncodingThatIsNotUTF8(t *testing.T) {
	_, err := postgres.Open(context.Background(), postgres.Config{URL: database(t, "ascii", "ENCODING 'SQL_ASCII' LOCALE 'C'")})
	if !errors.Is(err, persist.ErrNotStore) || !strings.Contains(err.Error(), "SQL_ASCII") {
		t.Fatalf("Open: %v", err)
	}
}

func TestOpenRefusesAFeedThatDoesNotHearTheWrites(t *testing.T) {
	cfg := fresh(t)
	cfg.FeedURL, cfg.ConnectTimeout = database(t, "elsewhere", ""), 1e9
	_, err := postgres.Open(context.Background(), cfg)
	if !errors.Is(err, postgres.ErrInvalidConfig) || !strings.Contains(err.Error(), "FeedURL") {
		t.Fatalf("Open: %v", err)
	}
}

func TestOpenRefusesAServerThatTakesNoWrites(t *testing.T) {
	cfg := fresh(t)
	open(t, cfg)
	cfg.URL += "&default_transaction_read_only=on"
	if _, err := postgres.Open(context.Background(), cfg); !errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("Open: %v", err)
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	p := through(t, mustHost(t))
	defer p.Stall()()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := postgres.Open(ctx, postgres.Config{URL: withHost(t, p.Addr())}); err == nil {
		t.Fatal("it opens")
	}
}

// mustHost is the address of the shared server.
func mustHost(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// withHost is the URL of the shared server at another address.
func withHost(t testing.TB, addr string) string {
	t.Helper()
	u, err := url.Parse(shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host = addr
	return u.String()
}

func TestStoreOpensWithAPoolWhosePasswordIsFetched(t *testing.T) {
	cfg := fresh(t)
	pool, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	password := pool.ConnConfig.Password
	pool.ConnConfig.Password = ""
	pool.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		c.Password = password
		return nil
	}
	cfg.URL, cfg.Pool = "", pool
	d := open(t, cfg)
	r := create(t, d, "ann", 1)[0]
	watch(t, d).untilFresh(t)
	if _, err := find(t, d, r); err != nil {
		t.Fatal(err)
	}
}

func TestReadAfterCloseIsUnavailable(t *testing.T) {
	d := open(t, fresh(t))
	r := create(t, d, "ann", 1)[0]
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := find(t, d, r); !errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("ByHash: %v", err)
	}
	if _, err := d.Apply(context.Background(), &persist.Batch{Ops: []persist.Op{destroyOp(r)}}); !errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("Apply: %v", err)
	}
}

// A program that leaves its schema keeps its key: tokens are good on every node, and after a restart.
func TestStoreKeyIsTheSameForEveryNode(t *testing.T) {
	cfg := fresh(t)
	a, b := open(t, cfg), open(t, cfg)
	_ = a.Close()
	c := open(t, cfg)
	if k := string(b.Traits().StoreKey); k != string(a.Traits().StoreKey) || k != string(c.Traits().StoreKey) {
		t.Fatal("the keys differ")
	}
	if other := open(t, fresh(t)); string(other.Traits().StoreKey) == string(a.Traits().StoreKey) {
		t.Fatal("another store has the same key")
	}
}
