package faults

import (
	"testing"

	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// Negative controls: the sweep must detect stores that break a promise.
func TestFaultsNoticeABrokenStore(t *testing.T) {
	for name, c := range map[string]struct {
		wrap func(*sqlite.DB) persist.Backend
		kind ledger.Kind
	}{
		"a destroy is acknowledged before it is committed": {harness.EarlyDestroys, ledger.Undone},
		"a rotation leaves the old token good":             {harness.GracefulRotations, ledger.Resurrected},
	} {
		t.Run(name, func(t *testing.T) {
			l := newSweeper(t)
			l.wrap = c.wrap
			_, in := l.try(t, fault{call: -1})
			for n := range len(in.calls) {
				found, _ := l.try(t, fault{call: n, way: "IOERR_WRITE", always: true, crash: n%2 == 0})
				for _, b := range found {
					if b.Kind == c.kind {
						t.Logf("noticed at fault %d: %v", n, b)
						return
					}
				}
			}
			t.Error("not noticed")
		})
	}
}
