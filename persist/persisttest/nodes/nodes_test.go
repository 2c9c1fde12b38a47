package nodes

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/sessile/sessile/persist/persisttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory opens nodes of the reference backend.
func memory(_ *testing.T, n int) []Node {
	var l []Node
	for _, m := range persisttest.NewShared(n) {
		l = append(l, Node{Backend: m})
	}
	return l
}

func TestNodesOverMemoryKeepTheContract(t *testing.T) { RunVirtual(t, memory) }
