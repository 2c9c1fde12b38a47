package scs_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/scs"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

func TestManagerMergesSessions(t *testing.T) {
	f := setUp(t)
	f.put("cart", 3)
	lost := f.cookie
	f.cookie = ""
	f.do(func(ctx context.Context) {
		f.m.Put(ctx, "state", "oauth")
		f.must(f.m.MergeSession(ctx, lost))
		f.must(f.m.MergeSession(ctx, "unknown"))
	})
	f.want(f.value(f.cookie, "cart"), 3)
	f.want(f.value(f.cookie, "state"), "oauth")
	f.want(f.value(lost, "cart"), nil)
}

func TestMergeSessionKeepsTheOtherSessionIfTheCommitFails(t *testing.T) {
	f := setUp(t)
	f.put("cart", 3)
	guest := f.cookie
	f.cookie = ""
	resp := f.do(func(ctx context.Context) {
		f.must(f.m.MergeSession(ctx, guest))
		f.m.Put(ctx, "bad", struct{ X int }{1}) // its type is not registered
	})
	f.want(resp.StatusCode, http.StatusInternalServerError)
	f.want(f.value(guest, "cart"), 3)
}

// The session that gets the data ends before it has them.
func TestMergeSessionKeepsTheOtherSessionAfterALogout(t *testing.T) {
	f := setUp(t)
	f.put("cart", 3)
	guest := f.cookie
	f.cookie = ""
	f.put("userID", "alice")
	f.do(func(ctx context.Context) {
		f.must(f.m.MergeSession(ctx, guest))
		_, err := f.store.DestroyAllForUser(ctx, "alice")
		f.must(err)
	})
	f.want(f.value(guest, "cart"), 3)
	f.want(f.sessions("alice"), 0)
}

func TestDestroyEndsMergedSessions(t *testing.T) {
	f := setUp(t)
	f.put("cart", 3)
	guest := f.cookie
	f.cookie = ""
	f.put("userID", "alice")
	f.do(func(ctx context.Context) {
		f.must(f.m.MergeSession(ctx, guest))
		f.must(f.m.Destroy(ctx))
	})
	f.want(f.value(guest, "cart"), nil)
	f.want(f.sessions("alice"), 0)
}

// A request merges a session of alice. Before it commits, she logs out everywhere.
func TestMergeSessionLogsNobodyInAfterALogout(t *testing.T) {
	for name, before := range map[string]string{"a guest": "", "bob": "bob"} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t)
			f.put("userID", "alice")
			alice := f.cookie
			f.cookie = ""
			f.put("userID", before)
			current := f.cookie
			resp := f.do(func(ctx context.Context) {
				f.must(f.m.MergeSession(ctx, alice))
				_, err := f.store.DestroyAllForUser(ctx, "alice")
				f.must(err)
			})
			f.want(resp.StatusCode, http.StatusOK)
			f.want(f.sessions("alice"), 0)
			f.want(f.value(f.cookie, "userID"), f.value(current, "userID"))
		})
	}
}

func TestMergeSessionWithoutLoadAndSaveLogsNobodyInAfterALogout(t *testing.T) {
	f := setUp(t)
	f.put("userID", "alice")
	ctx, err := f.m.Load(t.Context(), "")
	f.must(err)
	f.must(f.m.MergeSession(ctx, f.cookie))
	_, err = f.store.DestroyAllForUser(ctx, "alice")
	f.must(err)
	for range 2 {
		token, _, err := f.m.Commit(ctx)
		f.must(err)
		f.want(token, "")
	}
	f.want(f.sessions("alice"), 0)
}

func TestMergeSessionLogsInTheUserOfTheOtherSession(t *testing.T) {
	f := setUp(t)
	f.put("userID", "alice")
	alice := f.cookie
	f.cookie = ""
	f.do(func(ctx context.Context) { f.must(f.m.MergeSession(ctx, alice)) })
	f.want(f.value(f.cookie, "userID"), "alice")
	f.want(f.value(alice, "userID"), nil)
	f.want(f.sessions("alice"), 1)
}

// The login is one session over the limit, and evicts the least recently active one.
func TestMergeSessionLogsInAtTheLimitOfSessions(t *testing.T) {
	store := middlewaretest.NewStore(t, sessile.Config{MaxSessionsPerUser: 2})
	f := &fixture{T: t, store: store, m: scs.New(store, "userID")}
	f.put("userID", "alice")
	oldest := f.cookie
	f.cookie = ""
	f.put("userID", "alice")
	f.cookie = ""
	f.do(func(ctx context.Context) { f.must(f.m.MergeSession(ctx, oldest)) })
	f.want(f.value(f.cookie, "userID"), "alice")
}

func TestMergeSessionLogsInTheUserOfASessionOfTheStore(t *testing.T) {
	f := setUp(t)
	_, token, err := f.store.CreateWith(t.Context(), sessile.NewSession{UserID: "alice"})
	f.must(err)
	f.do(func(ctx context.Context) { f.must(f.m.MergeSession(ctx, token.Reveal())) })
	f.want(f.value(f.cookie, "userID"), "alice")
	f.want(f.sessions("alice"), 1)
}

// The program checks alice's password after the merge, so her login does not depend on the other session.
func TestMergeSessionLeavesALoginThatFollowsAlone(t *testing.T) {
	f := setUp(t)
	f.put("userID", "alice")
	lost := f.cookie
	f.cookie = ""
	f.do(func(ctx context.Context) {
		f.must(f.m.MergeSession(ctx, lost))
		_, err := f.store.DestroyAllForUser(ctx, "alice")
		f.must(err)
		f.m.Put(ctx, "userID", "alice")
	})
	f.want(f.sessions("alice"), 1)
}
