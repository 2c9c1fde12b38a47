package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// Advisories about tokens that are planted, guessed, kept over a login, or used twice.

func TestCWE_384_SessionFixation(t *testing.T) { // S20, S39, A18
	setting{}.holds(t, func(s *site) error {
		planted := s.token("/set?key=cart&value=1")
		if planted == "" {
			return errors.New("there is no guest's token to plant")
		}
		own := s.logIn("alice", planted)
		err := errors.Join(s.isUser("", planted), s.isUser("alice", own))
		again := s.logIn("alice", own) // who looked over her shoulder has the token before
		return errors.Join(err, s.isUser("", own), s.isUser("alice", again))
	}, faults{keepsToken: true}, faults{oldTokenLives: true})
}

func TestCVE_2024_38513_ATokenOfTheClientsChoice(t *testing.T) { // A3, S6
	setting{}.holds(t, func(s *site) error {
		s.ask("/whoami", forged(1))
		s.ask("/set?key=cart&value=1", forged(1)) // a guest's session begins: not under that token
		return errors.Join(
			differs("value behind the planted token", s.text("/get?key=cart", forged(1)), ""),
			differs("token after a login", s.logIn("alice", forged(1)) == forged(1), false),
			s.isUser("", forged(1)))
	}, faults{adopts: true}, faults{adopts: true, keepsToken: true})
}

func TestPR_4469_ATokenInTheURL(t *testing.T) { // A4 (gofiber), S9
	setting{}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		resp := s.ask("/whoami?token=" + token + "&session=" + token + "&" + cookieName + "=" + token)
		return errors.Join(
			differs("user by the URL", text(resp), ""),
			differs("cookies promoted from the URL", len(resp.Header["Set-Cookie"]), 0))
	}, faults{tokenInQuery: true})
}

func TestCVE_2024_52801_GuessableTokens(t *testing.T) { // A6, S1, S3
	setting{cfg: sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit}}.holds(t, func(s *site) error {
		tokens := make([]string, 20)
		for i := range tokens {
			tokens[i] = s.logIn("alice")
			for _, before := range tokens[:i] {
				if n := common(tokens[i], before); n > 20 { // of 52; 4 of them route
					return fmt.Errorf("two tokens have %d letters in common", n)
				}
			}
		}
		return nil
	}, faults{counts: true})
}

// common counts the positions at which two tokens agree.
func common(a, b string) (n int) {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			n++
		}
	}
	return n
}

func TestGHSA_xg6x_h9c9_2m83_NoUserBeforeTheSecondFactor(t *testing.T) { // A18, S39
	setting{}.holds(t, func(s *site) error {
		half := s.token("/set?key=pending&value=alice")
		err := errors.Join(s.isUser("", half), differs("pending user", s.text("/get?key=pending", half), "alice"))
		whole := s.logIn(s.text("/get?key=pending", half), half)
		return errors.Join(err, s.isUser("alice", whole), s.isUser("", half))
	}, faults{trustsHalfLogin: true}, faults{keepsToken: true})
}

func TestCVE_2026_45720_OfParallelRotationsOneWins(t *testing.T) { // A25, S21
	setting{}.holds(t, func(s *site) error {
		old := s.logIn("alice")
		const n = 16
		tokens := make([]string, n, n+1)
		parallel(n, func(i int) { tokens[i] = s.token("/rotate", old) })
		alive := make(map[string]bool)
		for _, token := range append(tokens, old) {
			if s.text("/whoami", token) == "alice" {
				alive[token] = true
			}
		}
		return errors.Join(
			differs("tokens alive", len(alive), 1),
			differs("the old one is", alive[old], false))
	}, faults{oldTokenLives: true})
}

func TestCVE_2026_56750_AReplayedTokenEndsTheSession(t *testing.T) { // A24, S25
	o := setting{bubble: true, opts: middleware.Options{DestroyOnReuse: true}}
	o.holds(t, func(s *site) error {
		stolen := s.logIn("alice")
		fresh := s.token("/rotate", stolen)
		wait(10 * time.Minute)
		err := differs("user before the replay", s.text("/whoami", fresh), "alice")
		return errors.Join(err, s.isUser("", stolen), s.isUser("", fresh))
	}, faults{replayIsNothing: true}, faults{oldTokenLives: true})
}

func TestCookieCrumbles_APlantedCookieInFrontLocksNobodyOut(t *testing.T) { // S10
	setting{}.holds(t, func(s *site) error {
		token := s.logIn("alice")
		return errors.Join(
			differs("planted behind", s.text("/whoami", token, forged(1)), "alice"),
			differs("planted in front", s.text("/whoami", forged(1), token), "alice"),
			differs("planted all around", s.text("/whoami", forged(1), token, forged(2)), "alice"))
	}, faults{firstCookieOnly: true})
}

func TestCWE_348_TheLeftmostForwardedFor(t *testing.T) { // S42
	o := setting{opts: middleware.Options{TrustedProxies: []string{"10.0.0.0/8"}}}
	o.holds(t, func(s *site) error {
		address := func(peer, header string) string {
			r, err := http.NewRequest(http.MethodGet, "https://example.com/address", nil)
			if err != nil {
				return err.Error()
			}
			r.RemoteAddr = peer
			r.Header.Set("X-Forwarded-For", header)
			return text(s.send(r))
		}
		return errors.Join(
			differs("through a proxy", address("10.0.0.1:80", "1.1.1.1, 198.51.100.7"), "198.51.100.7"),
			differs("through two", address("10.0.0.1:80", "1.1.1.1, 198.51.100.7, 10.0.0.2"), "198.51.100.7"),
			differs("past the proxy", address("203.0.113.9:80", "1.1.1.1"), "203.0.113.9"))
	}, faults{leftmost: true})
}
