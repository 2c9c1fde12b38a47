package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// FlushDoesNotReviveADestroyedSession: neither does a Touch, an Update or a rotation (A1, A2, S22, D4).
func FlushDoesNotReviveADestroyedSession(f *Fixture) {
	s, tok := f.Login("ann")
	ctx, later := f.Context(), f.Clock.Now().Add(time.Hour)
	f.Must(f.Store().Flush(ctx, s.ID(), map[string]int{"n": 1}, f.Clock.Now(), later)) // still queued
	f.Must(f.Store().Destroy(ctx, s.ID()))
	f.WantErr(f.Store().Flush(ctx, s.ID(), map[string]int{"n": 2}, f.Clock.Now(), later), sessile.ErrNotFound)
	f.WantErr(f.Store().Touch(ctx, s.ID(), f.Clock.Now(), later), sessile.ErrNotFound)
	_, err := f.Store().Update(ctx, s.ID(), new(sessile.Changes).Set("n", 3))
	f.WantErr(err, sessile.ErrNotFound)
	_, err = f.Store().RotateToken(ctx, s.ID())
	f.WantErr(err, sessile.ErrNotFound)
	f.Must(f.Store().Sync(ctx))
	f.Dead(tok)
}

// FlushReplacesDataAndTimes: the end is never after the absolute deadline (I6).
func FlushReplacesDataAndTimes(f *Fixture) {
	s, tok := f.Login("ann")
	f.Clock.Advance(time.Minute)
	f.Must(f.Store().Flush(f.Context(), s.ID(), map[string]string{"a": "1"}, f.Clock.Now(), f.Clock.Now().Add(time.Hour)))
	got := f.Alive(tok)
	if !got.LastActiveAt().Equal(f.Clock.Now()) || !got.ExpiresAt().Equal(f.Clock.Now().Add(time.Hour)) || string(got.Data().JSON()) != `{"a":"1"}` {
		f.Fatalf("after flush: %v %v %s", got.LastActiveAt(), got.ExpiresAt(), got.Data().JSON())
	}
	f.Must(f.Store().FlushDurable(f.Context(), s.ID(), map[string]string{"b": "2"}, f.Clock.Now(), f.Clock.Now().Add(1000*24*time.Hour)))
	got = f.Alive(tok)
	if !got.ExpiresAt().Equal(got.Deadline()) || string(got.Data().JSON()) != `{"b":"2"}` { // I6
		f.Fatalf("after durable flush: %v %s", got.ExpiresAt(), got.Data().JSON())
	}
	f.WantErr(f.Store().Flush(f.Context(), sessile.ID{4}, nil, f.Clock.Now(), f.Clock.Now()), sessile.ErrNotFound)
}
