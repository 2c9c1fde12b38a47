package postgres_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// shared is the server of all tests that do not break theirs.
var shared *postgrestest.Shared

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if shared, err = postgrestest.Share(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.Stop()
	code := m.Run()
	if err := goleak.Find(goleak.IgnoreTopFunction("os/exec.(*Cmd).Wait"), goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait")); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// open opens a store, and closes it after the test.
func open(t testing.TB, cfg postgres.Config) *postgres.DB {
	t.Helper()
	d, err := postgres.Open(context.Background(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// fresh is the configuration of an empty store on the shared server. Its calls have time on a busy machine.
func fresh(t testing.TB) postgres.Config {
	const patience = 20 * time.Second
	return postgres.Config{URL: shared.URL(), Schema: shared.Schema(t), ApplyTimeout: patience, ReadTimeout: patience}
}

func TestStoreKeepsTheContract(t *testing.T) {
	persisttest.Run(t, func(t *testing.T) persist.Backend { return open(t, fresh(t)) })
}

func TestTwoNodesKeepTheContract(t *testing.T) {
	persisttest.RunShared(t, func(t *testing.T) (a, b persist.Backend) {
		cfg := fresh(t)
		return open(t, cfg), open(t, cfg)
	})
}
