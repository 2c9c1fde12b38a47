package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

var errWrongPassword = errors.New("wrong password")

// account is a user's password, as in a database.
type account struct {
	mu       sync.Mutex
	password string
}

func (a *account) check(password string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.password != password {
		return errWrongPassword
	}
	return nil
}

func (a *account) change(password string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.password = password
}

// race runs 60 logins with the old password while it is changed, and then deals with the sessions.
// Each login has verified the old password before the change. Half of them create their session
// after it. race returns how many sessions have the old password in their data.
func (f *fixture) race(confirm bool, deal func() error) (old int) {
	f.Helper()
	a := &account{password: "old"}
	var checked, ended sync.WaitGroup
	start, changed := make(chan struct{}), make(chan struct{})
	for i := range 60 {
		checked.Add(1)
		ended.Go(func() {
			f.browser().do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(a.check("old"))
				checked.Done()
				if <-start; i%2 == 0 {
					<-changed
				}
				l := middleware.Login{UserID: "alice", Data: map[string]string{"password": "old"}}
				if confirm {
					l.Confirm = func(context.Context) error { return a.check("old") }
				}
				if err := h.Login(r.Context(), l); err != nil {
					f.wantErr(err, errWrongPassword)
					f.want(h.IsAuthenticated(), false)
				}
			})
		})
	}
	checked.Wait()
	close(start)
	a.change("new") // first the account, then its sessions
	f.must(deal())
	close(changed)
	ended.Wait()
	for _, s := range f.sessionsOf("alice") {
		if password, _, _ := sessile.Get[string](s, "password"); password == "old" {
			old++
		}
	}
	return old
}

func TestConfirmLetsNoLoginSurviveAChangeOfPassword(t *testing.T) { // ASVS 7.4.3
	cfg := sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit}
	for name, deal := range map[string]func(f *fixture) error{
		"end all": func(f *fixture) error {
			_, err := f.store.DestroyAllForUser(f.Context(), "alice")
			return err
		},
		"change all": func(f *fixture) error { // as after a change of role
			_, err := f.store.UpdateAllForUser(f.Context(), "alice", new(sessile.Changes).Set("password", "new"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, cfg, middleware.Options{})
			f.want(f.race(true, func() error { return deal(f) }), 0)
			f = setUp(t, cfg, middleware.Options{})
			if n := f.race(false, func() error { return deal(f) }); n < 30 {
				t.Errorf("without Confirm %d logins survive: this test would notice nothing", n)
			}
		})
	}
}

func TestLoginThatIsNotConfirmedLeavesNothing(t *testing.T) {
	for name, confirm := range map[string]func(context.Context) error{
		"an error": func(context.Context) error { return errWrongPassword },
		"a panic":  func(context.Context) error { panic("a database") },
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{})
			b := f.login("alice")
			func() {
				defer func() { _ = recover() }()
				resp := b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					f.must(h.Set("k", 1))
					err := h.Login(r.Context(), middleware.Login{UserID: "bob", Confirm: confirm})
					f.wantErr(err, errWrongPassword)
					user, _ := h.UserID()
					f.want(user, "alice")
				})
				f.want(golden(t, resp), "")
			}()
			f.want(f.alive("bob"), 0)
			f.want(b.user(), "alice")
		})
	}
}

func TestConfirmSeesTheSessionThatItConfirms(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.browser()
	b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Login(r.Context(), middleware.Login{UserID: "alice", Confirm: func(context.Context) error {
			f.want(f.alive("alice"), 1)
			return nil
		}}))
	})
	f.want(b.user(), "alice")
}

// The session is destroyed even if the client has disconnected.
func TestLoginThatIsNotConfirmedIsDestroyedWithoutItsClient(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	f.browser().do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.wantErr(h.Login(ctx, middleware.Login{UserID: "alice", Confirm: func(ctx context.Context) error {
			cancel()
			return ctx.Err()
		}}), context.Canceled)
	})
	f.want(f.alive("alice"), 0)
}

// The old session has ended when Confirm runs, and the browser does not have the new cookie yet. A
// request in flight must not remove the cookie.
func TestConfirmLeavesTheCookieToRequestsInFlight(t *testing.T) {
	for name, first := range map[string]string{"the first cookie": "alice", "a later cookie": "mallory"} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t, sessile.Config{}, middleware.Options{})
			b, other := f.login(first), f.login("alice")
			replaced := other
			if first == "alice" {
				replaced = b
			}
			b.serve(b.sends(b.cookie, other.cookie), func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
				f.must(h.Login(r.Context(), middleware.Login{UserID: "alice", Confirm: func(context.Context) error {
					f.want(golden(t, b.serve(b.sends(replaced.cookie), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
						f.want(h.IsAuthenticated(), false)
					})), "")
					return nil
				}}))
			})
		})
	}
}
