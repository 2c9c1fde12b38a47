package suite

import (
	"bufio"
	"net/http"
	"strings"
	"sync"

	"github.com/sessile/sessile/middleware/middlewaretest"
)

// these is a sentence that must hold, and its proof.
type these struct {
	name string
	run  func(*site)
}

func cases() []these {
	all := []these{
		{"what a guest sets is there in the next request", guestSets},
		{"what a guest set comes along into the login", carriesOver},
		{"a first event arrives while the handler runs, after the cookie", streams},
		{"a rotation refuses the old cookie", rotates},
		{"a logout removes the cookie", logsOut},
		{"a panic after a login leaves no session", panicsAfterLogin},
		{"a panic after a change leaves the old value", panicsAfterChange},
		{"what a middleware sets before it aborts is kept, and no handler runs", aborts},
		{"RequireUser lets users through and nobody else", requiresUser},
		{"no handler runs when the session cannot be read", cannotRead},
		{"an unknown path is not found, and the session lives", notFound},
	}
	for _, w := range ways() {
		all = append(all,
			these{"a login that answers with " + w.name + " sets the cookie", func(s *site) { logsIn(s, w) }},
			these{"a failed commit is an error page instead of " + w.name, func(s *site) { failsToCommit(s, w) }})
	}
	return all
}

func (s *site) wantText(resp middlewaretest.Response, status int, text string) {
	s.Helper()
	if got := strings.TrimSpace(resp.Text); resp.StatusCode != status || got != text {
		s.Errorf("answer is %d %q, not %d %q", resp.StatusCode, got, status, text)
	}
}

func (s *site) wantSessions(n int) {
	s.Helper()
	list, err := s.m.Store().ListForUser(s.Context(), user)
	if err != nil {
		s.Fatal(err)
	}
	if len(list) != n {
		s.Errorf("%s has %d sessions, not %d", user, len(list), n)
	}
}

func guestSets(s *site) {
	middlewaretest.Cookie(s, s.m, s.Post("/cart", nil).Response)
	s.wantText(s.Get("/cart"), http.StatusOK, "1")
	s.wantText(s.Post("/cart", nil), http.StatusOK, "2")
	s.wantText(s.Get("/cart"), http.StatusOK, "2")
	s.wantText(s.NewDevice().Get("/cart"), http.StatusOK, "0")
}

func carriesOver(s *site) {
	s.Post("/cart", nil)
	s.Post("/login/text", nil)
	s.wantText(s.Get("/me"), http.StatusOK, user)
	s.wantText(s.Get("/cart"), http.StatusOK, "1")
}

func logsIn(s *site, w way) {
	s.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp := s.Post("/login/"+w.name, nil)
	if resp.StatusCode != w.status {
		s.Errorf("status %d, not %d", resp.StatusCode, w.status)
	}
	middlewaretest.RequireLoggedIn(s, s.m, resp.Response, user)
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		s.Errorf("Cache-Control is %q", got)
	}
	resp = s.Get("/me")
	s.wantText(resp, http.StatusOK, user)
	if got := resp.Header.Values("Vary"); len(got) != 1 || got[0] != "Cookie" {
		s.Errorf("Vary is %q", got)
	}
}

func failsToCommit(s *site, w way) {
	s.Login(user)
	s.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp := s.Post("/full/"+w.name, nil)
	s.wantText(resp, http.StatusInternalServerError, "The session's data could not be stored.")
	if got := resp.Header.Get("Location"); got != "" {
		s.Errorf("the error page leads to %q", got)
	}
	if got := resp.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		s.Errorf("the error page is %q", got)
	}
	s.wantText(s.Get("/me"), http.StatusOK, user)
}

func streams(s *site) {
	release := sync.OnceFunc(func() { close(s.app.more) })
	s.Cleanup(release)
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.URL+"/events", nil)
	if err != nil {
		s.Fatal(err)
	}
	resp, err := s.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	middlewaretest.Cookie(s, s.m, resp)
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{"first", "second"} {
		if !lines.Scan() || lines.Text() != want {
			s.Fatalf("got %q, not %q: %v", lines.Text(), want, lines.Err())
		}
		release()
	}
	s.wantText(s.Get("/cart"), http.StatusOK, "2")
}

func rotates(s *site) {
	before := s.Login(user)
	old := s.Cookie()
	middlewaretest.RequireLoggedIn(s, s.m, s.Post("/rotate", nil).Response, user)
	if now, ok := s.Session(); !ok || now.ID() != before.ID() {
		s.Error("it is not the same session")
	}
	s.wantText(s.Get("/me"), http.StatusOK, user)

	thief := s.NewDevice()
	thief.Header.Set("Cookie", old.Name+"="+old.Value)
	s.wantText(thief.Get("/me"), http.StatusOK, "")
}

func logsOut(s *site) {
	s.Login(user)
	old := s.Cookie()
	middlewaretest.RequireLoggedOut(s, s.m, s.Post("/logout", nil).Response)
	s.wantText(s.Get("/me"), http.StatusOK, "")

	thief := s.NewDevice()
	thief.Header.Set("Cookie", old.Name+"="+old.Value)
	s.wantText(thief.Get("/me"), http.StatusOK, "")
	s.wantSessions(0)
}

func panicsAfterLogin(s *site) {
	resp := s.Post("/panic/login", nil)
	if resp.StatusCode != http.StatusInternalServerError {
		s.Errorf("status %d", resp.StatusCode)
	}
	middlewaretest.RequireNoCookie(s, s.m, resp.Response)
	s.wantSessions(0)
}

func panicsAfterChange(s *site) {
	s.Post("/cart", nil)
	resp := s.Post("/panic/set", nil)
	if resp.StatusCode != http.StatusInternalServerError {
		s.Errorf("status %d", resp.StatusCode)
	}
	s.wantText(s.Get("/cart"), http.StatusOK, "1")
}

func aborts(s *site) {
	resp := s.Get("/own-guard")
	if resp.StatusCode != http.StatusUnauthorized || s.app.reached.Load() {
		s.Errorf("status %d, handler reached: %v", resp.StatusCode, s.app.reached.Load())
	}
	middlewaretest.Cookie(s, s.m, resp.Response)
	if _, ok := s.Session(); !ok {
		s.Error("the guest's session is lost")
	}
	s.Post("/login/text", nil)
	s.wantText(s.Get("/own-guard"), http.StatusOK, "reached")
}

func requiresUser(s *site) {
	resp := s.Get("/users-only")
	if resp.StatusCode != http.StatusUnauthorized || s.app.reached.Load() {
		s.Errorf("status %d, handler reached: %v", resp.StatusCode, s.app.reached.Load())
	}
	s.Login(user)
	s.wantText(s.Get("/users-only"), http.StatusOK, "reached")
}

func cannotRead(s *site) {
	s.Login(user)
	if err := s.m.Store().Close(); err != nil {
		s.Fatal(err)
	}
	resp := s.Get("/open")
	if resp.StatusCode != http.StatusServiceUnavailable || s.app.reached.Load() {
		s.Errorf("status %d, handler reached: %v", resp.StatusCode, s.app.reached.Load())
	}
	middlewaretest.RequireNoCookie(s, s.m, resp.Response)
}

func notFound(s *site) {
	s.Login(user)
	resp := s.Get("/nowhere")
	if resp.StatusCode != http.StatusNotFound {
		s.Errorf("status %d", resp.StatusCode)
	}
	s.wantText(s.Get("/me"), http.StatusOK, user)
}
