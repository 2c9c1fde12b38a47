package main

import (
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// TestMain runs the program itself if its test has asked for it.
func TestMain(m *testing.M) {
	if os.Getenv("QUICKSTART") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// client is a browser at base.
type client struct {
	*testing.T
	http *http.Client
	base string
}

func newClient(t *testing.T, h *http.Client, base string) client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Jar = jar
	return client{t, h, base}
}

// post returns the status and the body.
func (c client) post(path string, form url.Values) (int, string) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

func (c client) wants(path string, form url.Values, status int, body string) {
	c.Helper()
	if s, b := c.post(path, form); s != status || b != body {
		c.Errorf("POST %s %v: %d %q, want %d %q", path, form, s, b, status, body)
	}
}

func TestQuickstartAnswersWithTheRightStatus(t *testing.T) {
	store, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(t.TempDir(), "sessions.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sessions, err := middleware.New(store, middleware.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(sessions.Handler(routes()))
	defer server.Close()
	c := newClient(t, server.Client(), server.URL)

	c.wants("/count", nil, http.StatusUnauthorized, "log in first")
	c.wants("/login", nil, http.StatusBadRequest, "which user?")
	c.wants("/login", url.Values{"user": {"alice"}}, http.StatusOK, "")
	c.wants("/count", nil, http.StatusOK, "1")
	c.wants("/count", nil, http.StatusOK, "2")
	c.wants("/logout", nil, http.StatusOK, "")
	c.wants("/count", nil, http.StatusUnauthorized, "log in first")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	c.wants("/login", url.Values{"user": {"alice"}}, http.StatusServiceUnavailable, "please try again")
}

// TestQuickstartLosesNothingAtSIGTERM runs the program as the README describes.
func TestQuickstartLosesNothingAtSIGTERM(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	l, err := net.Listen("tcp", "localhost:0") // a free port
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := newClient(t, &http.Client{Transport: &http.Transport{}}, "http://"+addr)
	stop := start(t, dir, addr, c)
	c.wants("/login", url.Values{"user": {"alice"}}, http.StatusOK, "")
	cookie := setCookie(c, "/login", url.Values{"user": {"alice"}}) // a cookie jar sends no Secure cookie over HTTP; browsers do, to localhost
	for range 3 {
		counted(c, cookie)
	}
	stop()
	stop = start(t, dir, addr, c)
	if n := counted(c, cookie); n != "4" {
		t.Errorf("the counter is %s after the restart, want 4", n)
	}
	stop()
}

// start runs the program in dir. stop sends SIGTERM and expects a clean exit.
func start(t *testing.T, dir, addr string, c client) (stop func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "QUICKSTART=1", "ADDR="+addr)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if resp, err := c.http.Get(c.base + "/"); err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("it does not listen: %s", log.String())
		}
		runtime.Gosched()
	}
	return func() {
		t.Helper()
		c.http.CloseIdleConnections()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("it ended with %v: %s", err, log.String())
		}
	}
}

func setCookie(c client, path string, form url.Values) string {
	c.Helper()
	resp, err := c.http.PostForm(c.base+path, form)
	if err != nil {
		c.Fatal(err)
	}
	resp.Body.Close()
	value, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return value
}

func counted(c client, cookie string) string {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.base+"/count", nil)
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Cookie", cookie)
	resp, err := c.http.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}
