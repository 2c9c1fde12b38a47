package behaviour

import (
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// DestroyIsFinalAndIdempotent: destroying a session again, or an unknown ID, is not an error (A1, A21, S30).
func DestroyIsFinalAndIdempotent(f *Fixture) {
	s, tok := f.Login("ann")
	f.Alive(tok)
	f.Must(f.Store().Destroy(f.Context(), s.ID()))
	f.Dead(tok)
	f.Must(f.Store().Destroy(f.Context(), s.ID()))
	f.Must(f.Store().Destroy(f.Context(), sessile.ID{9}))
	_, err := f.Store().Read(f.Context(), s.ID())
	f.WantErr(err, sessile.ErrNotFound)
}

// DestroyForUserRefusesForeignSessions: a session of another user gives the same error as an unknown ID (A15, S34).
func DestroyForUserRefusesForeignSessions(f *Fixture) {
	s, tok := f.Login("ann")
	foreign := f.Store().DestroyForUser(f.Context(), "bob", s.ID())
	unknown := f.Store().DestroyForUser(f.Context(), "bob", sessile.ID{7})
	f.WantErr(foreign, sessile.ErrNotFound)
	f.WantErr(unknown, sessile.ErrNotFound)
	if a, b := strings.ReplaceAll(foreign.Error(), s.ID().String(), "ID"), strings.ReplaceAll(unknown.Error(), sessile.ID{7}.String(), "ID"); a != b {
		f.Fatalf("a foreign session can be told from an unknown one: %q, %q", a, b)
	}
	f.Alive(tok)
	f.Must(f.Store().DestroyForUser(f.Context(), "ann", s.ID()))
	f.Dead(tok)
}

// DestroyAllForUserCountsAndSparesOthers: all sessions of the user end, and nobody else's (A23, S35).
func DestroyAllForUserCountsAndSparesOthers(f *Fixture) {
	_, a := f.Login("ann")
	_, b := f.Login("ann")
	_, c := f.Login("bob")
	n, err := f.Store().DestroyAllForUser(f.Context(), "ann")
	f.Must(err)
	if n != 2 {
		f.Fatalf("destroyed %d", n)
	}
	f.Dead(a)
	f.Dead(b)
	f.Alive(c)
	if n, err := f.Store().DestroyAllForUser(f.Context(), "nobody"); n != 0 || err != nil {
		f.Fatalf("%d, %v", n, err)
	}
	_, again := f.Login("ann")
	f.Alive(again)
}

// DestroyAllEndsSessionsOfUsersAndGuests: those that begin later are not meant.
func DestroyAllEndsSessionsOfUsersAndGuests(f *Fixture) {
	_, ann := f.Login("ann")
	_, bob := f.Login("bob")
	_, guest, err := f.Store().CreateWith(f.Context(), sessile.NewSession{Guest: true})
	f.Must(err)
	n, err := f.Store().DestroyAll(f.Context())
	if err != nil || n != 3 {
		f.Fatalf("%d sessions ended, %v", n, err)
	}
	for _, t := range []sessile.Token{ann, bob, guest} {
		f.Dead(t)
	}
	_, later := f.Login("ann")
	f.Alive(later)
	if n, err := f.Store().Count(f.Context()); err != nil || n != 1 {
		f.Fatalf("%d sessions are stored, %v", n, err)
	}
}

// DestroyAllExceptKeepsOne: all sessions of the user end but one.
func DestroyAllExceptKeepsOne(f *Fixture) {
	keep, kept := f.Login("ann")
	_, b := f.Login("ann")
	n, err := f.Store().DestroyAllExcept(f.Context(), "ann", keep.ID())
	f.Must(err)
	if n != 1 {
		f.Fatalf("destroyed %d", n)
	}
	f.Alive(kept)
	f.Dead(b)
}

// DestroyAllExceptAWrongIDDestroysNothing: the session to keep must be an active one of the user (S33, a fault of the original).
func DestroyAllExceptAWrongIDDestroysNothing(f *Fixture) {
	_, a := f.Login("ann")
	foreign, _ := f.Login("bob")
	old, _, err := f.Store().CreateWith(f.Context(), sessile.NewSession{UserID: "ann", TTL: time.Minute})
	f.Must(err)
	f.Clock.Advance(time.Minute)
	for _, keep := range []sessile.ID{foreign.ID(), {3}, {}, old.ID()} {
		_, err := f.Store().DestroyAllExcept(f.Context(), "ann", keep)
		f.WantErr(err, sessile.ErrNotFound)
	}
	f.Alive(a)
}
