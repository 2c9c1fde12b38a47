package ginsession_test

import (
	"log"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/ginsession"
)

func Example() {
	var sessions *middleware.Sessions // from middleware.New

	r := gin.New()
	r.Use(gin.Recovery(), ginsession.Middleware(sessions))
	r.POST("/login", func(c *gin.Context) {
		user := c.PostForm("user") // after checking the password
		if err := middleware.FromRequest(c.Request).Authenticate(c.Request.Context(), user); err != nil {
			c.String(http.StatusServiceUnavailable, "please try again")
		}
	})
	r.GET("/account", ginsession.Wrap(middleware.RequireUser("/login")), func(c *gin.Context) {
		user, _ := middleware.FromRequest(c.Request).UserID()
		c.JSON(http.StatusOK, gin.H{"user": user})
	})
}

func Example_around() {
	var sessions *middleware.Sessions // from middleware.New

	r := gin.New() // without gin.Recovery
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(r)))
}
