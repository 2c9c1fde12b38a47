package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessile/sessile"
)

// Advisories about who can end which session, and whether it stays ended.

func TestCVE_2025_46336_ARequestUnderWayRevivesNothing(t *testing.T) { // A1, A2, S22
	setting{}.holds(t, func(s *site) error {
		var errs []error
		for _, end := range []string{"/logout", "/link?user=alice"} {
			token := s.logIn("alice")
			s.meanwhile = func() { s.ask(end, token) }
			s.ask("/slow?key=a&value=1", token)
			errs = append(errs, s.isUser("", token))
		}
		for _, end := range []string{"/password", "/revoke"} {
			other := s.logIn("bob")
			before := s.text("/devices", other)
			token := s.logIn("bob")
			id := added(before, s.text("/devices", other))
			s.meanwhile = func() { s.ask(end+"?id="+id, other) }
			s.ask("/slow?key=a&value=1", token)
			errs = append(errs, s.isUser("", token), s.isUser("bob", other))
		}
		return errors.Join(errs...)
	}, faults{upserts: true})
}

// added returns the one word that is only in the first list.
func added(before, after string) (id string) {
	for word := range strings.FieldsSeq(after) {
		if !strings.Contains(before, word) {
			id = word
		}
	}
	return id
}

func TestCVE_2015_5143_UnknownTokensLeaveNoRecords(t *testing.T) { // A9 (with -5963, -5964), S6
	setting{}.holds(t, func(s *site) error {
		for i := range 200 {
			s.ask("/whoami", forged(i))
			s.ask("/logout", forged(i))
			s.ask("/rotate", forged(i))
		}
		return differs("rows", s.rows(), 0)
	}, faults{records: true}, faults{adopts: true})
}

func TestCVE_2021_34428_AListenerThatPanicsKeepsNothingAlive(t *testing.T) { // A10, S40
	setting{hears: func() { panic("the listener fails") }}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		s.ask("/logout", token)
		return errors.Join(s.isUser("", token), s.isUser("alice", s.logIn("alice")))
	}, faults{listenerFirst: true})
}

func TestCVE_2023_20862_ALogoutIsSaved(t *testing.T) { // A11
	setting{}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		s.ask("/logout", token)
		return s.isUser("", token)
	}, faults{memoryOnlyLogout: true})
}

func TestCVE_2026_30224_ALogoutIsNotTheClientsAlone(t *testing.T) { // A21 (with CVE-2025-53826), S30
	setting{}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		s.ask("/logout", token)
		return differs("user of the replayed cookie", s.text("/whoami", token), "")
	}, faults{clientOnlyLogout: true})
}

func TestCVE_2017_18878_NobodyRevokesAnothersSession(t *testing.T) { // A15, S34
	setting{}.holds(t, func(s *site) error {
		alice, mallory := s.logIn("alice"), s.logIn("mallory")
		id := s.text("/devices", alice)
		if id == "" || strings.Contains(s.text("/devices", mallory), id) {
			return errors.New("the lists of devices are wrong")
		}
		s.ask("/revoke?id="+id, mallory)
		err := s.isUser("alice", alice)
		s.ask("/revoke?id="+id, alice)
		return errors.Join(err, s.isUser("", alice))
	}, faults{revokesAny: true})
}

func TestWinfunc_BetterAuth_ForgedCookiesLogNobodyElseOut(t *testing.T) { // A16
	setting{}.holds(t, func(s *site) error {
		alice, mallory := s.logIn("alice"), s.logIn("mallory")
		id := s.text("/devices", alice)
		r := httptest.NewRequest(http.MethodGet, "https://example.com/logout", nil)
		for _, pair := range []string{cookieName + "=" + mallory, cookieName + "=" + id, cookieName + "_multi-" + id + "=" + id, "x=" + id} {
			r.Header.Add("Cookie", pair)
		}
		s.send(r)
		return errors.Join(s.isUser("alice", alice), s.isUser("", mallory))
	}, faults{endsForeign: true})
}

func TestCVE_2024_4183_TheLimitHoldsUnderParallelLogins(t *testing.T) { // A17, S37
	setting{cfg: sessile.Config{MaxSessionsPerUser: 5}}.holds(t, func(s *site) error {
		const n = 200
		tokens := make([]string, n)
		parallel(n, func(i int) { tokens[i] = s.logIn("alice") })
		alive := 0
		for _, token := range tokens {
			if s.text("/whoami", token) == "alice" {
				alive++
			}
		}
		return errors.Join(differs("sessions alive", alive, 5), differs("rows", s.rows(), 5))
	}, faults{uncapped: true})
}

func TestCVE_2026_34828_NoSessionSurvivesAChangeOfPassword(t *testing.T) { // A23 (with CVE-2026-27575), S31
	setting{cfg: sessile.Config{CacheSize: 1}}.holds(t, func(s *site) error { // most are cold
		var stolen []string
		for range 5 {
			stolen = append(stolen, s.logIn("alice"))
		}
		bob, own := s.logIn("bob"), s.logIn("alice")
		s.ask("/password", own)
		errs := []error{s.isUser("alice", own), s.isUser("bob", bob)}
		for i, token := range stolen {
			errs = append(errs, differs(fmt.Sprint("user of stolen session ", i), s.text("/whoami", token), ""))
		}
		return errors.Join(errs...)
	}, faults{survivesPassword: true})
}

func TestCVE_2026_44166_NoSessionSurvivesTheLinkingOfAnAccount(t *testing.T) { // A32: pre-hijack
	setting{}.holds(t, func(s *site) error {
		attacker := s.logIn("alice") // who registered her address before she did
		owner := s.token("/link?user=alice")
		return errors.Join(s.isUser("", attacker), s.isUser("alice", owner))
	}, faults{survivesLink: true})
}
