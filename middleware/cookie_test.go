package middleware_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

const day = 24 * time.Hour

// golden returns the only Set-Cookie header of a response, with TOKEN for the token.
func golden(t *testing.T, resp *http.Response) string {
	t.Helper()
	lines := resp.Header.Values("Set-Cookie")
	if len(lines) == 0 {
		return ""
	}
	if len(lines) > 1 {
		t.Errorf("%d cookies are set: %q", len(lines), lines)
	}
	name, rest, _ := strings.Cut(lines[0], "=")
	value, attributes, _ := strings.Cut(rest, ";")
	if value != "" {
		if _, err := sessile.ParseToken(value); err != nil {
			t.Errorf("the cookie's value is no token")
		}
		value = "TOKEN"
	}
	return name + "=" + value + ";" + attributes
}

func TestCookieHasItsGoldenForm(t *testing.T) { // S11, S14, S17, A22, A27: byte for byte, and removal with identical attributes
	type o = middleware.Options
	type c = middleware.Cookie
	for name, tt := range map[string]struct {
		opts        o
		set, remove string
	}{
		"default": {
			o{},
			"__Host-session=TOKEN; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax",
			"__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		},
		"plain HTTP": {
			o{Insecure: true},
			"session=TOKEN; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax",
			"session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
		},
		"everything": {
			o{Cookie: c{Name: "__Secure-s", Path: "/app", Domain: "example.com", SameSite: http.SameSiteNoneMode, Partitioned: true}},
			"__Secure-s=TOKEN; Path=/app; Domain=example.com; Max-Age=2592000; HttpOnly; Secure; SameSite=None; Partitioned",
			"__Secure-s=; Path=/app; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=None; Partitioned",
		},
		"session cookie": {
			o{Cookie: c{SessionCookie: true, SameSite: http.SameSiteStrictMode}},
			"__Host-session=TOKEN; Path=/; HttpOnly; Secure; SameSite=Strict",
			"__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := setUp(t, sessile.Config{}, tt.opts)
				b := f.browser()
				resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					f.must(h.Authenticate(r.Context(), "alice"))
				})
				f.want(golden(t, resp), tt.set)
				resp = b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) })
				f.want(golden(t, resp), tt.remove)
				b.cookie = strings.Repeat("x", 52)
				f.want(golden(t, b.do(look)), tt.remove)
			})
		})
	}
}

func TestCookieMaxAgeIsWhatIsLeftAndAtMost400Days(t *testing.T) { // S14
	for name, tt := range map[string]struct {
		ttl, life time.Duration
		want      int
	}{
		"sliding":  {ttl: time.Hour, life: day, want: 3600},
		"absolute": {life: day, want: 86400},
		"bounded":  {ttl: 5000 * day, life: sessile.NoMaxLifetime, want: 400 * 86400},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := setUp(t, sessile.Config{}, middleware.Options{})
				resp := f.browser().do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					f.must(h.Login(r.Context(), middleware.Login{UserID: "alice", TTL: tt.ttl, MaxLifetime: tt.life}))
				})
				f.want(resp.Cookies()[0].MaxAge, tt.want)
			})
		})
	}
}

func TestCookieIsRenewedWithTheSession(t *testing.T) { // S14: Set-Cookie on renewal
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: 10 * time.Minute, MaxLifetime: 15 * time.Minute, TouchInterval: time.Minute}, middleware.Options{})
		b := f.login("alice")
		f.want(golden(t, b.do(look)), "")
		wait(59 * time.Second)
		f.want(golden(t, b.do(look)), "")
		wait(time.Second)
		f.want(b.do(look).Cookies()[0].MaxAge, 600)
		wait(9 * time.Minute)
		f.want(b.do(look).Cookies()[0].MaxAge, 300) // the deadline is nearer than the TTL
		wait(5*time.Minute - time.Microsecond)
		f.want(b.user(), "alice")
		wait(time.Microsecond)
		f.want(b.user(), "")
		f.want(b.cookie, "")
	})
}

func TestCookieIsRenewedWhileTheSessionIsWrittenAllTheTime(t *testing.T) {
	// If every request sets something, the session is never old enough for a touch. Its cookie must
	// still not expire.
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: time.Hour, TouchInterval: time.Minute}, middleware.Options{})
		b := f.login("alice")
		renewed := 0
		for i := range 48 {
			wait(25 * time.Second)
			if golden(t, b.do(set(f, "n", i))) != "" {
				renewed++
			}
		}
		f.want(renewed, 48*25/60) // once a minute
	})
}

func TestCookieOfABrowserSessionIsNotSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TouchInterval: time.Minute}, middleware.Options{Cookie: middleware.Cookie{SessionCookie: true}})
		b := f.login("alice")
		before := b.session().LastActiveAt()
		wait(2 * time.Minute)
		f.want(golden(t, b.do(look)), "")
		f.want(b.session().LastActiveAt().Sub(before), 2*time.Minute)
	})
}

func TestVaryIsSetByEveryResponseThatReadsTheSession(t *testing.T) { // S15, S16, A13: Vary and Cache-Control exactly
	f := setUp(t, sessile.Config{}, middleware.Options{})
	anonymous, member := f.browser(), f.login("alice")
	cached := func(w http.ResponseWriter) { w.Header().Set("Cache-Control", "public, max-age=60") }
	for name, tt := range map[string]struct {
		b     *browser
		do    action
		vary  []string
		cache string
	}{
		"untouched":               {member, nothing, nil, ""},
		"untouched and cacheable": {member, func(w http.ResponseWriter, _ *http.Request, _ *middleware.Handle) { cached(w) }, nil, "public, max-age=60"},
		"anonymous, looked at":    {anonymous, look, []string{"Cookie"}, ""},
		"looked at": {member, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			cached(w)
			look(w, r, h)
		}, []string{"Cookie"}, "public, max-age=60"},
		"304": {member, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			look(w, r, h)
			w.WriteHeader(http.StatusNotModified)
		}, []string{"Cookie"}, ""},
		"named already": {member, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			w.Header().Set("Vary", "Accept, cookie")
			look(w, r, h)
		}, []string{"Accept, cookie"}, ""},
		"another named": {member, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			w.Header().Set("Vary", "Accept-Encoding")
			look(w, r, h)
		}, []string{"Accept-Encoding", "Cookie"}, ""},
		"everything named": {member, func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			w.Header().Set("Vary", "*")
			look(w, r, h)
		}, []string{"*"}, ""},
		"cookie set, handler would cache": {f.browser(), func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Authenticate(r.Context(), "bob"))
			cached(w)
		}, []string{"Cookie"}, "no-store"},
		"cookie removed": {&browser{f: f, cookie: strings.Repeat("A", 52)}, look, []string{"Cookie"}, "no-store"},
	} {
		t.Run(name, func(t *testing.T) {
			resp := tt.b.serve(tt.b.request(), tt.do)
			if !slices.Equal(resp.Header.Values("Vary"), tt.vary) {
				t.Errorf("Vary is %q, not %q", resp.Header.Values("Vary"), tt.vary)
			}
			f.want(strings.Join(resp.Header.Values("Cache-Control"), "|"), tt.cache)
		})
	}
}

func TestVaryNamesEveryHeaderThatMayHaveAToken(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Bearer: true})
	if vary := f.browser().do(look).Header.Values("Vary"); !slices.Equal(vary, []string{"Cookie", "Authorization"}) {
		t.Errorf("Vary is %q", vary)
	}
}

func TestVaryIsSetByEveryAccessor(t *testing.T) { // A13: "every accessor"
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	for name, do := range map[string]action{
		"UserID":          func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { h.UserID() },
		"IsAuthenticated": look,
		"Current":         func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { h.Current() },
		"Token":           func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { h.Token() },
		"Get": func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			_, _, _ = middleware.Get[int](h, "k")
		},
		"Pop": func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			_, _, _ = middleware.Pop[int](h, "k")
		},
		"Has":      func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { h.Has("k") },
		"Keys":     func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { h.Keys() },
		"Flashes":  func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { _, _ = h.Flashes() },
		"Remove":   func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.must(h.Delete("k")) },
		"Done":     func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { h.Done(r.Context()) },
		"Sessions": func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { _, _ = h.Devices(r.Context()) },
		"Logout":   func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) },
		"Save":     func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Save(r.Context())) },
	} {
		if got := f.browser().do(do).Header.Get("Vary"); got != "Cookie" {
			t.Errorf("%s: Vary is %q", name, got)
		}
	}
}

func TestCookieThatIsDeadIsRemovedAndAValidOneIsLeftAlone(t *testing.T) { // S17, A22
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{TTL: time.Minute}, middleware.Options{})
		good := f.login("alice")
		f.want(golden(t, good.do(look)), "")
		f.want(golden(t, f.browser().do(look)), "") // nothing was sent: nothing to remove

		expired := f.login("bob")
		revoked := f.login("carol")
		_, err := f.store.DestroyAllForUser(t.Context(), "carol")
		f.must(err)
		wait(time.Minute)
		for name, b := range map[string]*browser{
			"expired":   expired,
			"revoked":   revoked,
			"unknown":   {f: f, cookie: "AQAA" + strings.Repeat("A", 48)},
			"malformed": {f: f, cookie: "nonsense"},
			"too long":  {f: f, cookie: strings.Repeat("A", 5000)},
		} {
			resp := b.do(look)
			if got := golden(t, resp); got != "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
				t.Errorf("%s: the answer sets %q", name, got)
			}
		}
	})
}

// With several requests of one browser in flight, any response may come last. Each of these
// sequences removed a valid cookie before its fix (A25).
func TestCookieThatIsNewerIsNotReplacedByASlowResponse(t *testing.T) {
	login := func(f *fixture) action {
		return func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Authenticate(r.Context(), "alice"))
		}
	}
	logout := func(f *fixture) action {
		return func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) { f.must(h.Logout(r.Context())) }
	}
	change := func(f *fixture, h *middleware.Handle) {
		f.must(h.Update(f.Context(), new(sessile.Changes).Set("slow", 1)))
	}
	for name, slow := range map[string]func(f *fixture, b *browser, h *middleware.Handle){
		"renewed, then another rotates": func(f *fixture, b *browser, h *middleware.Handle) {
			change(f, h)
			b.do(rotate(f))
		},
		"renewed, then another logs in": func(f *fixture, b *browser, h *middleware.Handle) {
			change(f, h)
			b.do(login(f))
		},
		"another logs out, then in": func(f *fixture, b *browser, h *middleware.Handle) {
			b.do(logout(f))
			b.do(login(f))
			f.must(h.Set("slow", 1))
		},
		"another logs out and in at once": func(f *fixture, b *browser, h *middleware.Handle) {
			b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Logout(r.Context()))
				f.must(h.Authenticate(r.Context(), "alice"))
			})
			f.must(h.Set("slow", 1))
		},
		"another logs in a minute before the end": func(f *fixture, b *browser, h *middleware.Handle) {
			b.do(login(f))
			wait(2 * time.Minute)
			f.must(h.Set("slow", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := setUp(t, sessile.Config{TouchInterval: time.Minute}, middleware.Options{})
				b := f.login("alice")
				wait(2 * time.Minute)
				resp := b.serve(b.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { slow(f, b, h) })
				f.want(golden(t, resp), "")
				f.want(b.take(resp).StatusCode, http.StatusOK)
				f.want(b.user(), "alice")
			})
		})
	}
}

// The same with a token that the slow request made itself: the login in flight has ended its
// session.
func TestCookieOfAnEndedSessionIsNotSent(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	var slow *http.Response
	b.do(func(_ http.ResponseWriter, r *http.Request, login *middleware.Handle) {
		slow = b.serve(b.request(), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
			f.must(h.Rotate(r.Context()))
			f.must(login.Authenticate(r.Context(), "alice"))
		})
	})
	f.want(golden(t, slow), "")
	b.take(slow)
	f.want(b.user(), "alice")
}

func TestCookieThatIsDeadIsRemovedByAResponseThatReadsTheSession(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	for name, cookie := range map[string]string{"unknown": forged(1), "malformed": "x", "revoked": ""} {
		b := f.browser()
		b.cookie = cookie
		if name == "revoked" {
			b = f.login("alice")
			f.must(f.store.Destroy(t.Context(), b.session().ID()))
		}
		f.cacheable(b.do(asset))
		f.want(golden(t, b.do(look)), removedCookie)
	}
}

// Four values come, and three are tried. The fourth may be valid.
func TestCookieThatNobodyLookedAtIsKept(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true})
	b := f.login("alice")
	resp := b.serve(b.sends(append(planted(), b.cookie)...), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.want(h.IsAuthenticated(), false)
		f.wantErr(h.Set("cart", 1), middleware.ErrNoSession) // nor does a guest's replace it
	})
	f.want(golden(t, resp), "")
	f.want(b.user(), "alice")
}

// Of two valid cookies the first counts. It may be planted for one path, and must not replace the
// other one on all paths.
func TestCookieBesideAnotherGoodOneIsNotRenewed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{RotateEvery: time.Hour})
		b, mallory := f.login("alice"), f.login("mallory")
		wait(2 * time.Hour)
		resp := b.serve(b.sends(mallory.cookie, b.cookie), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			user, _ := h.UserID()
			f.want(user, "mallory")
		})
		f.want(golden(t, resp), "")
		// Next to an invalid cookie it is renewed.
		resp = b.serve(b.sends(planted()[0], b.cookie), look)
		f.want(golden(t, resp), sentCookie)
		b.take(resp)
		f.want(b.user(), "alice")
	})
}

func TestCookieMaxAgeIsBoundedForAnAbsurdLifetime(t *testing.T) { // S14
	const century = 100 * 365 * day
	f := setUp(t, sessile.Config{TTL: century, MaxLifetime: century}, middleware.Options{})
	w := f.listen(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Authenticate(r.Context(), "alice"))
	})
	f.want(golden(t, w.say(get(), http.MethodGet)[0]),
		"__Host-session=TOKEN; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax")
}

// The browser withholds our cookie and sends one that was planted with SameSite=None.
func TestCookieIsNotReplacedByAForeignForm(t *testing.T) {
	for name, c := range map[string]struct {
		cookie string
		act    func(f *fixture) action
	}{
		"dead": {planted()[0], func(*fixture) action { return look }},
		"dead, where a guest would begin": {planted()[0], func(f *fixture) action {
			return func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
				f.wantErr(h.Set("cart", 1), middleware.ErrNoSession)
			}
		}},
		"good":          {"", func(*fixture) action { return look }},
		"good, and set": {"", func(f *fixture) action { return set(f, "k", 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, RotateEvery: time.Hour})
				b, mallory := f.login("alice"), f.login("mallory")
				if c.cookie == "" {
					c.cookie = mallory.cookie
				}
				wait(2 * time.Hour) // its cookie is to be renewed, its token to be rotated
				resp := b.serve(foreignForm.put(b.sends(c.cookie)), c.act(f))
				f.want(golden(t, resp), "")
				b.take(resp)
				f.want(b.user(), "alice")
			})
		})
	}
}
