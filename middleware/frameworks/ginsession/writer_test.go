package ginsession_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/frameworks/ginsession"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// one is a Gin engine with one handler behind the sessions.
func one(m *middleware.Sessions, do gin.HandlerFunc, before ...gin.HandlerFunc) *gin.Engine {
	e := gin.New()
	e.Use(before...)
	e.Use(ginsession.Middleware(m))
	e.GET("/", do)
	return e
}

// state is what Gin's writer reports about a response.
func state(c *gin.Context) string {
	return fmt.Sprint(c.Writer.Status(), " ", c.Writer.Size(), " ", c.Writer.Written())
}

func TestGinWriterReportsStatusAndSize(t *testing.T) {
	tell := func(c *gin.Context) string {
		told := []string{state(c)}
		c.Status(http.StatusAccepted)
		told = append(told, state(c))
		c.Writer.WriteHeaderNow()
		told = append(told, state(c))
		_, _ = c.Writer.WriteString("1234")
		_, _ = c.Writer.Write([]byte("567"))
		c.Writer.Flush()
		return strings.Join(append(told, state(c)), ", ")
	}
	var plain, ours string
	e := gin.New()
	e.GET("/", func(c *gin.Context) { plain = tell(c) })
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))

	m := middlewaretest.New(t, middleware.Options{})
	w := httptest.NewRecorder()
	one(m, func(c *gin.Context) { ours = tell(c) }).ServeHTTP(w, middlewaretest.Request(t, m, http.MethodGet, "/", "alice"))
	if ours != plain || w.Code != http.StatusAccepted || w.Body.String() != "1234567" {
		t.Errorf("%s\n%s: %d %s", plain, ours, w.Code, w.Body)
	}
}

func TestGinStatusCanChangeUntilTheHeaderIsSent(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{Guests: true})
	w := httptest.NewRecorder()
	one(m, func(c *gin.Context) {
		h := middleware.FromRequest(c.Request)
		c.Status(http.StatusTeapot)
		if err := h.Set("k", 1); err != nil {
			t.Error(err)
		}
		c.Status(http.StatusAccepted)
		c.Writer.WriteHeaderNow()
		if err := h.Set("k", 2); !errors.Is(err, middleware.ErrHeadersSent) {
			t.Errorf("after the header: %v", err)
		}
	}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusAccepted {
		t.Errorf("status %d", w.Code)
	}
	middlewaretest.Cookie(t, m, w.Result())
}

// The access log tells who it was and what they got, also if that is the error page.
func TestGinAccessLogBeforeTheSessionsSeesUserAndStatus(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{})
	var got string
	access := func(c *gin.Context) {
		c.Next()
		user, _ := middleware.FromRequest(c.Request).UserID()
		got = fmt.Sprint(user, " ", c.Writer.Status(), " ", c.Writer.Written())
	}
	serve := func(do gin.HandlerFunc) {
		r := middlewaretest.Request(t, m, http.MethodGet, "/", "alice")
		one(m, do, access).ServeHTTP(httptest.NewRecorder(), r)
	}
	if serve(func(c *gin.Context) { c.String(http.StatusAccepted, "yes") }); got != "alice 202 true" {
		t.Error(got)
	}
	if serve(func(c *gin.Context) {
		if err := errors.Join(middleware.FromRequest(c.Request).Set("k", 1), m.Store().Close()); err != nil {
			t.Error(err)
		}
		c.String(http.StatusAccepted, "yes")
	}); got != "alice 503 true" {
		t.Error(got)
	}
}

func TestGinContextLeadsToTheSessionWithFallback(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{})
	for _, fallback := range []bool{true, false} {
		e := one(m, func(c *gin.Context) {
			if got := middleware.From(c).IsAuthenticated(); got != fallback {
				t.Errorf("fallback %v: found %v", fallback, got)
			}
		})
		e.ContextWithFallback = fallback
		e.ServeHTTP(httptest.NewRecorder(), middlewaretest.Request(t, m, http.MethodGet, "/", "alice"))
	}
}

func TestGinHijackCommitsTheSession(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{})
	server := httptest.NewServer(one(m, func(c *gin.Context) {
		if err := middleware.FromRequest(c.Request).Set("k", 1); err != nil {
			t.Error(err)
		}
		conn, rw, err := c.Writer.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 299 Hijacked\r\nContent-Length: 0\r\n\r\n")
		_ = rw.Flush()
	}))
	defer server.Close()
	r := middlewaretest.Request(t, m, http.MethodGet, server.URL, "alice")
	r.RequestURI = ""
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	list, err := m.Store().ListForUser(t.Context(), "alice")
	if err != nil || resp.StatusCode != 299 || list[0].Data().Len() != len(`{"k":1}`) {
		t.Errorf("status %d, %v, %v", resp.StatusCode, list, err)
	}
}

func TestGinPusherIsThereWithHTTP2(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{})
	c := middlewaretest.NewClient(t, m, one(m, func(c *gin.Context) {
		if c.Request.ProtoMajor != 2 || c.Writer.Pusher() == nil {
			t.Errorf("%s, pusher %v", c.Request.Proto, c.Writer.Pusher())
		}
	}))
	if got := c.Get("/").StatusCode; got != http.StatusOK {
		t.Errorf("status %d", got)
	}
}

// Context.Stream wants a CloseNotifier, which net/http has given up.
func TestGinStreamEndsWhenItsClientLeaves(t *testing.T) {
	stream := func(gone chan<- bool) gin.HandlerFunc {
		return func(c *gin.Context) {
			gone <- c.Stream(func(io.Writer) bool {
				c.SSEvent("tick", middleware.FromRequest(c.Request).IsAuthenticated())
				return true
			})
		}
	}
	for name, app := range map[string]func(*middleware.Sessions, gin.HandlerFunc) http.Handler{
		"in the router": func(m *middleware.Sessions, do gin.HandlerFunc) http.Handler { return one(m, do) },
		"around the engine": func(m *middleware.Sessions, do gin.HandlerFunc) http.Handler {
			e := gin.New()
			e.GET("/", do)
			return m.Handler(e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, gone := middlewaretest.New(t, middleware.Options{}), make(chan bool, 1)
			c := middlewaretest.NewClient(t, m, app(m, stream(gone)))
			c.Login("alice")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
			resp, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			lines := bufio.NewScanner(resp.Body)
			if lines.Scan(); lines.Text() != "event:tick" {
				t.Errorf("%d %q", resp.StatusCode, lines.Text())
			}
			cancel()
			select {
			case left := <-gone:
				if !left {
					t.Error("the stream ended by itself")
				}
			case <-time.After(10 * time.Second):
				t.Error("the stream goes on")
			}
		})
	}
}

// What a recovery inside answers is an answer like any other. Around an engine,
// whose own recovery is inside, a panicking handler's changes are therefore kept.
func TestGinRecoveryInsideTheSessionsCommits(t *testing.T) {
	m := middlewaretest.New(t, middleware.Options{Guests: true})
	e := gin.New()
	e.Use(gin.RecoveryWithWriter(io.Discard))
	e.GET("/", func(c *gin.Context) {
		if err := middleware.FromRequest(c.Request).Set("k", 1); err != nil {
			t.Error(err)
		}
		panic("handler")
	})
	w := httptest.NewRecorder()
	m.Handler(e).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
	middlewaretest.Cookie(t, m, w.Result())
}
