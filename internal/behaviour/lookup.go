package behaviour

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// LookupFindsWhatReadByTokenFinds: so does Read.
func LookupFindsWhatReadByTokenFinds(f *Fixture) {
	s, tok, err := f.Store().CreateWith(f.Context(), sessile.NewSession{
		UserID: "ann", Meta: sessile.NewMeta("192.0.2.1", "Firefox", "en"), Data: map[string]int{"n": 1},
	})
	f.Must(err)
	f.Clock.Advance(time.Hour)
	found := f.found(f.Store().Lookup(f.Context(), tok.Reveal()))
	f.same(found, f.found(f.Store().ReadByToken(f.Context(), tok)))
	f.same(found, f.found(f.Store().Read(f.Context(), s.ID())))
	renewed := f.found(f.Store().Renew(f.Context(), s.ID()))
	f.same(renewed, f.found(f.Store().Read(f.Context(), s.ID())))
}

// LookupThatFindsNothingSaysWhy: it has the errors of ReadByToken, and one for what is no token (S7).
func LookupThatFindsNothingSaysWhy(f *Fixture) {
	s, tok, err := f.Store().Create(f.Context(), sessile.Meta{}, "ann", nil)
	f.Must(err)
	look := func(text string, want error) {
		f.Helper()
		x, err := f.Store().Lookup(f.Context(), text)
		if !errors.Is(err, want) || !x.IsZero() {
			f.Errorf("%v, not %v", err, want)
		}
	}
	for _, text := range []string{"", "x", strings.Repeat("A", 52), tok.Reveal() + "A", strings.Repeat("\n", 52)} {
		look(text, sessile.ErrInvalidToken)
	}
	f.Must(f.Store().Destroy(f.Context(), s.ID()))
	look(tok.Reveal(), sessile.ErrNotFound)
	_, err = f.Store().Renew(f.Context(), s.ID())
	f.WantErr(err, sessile.ErrNotFound)
}

// LookupAfterCloseIsRefused: Renew and Update are refused too.
func LookupAfterCloseIsRefused(f *Fixture) {
	s, tok := f.Login("ann")
	f.Must(f.Current().Close())
	_, err := f.Current().Lookup(f.Context(), tok.Reveal())
	f.WantErr(err, sessile.ErrClosed)
	_, err = f.Current().Renew(f.Context(), s.ID())
	f.WantErr(err, sessile.ErrClosed)
	_, err = f.Current().Update(f.Context(), s.ID(), new(sessile.Changes).Set("n", 1))
	f.WantErr(err, sessile.ErrClosed)
}

// middlewareCalls are calls of a store that package middleware has, and no application.
type middlewareCalls interface {
	Lookup(ctx context.Context, token string) (sessile.Session, bridge.Found, error)
}

// lookup finds what the middleware finds.
func (f *Fixture) lookup(t sessile.Token) (sessile.Session, bridge.Found) {
	f.Helper()
	calls, ok := bridge.Of(f.Store()).(middlewareCalls)
	if !ok {
		f.Fatal("the store has no calls for the middleware")
	}
	x, found, err := calls.Lookup(f.Context(), t.Reveal())
	f.Must(err)
	return x, found
}

// found returns the session of a call that must succeed.
func (f *Fixture) found(s sessile.Session, err error) sessile.Session {
	f.Helper()
	f.Must(err)
	return s
}

// same compares what two sessions say, but for what depends on the token.
func (f *Fixture) same(a, b sessile.Session) {
	f.Helper()
	if x, y := f.text(a), f.text(b); x != y {
		f.Errorf("%s\nwant %s", x, y)
	}
}

func (f *Fixture) text(s sessile.Session) string {
	f.Helper()
	fields, err := json.Marshal(s)
	f.Must(err)
	return string(fields) + string(s.Data().JSON()) + s.Fingerprint()
}
