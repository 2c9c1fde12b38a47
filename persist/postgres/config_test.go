package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

func TestConfigReportsEveryFaultAtOnce(t *testing.T) {
	err := postgres.Config{
		FeedURL: "postgres://%zz", Schema: `public"; DROP`, ReadConns: -1, WriteConns: 1, ApplyTimeout: time.Hour, ReadTimeout: time.Nanosecond,
		ConnectTimeout: -1,
	}.Validate()
	if !errors.Is(err, postgres.ErrInvalidConfig) {
		t.Fatalf("%v", err)
	}
	for _, field := range []string{"URL, Pool", "FeedURL", "Schema", "ReadConns", "WriteConns", "ApplyTimeout", "ReadTimeout", "ConnectTimeout"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
}

func TestConfigTakesAURLOrAPool(t *testing.T) {
	pool, err := pgxpool.ParseConfig("postgres://ann@localhost/db")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg   postgres.Config
		valid bool
	}{
		"a URL":                {postgres.Config{URL: "postgres://ann@localhost/db"}, true},
		"keywords":             {postgres.Config{URL: "host=localhost dbname=db"}, true},
		"a pool":               {postgres.Config{Pool: pool}, true},
		"both":                 {postgres.Config{Pool: pool, URL: "postgres://ann@localhost/db"}, false},
		"neither":              {postgres.Config{}, false},
		"the longest schema":   {postgres.Config{Pool: pool, Schema: strings.Repeat("s", 48)}, true},
		"a schema too long":    {postgres.Config{Pool: pool, Schema: strings.Repeat("s", 49)}, false},
		"a schema in capitals": {postgres.Config{Pool: pool, Schema: "Sessile"}, false},
	} {
		if err := c.cfg.Validate(); (err == nil) != c.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The address of the server leads to one that refuses, and to none.
func TestErrorsNeverShowThePassword(t *testing.T) {
	const secret = "hunter2%40!"
	closed := through(t, "127.0.0.1:1").Addr()
	for name, url := range map[string]string{
		"wrong password":  strings.Replace(shared.URL(), postgrestest.Password, "hunter2%40!", 1),
		"no server":       "postgres://ann:hunter2%40!@" + closed + "/db",
		"bad port":        "postgres://ann:hunter2%40!@localhost:port/db",
		"bad host":        "postgres://ann:hunter2%40!@[::1/db",
		"unescaped":       "postgres://ann:hunter2%40!/@localhost/db",
		"bad keywords":    "host=localhost password='hunter2%40! dbname=db",
		"unknown sslmode": "postgres://ann:hunter2%40!@localhost/db?sslmode=perhaps",
	} {
		for _, cfg := range []postgres.Config{{URL: url}, {URL: shared.URL(), FeedURL: url, Schema: shared.Schema(t)}} {
			cfg.ConnectTimeout = 2 * time.Second
			_, err := postgres.Open(context.Background(), cfg)
			if err == nil {
				t.Fatalf("%s: it opens", name)
			}
			if !errors.Is(err, postgres.ErrInvalidConfig) && !errors.Is(err, persist.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the password is in %q", name, err)
			}
		}
	}
}
