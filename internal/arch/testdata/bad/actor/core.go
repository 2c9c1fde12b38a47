package actor

import (
	"context"     // want core-import
	"sync/atomic" // want core-import
	"time"        // allowed: durations

	"github.com/sessile/sessile/cache"
)

const pause = 5 * time.Second

type half struct {
	index *cache.Index // want core-publishes
	epoch atomic.Uint64
	done  chan struct{}
}

func newHalf() *half {
	h := &half{done: make(chan struct{})} // allowed: it is made for others
	h.epoch.Store(1)                      // want core-publishes
	time.AfterFunc(pause, func() {})      // want goroutine loop-waits
	close(h.done)                         // want loop-waits
	return h
}
