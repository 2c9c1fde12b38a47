package sessile_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// What holds on other nodes is shown by the suite in persist/persisttest/nodes.

func TestBarrierWaitsForTheLeaseOfASharedBackend(t *testing.T) {
	for name, c := range map[string]struct {
		backend func() persist.Backend
		want    time.Duration
	}{
		"shared": {func() persist.Backend { return persisttest.NewShared(1)[0] }, persist.DefaultLease + persist.DefaultLease/20},
		"alone":  {func() persist.Backend { return persisttest.NewMemory() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, err := sessile.New(c.backend(), sessile.Config{})
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				began := time.Now()
				if err := store.Barrier(t.Context()); err != nil {
					t.Error(err)
				}
				if got := time.Since(began); got != c.want {
					t.Errorf("it took %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestBarrierEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := sessile.New(persisttest.NewShared(1)[0], sessile.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := store.Barrier(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
