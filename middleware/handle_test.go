package middleware_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

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

// others are those that do not log in.
func others(ctx context.Context, h *middleware.Handle, note func(string, error), errs map[string]error) map[string]error {
	_, _, err := middleware.Get[int](h, "k")
	note("Get", err)
	_, _, err = middleware.Pop[int](h, "k")
	note("Pop", err)
	note("Set", h.Set("k", 1))
	note("Remove", h.Delete("k"))
	note("AddFlash", h.AddFlash("info", "hello"))
	_, err = h.Flashes()
	note("Flashes", err)
	note("Update", h.Update(ctx, new(sessile.Changes).Set("k", 1)))
	note("Renew", h.Renew(ctx))
	note("Save", h.Save(ctx))
	note("Check", h.Check(ctx))
	note("Rotate", h.Rotate(ctx))
	note("Reauthenticated", h.Reauthenticated(ctx))
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

func TestHandleWithoutTheMiddlewareReturnsAnError(t *testing.T) { // ecosystem 47: "panic: no session data in context"
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

func TestHandleWithoutASessionDoesWhatTheTableSays(t *testing.T) { // modo drops such a change silently
	f := setUp(t, sessile.Config{}, middleware.Options{})
	want := map[string]error{
		"Get": nil, "Pop": nil, "Flashes": nil, "Save": nil, "Logout": nil, "LogoutAll": nil,
		"Set": middleware.ErrNoSession, "Remove": middleware.ErrNoSession, "AddFlash": middleware.ErrNoSession,
		"Update": middleware.ErrNoSession, "Renew": middleware.ErrNoSession, "Check": middleware.ErrNoSession,
		"Rotate": middleware.ErrNoSession, "Reauthenticated": middleware.ErrNoSession, "Sessions": middleware.ErrNoSession,
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

func TestGuestIsNotAUserInListsAndGuards(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.browser()
	b.do(set(f, "k", 1))
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		_, err := h.Devices(r.Context())
		f.wantErr(err, middleware.ErrNoSession)
		_, err = h.LogoutOthers(r.Context())
		f.wantErr(err, middleware.ErrNoSession)
		f.wantErr(h.Revoke(r.Context(), sessile.ID{1}), middleware.ErrNoSession)
		f.want(h.IsAuthenticated(), false)
	})
}

func TestSetIsReadInTheSameRequestAndTheNext(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	type point struct{ X, Y int }
	read := func(h *middleware.Handle) {
		t.Helper()
		n, ok, err := middleware.Get[int](h, "n")
		if n != 7 || !ok || err != nil {
			t.Errorf("n: %v %v %v", n, ok, err)
		}
		p, ok, err := middleware.Get[point](h, "p")
		if p != (point{1, 2}) || !ok || err != nil {
			t.Errorf("p: %v %v %v", p, ok, err)
		}
		s, ok, err := middleware.Get[string](h, "s")
		if s != "<&>\u2028\ufffd" || !ok || err != nil {
			t.Errorf("s: %q %v %v", s, ok, err)
		}
		if _, ok, err := middleware.Get[int](h, "gone"); ok || err != nil {
			t.Errorf("gone: %v %v", ok, err)
		}
		if v, ok, err := middleware.Get[int](h, "s"); v != 0 || !ok || err == nil || strings.Contains(err.Error(), "&") {
			t.Errorf("s as an int: %v %v %v", v, ok, err)
		}
	}
	b.do(set(f, "gone", true))
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("n", 1))
		f.must(h.Set("n", 7))
		f.must(h.Set("p", point{1, 2}))
		f.must(h.Set("s", "<&>\u2028\ufffd"))
		f.must(h.Delete("gone"))
		read(h)
	})
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { read(h) })
}

func TestPopTakesAValueOnce(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(set(f, "k", "v"))
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		var won sync.Map
		var wg sync.WaitGroup
		for i := range 8 { // in parallel: exactly one gets it
			wg.Go(func() {
				if v, ok, err := middleware.Pop[string](h, "k"); ok && v == "v" && err == nil {
					won.Store(i, true)
				}
			})
		}
		wg.Wait()
		n := 0
		won.Range(func(any, any) bool { n++; return true })
		f.want(n, 1)
	})
	f.want(valueOf[string](b, "k"), "")

	b.do(set(f, "k", "v"))
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		if _, ok, err := middleware.Pop[int](h, "k"); !ok || err == nil {
			t.Error("a value of another type was taken")
		}
	})
	f.want(valueOf[string](b, "k"), "v")
}

func TestSetRefusesValuesThatCannotBeStored(t *testing.T) { // S45, S49
	f := setUp(t, sessile.Config{MaxDataBytes: 100}, middleware.Options{Guests: true})
	for name, b := range map[string]*browser{"member": f.login("alice"), "visitor": f.browser()} {
		t.Run(name, func(t *testing.T) {
			resp := b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
				for _, tt := range []struct {
					key   string
					value any
					want  error
				}{
					{"", 1, sessile.ErrInvalidData},
					{"\xff", 1, sessile.ErrInvalidData},
					{"k", make(chan int), sessile.ErrInvalidData},
					{"k", math.NaN(), sessile.ErrInvalidData},
					{"k", "\xff", sessile.ErrInvalidData},
					{"k", []string{"a", "\xc3("}, sessile.ErrInvalidData},
					{"k", strings.Repeat("x", 100), sessile.ErrDataTooLarge},
					{"k", `\ufffd`, nil}, // six characters, not an escape
					{"k", strings.Repeat("x", 60), nil},
					{"l", strings.Repeat("x", 60), sessile.ErrDataTooLarge}, // together
					{"k", strings.Repeat("y", 60), nil},                     // instead
					{"m", nil, nil},
				} {
					if err := h.Set(tt.key, tt.value); !errors.Is(err, tt.want) {
						t.Errorf("%q = %.10v: %v, not %v", tt.key, tt.value, err, tt.want)
					}
				}
			})
			f.want(resp.StatusCode, http.StatusOK)
			f.want(valueOf[string](b, "k"), strings.Repeat("y", 60))
			b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
				f.wantErr(h.Set("l", strings.Repeat("x", 60)), sessile.ErrDataTooLarge)
				f.must(h.Delete("k"))
				f.must(h.Set("l", strings.Repeat("x", 60)))
			})
			f.want(valueOf[string](b, "l"), strings.Repeat("x", 60))
		})
	}
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

func TestSaveAndUpdateWriteAtOnce(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b, other := f.login("alice"), f.browser()
	other.cookie = b.cookie
	b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("a", 1))
		f.want(valueOf[int](other, "a"), 0)
		f.must(h.Save(r.Context()))
		f.want(valueOf[int](other, "a"), 1)

		_, err := w.Write([]byte("the response has begun"))
		f.must(err)
		f.wantErr(h.Set("b", 1), middleware.ErrHeadersSent)
		f.must(h.Update(r.Context(), new(sessile.Changes).Set("b", 2).Delete("a")))
		f.want(valueOf[int](other, "b"), 2)
		f.want(valueOf[int](other, "a"), 0)
		v, _, err := middleware.Get[int](h, "b")
		f.must(err)
		f.want(v, 2)
	})
}

func TestRenewIsAnAccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: time.Minute}, middleware.Options{})
		b := f.login("alice")
		b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			w.WriteHeader(http.StatusOK) // a stream
			for range 5 {
				wait(50 * time.Second)
				f.must(h.Renew(r.Context()))
			}
			wait(time.Minute)
			f.wantErr(h.Renew(r.Context()), sessile.ErrExpired) // an expired one is not revived
			f.wantErr(h.Renew(r.Context()), middleware.ErrNoSession)
		})
	})
}

func TestFlashIsShownOnceInOrder(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	take := func() string {
		var texts []string
		b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			all, err := h.Flashes()
			f.must(err)
			for _, m := range all {
				texts = append(texts, m.Kind+":"+m.Text)
			}
		})
		return strings.Join(texts, " ")
	}
	f.want(take(), "")
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.AddFlash("ok", "one"))
		f.must(h.AddFlash("bad", "two"))
		f.wantErr(h.AddFlash("bad", "\xff"), sessile.ErrInvalidData)
	})
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.must(h.AddFlash("ok", "three")) })
	f.want(take(), "ok:one bad:two ok:three")
	f.want(take(), "")

	// Added and taken in one request, beside something that is no message.
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set(middleware.FlashKey+".x", 5))
		f.must(h.AddFlash("ok", "now"))
		all, err := h.Flashes()
		f.must(err)
		if len(all) != 1 || all[0].Text != "now" {
			t.Errorf("took %v", all)
		}
	})
	f.want(take(), "")
	f.want(len(b.session().Data().Keys()), 0)
}

func TestFlashOfParallelRequestsIsKept(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			b.serve(b.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.must(h.AddFlash("", "m")) })
		})
	}
	wg.Wait()
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		all, err := h.Flashes()
		f.must(err)
		f.want(len(all), 16)
	})
}

func TestNewNestsSeveralMiddlewares(t *testing.T) { // ecosystem: "one per manager so several can nest"
	f := setUp(t, sessile.Config{}, middleware.Options{})
	admin, err := middleware.New(f.store, middleware.Options{Cookie: middleware.Cookie{Name: "__Host-admin"}})
	f.must(err)
	inner := handler(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		if f.m.From(r.Context()) != h || admin.From(r.Context()) == h {
			t.Error("the handles are mixed up")
		}
		f.must(f.m.From(r.Context()).Authenticate(r.Context(), "alice"))
		f.must(admin.From(r.Context()).Authenticate(r.Context(), "root"))
	})
	w := httptest.NewRecorder()
	admin.Handler(f.m.Handler(inner)).ServeHTTP(w, f.browser().request())
	resp := w.Result()
	f.want(len(resp.Cookies()), 2)
	f.want(strings.Join(resp.Header.Values("Vary"), "|"), "Cookie")
}

func TestNewTwiceIsOnce(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	w := httptest.NewRecorder()
	f.m.Handler(f.m.Handler(handler(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Authenticate(r.Context(), "alice"))
	}))).ServeHTTP(w, f.browser().request())
	f.want(len(w.Result().Cookies()), 1)
}

func TestHandleLeavesTheRequestForOthers(t *testing.T) {
	// A logger around us reads the pattern, and net/http deletes multipart files,
	// from the request that they know; handlers get a copy.
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

// A recovery outside may still have our writer (Echo's does): its error page must
// not commit what the panic has undone.
func TestErrorPageAfterAPanicCommitsNothing(t *testing.T) {
	for name, do := range map[string]func(h *middleware.Handle) error{
		"change": func(h *middleware.Handle) error { return h.Set("k", 2) },
		"login":  func(h *middleware.Handle) error { return h.Authenticate(t.Context(), "bob") },
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{})
			b := f.login("alice")
			b.do(set(f, "k", 1))
			outer := httptest.NewRecorder()
			var ours http.ResponseWriter
			func() {
				defer func() { _ = recover() }()
				f.m.Handler(handler(func(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
					ours = w
					f.must(do(h))
					panic(name)
				})).ServeHTTP(outer, b.request())
			}()
			ours.WriteHeader(http.StatusInternalServerError)
			resp := b.take(outer.Result())
			f.want(resp.StatusCode, http.StatusInternalServerError)
			list, err := f.store.ListForUser(t.Context(), "bob")
			f.must(err)
			f.want(len(list), 0)
			if name == "change" {
				f.want(valueOf[int](b, "k"), 1)
			}
		})
	}
}

// Gin's Context.Stream panics over a writer without it.
func TestWriterReportsWhenTheClientHasGone(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.browser().serve(f.browser().request().WithContext(ctx), func(w http.ResponseWriter, _ *http.Request, _ *middleware.Handle) {
		gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		select {
		case <-gone:
			t.Error("the client is still there")
		default:
		}
		cancel()
		f.want(<-gone, true)
	})
}
