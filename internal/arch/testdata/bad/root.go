// Package sessile is a program with every fault once. It is read, not compiled.
package sessile

import (
	"net/http" // want guarded-import
	"time"

	"github.com/rs/xid" // want forbidden-import foreign-import
	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/cache" // want dependency
	_ "github.com/sessile/sessile/internal/bridge"
	_ "github.com/sessile/sessile/internal/clock"
	"github.com/sessile/sessile/internal/fault" // want dependency
	"github.com/sessile/sessile/persist"
	_ "github.com/sessile/sessile/persist/sqlite" // want dependency
)

// Token may be here, and so may the clock.
type Token struct{ born time.Time }

func init() { // want init
	_ = time.Now()
}

func serve(group *Group) {
	go http.ListenAndServe("", nil)      // want goroutine
	group.Go(func() {})                  // want goroutine
	time.AfterFunc(time.Hour, func() {}) // want goroutine
}
