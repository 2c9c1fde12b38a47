package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// CloseIsIdempotentAndFinal: Close writes what was acknowledged, and every later call gets ErrClosed (D19).
func CloseIsIdempotentAndFinal(f *Fixture) {
	s, tok := f.Login("ann")
	f.Must(f.Current().Flush(f.Context(), s.ID(), map[string]int{"n": 1}, f.Clock.Now(), f.Clock.Now().Add(time.Hour)))
	f.Must(f.Current().Close())
	f.Must(f.Current().Close())
	_, err := f.Current().ReadByToken(f.Context(), tok)
	f.WantErr(err, sessile.ErrClosed)
	f.WantErr(f.Current().Destroy(f.Context(), s.ID()), sessile.ErrClosed)
	f.WantErr(f.Current().Sync(f.Context()), sessile.ErrClosed)
	f.Reopen()
	if n, _, err := sessile.Get[int](f.Alive(tok), "n"); n != 1 || err != nil {
		f.Fatalf("n is %d, %v", n, err) // nothing was lost
	}
}
