package postgres_test

import (
	"testing"

	"github.com/sessile/sessile/persist/persisttest/nodes"
)

// Several stores over one database, with faults of the feed above the backend. Nothing here runs in
// virtual time.
func TestNodesKeepTheContract(t *testing.T) {
	nodes.Run(t, func(t *testing.T, n int) []nodes.Node {
		cfg := fresh(t)
		l := make([]nodes.Node, n)
		for i := range l {
			l[i].Backend = open(t, cfg)
		}
		return l
	})
}
