package sessile_test

import (
	"encoding/gob" // want forbidden-import
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/fault"
	"github.com/sessile/sessile/middleware" // want dependency
	"github.com/sessile/sessile/persist/sqlite"
	"github.com/stretchr/testify/require" // want forbidden-import foreign-import
)

func TestSleeps(t *testing.T) {
	go func() {}()
	time.Sleep(time.Until(time.Now())) // want sleep
}
