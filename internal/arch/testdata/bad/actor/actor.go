package actor

import (
	"context"
	"math/rand"    // want forbidden-import
	"math/rand/v2" // allowed: jitter
	"os"           // want shunned-import
	"sync"
	"time"

	"github.com/sessile/sessile" // want dependency
	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/internal/agenda"
	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite" // want dependency
)

type core struct {
	mu    sync.Mutex // want lock
	inbox chan int
}

type Actor struct{ token Token } // want token

func Start() {
	go loop()
}

func loop() {
	go loop()      // want goroutine
	_ = time.Now() // want clock
}

func (s *core) step(ctx context.Context) { // want loop-waits
	s.inbox <- 1 // want loop-waits
	<-s.inbox    // want loop-waits
	select {}    // want loop-waits
}

func (a *Actor) Start() {
	go loop() // want goroutine
}
