package gin_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/gin-contrib/sessions"
	ginlib "github.com/gin-gonic/gin"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gin"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// The program of gin-contrib's README. Only the store is another one.
func ExampleStore() {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	sessionStore, err := sessile.Open(context.Background(), sessile.Config{Path: filepath.Join(dir, "sessions.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer sessionStore.Close()

	ginlib.SetMode(ginlib.ReleaseMode)
	router := ginlib.New()
	store := gin.NewStore(sessionStore, "userID")
	store.Options(sessions.Options{Path: "/", MaxAge: 86400, Secure: true, HttpOnly: true})
	router.Use(sessions.Sessions("mysession", store))
	router.GET("/hello", func(c *ginlib.Context) {
		session := sessions.Default(c)
		if session.Get("hello") != "world" {
			session.Set("hello", "world")
			if err := session.Save(); err != nil {
				c.String(http.StatusServiceUnavailable, "please try again")
				return
			}
		}
		c.JSON(http.StatusOK, ginlib.H{"hello": session.Get("hello")})
	})

	w := httptest.NewRecorder()
	router.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/hello", nil))
	fmt.Println(w.Body, w.Result().Cookies()[0].Name)
	// Output: {"hello":"world"} mysession
}
