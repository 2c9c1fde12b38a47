package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// methods calls every method of a handle that can fail.
func methods(ctx context.Context, h *middleware.Handle) map[string]error {
	errs := make(map[string]error)
	note := func(name string, err error) { errs[name] = err }
	note("Authenticate", h.Authenticate(ctx, "alice"))
	note("Login", h.Login(ctx, middleware.Login{UserID: "alice"}))
	return others(ctx, h, note, errs)
}

// others are the methods that do not log in.
func others(ctx context.Context, h *middleware.Handle, note func(string, error), errs map[string]error) map[string]error {
	_, _, err := middleware.Get[int](h, "k")
	note("Get", err)
	_, _, err = middleware.Pop[int](h, "k")
	note("Pop", err)
	note("Set", h.Set("k", 1))
	note("Remove", h.Delete("k"))
	note("Clear", h.Clear())
	note("AddFlash", h.AddFlash("info", "hello"))
	_, err = h.Flashes()
	note("Flashes", err)
	note("Update", h.Update(ctx, new(sessile.Changes).Set("k", 1)))
	note("Renew", h.Renew(ctx))
	note("Save", h.Save(ctx))
	note("SaveDurable", h.SaveDurable(ctx))
	note("Check", h.Check(ctx))
	note("Rotate", h.Rotate(ctx))
	note("Reauthenticate", h.Reauthenticate(ctx))
	_, err = h.Devices(ctx)
	note("Sessions", err)
	_, err = h.LogoutOthers(ctx)
	note("LogoutOthers", err)
	note("Revoke", h.Revoke(ctx, sessile.ID{1}))
	_, err = h.LogoutAll(ctx)
	note("LogoutAll", err)
	note("Logout", h.Logout(ctx))
	return errs
}

func TestHandleWithoutTheMiddlewareReturnsAnError(t *testing.T) { // not a panic
	for name, h := range map[string]*middleware.Handle{
		"From":          middleware.From(t.Context()),
		"Sessions.From": new(middleware.Sessions).From(t.Context()),
	} {
		if h == nil {
			t.Fatalf("%s is nil", name)
		}
		if _, ok := h.UserID(); ok || h.IsAuthenticated() {
			t.Errorf("%s: somebody is logged in", name)
		}
		if _, ok := h.Current(); ok {
			t.Errorf("%s: there is a session", name)
		}
		if _, ok := h.Token(); ok {
			t.Errorf("%s: there is a token", name)
		}
		select {
		case <-h.Done(t.Context()):
		default:
			t.Errorf("%s: a session that is not there is not done", name)
		}
		for method, err := range methods(t.Context(), h) {
			if !errors.Is(err, middleware.ErrNoMiddleware) {
				t.Errorf("%s: %s: %v", name, method, err)
			}
		}
		if !errors.Is(h.Err(), middleware.ErrNoMiddleware) {
			t.Errorf("%s: Err: %v", name, h.Err())
		}
	}
}

func TestHandleWithoutASessionDoesWhatTheTableSays(t *testing.T) { // no change is lost silently
	f := setUp(t, sessile.Config{}, middleware.Options{})
	want := map[string]error{
		"Get": nil, "Pop": nil, "Flashes": nil, "Save": nil, "SaveDurable": nil, "Clear": nil, "Logout": nil, "LogoutAll": nil,
		"Set": middleware.ErrNoSession, "Remove": middleware.ErrNoSession, "AddFlash": middleware.ErrNoSession,
		"Update": middleware.ErrNoSession, "Renew": middleware.ErrNoSession, "Check": middleware.ErrNoSession,
		"Rotate": middleware.ErrNoSession, "Reauthenticate": middleware.ErrNoSession, "Sessions": middleware.ErrNoSession,
		"LogoutOthers": middleware.ErrNoSession, "Revoke": middleware.ErrNoSession,
	}
	resp := f.browser().do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		got := make(map[string]error)
		others(r.Context(), h, func(name string, err error) { got[name] = err }, got)
		if len(got) != len(want) {
			t.Errorf("%d methods were called, the table has %d", len(got), len(want))
		}
		for name, err := range got {
			if !errors.Is(err, want[name]) {
				t.Errorf("%s: %v, not %v", name, err, want[name])
			}
		}
		f.want(h.Err(), nil)
	})
	f.want(golden(t, resp), "")
	f.want(f.store.Stats().Created, uint64(0))
}

func TestHandleIsSafeForConcurrentUse(t *testing.T) { // run with -race
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				key := string(rune('a' + i))
				f.must(h.Set(key, i))
				f.must(h.Save(r.Context()))
				h.UserID()
				h.Current()
				_, _, err := middleware.Get[int](h, key)
				f.must(err)
				f.must(h.AddFlash("info", key))
				if i%4 == 0 {
					f.must(h.Rotate(r.Context()))
				}
				_, err = h.Devices(r.Context())
				f.must(err)
			})
		}
		wg.Wait()
	})
	for i := range 8 {
		f.want(valueOf[int](b, string(rune('a'+i))), i)
	}
}

func TestHandleLeavesTheRequestForOthers(t *testing.T) {
	// An outer logger reads the pattern, and net/http deletes multipart files, from the request that
	// they know. Handlers get a copy of it.
	f := setUp(t, sessile.Config{}, middleware.Options{})
	mux := http.NewServeMux()
	mux.Handle("POST /upload/{id}", handler(func(_ http.ResponseWriter, r *http.Request, _ *middleware.Handle) {
		f.must(r.ParseMultipartForm(0))
	}))
	body := "--x\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\ncontent\r\n--x--\r\n"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/upload/1", strings.NewReader(body))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	f.m.Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
	f.want(r.Pattern, "POST /upload/{id}")
	if r.MultipartForm == nil {
		t.Fatal("the uploaded files would stay on disk")
	}
	f.must(r.MultipartForm.RemoveAll())
}
