package postgres_test

import (
	"testing"

	"github.com/sessile/sessile/persist/persisttest/nodes"
	"github.com/sessile/sessile/persist/postgres"
)

// Several stores over one database. Proxies cause the faults of their connections. Nothing here runs in virtual time.
func TestNodesKeepTheContract(t *testing.T) {
	nodes.Run(t, func(t *testing.T, n int) []nodes.Node {
		cfg := fresh(t)
		l := make([]nodes.Node, n)
		for i := range l {
			l[i] = throughProxies(t, cfg)
		}
		return l
	})
}

// throughProxies opens a node whose feed has one proxy and whose batches and reads have another.
func throughProxies(t *testing.T, cfg postgres.Config) nodes.Node {
	t.Helper()
	feed, pool := through(t, mustHost(t)), through(t, mustHost(t))
	cfg.FeedURL, cfg.URL = withHost(t, feed.Addr()), withHost(t, pool.Addr())
	return nodes.Node{
		Backend: open(t, cfg),
		Silence: feed.Stall,
		Cut:     feed.Down,
		Freeze: func() (mend func()) { // the batch is committed, and the node is not told
			pool.FreezeAt("\x00COMMIT\x00", true)
			return func() {} // nobody answers on that connection again
		},
	}
}
