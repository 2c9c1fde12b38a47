package postgres_test

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

// At the limit every guest of the other node replaces one that this node has counted.
func TestGuestsThatAnotherNodeReplacedAreNotCounted(t *testing.T) {
	cfg, nodes := two(t)
	guest := func(at int) { apply(t, nodes[at], persist.Batch{Ops: []persist.Op{createOp(record(""), 20)}}) }
	for range 20 {
		guest(0)
	}
	for range 15 {
		guest(1)
	}
	guest(0)
	if n := ask(t, `SELECT count(*) FROM `+cfg.Schema+`.session WHERE user_id = ''`); n != 20 {
		t.Errorf("%d guests are left, the limit is 20", n)
	}
}
