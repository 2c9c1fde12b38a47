package persisttest

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/sessile/sessile/persist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemoryKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) persist.Backend { return NewMemory() })
}

func TestSharedMemoryKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) persist.Backend { return NewShared(2)[1] })
	RunShared(t, func(*testing.T) (a, b persist.Backend) {
		nodes := NewShared(3)
		return nodes[0], nodes[2]
	})
}
