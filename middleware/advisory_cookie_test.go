package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// Advisories about the cookie's form, the parsing of cookies, and caches.

func TestCVE_2023_30861_EveryAccessVaries(t *testing.T) { // A13 (with CVE-2026-27205), S15, S16
	setting{}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		var errs []error
		for _, path := range []string{
			"/whoami", "/get?key=a", "/devices", "/set?key=a&value=1", "/set?key=a", "/rotate",
			"/login?user=bob", "/link?user=bob", "/password", "/logout",
		} {
			for _, tokens := range [][]string{nil, {forged(1)}, {token}} {
				errs = append(errs, cacheable(path, s.ask(path, tokens...)))
				token = s.logIn("alice")
			}
		}
		return errors.Join(errs...)
	}, faults{noVary: true})
}

// cacheable returns an error if a cache may serve a response to somebody else.
func cacheable(path string, resp *http.Response) error {
	err := differs("Vary of "+path, strings.Join(resp.Header["Vary"], "|"), "Cookie")
	if len(resp.Header["Set-Cookie"]) > 0 {
		err = errors.Join(err, differs("Cache-Control of "+path, strings.Join(resp.Header["Cache-Control"], "|"), "no-store"))
	}
	return err
}

func TestCVE_2025_58186_ThousandsOfCookies(t *testing.T) { // A14 (with CVE-2026-40303, CVE-2026-25899)
	setting{}.holds(t, func(s *site) error {
		tokens := make([]string, 3000)
		for i := range tokens {
			tokens[i] = forged(i)
		}
		before := s.lookups()
		s.ask("/whoami", tokens...)                         // a line each
		s.ask("/whoami", strings.Join(tokens, ";x=")+";x=") // one is ours
		s.ask("/whoami", strings.Join(tokens, "; "+cookieName+"="))
		if n := s.lookups() - before; n > 3+1+3 {
			return fmt.Errorf("%d lookups for three requests", n)
		}
		return nil
	}, faults{unbounded: true})
}

func TestCVE_2026_34454_ADeadCookieIsRemoved(t *testing.T) { // A22, S17
	o := setting{bubble: true, cfg: sessile.Config{TTL: time.Hour}}
	o.holds(t, func(s *site) error {
		given := s.ask("/login?user=alice").Cookies()[0]
		out, expired := s.logIn("bob"), s.logIn("carol")
		err := errors.Join(
			removes("an unknown token", given, s.ask("/whoami", forged(1))),
			removes("no token at all", given, s.ask("/whoami", "x")),
			removes("a logout", given, s.ask("/logout", out)),
			removes("after a logout", given, s.ask("/whoami", out)))
		wait(time.Hour)
		return errors.Join(err, removes("an expired one", given, s.ask("/whoami", expired)))
	}, faults{keepsDead: true}, faults{otherPath: true})
}

// removes returns an error unless a response removes the given cookie. A browser identifies it by
// name, path and domain, and refuses the prefix without Secure.
func removes(when string, given *http.Cookie, resp *http.Response) error {
	all := resp.Cookies()
	if len(all) != 1 || all[0].MaxAge >= 0 || all[0].Value != "" {
		return fmt.Errorf("%s: the cookies are %v", when, all)
	}
	want := *given
	want.Value, want.MaxAge = "", all[0].MaxAge
	return differs(when, all[0].String(), want.String())
}

func TestCVE_2026_48058_TheCookieIsSecure(t *testing.T) { // A27, S11
	setting{}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		return differs("Set-Cookie",
			s.ask("/rotate", token).Header.Get("Set-Cookie")[len(cookieName)+1+52:],
			"; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax")
	}, faults{insecure: true})
}

func TestCVE_2026_53603_TokensAreNotStored(t *testing.T) { // A27, S4
	setting{cfg: sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit}}.holds(t, func(s *site) error {
		tokens := make([]string, 50)
		for i := range tokens {
			tokens[i] = s.logIn("alice")
		}
		return leaks(s, tokens)
	}, faults{plainAtRest: true})
}

func TestGO_2024_2730_TokensAreNoPaths(t *testing.T) { // A29, S7 (the report on gorilla/sessions is withdrawn)
	setting{}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		rows := s.rows()
		for _, evil := range []string{
			"../" + token, "./" + token, "x/../" + token, "/" + token, token + "/", token + "/.", token + "%00", token + "'--",
			`"` + token, "'" + token + "'", token + "\\", "file:" + token, token[:40] + "/../../",
		} {
			for _, path := range []string{"/whoami", "/logout"} {
				if user := s.text(path, evil); user != "" {
					return fmt.Errorf("a cookie like a path opens the session of %s", user)
				}
			}
		}
		return errors.Join(differs("rows", s.rows(), rows), s.isUser("alice", token))
	}, faults{pathTokens: true})
}

// leaks returns an error if a token is on disk or in the log, in any encoding.
func leaks(s *site, tokens []string) error {
	traces := string(s.traces())
	i := slices.IndexFunc(tokens, func(token string) bool {
		return slices.ContainsFunc(codings(token), func(c string) bool { return strings.Contains(traces, c) })
	})
	if i >= 0 {
		return fmt.Errorf("the token of login %d is on disk or in the log", i)
	}
	return nil
}
