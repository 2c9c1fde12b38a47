package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile/persist/persisttest"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist/sqlite"
)

// target is a store that outlives the inputs of a fuzzer and has one session, alice's.
type target struct {
	store  *sessile.Store
	m      *middleware.Sessions
	reads  atomic.Int64 // by token, of the backend
	token  string
	others []sessile.Token // which push hers out of memory
}

// lookups returns how often the store was asked for a token: in memory, on disk, and for forged
// tokens, which do not reach the disk.
func (g *target) lookups() uint64 {
	stats := g.store.Stats()
	return stats.Hits + stats.UnknownTokens + uint64(g.reads.Load())
}

func newTarget(f *testing.F, opts middleware.Options) *target {
	f.Helper()
	must := func(err error) {
		if err != nil {
			f.Fatal(err)
		}
	}
	ctx := context.Background() // f's own ends before the cleanup
	db, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(f.TempDir(), "s.db")})
	must(err)
	g := new(target)
	backend := persisttest.Hook(db, persisttest.Hooks{Before: persisttest.On(persisttest.ByHash, func(*persisttest.Call) { g.reads.Add(1) })})
	g.store, err = sessile.New(backend, sessile.Config{CacheSize: 1, BatchInterval: time.Millisecond, MaxDataBytes: 4 << 10})
	must(err)
	f.Cleanup(func() { must(g.store.Close()) })
	for range 3 {
		_, t, err := g.store.Create(ctx, sessile.Meta{}, "bob", nil)
		must(err)
		g.others = append(g.others, t)
	}
	_, t, err := g.store.Create(ctx, sessile.Meta{}, "alice", nil)
	must(err)
	g.token = t.Reveal()
	g.m, err = middleware.New(g.store, opts)
	must(err)
	return g
}

// forget makes the next read of alice's session come from the disk.
func (g *target) forget(t *testing.T) {
	t.Helper()
	if err := g.store.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, other := range g.others {
		if _, err := g.store.ReadByToken(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
}

// do sends a request of alice. It may not fail, whatever is in her session.
func (g *target) do(t *testing.T, a action) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
	r.Header.Set("Cookie", g.m.CookieName()+"="+g.token)
	w := httptest.NewRecorder()
	g.m.Handler(handler(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		if user, _ := h.UserID(); user != "alice" {
			t.Fatalf("the session is lost: user %q", user)
		}
		a(w, r, h)
	})).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
}

// bearerScheme matches an Authorization header of that scheme (RFC 9110 §11.4, §5.6.2).
var bearerScheme = regexp.MustCompile("(?s)^(?i:bearer)(?: +([^ ]*)|[^-!#$%&'*+.^_`|~0-9A-Za-z].*)?$")

// scheme parses the token of an Authorization header in another way.
func scheme(line string) (string, bool) {
	m := bearerScheme.FindStringSubmatch(strings.Trim(line, " \t"))
	if m == nil {
		return "", false
	}
	return m[1], true
}

func FuzzAuthorization(f *testing.F) { // R9, S9: a header opens a session only if it says the whole token
	g := newTarget(f, middleware.Options{Bearer: true})
	const token = "AQAA000000000000000000000000000000000000000000000000"
	for _, line := range []string{
		"", "Bearer", "Bearer ", "bearer " + token, "BEARER   " + token, "Bearer\t" + token, "Bearer" + token, "Basic " + token,
		"Bearer TOKEN", "bEaReR  TOKEN", "TOKEN", "Basic TOKEN", "Bearer TOKEN,", "Bearer TOKEN TOKEN", `Bearer "TOKEN"`, "Bearer \xff", "ſearer TOKEN",
		"Bearer realm=TOKEN", "Bearer Bearer TOKEN", "Bearer \x00TOKEN",
	} {
		f.Add(line, true)
		f.Add(line, false)
	}
	f.Fuzz(func(t *testing.T, line string, withCookie bool) {
		line = strings.ReplaceAll(line, "TOKEN", g.token)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		r.Header.Set("Authorization", line)
		if withCookie {
			r.Header.Set("Cookie", g.m.CookieName()+"="+g.token)
		}
		before := g.lookups()
		var user string
		w := httptest.NewRecorder()
		g.m.Handler(handler(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { user, _ = h.UserID() })).ServeHTTP(w, r)
		text, ok := scheme(line)
		want := ""
		if ok && text == g.token || !ok && withCookie {
			want = "alice"
		}
		if user != want || w.Code != http.StatusOK || w.Header()["Set-Cookie"] != nil {
			t.Errorf("user %q, want %q; status %d, cookies %q", user, want, w.Code, w.Header()["Set-Cookie"])
		}
		if n := g.lookups() - before; n > 1 {
			t.Errorf("%d lookups", n)
		}
	})
}

// refusal reports whether err is a valid reason to refuse a value.
func refusal(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, sessile.ErrInvalidData) && !errors.Is(err, sessile.ErrDataTooLarge) {
		t.Errorf("it is refused with %v", err)
	}
	return err != nil
}

// meaning returns what a JSON text means, with numbers as their text.
func meaning(raw []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return errors.New("no JSON")
	}
	return v
}

func FuzzValue(f *testing.F) { // R9, A8, S45, S46: what is accepted comes back from memory and from the disk, and harms no other key
	g := newTarget(f, middleware.Options{})
	for _, value := range []string{
		"", "1", "null", `"text"`, `{"a":[1,2,{}]}`, `{"a":1,"a":2}`, `1e400`, `"\ufffd"`, `"\\ufffd"`, `"\ud800"`, "\"\xff\"", "[", " 1 ", `"</script>"`,
		strings.Repeat("[", 600) + strings.Repeat("]", 600), `"` + strings.Repeat("x", 5000) + `"`, "\"\u2028\"", "\x00",
	} {
		f.Add("key", value)
		f.Add("_flash.1", value)
	}
	f.Add("", "1")
	f.Add("\xff", "1")
	f.Add("\u2028\x00\"</key>", "1")
	f.Fuzz(func(t *testing.T, key, value string) {
		accepted := make(map[string]any, 2)
		g.do(t, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			if err := h.Set("untouched", "x"); err != nil {
				t.Fatal(err)
			}
			if key == "untouched" {
				return
			}
			if !refusal(t, h.Set(key, json.RawMessage(value))) {
				accepted[key] = meaning([]byte(value))
			}
			if !refusal(t, h.Set(key+"'", value)) {
				accepted[key+"'"] = value
			}
		})
		for range 2 {
			g.do(t, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { checkKeys(t, h, accepted) })
			g.forget(t)
		}
		g.do(t, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			for k := range accepted {
				if err := h.Delete(k); err != nil {
					t.Error(err)
				}
			}
		})
		g.do(t, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			if s, _ := h.Current(); string(s.Data().JSON()) != `{"untouched":"x"}` {
				t.Fatalf("%q is left", s.Data().JSON())
			}
		})
	})
}

// checkKeys compares the session with the accepted changes.
func checkKeys(t *testing.T, h *middleware.Handle, accepted map[string]any) {
	t.Helper()
	for key, want := range accepted {
		raw, ok, err := middleware.Get[json.RawMessage](h, key)
		if !ok || err != nil || !reflect.DeepEqual(meaning(raw), want) {
			t.Errorf("key %q is %q, %v, %v; want %v", key, raw, ok, err, want)
		}
	}
	if v, ok, err := middleware.Get[string](h, "untouched"); v != "x" || !ok || err != nil {
		t.Errorf("another key is %q, %v, %v", v, ok, err)
	}
}

func FuzzFlash(f *testing.F) { // R9: messages come back once, in order, whatever they contain and whatever is next to them
	g := newTarget(f, middleware.Options{})
	f.Add("error", "wrong password", "1")
	f.Add("", "", "{}")
	f.Add("<b>", "\u2028\x00 \"\\", `{"kind":1}`)
	f.Add("\xff", "ok", `{"KIND":"x","text":null}`)
	f.Add("k", "\xed\xa0\x80", `"\ud800"`)
	f.Add("k", strings.Repeat("long", 2000), "[]")
	f.Fuzz(func(t *testing.T, kind, text, beside string) {
		var want []middleware.Flash
		g.do(t, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			for _, m := range []middleware.Flash{{kind, text}, {text, kind}, {"plain", "text"}} {
				if !refusal(t, h.AddFlash(m.Kind, m.Text)) {
					want = append(want, m)
				}
			}
			refusal(t, h.Set(middleware.FlashKey+".", json.RawMessage(beside))) // not a message of ours
		})
		g.forget(t)
		g.do(t, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			got, err := h.Flashes()
			if stray := len(got) - len(want); stray == 1 { // it looked like one
				got = got[1:]
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
		g.do(t, func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			if s, _ := h.Current(); string(s.Data().JSON()) != "{}" {
				t.Fatalf("%q is left", s.Data().JSON())
			}
		})
	})
}
