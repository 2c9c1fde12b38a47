package gin_test

import (
	"testing"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/tester"
	ginlib "github.com/gin-gonic/gin"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gin"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// TestStorePassesGinContribsOwnSuite runs the suite that gin-contrib's own stores pass.
func TestStorePassesGinContribsOwnSuite(t *testing.T) {
	ginlib.SetMode(ginlib.TestMode)
	newStore := func(t *testing.T) sessions.Store {
		return gin.NewStore(middlewaretest.NewStore(t, sessile.Config{}), "userID")
	}
	for name, run := range map[string]func(*testing.T){
		"GetSet":    func(t *testing.T) { tester.GetSet(t, newStore) },
		"DeleteKey": func(t *testing.T) { tester.DeleteKey(t, newStore) },
		"Flashes":   func(t *testing.T) { tester.Flashes(t, newStore) },
		"Clear":     func(t *testing.T) { tester.Clear(t, newStore) },
		"Options":   func(t *testing.T) { tester.Options(t, newStore) },
		"Many":      func(t *testing.T) { tester.Many(t, newStore) },
	} {
		t.Run(name, run)
	}
}
