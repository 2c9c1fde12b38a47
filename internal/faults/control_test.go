package faults

import (
	"testing"

	"github.com/sessile/sessile/internal/life"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// The negative controls: a store that breaks a promise, which the sweep must notice.
func TestTheSweepNoticesABrokenStore(t *testing.T) {
	for name, c := range map[string]struct {
		twist func(*sqlite.DB) persist.Backend
		kind  life.Kind
	}{
		"a destroy is acknowledged before it is committed": {life.Early, life.Undone},
		"a rotation leaves the old token good":             {life.Lenient, life.Resurrected},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.twist = c.twist
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
