// Package fault exists for tests: it may import what it likes.
package fault

import (
	"github.com/sessile/sessile"
	"github.com/sessile/sessile/actor"
	"modernc.org/sqlite/vfs"
)
