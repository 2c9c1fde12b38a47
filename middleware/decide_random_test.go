package middleware

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
)

// walk is a browser and other clients of its session that act at random.
type walk struct {
	*testing.T
	store *sessile.Store
	m     *Sessions
	rng   *rand.Rand
	jar   []string // cookies that the browser has or had
	seen  map[facts]int
}

// step is what a handler does, or another client while the handler runs.
func (w *walk) step(ctx context.Context, h *Handle) {
	s, ok := h.cur.id(), h.has()
	other := w.rng.IntN(2) == 0
	switch w.rng.IntN(14) {
	case 0, 1:
		_ = h.Set("k", w.rng.IntN(100))
	case 2:
		_ = h.Logout(ctx)
	case 3:
		_ = h.Login(ctx, Login{UserID: []string{"alice", "bob"}[w.rng.IntN(2)], TTL: time.Hour})
	case 4:
		_ = h.Rotate(ctx)
	case 5:
		_ = h.Update(ctx, new(sessile.Changes).Set("u", 1))
	case 6:
		_ = h.Save(ctx)
	case 7:
		_, _ = h.LogoutAll(ctx)
	case 8:
		<-time.After(time.Duration(w.rng.IntN(90)) * time.Second)
	case 9:
		if ok && other {
			_ = w.store.Destroy(ctx, s)
		}
	case 10, 11:
		if ok && other { // another tab rotates
			_, t, err := w.store.Rotate(ctx, s, sessile.Rotation{Grace: w.rng.IntN(2) == 0})
			if err == nil {
				w.jar = append(w.jar, t.Reveal())
			}
		}
	case 12:
		_ = h.Check(ctx)
	case 13:
		h.hijack()
	}
}

// request sends a request of the browser with none, one or several of its cookies.
func (w *walk) request() *http.Request {
	method := []string{http.MethodGet, http.MethodPost}[w.rng.IntN(2)]
	r := httptest.NewRequestWithContext(w.Context(), method, "https://example.com/", nil)
	r.Header.Set("Sec-Fetch-Site", []string{"same-origin", "cross-site"}[w.rng.IntN(8)/7])
	r.Header.Set("User-Agent", []string{"", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"}[w.rng.IntN(8)/7])
	for range w.rng.IntN(6) - 1 {
		value := strings.Repeat("A", 52)
		if n := len(w.jar); n > 0 {
			value = w.jar[n-1-w.rng.IntN(min(n, 4))]
		}
		if w.rng.IntN(20) == 0 {
			r.Header.Set("Authorization", "Bearer "+value)
		}
		r.Header.Add("Cookie", w.m.CookieName()+"="+value)
	}
	return r
}

// look records the facts that would count if the response began now.
func (w *walk) look(h *Handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, failed := range []bool{false, true} {
		f := h.facts(failed)
		if w.seen[f]++; f.impossible() != "" {
			w.Fatalf("%+v: %s", f, f.impossible())
		}
	}
}

func (w *walk) serve() {
	r := w.request()
	rec := httptest.NewRecorder()
	w.m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h := FromRequest(r)
		for range w.rng.IntN(4) {
			w.look(h)
			w.step(r.Context(), h)
		}
		w.look(h)
	})).ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if c.Value != "" {
			w.jar = append(w.jar, c.Value)
		}
	}
}

// TestDecideFactsOfRequestsArePossible runs random requests, with other clients of the same session
// in between. The combinations that TestDecideKeepsItsRulesForEveryCombination leaves out must not
// occur.
func TestDecideFactsOfRequestsArePossible(t *testing.T) {
	defer func() { // see bubble
		runtime.GC()
		runtime.GC()
	}()
	walks := 20
	if testing.Short() {
		walks = 6
	}
	seen := make(map[facts]int)
	for seed := range walks {
		synctest.Test(t, func(t *testing.T) {
			store, err := sessile.Open(t.Context(), sessile.Config{
				Path: filepath.Join(t.TempDir(), "s.db"), TTL: time.Hour, TouchInterval: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			m, err := New(store, Options{
				Guests: true, Bearer: true, RotateEvery: 5 * time.Minute, Fingerprint: FingerprintReject, CarryOver: []string{"k"},
			})
			if err != nil {
				t.Fatal(err)
			}
			w := &walk{T: t, store: store, m: m, rng: rand.New(rand.NewPCG(uint64(seed), 1)), seen: seen}
			for range 100 {
				w.serve()
			}
		})
	}
	missed := 0
	combinations(func(f facts) {
		if f.impossible() == "" && seen[f] == 0 {
			missed++
		}
	})
	t.Logf("%d facts came up, %d that are possible did not", len(seen), missed)
	if len(seen) < 40 {
		t.Error("the requests do too little")
	}
}
