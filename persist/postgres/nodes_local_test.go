package postgres_test

import (
	"testing"

	"github.com/sessile/sessile/persist/persisttest/nodes"
)

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
