package scs_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/scs"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// Alice logs out everywhere while a request of hers is in flight. Nothing that the request does logs
// her in again.
func TestCommitKeepsALogoutDuringTheRequestFinal(t *testing.T) {
	for name, act := range map[string]func(f *fixture, w http.ResponseWriter, ctx context.Context){
		"nothing": func(*fixture, http.ResponseWriter, context.Context) {},
		"a commit": func(f *fixture, _ http.ResponseWriter, ctx context.Context) {
			f.m.Put(ctx, "draft", "late")
			token, _, err := f.m.Commit(ctx)
			f.must(err)
			f.want(token, "")
			_, _, err = f.m.Commit(ctx)
			f.must(err)
			f.want(f.m.Status(ctx), scs.Destroyed)
		},
		"an error page after RenewToken": func(f *fixture, w http.ResponseWriter, ctx context.Context) {
			f.want(errors.Is(f.m.RenewToken(ctx), sessile.ErrNotFound), true)
			w.WriteHeader(http.StatusInternalServerError)
		},
		"an error page after Check": func(f *fixture, w http.ResponseWriter, ctx context.Context) {
			f.want(errors.Is(middleware.From(ctx).Check(ctx), sessile.ErrNotFound), true)
			w.WriteHeader(http.StatusInternalServerError)
		},
		"a logout of the Handle": func(f *fixture, _ http.ResponseWriter, ctx context.Context) {
			f.must(middleware.From(ctx).Logout(ctx))
		},
	} {
		for _, idle := range []time.Duration{0, time.Hour} {
			t.Run(name+", idle "+idle.String(), func(t *testing.T) {
				f := setUp(t)
				f.m.IdleTimeout = idle
				f.put("userID", "alice")
				f.serve(func(w http.ResponseWriter, r *http.Request) {
					_, err := f.store.DestroyAllForUser(r.Context(), "alice")
					f.must(err)
					if idle == 0 { // with an idle timeout, each request commits
						f.m.Put(r.Context(), "draft", "late")
					}
					act(f, w, r.Context())
				})
				f.want(f.sessions("alice"), 0)
				f.want(f.value(f.cookie, "draft"), nil)
			})
		}
	}
}

func TestCommitWithoutLoadAndSaveKeepsALogoutFinal(t *testing.T) {
	f := setUp(t)
	f.put("userID", "alice")
	ctx, err := f.m.Load(t.Context(), f.cookie)
	f.must(err)
	_, err = f.store.DestroyAllForUser(ctx, "alice")
	f.must(err)
	f.m.Put(ctx, "draft", "late")
	for range 2 {
		token, _, err := f.m.Commit(ctx)
		f.must(err)
		f.want(token, "")
	}
	f.want(f.sessions("alice"), 0)
}

// A session that began in the same request has no better claim than one that was loaded.
func TestCommitKeepsALogoutAfterALoginFinal(t *testing.T) {
	f := setUp(t)
	f.do(func(ctx context.Context) {
		f.m.Put(ctx, "userID", "alice")
		_, _, err := f.m.Commit(ctx)
		f.must(err)
		_, err = f.store.DestroyAllForUser(ctx, "alice")
		f.must(err)
		f.m.Put(ctx, "draft", "late")
		for range 2 {
			_, _, err = f.m.Commit(ctx)
			f.must(err)
		}
	})
	f.want(f.sessions("alice"), 0)
}

// A login form is sent while the session before it ends.
func TestCommitLogsInAUserThatIsPutAfterALogout(t *testing.T) {
	f := setUp(t)
	f.put("userID", "alice")
	f.do(func(ctx context.Context) {
		_, err := f.store.DestroyAllForUser(ctx, "alice")
		f.must(err)
		f.want(errors.Is(middleware.From(ctx).Check(ctx), sessile.ErrNotFound), true)
		f.m.Put(ctx, "userID", "alice")
	})
	f.want(f.value(f.cookie, "userID"), "alice")
	f.want(f.sessions("alice"), 1)
}

func TestCommitKeepsALoginOfTheHandle(t *testing.T) {
	f := setUp(t)
	f.put("userID", "alice")
	f.do(func(ctx context.Context) {
		f.must(middleware.From(ctx).Login(ctx, middleware.Login{UserID: "bob"}))
		for _, key := range []string{"a", "b"} {
			f.m.Put(ctx, key, 1)
			_, _, err := f.m.Commit(ctx)
			f.must(err)
		}
	})
	f.want(f.value(f.cookie, "userID"), "bob")
	f.want(f.value(f.cookie, "b"), 1)
	f.want(f.sessions("alice"), 0)
}

// The file is moved away during a logout, and is back before the error page.
func TestDestroyThatIsNotDurableIsFinal(t *testing.T) {
	for name, load := range map[string]func(f *fixture, act func(context.Context)){
		"in a request": func(f *fixture, act func(context.Context)) { f.do(act) },
		"in the store": func(f *fixture, act func(context.Context)) {
			ctx, err := f.m.Load(f.Context(), f.cookie)
			f.must(err)
			act(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f, path := setUp(t), filepath.Join(t.TempDir(), "s.db")
				f.store = middlewaretest.NewStore(t, sessile.Config{Path: path})
				f.m = scs.New(f.store, "userID")
				f.put("userID", "alice")
				load(f, func(ctx context.Context) {
					f.m.Put(ctx, "draft", "late")
					f.must(os.Rename(path, path+".moved"))
					f.want(errors.Is(f.m.Destroy(ctx), sessile.ErrNotDurable), true)
					f.must(os.Rename(path+".moved", path))
					wait(5 * time.Second)
					f.want(f.m.Status(ctx), scs.Destroyed)
					f.want(f.m.Exists(ctx, "userID"), false)
					_, _, err := f.m.Commit(ctx)
					f.must(err)
				})
				f.want(f.sessions("alice"), 0)
			})
		})
	}
}

// An API token gives a script less than a browser's session. A cookie must not make it one.
func TestManagerRefusesAPITokens(t *testing.T) {
	f := setUp(t)
	_, bot, err := f.store.CreateWith(t.Context(), sessile.NewSession{UserID: "alice", APIToken: true, Data: map[string]any{"k": 1}})
	f.must(err)
	ctx, err := f.m.Load(t.Context(), bot.Reveal())
	f.must(err)
	f.want(f.m.Token(ctx), "")
	f.want(len(f.m.Keys(ctx)), 0)
	f.must(f.m.MergeSession(ctx, bot.Reveal()))
	f.want(len(f.m.Keys(ctx)), 0)
	_, err = f.store.ReadByToken(t.Context(), bot)
	f.must(err)
}
