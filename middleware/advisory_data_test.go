package middleware_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// Advisories about the data of a session: what it holds, who sees it, and for how long.

func TestCVE_2026_39324_ADamagedSessionIsNoDefaultSession(t *testing.T) { // A8, S46
	setting{}.holds(t, func(s *site) error {
		token := s.token("/set?key=role&value=admin", s.logIn("alice"))
		s.damage()
		resp := s.ask("/whoami", token)
		return errors.Join(
			differs("user", text(resp), ""),
			differs("status", resp.StatusCode, 200),
			differs("role", s.text("/get?key=role", token), ""))
	}, faults{opensDamaged: true})
}

func TestCVE_2023_20866_TokensAreNotLogged(t *testing.T) { // A12, S49
	setting{}.holds(t, func(s *site) error {
		tokens := []string{s.logIn("alice"), s.logIn("bob"), forged(7)}
		tokens = append(tokens, s.token("/rotate", tokens[0]))
		for _, path := range []string{"/whoami", "/rotate", "/revoke?id=x", "/set?key=k&value=" + string([]byte{0xff}), "/logout"} {
			for _, token := range tokens {
				s.ask(path, token)
			}
		}
		s.meanwhile = func() { s.ask("/logout", tokens[1]) }
		s.ask("/slow?key=a&value=1", tokens[1])
		return leaks(s, tokens)
	}, faults{logsTokens: true})
}

// codings returns the forms in which a token could be written.
func codings(token string) []string {
	all := []string{token}
	if raw, err := base64.RawURLEncoding.DecodeString(token); err == nil && len(raw) > 3 {
		raw = raw[3:] // the random part
		all = append(all, string(raw), hex.EncodeToString(raw), fmt.Sprintf("%v", raw), fmt.Sprintf("%#v", raw))
	}
	return all
}

func TestCVE_2021_32923_ARenewalNearTheEndIsNoEternalLife(t *testing.T) { // A19, S27, S28
	o := setting{bubble: true, cfg: sessile.Config{TTL: time.Hour, MaxLifetime: 90 * time.Minute, TouchInterval: time.Second}}
	o.holds(t, func(s *site) error {
		token := s.logIn("alice")
		begun := time.Now()
		for _, at := range []time.Duration{50 * time.Minute, 89 * time.Minute, 90*time.Minute - time.Second} {
			wait(time.Until(begun.Add(at)))
			if err := differs(fmt.Sprint("user after ", at), s.text("/whoami", token), "alice"); err != nil {
				return err
			}
		}
		wait(time.Until(begun.Add(90 * time.Minute)))
		err := differs("user at the end", s.text("/whoami", token), "")
		wait(3 * time.Hour)
		return errors.Join(err, s.isUser("", token))
	}, faults{renewsForever: true})
}

func TestCVE_2025_64708_ExpiryNeedsNoCleaner(t *testing.T) { // A20, S26
	o := setting{bubble: true, cfg: sessile.Config{TTL: time.Hour, CleanupInterval: sessile.NoCleanup}}
	o.holds(t, func(s *site) error {
		early, late := s.logIn("alice"), s.logIn("alice")
		wait(59 * time.Minute)
		err := differs("user before the end", s.text("/whoami", early), "alice")
		wait(time.Minute)
		return errors.Join(err, differs("user at the end", s.text("/whoami", late), ""), s.isUser("", late))
	}, faults{cleanerOnly: true})
}

func TestCVE_2026_24894_NothingLeaksIntoTheNextRequest(t *testing.T) { // A26, S43
	setting{}.holds(t, func(s *site) error {
		alice, bob := s.logIn("alice"), s.logIn("bob")
		s.ask("/set?key=secret&value=alices", alice)
		const n = 50
		errs := make([]error, n)
		parallel(n, func(i int) {
			errs[i] = errors.Join(
				differs("hers", s.text("/get?key=secret", alice), "alices"),
				differs("nobody's", s.text("/get?key=secret"), ""),
				differs("an unknown token's", s.text("/get?key=secret", forged(i)), ""),
				differs("bob's", s.text("/get?key=secret", bob), ""))
		})
		return errors.Join(errs...)
	}, faults{pools: true})
}

func TestGHSA_x883_2vmg_xwf7_APrivilegeEndsAtOnce(t *testing.T) { // A31 (with CVE-2024-41666)
	setting{}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		s.ask("/set?key=role&value=admin", token)
		err := differs("role given", s.text("/get?key=role", token), "admin")
		s.ask("/set?key=role", token)
		err = errors.Join(err, differs("role taken", s.text("/get?key=role", token), ""))
		if e := s.restart(); e != nil {
			return e
		}
		return errors.Join(err, differs("role after a restart", s.text("/get?key=role", token), ""))
	}, faults{cachesPrivileges: true})
}
