package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestSetAcceptsDataToTheLastByte(t *testing.T) { // S45: what Set accepts, the commit does not refuse
	const most = 200
	f := setUp(t, sessile.Config{MaxDataBytes: most}, middleware.Options{Guests: true})
	for _, key := range []string{"k", `"quoted\"`, "\x00\x01\x7f", "é\u2028\ufffd", "<&>", "\t\n"} {
		for what, prepare := range map[string]action{
			"empty": nothing, "with a key": set(f, "a", 1), "of several keys": func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
				f.must(h.Set(`"`, 1))
				f.must(h.Set("b", 2))
			},
		} {
			for who, b := range map[string]*browser{"member": f.login("alice"), "visitor": f.browser()} {
				t.Run(fmt.Sprintf("%q %s %s", key, who, what), func(t *testing.T) {
					b.do(prepare)
					fillUp(t, b, key)
					if n := b.session().Data().Len(); n != most {
						t.Errorf("%d bytes of %d", n, most)
					}
				})
			}
		}
	}
}

// fillUp sets a key to the longest text that Set accepts, next to another change in the same
// request.
func fillUp(t *testing.T, b *browser, key string) {
	t.Helper()
	resp := b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		b.f.must(h.Set("beside", 1))
		b.f.must(h.Delete("a"))
		for n := 200; h.Set(key, strings.Repeat("x", n)) != nil; n-- {
			if n == 0 {
				t.Fatal("nothing fits")
			}
		}
	})
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
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
		if v, ok, err := middleware.Pop[int](h, "k"); v != 0 || !ok || !errors.Is(err, sessile.ErrWrongType) {
			t.Errorf("a value of another type is %v, %t, %v", v, ok, err)
		}
	})
	f.want(valueOf[string](b, "k"), "")
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

// writers is the number of requests of one session that write at once.
const writers = 64

func TestSetInParallelRequestsKeepsEveryKey(t *testing.T) { // S44
	for name, together := range map[string]bool{"as they come": false, "all read before one writes": true} {
		t.Run(name, func(t *testing.T) {
			l := newOurs(t, setting{})
			b := l.fixture.login("alice")
			setInParallel(l, b.cookie, together)
			l.want(kept(b), writers)
			l.must(l.restart())
			l.want(kept(b), writers)
			l.want(b.user(), "alice")
		})
	}
}

// setInParallel sets one key each over several connections. Together means that no handler
// continues before every request has its session.
func setInParallel(l *ours, cookie string, together bool) {
	var ready sync.WaitGroup
	ready.Add(writers)
	server := httptest.NewServer(l.m.Handler(handler(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		if ready.Done(); together {
			ready.Wait()
		}
		l.must(h.Set(r.URL.Query().Get("key"), true))
	})))
	defer server.Close()
	parallel(writers, func(i int) {
		r, err := http.NewRequestWithContext(l.Context(), http.MethodGet, fmt.Sprintf("%s/?key=k%d", server.URL, i), nil)
		if err != nil {
			l.Error(err)
			return
		}
		r.Header.Set("Cookie", l.m.CookieName()+"="+cookie)
		resp, err := server.Client().Do(r)
		if err != nil {
			l.Error(err)
			return
		}
		l.want(resp.StatusCode, http.StatusOK)
		_ = resp.Body.Close()
	})
}

// kept counts the keys that exist.
func kept(b *browser) (n int) {
	b.f.Helper()
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		for i := range writers {
			if v, ok, err := middleware.Get[bool](h, fmt.Sprint("k", i)); ok && v && err == nil {
				n++
			}
		}
	})
	return n
}

// Of two changes of one key the later counts (I5).
func TestUpdateAppliesAfterTheSetsBeforeIt(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Set("k", 1))
		f.must(h.Update(r.Context(), new(sessile.Changes).Set("k", 2)))
	})
	f.want(valueOf[int](b, "k"), 2)
}

func TestSetSurvivesAClientThatAbortsInMidBody(t *testing.T) { // the commit does not die with the client's connection
	f := setUp(t, sessile.Config{}, middleware.Options{})
	ended := make(chan struct{}, 1)
	w := f.listen(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		defer func() { ended <- struct{}{} }()
		f.must(h.Set("before", 1))
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("the body was whole")
		}
		<-r.Context().Done() // net/http has noticed
		f.must(h.Set("after", 1))
		w.WriteHeader(http.StatusBadRequest) // commits
	})
	b := f.login("alice")
	c := w.dial()
	whole := post("text/plain", strings.Repeat("x", 1000), cookies(b.cookie))
	_, err := io.WriteString(c, whole[:len(whole)-990])
	f.must(err)
	f.must(c.Close())
	<-ended
	f.want(string(b.session().Data().JSON()), `{"after":1,"before":1}`)
}

func TestSetAfterTheFirstByteIsAnError(t *testing.T) { // S19; an error to the caller, not a silent loss
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.login("alice")
	b.do(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		ctx := r.Context()
		w.WriteHeader(http.StatusOK)
		_, _, popErr := middleware.Pop[int](h, "n")
		f.must(popErr) // nothing to take
		for name, err := range map[string]error{
			"Set": h.Set("n", 1), "Remove": h.Delete("n"), "AddFlash": h.AddFlash("k", "v"),
			"Authenticate": h.Authenticate(ctx, "bob"), "Rotate": h.Rotate(ctx), "Reauthenticate": h.Reauthenticate(ctx),
		} {
			if !errors.Is(err, middleware.ErrHeadersSent) {
				t.Errorf("%s: %v", name, err)
			}
		}
		f.must(h.Save(ctx))
		f.must(h.Renew(ctx))
	})
	f.want(b.user(), "alice")
}
