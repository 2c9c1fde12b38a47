package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
	_ "github.com/sessile/sessile/persist/sqlite" // registers the engine for sessile.Open
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a store in a real file, and its handler under /admin.
type fixture struct {
	*testing.T
	store   *sessile.Store
	feed    *admin.Feed
	handler http.Handler
}

// everyone lets everybody in.
func everyone(*http.Request) error { return nil }

func setUp(t *testing.T, change ...func(*admin.Options)) *fixture {
	t.Helper()
	f := &fixture{T: t, feed: new(admin.Feed)}
	f.store = openStore(t, sessile.Config{Events: f.feed.Observe})
	o := admin.Options{Prefix: "/admin", Authorize: everyone, Feed: f.feed, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	var err error
	if f.handler, err = admin.Handler(f.store, o); err != nil {
		t.Fatal(err)
	}
	return f
}

func openStore(t *testing.T, cfg sessile.Config) *sessile.Store {
	t.Helper()
	cfg.Path, cfg.Logger = filepath.Join(t.TempDir(), "s.db"), zap.NewNop()
	store, err := sessile.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// login creates a session with data.
func (f *fixture) login(user string) (sessile.Session, sessile.Token) {
	f.Helper()
	return f.loginFrom(user, "192.0.2.1", firefox)
}

func (f *fixture) loginFrom(user, ip, agent string) (sessile.Session, sessile.Token) {
	f.Helper()
	s, token, err := f.store.Create(f.Context(), sessile.NewMeta(ip, agent, "en"), user, map[string]string{"cart": "two corals", "card": "4111"})
	if err != nil {
		f.Fatal(err)
	}
	return s, token
}

// gone reports whether a session no longer exists.
func (f *fixture) gone(s sessile.Session) bool {
	f.Helper()
	list, err := f.store.ListForUser(f.Context(), s.UserID())
	if err != nil {
		f.Fatal(err)
	}
	for _, x := range list {
		if x.ID() == s.ID() {
			return false
		}
	}
	return true
}

// send sends a request as a program does: without the headers of a browser.
func (f *fixture) send(method, path, body string, header ...string) *httptest.ResponseRecorder {
	f.Helper()
	r := httptest.NewRequestWithContext(f.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func (f *fixture) get(path string) *httptest.ResponseRecorder {
	f.Helper()
	return f.send(http.MethodGet, path, "")
}

// post makes a change by the API.
func (f *fixture) post(path, body string) *httptest.ResponseRecorder {
	f.Helper()
	return f.send(http.MethodPost, path, body, "Content-Type", "application/json")
}

// form sends a form as a browser does.
func (f *fixture) form(path, body string) *httptest.ResponseRecorder {
	f.Helper()
	return f.send(http.MethodPost, path, body, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// want fails unless the response has the status, and decodes its JSON.
func want[T any](t *testing.T, w *httptest.ResponseRecorder, status int) (v T) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

// outcome is the result of a change.
type outcome struct {
	Action, File, Error string
	Count               int
	Bytes               int64
}

// call sends a request to a real server.
func call(ctx context.Context, t *testing.T, c *http.Client, method, url string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
