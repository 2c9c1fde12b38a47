package cache

import (
	"sync"
	"time"   // want shunned-import
	"unsafe" // want forbidden-import

	"github.com/hashicorp/golang-lru/v2"           // want foreign-import
	"github.com/hashicorp/golang-lru/v2/simplelru" // allowed
	"github.com/sessile/sessile/persist"           // want dependency
)

type Hot struct {
	mu sync.RWMutex // want lock
}

func (h *Hot) age() time.Duration {
	time.Sleep(0)               // want sleep
	return time.Since(h.born()) // want clock
}
