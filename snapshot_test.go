package sessile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// A Snapshot says of a session what its copy says, whatever became of it meanwhile.
func TestASnapshotSaysWhatTheSessionSays(t *testing.T) {
	suite(t, func(f *fixture) {
		want, tok, err := f.s().CreateWith(f.Context(), sessile.NewSession{
			UserID: "ann", Meta: sessile.NewMeta("192.0.2.1", "Firefox", "en", ""), Data: map[string]int{"n": 1},
		})
		f.must(err)
		f.clock.advance(time.Hour)
		got, err := f.s().Lookup(f.Context(), tok.Reveal())
		f.must(err)
		copied, err := f.s().ReadByToken(f.Context(), tok)
		f.must(err)
		same(f, got, copied)
		if !got.TouchDue() || got.TokenReplaced() || got.Age() != 0 {
			f.Errorf("due %v, replaced %v, age %v", got.TouchDue(), got.TokenReplaced(), got.Age())
		}
		changed, err := f.s().Apply(f.Context(), want.ID, new(sessile.Changes).Set("n", 2), false)
		f.must(err)
		if n, _, _ := sessile.Value[int](changed.Data(), "n"); n != 2 || changed.Age() != time.Hour || changed.TouchDue() {
			f.Errorf("n is %d, age %v, due %v", n, changed.Age(), changed.TouchDue())
		}
		if n, _, _ := sessile.Value[int](got.Data(), "n"); n != 1 {
			f.Errorf("the older one has changed: %d", n)
		}
		renewed, err := f.s().Access(f.Context(), want.ID, false)
		f.must(err)
		same(f, renewed, must(f.s().Read(f.Context(), want.ID)))
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// same compares a snapshot with a copy, field by field.
func same(f *fixture, x sessile.Snapshot, s sessile.Session) {
	f.Helper()
	short := [...]any{x.ID(), x.UserID(), x.UserAgent(), x.Fingerprint(), string(x.Data().JSON()), x.TouchDue(), x.TokenReplaced()}
	long := [...]any{s.ID, s.UserID, s.UserAgent, s.Fingerprint, string(s.Data.JSON()), s.TouchDue, s.TokenReplaced}
	if short != long {
		f.Errorf("%v, want %v", short, long)
	}
	a, b := x.Session(), s
	a.Data, b.Data = sessile.Data{}, sessile.Data{}
	if a != b {
		f.Error("the copies differ")
	}
}

// Lookup has the errors of ReadByToken, and one for what is no token (S7).
func TestALookupThatFindsNothingSaysWhy(t *testing.T) {
	suite(t, func(f *fixture) {
		s, tok, err := f.s().Create(f.Context(), sessile.Meta{}, "ann", nil)
		f.must(err)
		look := func(text string, want error) {
			f.Helper()
			x, err := f.s().Lookup(f.Context(), text)
			if !errors.Is(err, want) || x != (sessile.Snapshot{}) {
				f.Errorf("%v, not %v", err, want)
			}
		}
		for _, text := range []string{"", "x", strings.Repeat("A", 52), tok.Reveal() + "A", strings.Repeat("\n", 52)} {
			look(text, sessile.ErrInvalidToken)
		}
		f.must(f.s().Destroy(f.Context(), s.ID))
		look(tok.Reveal(), sessile.ErrNotFound)
		_, err = f.s().Access(f.Context(), s.ID, false)
		f.wantErr(err, sessile.ErrNotFound)
		_, err = f.s().Apply(f.Context(), s.ID, new(sessile.Changes).Set("n", 1), false)
		f.wantErr(err, sessile.ErrNotFound)
	})
}

func TestAfterCloseNothingIsLookedUp(t *testing.T) {
	f := &fixture{T: t, clock: newClock()}
	s := openIn(t, sessile.Config{})
	created, tok, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
	f.must(err)
	f.must(s.Close())
	_, err = s.Lookup(t.Context(), tok.Reveal())
	f.wantErr(err, sessile.ErrClosed)
	_, err = s.Access(t.Context(), created.ID, false)
	f.wantErr(err, sessile.ErrClosed)
	_, err = s.Apply(t.Context(), created.ID, new(sessile.Changes).Set("n", 1), false)
	f.wantErr(err, sessile.ErrClosed)
}

// S49: a Snapshot prints as its session does.
func TestASnapshotShowsItsIDOnly(t *testing.T) {
	f := &fixture{T: t, clock: newClock()}
	s := openIn(t, sessile.Config{})
	created, tok, err := s.CreateWith(t.Context(), sessile.NewSession{UserID: "ann", Meta: sessile.Meta{Fingerprint: "secret-print"}, Data: map[string]string{"k": "secret-data"}})
	f.must(err)
	x := must(s.Lookup(t.Context(), tok.Reveal()))
	if fmt.Sprint(x) != created.String() {
		t.Errorf("%v", x)
	}
	for _, verb := range verbs() {
		if out := fmt.Sprintf(verb, x); strings.Contains(out, "secret") || strings.Contains(out, tok.Reveal()) {
			t.Errorf("%s shows %s", verb, out)
		}
	}
	if zero := (sessile.Snapshot{}); zero.Session() != (sessile.Session{}) || zero.ID() != (sessile.ID{}) || zero.Age() != 0 ||
		zero.UserID()+zero.UserAgent()+zero.Fingerprint() != "" || zero.Data().Len() != 2 {
		t.Error("the zero Snapshot is some session")
	}
}
